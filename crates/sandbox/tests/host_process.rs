//! The Functions host and the process of its handler, by the recorded rules of the real host
//! (`recordings/functions-host`). The handler is this very program in another process.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process, thread,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    web::{self, Bytes},
};
use function_app::{AppFiles, Platform};
use sandbox::{
    Profile, Sandbox, SandboxOptions, StartError,
    functions_host::{
        FunctionsHost, FunctionsHostOptions, Handler, HandlerCommand, HostTimings,
        handler_process::Environment,
    },
    loopback,
};
use serde_json::{Value, json};
use uuid::Uuid;

const GENERIC_ERROR: &str = "An error occurred invoking 'HelloTool'.";

/// The variable that says what the handler does when it starts.
const AT_START: &str = "TEST_AT_START";

/// Longer than anything should take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A function app in a temporary folder.
struct TestApp(PathBuf);

impl TestApp {
    /// An app with HelloTool, whose handler is this program.
    fn new() -> Self {
        let app =
            Self(std::env::temp_dir().join(format!("sandbox-test-{}", Uuid::new_v4().simple())));
        fs::create_dir_all(app.0.join("HelloTool")).unwrap();
        app.set_custom_handler(&json!({
            "description": {
                "defaultExecutablePath": std::env::current_exe().unwrap(),
                "arguments":
                    ["--ignored", "--exact", "the_handler_in_another_process", "--nocapture"],
            },
        }));
        app.write(
            "HelloTool/function.json",
            &json!({ "bindings": [{
                "type": "mcpToolTrigger",
                "direction": "in",
                "name": "mcpTrigger",
                "toolName": "HelloTool",
                "description": "Says hello",
            }] }),
        );
        app
    }

    /// The same with another executable, relative to the app's folder.
    fn with_executable(description: &Value) -> Self {
        let app = Self::new();
        app.set_custom_handler(&json!({ "description": description }));
        app
    }

    fn set_custom_handler(&self, custom_handler: &Value) {
        self.write(
            "host.json",
            &json!({
                "version": "2.0",
                "extensionBundle": {
                    "id": "Microsoft.Azure.Functions.ExtensionBundle",
                    "version": "[4.36.0, 5.0.0)",
                },
                "customHandler": custom_handler,
            }),
        );
    }

    fn write(&self, file: &str, content: &Value) {
        fs::write(self.0.join(file), content.to_string()).unwrap();
    }

