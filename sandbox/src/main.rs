//! The program around the [`sandbox`] library.

mod ca_certificate;
mod command_line;
mod terminal;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use sandbox::cloud::CloudOptions;
use sandbox::{Sandbox, SandboxOptions, loopback};
use tokio::process;

use self::ca_certificate::CaCertificate;
use self::command_line::{Command, CommandLine, StartArguments, TokenArguments};
use self::terminal::{Format, Terminal};

#[tokio::main]
async fn main() -> ExitCode {
    let line = CommandLine::parse();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(io::stderr)
        .init();
    let outcome = match line.command {
        Some(Command::Token(arguments)) => token(&arguments).await,
        Some(Command::Start(arguments)) => start(arguments).await,
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

/// Starts the sandbox and keeps it until it is interrupted.
async fn start(arguments: StartArguments) -> Result<(), String> {
    if !arguments.app_root.join("host.json").is_file() {
        let folder = arguments.app_root.display();
        return Err(format!(
            "no host.json in {folder}: --app-root names the folder of the function app"
        ));
    }
    if !arguments.no_build {
        build_handler(&arguments.app_root).await?;
    }
    let format = if arguments.json {
        Format::Json
    } else {
        Format::Text
    };
    let terminal = Terminal::new(format, arguments.quiet);
    let sandbox = Sandbox::start(SandboxOptions {
        profile: arguments.profile,
        app_root: arguments.app_root,
        port: arguments.port,
        developer: arguments.developer,
        cloud: CloudOptions {
            login_port: arguments.login_port,
            graph_port: arguments.graph_port,
            identity_port: arguments.identity_port,
            strict_resource: arguments.strict_resource,
            tls: arguments.tls,
            ..CloudOptions::default()
        },
        events: terminal.events(),
        ..SandboxOptions::default()
    })
    .await
    .map_err(|error| explain(&error))?;
    for fault in arguments.faults {
        sandbox
            .cloud()
            .faults()
            .add(fault)
            .map_err(|invalid| invalid.to_string())?;
    }

    let ca_certificate = sandbox
        .cloud()
        .ca_certificate_pem()
        .map(CaCertificate::write)
        .transpose()
        .map_err(|error| format!("the certificate cannot be written: {error}"))?;
    terminal.ready(&sandbox, arguments.profile, ca_certificate.as_ref());
    let interruption = interrupted().await;
    sandbox.stop().await;
    interruption.map_err(|error| error.to_string())
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
            format!("{error}\nIs it built? Without --no-build it is.")
        }
        _ => error.to_string(),
    }
}

/// Builds the handler in sight of the user.
async fn build_handler(app_root: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = process::Command::new(cargo)
        .args(["build", "--bin", "handler"])
        .current_dir(app_root)
        .status()
        .await
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(
            "the handler does not build: cargo says above what is wrong with it. \
            --no-build starts the one that was built last"
                .to_owned(),
        )
    }
}

/// Waits for Ctrl-C or, where there is such a thing, a request to terminate.
async fn interrupted() -> io::Result<()> {
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

/// Prints a token of the running sandbox, and nothing else.
async fn token(arguments: &TokenArguments) -> Result<(), String> {
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
