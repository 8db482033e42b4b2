//! The program, as people and other programs start it. The handler is this very program in another
//! process, which does nothing but answer the host's probe.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Lines, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{self, Child, ChildStdout, Command, Stdio},
    thread,
};

use sandbox::{
    directory::{IDENTIFIER_URI, MANAGED_IDENTITY},
    loopback,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// A function app in a temporary folder.
struct TestApp(PathBuf);

impl TestApp {
    fn new() -> Self {
        let app =
            Self(std::env::temp_dir().join(format!("sandbox-test-{}", Uuid::new_v4().simple())));
        fs::create_dir_all(app.0.join("HelloTool")).unwrap();
        app.write(
            "host.json",
            &json!({
                "version": "2.0",
                "extensionBundle": {
                    "id": "Microsoft.Azure.Functions.ExtensionBundle",
                    "version": "[4.36.0, 5.0.0)",
                },
                "customHandler": {
                    "description": {
                        "defaultExecutablePath": std::env::current_exe().unwrap(),
                        "arguments": ["--ignored", "--exact", "the_handler_in_another_process"],
                    },
                },
            })
            .to_string(),
        );
        let trigger = json!({
            "type": "mcpToolTrigger",
            "direction": "in",
            "name": "mcpTrigger",
            "toolName": "HelloTool",
            "description": "Says hello",
            "toolProperties": "[]",
        });
        app.write(
            "HelloTool/function.json",
            &json!({ "bindings": [trigger] }).to_string(),
        );
        app
    }

    fn write(&self, file: &str, content: &str) {
        fs::write(self.0.join(file), content).unwrap();
    }

    /// The program in the app's folder, on any ports.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_sandbox"));
        program
            .args([
                "--port",
                "0",
                "--login-port",
                "0",
                "--graph-port",
                "0",
                "--identity-port",
                "0",
            ])
            .args(arguments)
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", self.0.join("target"))
            // For the developer's tools, which a program that is killed leaves behind.
            .env(if cfg!(windows) { "TEMP" } else { "TMPDIR" }, &self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        program
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.program(arguments).arg("--no-build").spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program while it runs.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn json_line(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Everything up to the banner's last line.
    fn banner(&mut self) -> Vec<String> {
        let mut banner = Vec::new();
        while banner
            .last()
            .is_none_or(|line| line != "Ctrl-C stops the sandbox.")
        {
            banner.push(self.line());
        }
        banner
    }

    /// Kills the program, and returns the rest of its output.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let rest: Vec<_> = self.lines.by_ref().map(Result::unwrap).collect();
        rest.join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of a row of the banner, as a shell script finds it.
fn value<'a>(banner: &'a [String], title: &str) -> &'a str {
    banner
        .iter()
        .find_map(|line| {
            line.strip_prefix("  ")?
                .strip_prefix(title)?
                .strip_prefix(' ')
        })
        .and_then(|value| value.split_whitespace().next())
        .unwrap_or_else(|| panic!("no {title} in {banner:#?}"))
}

async fn get(url: &str) -> reqwest::Response {
    loopback::client().unwrap().get(url).send().await.unwrap()
}

#[test]
#[ignore = "the handler of the tests below, which they start as a process of its own"]
fn the_handler_in_another_process() {
    // Without the variable, this test was not started by another.
    let Ok(port) = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT") else {
        return;
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    // The handler shares the program's standard input, and so notices the end of the test.
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    for connection in listener.incoming() {
        let mut connection = connection.unwrap();
        let _ = connection.read(&mut [0; 4096]);
        let _ = connection
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

#[actix_web::test]
async fn the_first_line_of_json_has_the_addresses_and_keys() {
    let app = TestApp::new();
    let mut program = app.start(&["--json"]);
    let ready = program.json_line();
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["profile"], "azure");
    assert!(ready["system_key"].is_string());
    assert!(ready["sign_in"]["client_id"].is_string());
    assert!(
        ready["sign_in"]["url"]
            .as_str()
            .unwrap()
            .ends_with("/.auth/login/aad")
    );
    let authority = ready["authority"].as_str().unwrap();
    assert!(ready["issuer"].as_str().unwrap().starts_with(authority));
    assert_eq!(ready["control_url"], format!("{authority}/sandbox"));

    get(ready["mcp_url"].as_str().unwrap()).await;
    loop {
        let event = program.json_line();
        assert!(event["time"].is_string());
        if event["event"] == "exchange" {
            assert_eq!(event["from"], "client");
            assert_eq!(event["to"], "app_service_auth");
            assert_eq!(event["request"], "GET /runtime/webhooks/mcp");
            assert_eq!(event["status"], 401);
            break;
        }
        assert!(event["event"].as_str().unwrap().starts_with("handler_"));
    }
}

#[actix_web::test]
async fn the_banner_holds_what_a_newcomer_needs() {
    let app = TestApp::new();
    let mut program = app.start(&[]);
    let banner = program.banner();
    let url = value(&banner, "MCP endpoint");
    let key = value(&banner, "System key");
    let control_url = value(&banner, "Control API");
    assert!(get(control_url).await.status().is_success());
    assert!(
        get(value(&banner, "Sign-in page"))
            .await
            .status()
            .is_success()
    );
    assert_eq!(get(url).await.status(), 401);

    let text = banner.join("\n");
    for part in [
        format!("curl -s {url} "),
        format!("-H 'x-functions-key: {key}'"),
        format!("Bearer $(curl -s {control_url}/token/ada)"),
        "@modelcontextprotocol/inspector --cli".to_owned(),
        "mcp-remote".to_owned(),
        format!("--client-id {}", value(&banner, "Client id")),
        "alan (has not consented to Graph)".to_owned(),
    ] {
        assert!(text.contains(&part), "no {part} in {text}");
    }
    let (_, configuration) = text.split_once(".vscode/mcp.json:").unwrap();
    let configuration: Value = serde_json::Deserializer::from_str(configuration)
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    let server = &configuration["servers"]["sandbox"];
    assert_eq!(server["url"], url);
    assert_eq!(server["headers"], json!({ "x-functions-key": key }));
    assert!(!text.contains('\x1b'), "no colours but on a terminal");
}

#[test]
fn on_a_laptop_there_is_nothing_to_sign_in_to() {
    let app = TestApp::new();
    let mut program = app.start(&["--profile", "local", "--developer", "grace"]);
    let banner = program.banner();
    assert_eq!(value(&banner, "Developer"), "grace,");
    let text = banner.join("\n");
    for part in [
        "System key",
        "x-functions-key",
        "Sign-in page",
        "--client-id",
        "Bearer",
    ] {
        assert!(!text.contains(part), "{part} in {text}");
    }
}

#[actix_web::test]
async fn quiet_is_quiet_after_the_banner() {
    let app = TestApp::new();
    let mut program = app.start(&["--quiet"]);
    let banner = program.banner();
    get(value(&banner, "MCP endpoint")).await;
    assert_eq!(program.stop(), "");
}

#[actix_web::test]
async fn an_app_is_registered_by_its_endpoint_and_its_origin_under_both_names_of_the_machine() {
    let app = TestApp::new();
    let ready = app.start(&["--json"]).json_line();
    let endpoint = ready["mcp_url"].as_str().unwrap();
    let origin = endpoint.strip_suffix("/runtime/webhooks/mcp").unwrap();
    let localhost = |url: &str| url.replace("127.0.0.1", "localhost");
    assert_eq!(
        ready["sign_in"]["resources"],
        json!([
            endpoint,
            origin,
            localhost(endpoint),
            localhost(origin),
            IDENTIFIER_URI
        ])
    );
    assert_eq!(
        ready["sign_in"]["scope"],
        format!("{endpoint}/user_impersonation")
    );
}

#[actix_web::test]
async fn entra_is_as_strict_as_the_real_one_by_default() {
    let app = TestApp::new();
    // The endpoint is an identifier URI of the app, and what clients send.
    assert_eq!(resource_refused(&app, &[]).await, None);
    let api = &["--identifier-uri", "api"][..];
    let refused = resource_refused(&app, api).await.unwrap();
    assert!(refused.contains("AADSTS9010010"), "{refused}");
    let lenient = [api, &["--lenient-resource"]].concat();
    assert_eq!(resource_refused(&app, &lenient).await, None);
}

/// The redirect with which Entra refuses a client that sends the MCP endpoint as its `resource`, if it refuses.
async fn resource_refused(app: &TestApp, options: &[&str]) -> Option<String> {
    let mut program = app.start(&[&["--json"], options].concat());
    let ready = program.json_line();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let authorize = format!(
        "{}/{}/oauth2/v2.0/authorize",
        text(&ready["authority"]),
        text(&ready["tenant_id"])
    );
    // Installs the TLS provider.
    loopback::client().unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let response = client.get(authorize).query(&[
        ("client_id", text(&ready["sign_in"]["client_id"])),
        ("response_type", "code".to_owned()),
        ("redirect_uri", "http://localhost:3334/callback".to_owned()),
        ("scope", text(&ready["sign_in"]["scope"])),
        ("resource", text(&ready["mcp_url"])),
    ]);
    let response = response.send().await.unwrap();
    let location = response.headers().get("location")?;
    Some(location.to_str().unwrap().to_owned())
}

#[actix_web::test]
async fn the_banner_has_the_resource_that_entra_accepts() {
    let app = TestApp::new();
    let resource = |options: &[&str]| {
        let banner = app.start(options).banner();
        (
            value(&banner, "Resource").to_owned(),
            value(&banner, "Scope").to_owned(),
            value(&banner, "MCP endpoint").to_owned(),
        )
    };
    let (accepted, scope, endpoint) = resource(&[]);
    assert_eq!(accepted, endpoint);
    assert_eq!(scope, format!("{endpoint}/user_impersonation"));

    let (accepted, scope, _) = resource(&["--identifier-uri", "api"]);
    assert_eq!(accepted, IDENTIFIER_URI);
    assert_eq!(scope, format!("{IDENTIFIER_URI}/user_impersonation"));

    let (accepted, ..) = resource(&["--lenient-resource"]);
    assert_eq!(accepted, "ignored");
}

#[actix_web::test]
async fn clients_that_require_https_find_the_certificate_to_trust() {
    let app = TestApp::new();
    let mut program = app.start(&["--json", "--tls"]);
    let ready = program.json_line();
    let text = |name: &str| ready[name].as_str().unwrap();
    let certificate = fs::read(text("ca_certificate")).unwrap();
    // Installs the TLS provider.
    loopback::client().unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&certificate).unwrap()])
        .build()
        .unwrap();
    let metadata = format!(
        "{}/{}/v2.0/.well-known/openid-configuration",
        text("tls_authority"),
        text("tenant_id")
    );
    let metadata = client.get(metadata).send().await.unwrap();
    assert!(metadata.status().is_success());

    let me = format!("{}/v1.0/me", text("tls_graph"));
    let refused = client.get(me).send().await.unwrap();
    assert_eq!(refused.status(), 401);

    let identity = client
        .get(text("identity_endpoint"))
        .query(&[
            ("api-version", "2019-08-01"),
            ("resource", "api://AzureADTokenExchange"),
            ("client_id", MANAGED_IDENTITY.client_id),
        ])
        .header("X-IDENTITY-HEADER", text("identity_header"));
    assert!(identity.send().await.unwrap().status().is_success());
}