    /// A script that starts this program as the handler.
    #[cfg(unix)]
    fn write_script(&self, file: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let program = std::env::current_exe().unwrap();
        let arguments = "--ignored --exact the_handler_in_another_process --nocapture";
        let script = format!("#!/bin/sh\nexec '{}' {arguments}\n", program.display());
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn start(&self, environment: &[(&str, Option<&str>)]) -> FunctionsHost {
        self.start_with(environment, |_| ())
    }

    fn start_with(
        &self,
        environment: &[(&str, Option<&str>)],
        change: impl FnOnce(&mut FunctionsHostOptions),
    ) -> FunctionsHost {
        let mut variables: Vec<_> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect();
        // This machine may itself be a container that has a name.
        if !environment
            .iter()
            .any(|(name, _)| *name == "CONTAINER_NAME")
        {
            variables.push(("CONTAINER_NAME".into(), None));
        }
        let files = AppFiles::load_with_settings(&self.0, Platform::Azure, []).unwrap();
        let environment = Environment::new(move || variables.clone());
        let command = HandlerCommand::new(&files, None, environment);
        let mut options = FunctionsHostOptions::new(files, Handler::Command(command)).unwrap();
        options.timings = short();
        change(&mut options);
        FunctionsHost::start(options).unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Timings in seconds instead of minutes. A call's wait for the handler is longer than the handler's start.
fn short() -> HostTimings {
    HostTimings {
        grace: Duration::from_millis(500),
        wait_for_handler: PATIENCE,
        farewell: Duration::from_millis(500),
        ..HostTimings::default()
    }
}

async fn try_request(url: &str, method: &str, params: Value) -> reqwest::Result<Value> {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    // A client of its own each time: a new connection.
    let response = loopback::client()
        .unwrap()
        .post(url)
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(message.to_string())
        .send()
        .await?;
    let text = response.text().await?;
    let data = text.lines().find_map(|line| line.strip_prefix("data:"));
    Ok(data.map_or(Value::String(text.clone()), |data| {
        serde_json::from_str(data.trim()).unwrap()
    }))
}

/// Calls HelloTool and returns its text.
async fn call(host: &FunctionsHost, order: &str) -> String {
    call_at(&host.mcp_url(), order).await
}

async fn call_at(url: &str, order: &str) -> String {
    let params = json!({ "name": "HelloTool", "arguments": { "do": order } });
    let answer = try_request(url, "tools/call", params).await.unwrap();
    let text = &answer["result"]["content"][0]["text"];
    text.as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

async fn tools(url: &str) -> Value {
    let answer = try_request(url, "tools/list", json!({})).await.unwrap();
    answer["result"]["tools"][0]["name"].clone()
}

/// Whether the host refuses connections.
async fn refuses_connections(host: &FunctionsHost) -> bool {
    try_request(&host.mcp_url(), "ping", json!({}))
        .await
        .is_err_and(|error| error.is_connect())
}

async fn wait_until(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the host has seen that the process ended. The client may hear of it first.
async fn restarted(host: &FunctionsHost, times: u32) {
    wait_until("it is started again", async || {
        host.handler().restarts() == times
    })
    .await;
}

// The handler. It does what the variable says when it starts, and what a call says.

#[test]
#[ignore = "the handler of the tests below, which they start as a process of its own"]
fn the_handler_in_another_process() {
    // Without the variable, this test was not started by another.
    let Ok(port) = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT") else {
        return;
    };
    let port: u16 = port.parse().unwrap();
    let at_start = std::env::var(AT_START).unwrap_or_default();
    match at_start.split_once(' ').unwrap_or((&at_start, "")) {
        ("exit", code) => process::exit(code.parse().unwrap()),
        ("sleep", _) => thread::sleep(PATIENCE * 10),
        ("wait", milliseconds) => {
            thread::sleep(Duration::from_millis(milliseconds.parse().unwrap()));
        }
        ("first", answer) => answer_once(port, answer),
        _ => {}
    }
    println!("listening");
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(|| App::new().default_service(web::to(obey)))
            .workers(1)
            // Otherwise it would end with 0 after SIGTERM.
            .disable_signals()
            .bind((Ipv4Addr::LOCALHOST, port))
            .unwrap()
            .run()
            .await
            .unwrap();
    });
}

/// Prints the host's first request, and answers it with this status or, for 0, not at all.
fn answer_once(port: u16, status: &str) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let mut head = [0; 4096];
    let length = connection.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..length]);
    println!("asked {head:?} at {port}");
    if status != "0" {
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        connection.write_all(answer.as_bytes()).unwrap();
    }
}

