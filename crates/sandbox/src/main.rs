//! The program around the [`sandbox`] library.

mod command_line;
mod terminal;

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use clap::Parser as _;
use function_app::cargo;
use sandbox::{
    Profile, Sandbox, SandboxOptions,
    cloud::CloudOptions,
    events::Events,
    faults::Fault,
    loopback,
    replay::{self, Differences},
};
use tokio::{process, time::sleep};

use self::{
    command_line::{Command, CommandLine, ReplayArguments, StartArguments, TokenArguments},
    terminal::{Format, Terminal},
};

#[tokio::main]
async fn main() -> ExitCode {
    let line = CommandLine::parse();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(io::stderr)
        .init();
    let outcome = match line.command {
        Some(Command::Token(arguments)) => print_token(&arguments).await,
        Some(Command::Start(arguments)) => start(arguments).await,
        Some(Command::Replay(arguments)) => replay(&arguments).await,
        Some(Command::ScriptedHandler) => {
            let served = replay::scripted_handler().await;
            served.map_err(|error| error.to_string())
        }
        None => start(line.start).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Starts the sandbox and runs it until it is interrupted.
async fn start(arguments: StartArguments) -> Result<(), String> {
    refuse_folder_without_app(&arguments.app_root)?;
    let handler = if arguments.no_build {
        find_built_handler(&arguments.app_root)
    } else {
        Some(build_handler(&arguments.app_root).await?)
    };
    let format = if arguments.json {
        Format::Json
    } else {
        Format::Text
    };
    let terminal = Terminal::new(format, arguments.quiet);
    let options = options(&arguments, handler, terminal.events());
    let sandbox = Sandbox::start(options)
        .await
        .map_err(|error| explain(&error))?;
    inject(&sandbox, arguments.faults)?;
    terminal.ready(&sandbox, arguments.profile);
    run(sandbox, arguments.as_azure).await
}

fn refuse_folder_without_app(app_root: &Path) -> Result<(), String> {
    if app_root.join("host.json").is_file() {
        return Ok(());
    }
    let folder = app_root.display();
    Err(format!(
        "no host.json in {folder}: --app-root names the folder of the function app"
    ))
}

/// The options of the sandbox that the arguments ask for.
fn options(arguments: &StartArguments, handler: Option<PathBuf>, events: Events) -> SandboxOptions {
    SandboxOptions {
        profile: arguments.profile,
        app_root: arguments.app_root.clone(),
        handler: match arguments.profile {
            // host.json names the file in the package.
            Profile::Azure => handler,
            // local.settings.json names the file that was built.
            Profile::Local => None,
        },
        as_azure: arguments.as_azure,
        port: arguments.port,
        developer: arguments.developer.clone(),
        identifier_uri: arguments.identifier_uri,
        cloud: CloudOptions {
            login_port: arguments.login_port,
            graph_port: arguments.graph_port,
            identity_port: arguments.identity_port,
            lenient_resource: arguments.lenient_resource,
            tls: arguments.tls,
            ..CloudOptions::default()
        },
        events,
        ..SandboxOptions::default()
    }
}

/// Injects the faults into the cloud.
fn inject(sandbox: &Sandbox, faults: Vec<Fault>) -> Result<(), String> {
    for fault in faults {
        sandbox
            .cloud()
            .faults()
            .add(fault)
            .map_err(|invalid| invalid.to_string())?;
    }
    Ok(())
}

/// Runs the sandbox until it is interrupted or its host has ended, which is no failure with `as_azure`.
async fn run(sandbox: Sandbox, as_azure: bool) -> Result<(), String> {
    tokio::select! {
        interruption = wait_for_interrupt() => {
            interruption.map_err(|error| error.to_string())?;
            stop(sandbox).await;
            Ok(())
        }
        () = sandbox.host_ended() => {
            let trouble = sandbox.handler().trouble();
            let trouble = trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
            let message = format!(
                "the Functions host has ended because the handler failed too often: {trouble}\n\
                Azure would start another host"
            );
            if as_azure {
                eprintln!("{message}");
                return Ok(());
            }
            Err(message)
        }
    }
}

/// Stops the sandbox. A second interrupt ends the wait for calls in flight.
async fn stop(sandbox: Sandbox) {
    let patience = async {
        sleep(Duration::from_secs(1)).await;
        eprintln!("waiting for calls in flight; press Ctrl-C again to stop at once");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sandbox.stop() => {}
        _ = wait_for_interrupt() => {}
        () = patience => {}
    }
}

fn explain(error: &sandbox::StartError) -> String {
    match error {
        sandbox::StartError::Io(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
            format!(
                "{error}\nIs another sandbox or `func start` running? \
                --help lists the options that move the ports."
            )
        }
        sandbox::StartError::Handler(_) => {
            format!("{error}\nIs the handler built? Omit --no-build to build it.")
        }
        _ => error.to_string(),
    }
}

/// Builds the handler, with cargo's output on the terminal, and returns its path.
async fn build_handler(app_root: &Path) -> Result<PathBuf, String> {
    let output = process::Command::from(cargo::command())
        // With the features that the tests of the workspace have: one selection of members alone
        // would compile the same dependencies once more.
        .args(["build", "--workspace", "--bin", "handler"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(app_root)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo cannot be started: {error}"))?
        .wait_with_output()
        .await
        .map_err(|error| format!("waiting for cargo failed: {error}"))?;
    if !output.status.success() {
        return Err("the handler does not build: cargo's errors are above. \
            --no-build starts the handler that was built last"
            .to_owned());
    }
    cargo::executable(&output.stdout, "handler")
        .ok_or_else(|| "cargo does not name the handler's executable".to_owned())
}

/// The handler that cargo built last, if there is one. A package has its own.
fn find_built_handler(app_root: &Path) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let name = format!("handler{}", std::env::consts::EXE_SUFFIX);
    let handler = app_root.join(target).join("debug").join(name);
    handler.is_file().then_some(handler)
}

/// Waits for Ctrl-C or, on Unix, for SIGTERM.
async fn wait_for_interrupt() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = tokio::signal::ctrl_c() => outcome,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Prints a token from the running sandbox, and nothing else.
async fn print_token(arguments: &TokenArguments) -> Result<(), String> {
    let TokenArguments { person, login_port } = arguments;
    let client = loopback::client().map_err(|error| error.to_string())?;
    let url = format!("http://127.0.0.1:{login_port}/sandbox/token/{person}");
    let response = client.get(url).send().await.map_err(|error| {
        if error.is_connect() {
            format!(
                "no sandbox is running on port {login_port}; start one with: cargo run -p sandbox"
            )
        } else {
            error.to_string()
        }
    })?;
    let succeeded = response.status().is_success();
    let text = response.text().await.map_err(|error| error.to_string())?;
    if !succeeded {
        return Err(text);
    }
    println!("{text}");
    Ok(())
}

/// Replays recordings of the real host and prints how the sandbox differs.
async fn replay(arguments: &ReplayArguments) -> Result<(), String> {
    let differences = match &arguments.differences {
        Some(file) => Differences::read(file),
        None => Differences::own(),
    };
    let differences = differences.map_err(|error| error.to_string())?;
    let report = replay::replay(&arguments.folder, &arguments.groups, &differences)
        .await
        .map_err(|error| error.to_string())?;
    print!("{report}");
    if report.is_expected() {
        Ok(())
    } else {
        Err("the sandbox differs from the recordings".to_owned())
    }
}