#[test]
fn a_handler_that_does_not_build_is_reported_by_cargo_and_by_the_sandbox() {
    let app = TestApp::new();
    app.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nedition = \"2024\"\n[[bin]]\nname = \"handler\"\npath = \"main.rs\"\n[workspace]\n",
    );
    app.write("main.rs", "fn main() { undefined() }");
    let output = app.program(&[]).output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("cannot find function `undefined`"), "{told}");
    assert!(
        told.ends_with("--no-build starts the handler that was built last\n"),
        "{told}"
    );
}

/// A tool of the same name as HelloTool.
fn add_twin(app: &TestApp) {
    fs::create_dir(app.0.join("Twin")).unwrap();
    fs::copy(
        app.0.join("HelloTool/function.json"),
        app.0.join("Twin/function.json"),
    )
    .unwrap();
}

#[test]
fn an_app_that_keeps_the_host_down_is_refused_in_clear_words() {
    let app = TestApp::new();
    add_twin(&app);
    let output = app.program(&["--no-build"]).output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("Twin/function.json: bindings: toolName: \"HelloTool\" is also the tool"),
        "{told}"
    );
}

#[actix_web::test]
async fn an_app_that_keeps_the_host_down_is_answered_with_503_as_in_azure() {
    let app = TestApp::new();
    add_twin(&app);
    let mut program = app.start(&["--as-azure", "--profile", "local"]);
    let banner = program.banner();
    let response = get(value(&banner, "MCP endpoint")).await;
    assert_eq!(response.status(), 503);
    let body = response.text().await.unwrap();
    assert_eq!(body, "Function host is not running.");
    let told = "the Functions host does not start: Twin/function.json";
    assert!(banner.join("\n").contains(told), "{banner:?}");
}