async fn obey(request: HttpRequest, body: Bytes) -> HttpResponse {
    if request.method() == actix_web::http::Method::GET {
        return HttpResponse::Ok().finish();
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let once: String = serde_json::from_str(body["Data"]["mcpTrigger"].as_str().unwrap()).unwrap();
    let invocation: Value = serde_json::from_str(&once).unwrap();
    let order = invocation["arguments"]["do"].as_str().unwrap_or_default();
    match order.split_once(' ').unwrap_or((order, "")) {
        ("exit", code) => process::exit(code.parse().unwrap()),
        ("kill", signal) => {
            process::Command::new("sh")
                .args(["-c", &format!("kill -{signal} {}", process::id())])
                .status()
                .unwrap();
            std::future::pending().await
        }
        ("hang", _) => std::future::pending().await,
        ("env", name) => {
            let value = std::env::var(name).unwrap_or_else(|_| "(not set)".to_owned());
            return HttpResponse::Ok().json(json!({ "ReturnValue": value }));
        }
        ("wait", milliseconds) => {
            tokio::time::sleep(Duration::from_millis(milliseconds.parse().unwrap())).await;
        }
        _ => {}
    }
    HttpResponse::Ok().json(json!({ "ReturnValue": "Hello" }))
}

// The start.

#[actix_web::test]
async fn the_host_asks_with_nothing_but_a_host_header_and_any_answer_will_do() {
    let app = TestApp::new();
    for status in ["200", "404", "500", "0"] {
        let host = app.start(&[(AT_START, Some(&format!("first {status}")))]);
        host.handler().started().await.unwrap();
        let line = host
            .handler()
            .wait_for_log("asked", PATIENCE)
            .await
            .unwrap();
        let port = line.text.rsplit(' ').next().unwrap();
        let head = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        assert_eq!(line.text, format!("asked {head:?} at {port}"));
        assert_eq!(host.handler().restarts(), 0);
    }
}

#[actix_web::test]
async fn tools_are_listed_before_the_handler_listens_and_calls_wait_for_it() {
    let app = TestApp::new();
    let host = app.start(&[(AT_START, Some("wait 1500"))]);
    assert_eq!(tools(&host.mcp_url()).await, "HelloTool");
    assert_eq!(host.handler().start_up(), None, "it listens already");
    assert_eq!(call(&host, "").await, "Hello");
    assert!(host.handler().start_up().is_some());
}

#[cfg(unix)]
#[actix_web::test]
async fn a_relative_executable_is_looked_for_in_the_apps_folder_alone() {
    let app = TestApp::with_executable(&json!({
        "defaultExecutablePath": "bin/handler",
        "workingDirectory": "elsewhere",
    }));
    app.write_script("elsewhere/bin/handler", 0o755);
    let host = app.start(&[]);
    let error = host.handler().started().await.unwrap_err().to_string();
    assert!(error.contains("Failed to start Worker Channel."), "{error}");

    app.write_script("bin/handler", 0o755);
    let host = app.start(&[]);
    assert_eq!(call(&host, "").await, "Hello");
}

#[actix_web::test]
async fn a_handler_that_cannot_be_started_is_not_tried_again_and_lets_calls_wait() {
    let app = TestApp::with_executable(&json!({ "defaultExecutablePath": "no-such-handler" }));
    let wait = Duration::from_secs(1);
    let host = app.start_with(&[], |options| options.timings.wait_for_handler = wait);
    let error = host.handler().started().await.unwrap_err().to_string();
    assert!(error.contains("no-such-handler"), "{error}");

    assert_eq!(tools(&host.mcp_url()).await, "HelloTool");
    let started = Instant::now();
    assert_eq!(call(&host, "").await, GENERIC_ERROR);
    assert!(started.elapsed() >= wait, "the call did not wait");
    assert_eq!(host.handler().restarts(), 0);
    assert!(!refuses_connections(&host).await);
}

#[cfg(unix)]
#[actix_web::test]
async fn in_a_container_with_a_name_the_host_makes_the_handler_executable() {
    use std::os::unix::fs::PermissionsExt as _;
    let app = TestApp::with_executable(&json!({ "defaultExecutablePath": "handler" }));
    app.write_script("handler", 0o644);
    let host = app.start(&[]);
    let error = host.handler().started().await.unwrap_err().to_string();
    assert!(error.contains("Permission denied"), "{error}");

    let host = app.start(&[("CONTAINER_NAME", Some("container"))]);
    assert_eq!(call(&host, "").await, "Hello");
    let mode = fs::metadata(app.0.join("handler"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[actix_web::test]
async fn a_handler_that_never_listens_is_started_three_times_and_then_given_up() {
    let app = TestApp::new();
    let mut host: Value =
        serde_json::from_str(&fs::read_to_string(app.0.join("host.json")).unwrap()).unwrap();
    host["customHandler"]["initializationTimeout"] = json!("00:00:01");
    app.write("host.json", &host);
    let host = app.start(&[(AT_START, Some("sleep"))]);
    // A caller of `started` gets the failure at once.
    let error = host.handler().started().await.unwrap_err().to_string();
    assert!(
        error.contains("Initializing HttpWorker timed out."),
        "{error}"
    );
    assert_eq!(tools(&host.mcp_url()).await, "HelloTool");
    wait_until("it is given up", async || refuses_connections(&host).await).await;
    assert_eq!(host.handler().restarts(), 2);
}

#[actix_web::test]
async fn an_exit_with_0_before_the_first_answer_is_noticed_here_and_not_by_the_host() {
    let app = TestApp::new();
    let host = app.start(&[(AT_START, Some("exit 0"))]);
    let error = host.handler().started().await.unwrap_err().to_string();
    assert!(error.contains("exited with code 0 before"), "{error}");
    assert_eq!(host.handler().restarts(), 0);
    assert_eq!(tools(&host.mcp_url()).await, "HelloTool");
}

// The end of a process.

#[actix_web::test]
async fn any_end_but_an_exit_with_0_is_followed_by_another_start() {
    let app = TestApp::new();
    let mut orders = vec!["exit 1", "exit 3", "exit 200"];
    if cfg!(unix) {
        orders.extend(["kill KILL", "kill TERM"]);
    }
    for order in orders {
        let host = app.start(&[]);
        assert_eq!(call(&host, order).await, GENERIC_ERROR, "{order}");
        restarted(&host, 1).await;
        assert_eq!(call(&host, "").await, "Hello", "after {order}");
    }

    let host = app.start(&[]);
    assert_eq!(call(&host, "exit 0").await, GENERIC_ERROR);
    wait_until("it is gone", async || host.handler().pid().is_none()).await;
    for _ in 0..2 {
        assert_eq!(call(&host, "").await, GENERIC_ERROR);
    }
    assert_eq!(host.handler().restarts(), 0);
}

#[actix_web::test]
async fn an_exit_with_200_is_not_counted() {
    let app = TestApp::new();
    let host = app.start(&[]);
    for restart in 1..=4 {
        assert_eq!(call(&host, "exit 200").await, GENERIC_ERROR);
        restarted(&host, restart).await;
        assert_eq!(call(&host, "").await, "Hello");
    }
}

#[actix_web::test]
async fn the_third_failure_ends_the_host() {
    let app = TestApp::new();
    let host = app.start(&[]);
    for restart in 1..=2 {
        assert_eq!(call(&host, "exit 1").await, GENERIC_ERROR);
        restarted(&host, restart).await;
        assert_eq!(call(&host, "").await, "Hello");
    }
    let still_running = tokio::time::timeout(Duration::from_millis(100), host.ended()).await;
    assert!(still_running.is_err());

    assert_eq!(call(&host, "exit 1").await, GENERIC_ERROR);
    wait_until("connections are refused", async || {
        refuses_connections(&host).await
    })
    .await;
    tokio::time::timeout(PATIENCE, host.ended()).await.unwrap();
    assert_eq!(host.handler().restarts(), 2);
}

// Calls that take too long, and the end of the host.

#[actix_web::test]
async fn a_call_that_takes_too_long_costs_all_others_their_answers_and_is_not_counted() {
    let app = TestApp::new();
    let limit = Duration::from_secs(1);
    let host = app.start_with(&[], |options| options.function_timeout = Some(limit));
    // One time more than failures are tolerated.
    for round in 1..=4 {
        host.handler().ready().await.unwrap();
        let started = Instant::now();
        let late = async {
            tokio::time::sleep(short().grace).await;
            call(&host, "hang").await
        };
        let (hanging, other) = tokio::join!(call(&host, "hang"), late);
        assert_eq!([hanging.as_str(), other.as_str()], [GENERIC_ERROR; 2]);
        let elapsed = started.elapsed();
        assert!(elapsed >= limit + short().grace, "no grace: {elapsed:?}");
        assert_eq!(call(&host, "").await, "Hello");
        assert_eq!(host.handler().restarts(), round);
    }
}

#[actix_web::test]
async fn a_host_that_is_stopped_finishes_its_calls_and_kills_its_handler() {
    let app = TestApp::new();
    let host = app.start(&[]);
    host.handler().ready().await.unwrap();
    let url = host.mcp_url();
    let params = json!({ "name": "HelloTool", "arguments": { "do": "wait 2000" } });
    let call = actix_web::rt::spawn(async move { try_request(&url, "tools/call", params).await });
    wait_until("the call is in flight", async || {
        host.handler().invocations() == 1
    })
    .await;
    #[cfg(target_os = "linux")]
    let process = PathBuf::from(format!("/proc/{}", host.handler().pid().unwrap()));

    let url = host.mcp_url();
    let refused = actix_web::rt::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1000)).await;
        try_request(&url, "ping", json!({})).await
    });
    host.stop().await;
    let refused = refused.await.unwrap();
    assert!(refused.is_err_and(|error| error.is_connect()));
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "Hello");
    #[cfg(target_os = "linux")]
    assert!(!process.exists());
}

#[actix_web::test]
async fn an_idle_connection_does_not_keep_a_host_from_stopping() {
    let app = TestApp::new();
    let host = app.start(&[]);
    let client = loopback::client().unwrap();
    // The client keeps its connection.
    let response = client.get(host.mcp_url().replace("/runtime/webhooks/mcp", "/"));
    let response = response.send().await.unwrap();
    assert!(response.status().is_success());
    response.bytes().await.unwrap();
    let drain = HostTimings::default().drain;
    tokio::time::timeout(drain / 2, host.stop()).await.unwrap();
}

// The whole sandbox.

fn options(app: &TestApp) -> SandboxOptions {
    SandboxOptions {
        app_root: app.0.clone(),
        app_service_auth: false,
        ..SandboxOptions::default()
    }
}

/// The URL of the endpoint with the key.
fn url_with_key(sandbox: &Sandbox) -> String {
    format!(
        "{}?code={}",
        sandbox.mcp_url(),
        sandbox.system_key().unwrap()
    )
}

#[actix_web::test]
async fn an_app_that_keeps_the_host_down_is_refused_or_answered_with_503_as_in_azure() {
    let app = TestApp::new();
    fs::create_dir(app.0.join("Twin")).unwrap();
    fs::copy(
        app.0.join("HelloTool/function.json"),
        app.0.join("Twin/function.json"),
    )
    .unwrap();
    let error = Sandbox::start(options(&app)).await.unwrap_err();
    assert!(matches!(error, StartError::App(_)));
    assert!(error.to_string().contains("Twin/function.json"), "{error}");

    let sandbox = Sandbox::start(SandboxOptions {
        as_azure: true,
        ..options(&app)
    })
    .await
    .unwrap();
    assert!(sandbox.app().is_none());
    let trouble = sandbox.handler().trouble().unwrap().to_string();
    assert!(trouble.contains("Twin/function.json"), "{trouble}");
    for path in ["/", "/runtime/webhooks/mcp", "/anything"] {
        let url = sandbox.mcp_url().replace("/runtime/webhooks/mcp", path);
        let response = loopback::client().unwrap().get(url).send().await.unwrap();
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key("content-type"));
        assert_eq!(
            response.text().await.unwrap(),
            "Function host is not running."
        );
    }
}