#[test]
fn a_function_that_the_host_leaves_out_is_reported_to_people_and_programs() {
    let app = TestApp::new();
    fs::create_dir(app.0.join("Silent")).unwrap();
    let function = fs::read_to_string(app.0.join("HelloTool/function.json")).unwrap();
    app.write(
        "Silent/function.json",
        &function.replace("\"description\"", "\"d\""),
    );
    let told = "the host leaves Silent out: Silent/function.json: bindings[0].description";

    let banner = app.start(&["--quiet"]).banner();
    assert!(banner.join("\n").contains(told), "{banner:?}");

    let mut program = app.start(&["--json"]);
    assert_eq!(program.json_line()["event"], "ready");
    let event = program.json_line();
    assert_eq!(event["event"], "app_problem");
    assert!(
        event["problem"].as_str().unwrap().starts_with(told),
        "{event}"
    );
}

#[test]
fn the_program_ends_with_its_host_when_the_handler_has_failed_too_often() {
    let app = TestApp::new();
    let host = fs::read_to_string(app.0.join("host.json")).unwrap();
    let mut host: Value = serde_json::from_str(&host).unwrap();
    // The handler ends at once, since it has no such option.
    host["customHandler"]["description"]["arguments"] = json!(["--no-such-option"]);
    app.write("host.json", &host.to_string());

    let output = app.program(&["--no-build"]).output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("the handler did not start"), "{told}");

    let mut program = app.program(&["--no-build", "--as-azure"]).spawn().unwrap();
    let status = program.wait().unwrap();
    assert!(status.success());
    let mut told = String::new();
    program.stderr.unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("the Functions host has ended"), "{told}");
}

#[test]
fn a_folder_without_a_function_app_is_named() {
    let app = TestApp::new();
    fs::remove_file(app.0.join("host.json")).unwrap();
    let output = app.program(&["--no-build"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("no host.json in ."), "{told}");
}

#[test]
fn the_help_lists_every_option_and_gives_examples() {
    let app = TestApp::new();
    let output = app.program(&["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for part in [
        "--profile",
        "--port",
        "--tls",
        "--identifier-uri",
        "--lenient-resource",
        "--as-azure",
        "replay",
        "--quiet",
        "--json",
        "token",
        "Examples:",
    ] {
        assert!(help.contains(part), "no {part} in {help}");
    }
}