#[actix_web::test]
async fn a_handler_that_cannot_be_started_is_refused_or_leaves_its_tools_listed_as_in_azure() {
    let app = TestApp::with_executable(&json!({ "defaultExecutablePath": "no-such-handler" }));
    let error = Sandbox::start(options(&app)).await.unwrap_err();
    assert!(matches!(error, StartError::Handler(_)));

    let sandbox = Sandbox::start(SandboxOptions {
        as_azure: true,
        ..options(&app)
    })
    .await
    .unwrap();
    assert_eq!(tools(&url_with_key(&sandbox)).await, "HelloTool");
}

#[actix_web::test]
async fn a_level_of_authorization_that_the_host_does_not_know_fails_every_call() {
    let app = TestApp::new();
    const LEVEL: &str = "AzureFunctionsJobHost__extensions__mcp__system__webhookAuthorizationLevel";
    let options = |level: &str, as_azure| SandboxOptions {
        extra_env: vec![(LEVEL.to_owned(), level.to_owned())],
        as_azure,
        ..options(&app)
    };
    let error = Sandbox::start(options("Function", false))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("webhookAuthorizationLevel"),
        "{error}"
    );

    for (level, status) in [("Function", 500), ("anonymous", 200)] {
        let sandbox = Sandbox::start(options(level, true)).await.unwrap();
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        let response = loopback::client()
            .unwrap()
            .post(sandbox.mcp_url())
            .header("Content-Type", "application/json")
            .header("Accept", "*/*")
            .body(message.to_string());
        assert_eq!(response.send().await.unwrap().status(), status, "{level}");
    }
}

#[actix_web::test]
async fn local_settings_count_on_a_laptop_and_not_in_azure() {
    let app = TestApp::new();
    app.write(
        "local.settings.json",
        &json!({
            "IsEncrypted": false,
            "Values": {
                "FUNCTIONS_WORKER_RUNTIME": "custom",
                "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                "AzureFunctionsJobHost__extensions__mcp__serverName": "Local",
            },
        }),
    );
    for (profile, name) in [
        (Profile::Azure, "Azure Functions MCP server"),
        (Profile::Local, "Local"),
    ] {
        let sandbox = Sandbox::start(SandboxOptions {
            profile,
            ..options(&app)
        })
        .await
        .unwrap();
        assert_eq!(sandbox.app().unwrap().host.mcp.name, name);
    }
}

#[actix_web::test]
async fn the_handler_inherits_what_the_platform_or_core_tools_set_for_the_host() {
    let app = TestApp::new();
    app.write(
        "local.settings.json",
        &json!({
            "IsEncrypted": false,
            "Values": {
                "FUNCTIONS_WORKER_RUNTIME": "custom",
                "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                "EMPTY": "",
            },
        }),
    );
    let root = app.0.display().to_string();
    for (profile, variables) in [
        (
            Profile::Local,
            vec![
                ("AZURE_FUNCTIONS_ENVIRONMENT", "Development"),
                ("AzureWebJobsScriptRoot", root.as_str()),
                ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
                ("AzureFunctionsJobHost__SequentialRestart", "true"),
                ("EMPTY", "(not set)"),
                ("WEBSITE_AUTH_ENABLED", "(not set)"),
            ],
        ),
        (
            Profile::Azure,
            vec![
                ("AZURE_FUNCTIONS_ENVIRONMENT", "(not set)"),
                ("FUNCTIONS_WORKER_RUNTIME", "custom"),
                ("WEBSITE_AUTH_ENABLED", "True"),
                ("CONTAINER_NAME", "(not set)"),
                ("AzureFunctionsJobHost__SequentialRestart", "(not set)"),
            ],
        ),
    ] {
        let sandbox = Sandbox::start(SandboxOptions {
            profile,
            ..options(&app)
        })
        .await
        .unwrap();
        let url = match profile {
            Profile::Azure => url_with_key(&sandbox),
            Profile::Local => sandbox.mcp_url(),
        };
        for (name, value) in variables {
            assert_eq!(call_at(&url, &format!("env {name}")).await, value, "{name}");
        }
    }
}
