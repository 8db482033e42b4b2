//! The Functions host as MCP clients and custom handlers see it. The handler is a fake: either a server within the
//! test, or this very program in another process.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use function_app::{AppFiles, Platform};
use sandbox::{
    Profile, Sandbox, SandboxOptions, StartError,
    directory::{MCP_SERVER, OTHER_API, TENANT_ID},
    events::{Answer, Event, Events},
    functions_host::{
        AccessKey, FunctionsHost, FunctionsHostOptions, Handler, HandlerCommand, HostTimings,
        handler_process::{Environment, Level, Stream},
    },
    loopback,
};
use serde_json::{Value, json};
use uuid::Uuid;

const GENERIC_ERROR: &str = "An error occurred invoking 'HelloTool'.";

/// A function app in a temporary folder.
struct TestApp(PathBuf);

impl TestApp {
    /// An app with HelloTool, whose handler is this program.
    fn new() -> Self {
        Self::with_trigger(json!({}))
    }

    /// The same with other properties of the trigger.
    fn with_trigger(properties: Value) -> Self {
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
                        "arguments": ["--ignored", "--exact", "the_handler_in_another_process", "--nocapture"],
                    },
                },
                "extensions": { "mcp": { "serverName": "Test", "serverVersion": "2.1", "instructions": "Be kind." } },
            }),
        );
        let mut trigger = json!({
            "type": "mcpToolTrigger",
            "direction": "in",
            "name": "mcpTrigger",
            "toolName": "HelloTool",
            "description": "Says hello",
            "toolProperties": "[]",
            "useResultSchema": true,
        });
        trigger
            .as_object_mut()
            .unwrap()
            .extend(properties.as_object().unwrap().clone());
        app.write("HelloTool/function.json", &json!({ "bindings": [trigger] }));
        app
    }

    fn write(&self, file: &str, content: &Value) {
        fs::write(self.0.join(file), content.to_string()).unwrap();
    }

    fn files(&self) -> AppFiles {
        AppFiles::load(&self.0).unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A handler within the test: it gives one answer and keeps the requests.
struct FakeHandler {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

#[derive(Clone)]
struct Received {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The client's headers in the invocation.
    fn client_headers(&self) -> Value {
        self.call()["transport"]["properties"]["headers"].clone()
    }

    fn call(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let once: String =
            serde_json::from_str(body["Data"]["mcpTrigger"].as_str().unwrap()).unwrap();
        serde_json::from_str(&once).unwrap()
    }
}

#[derive(Clone)]
struct CannedAnswer {
    status: u16,
    content_type: Option<&'static str>,
    body: String,
}

impl FakeHandler {
    fn answering(answer: CannedAnswer) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let listener = loopback::listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let (log, answer) = (Data::new(received.clone()), Data::new(answer));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(log.clone())
                .app_data(answer.clone())
                .default_service(web::to(canned))
        });
        tokio::spawn(
            server
                .workers(1)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run(),
        );
        Self { address, received }
    }

    fn returning(return_value: Value) -> Self {
        Self::answering(CannedAnswer {
            status: 200,
            content_type: Some("application/json"),
            body: json!({ "Outputs": {}, "Logs": [], "ReturnValue": return_value }).to_string(),
        })
    }

    fn greeting() -> Self {
        Self::returning(text_result("Hello", false))
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn canned(
    request: HttpRequest,
    body: Bytes,
    received: Data<Arc<Mutex<Vec<Received>>>>,
    answer: Data<CannedAnswer>,
) -> HttpResponse {
    received.lock().unwrap().push(Received {
        path: request.path().to_owned(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap());
    if let Some(content_type) = answer.content_type {
        response.content_type(content_type);
    }
    response.body(answer.body.clone())
}

/// The return value for a text.
fn text_result(text: &str, is_error: bool) -> Value {
    let content = json!({ "content": [{ "type": "text", "text": text }], "isError": is_error });
    json!({ "type": "call_tool_result", "content": content.to_string() })
        .to_string()
        .into()
}

/// An MCP client that shows what is on the wire.
struct Client {
    url: String,
    headers: Vec<(String, String)>,
}

struct Response {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The one message in the event stream.
    fn message(&self) -> Value {
        let data: Vec<_> = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .collect();
        assert_eq!(data.len(), 1, "{} {}", self.status, self.text);
        serde_json::from_str(data[0].trim()).unwrap()
    }
}

impl Client {
    fn of(host: &FunctionsHost) -> Self {
        Self {
            url: host.mcp_url(),
            headers: Vec::new(),
        }
    }

    fn of_sandbox(sandbox: &Sandbox, person: &str) -> Self {
        let token = sandbox.cloud().access_token(person).unwrap();
        let client = Self {
            url: sandbox.mcp_url(),
            headers: Vec::new(),
        };
        let client = client.with("Authorization", &format!("Bearer {token}"));
        match sandbox.system_key() {
            Some(key) => client.with("x-functions-key", key),
            None => client,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    async fn send(&self, method: &str, body: String) -> Response {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = loopback::client()
            .unwrap()
            .request(method, &self.url)
            .body(body);
        request = request.header("Content-Type", "application/json");
        if !self.headers.iter().any(|(name, _)| name == "Accept") {
            request = request.header("Accept", "application/json, text/event-stream");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    async fn request(&self, method: &str, params: Value) -> Response {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.send("POST", message.to_string()).await
    }

    async fn call_response(&self, arguments: Value) -> Response {
        self.request(
            "tools/call",
            json!({ "name": "HelloTool", "arguments": arguments }),
        )
        .await
    }

    /// Calls HelloTool and returns its result.
    async fn call(&self, arguments: Value) -> Value {
        let message = self.call_response(arguments).await.message();
        assert!(message["result"].is_object(), "{message}");
        message["result"].clone()
    }

    /// Calls HelloTool and returns its text.
    async fn call_text(&self, arguments: Value) -> String {
        self.call(arguments).await["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

fn host_before(handler: &FakeHandler, app: &TestApp) -> FunctionsHost {
    let options =
        FunctionsHostOptions::new(app.files(), Handler::Address(handler.address)).unwrap();
    FunctionsHost::start(options).unwrap()
}

/// Timings with which a call fails right after `functionTimeout`.
fn without_grace() -> HostTimings {
    HostTimings {
        grace: Duration::ZERO,
        ..HostTimings::default()
    }
}

/// A listener that records events.
fn recorder() -> (Events, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = events.clone();
    (
        Events::to(move |event| log.lock().unwrap().push(event)),
        events,
    )
}

// The handler's answers, as clients see them.

#[actix_web::test]
async fn a_tools_own_result_and_its_own_error_reach_the_client_unchanged() {
    let app = TestApp::new();
    for is_error in [false, true] {
        let host = host_before(
            &FakeHandler::returning(text_result("My words", is_error)),
            &app,
        );
        let result = Client::of(&host).call(json!({})).await;
        assert_eq!(
            result,
            json!({ "content": [{ "type": "text", "text": "My words" }], "isError": is_error })
        );
    }
}

#[actix_web::test]
async fn every_failure_of_the_handler_reaches_the_client_in_the_hosts_words() {
    let app = TestApp::new();
    let answer = |status, content_type, body: &str| CannedAnswer {
        status,
        content_type,
        body: body.to_owned(),
    };
    let json = Some("application/json");
    let cases = [
        (answer(500, json, r#"{"ReturnValue":null}"#), "500"),
        (answer(404, json, "{}"), "404"),
        (answer(200, json, "{"), "not JSON"),
        (answer(200, json, "[]"), "not an object"),
        (answer(200, Some("text/plain"), "{}"), "text/plain"),
        (answer(200, None, "{}"), "no content type"),
        (answer(200, json, r#"{"Logs":[{}]}"#), "Logs"),
        (
            answer(200, json, r#"{"ReturnValue":{"type":"text"}}"#),
            "Expected JSON string",
        ),
        (
            answer(200, json, r#"{"ReturnValue":"plain text"}"#),
            "$return",
        ),
    ];
    for (answer, cause) in cases {
        let (events, log) = recorder();
        let handler = FakeHandler::answering(answer.clone());
        let mut options =
            FunctionsHostOptions::new(app.files(), Handler::Address(handler.address)).unwrap();
        options.events = events;
        let host = FunctionsHost::start(options).unwrap();

        let response = Client::of(&host).call_response(json!({})).await;
        assert_eq!(response.status, 200);
        assert_eq!(
            response.message()["result"],
            json!({ "content": [{ "type": "text", "text": GENERIC_ERROR }], "isError": true }),
            "{}",
            answer.body
        );
        let told = log.lock().unwrap().iter().any(|event| {
            matches!(event, Event::ToolCall { answer: Answer::HandlerFailed(text), .. } if text.contains(cause))
        });
        assert!(told, "{cause} is not in {:?}", log.lock().unwrap());
    }
}

#[actix_web::test]
async fn a_refused_connection_is_a_failure_of_the_handler() {
    let app = TestApp::new();
    let nobody = SocketAddr::from(([127, 0, 0, 1], loopback::free_port().unwrap()));
    let host = FunctionsHost::start(
        FunctionsHostOptions::new(app.files(), Handler::Address(nobody)).unwrap(),
    )
    .unwrap();
    assert_eq!(Client::of(&host).call_text(json!({})).await, GENERIC_ERROR);
}

#[actix_web::test]
async fn an_empty_answer_leaves_the_client_waiting_until_the_time_is_over() {
    let app = TestApp::new();
    for (status, body) in [(200, ""), (204, ""), (200, "null")] {
        let body = body.to_owned();
        let handler = FakeHandler::answering(CannedAnswer {
            status,
            content_type: Some("application/json"),
            body,
        });
        let mut options =
            FunctionsHostOptions::new(app.files(), Handler::Address(handler.address)).unwrap();
        options.function_timeout = Some(Duration::from_millis(300));
        options.timings = without_grace();
        let host = FunctionsHost::start(options).unwrap();

        let started = Instant::now();
        assert_eq!(Client::of(&host).call_text(json!({})).await, GENERIC_ERROR);
        assert!(started.elapsed() >= Duration::from_millis(300));
    }
}

#[actix_web::test]
async fn without_a_result_schema_the_return_value_is_the_text() {
    let app = TestApp::with_trigger(json!({ "useResultSchema": false }));
    let host = host_before(&FakeHandler::returning(json!("Hello!")), &app);
    assert_eq!(
        Client::of(&host).call(json!({})).await,
        json!({ "content": [{ "type": "text", "text": "Hello!" }] })
    );
}

#[actix_web::test]
async fn the_handler_is_not_called_for_what_the_extension_refuses() {
    let properties = r#"[{"propertyName":"a","propertyType":"string","description":"A","isRequired":true},
        {"propertyName":"b","propertyType":"number","description":"B","isRequired":true},
        {"propertyName":"c","propertyType":"string","description":"C","isArray":true,"enumValues":["x"]}]"#;
    let app = TestApp::with_trigger(json!({ "toolProperties": properties }));
    let handler = FakeHandler::greeting();
    let host = host_before(&handler, &app);
    let client = Client::of(&host);

    let error = client.call_response(json!({ "a": null })).await.message()["error"].clone();
    let message = "One or more required tool properties are missing values. Please provide: a, b";
    assert_eq!(error, json!({ "code": -32602, "message": message }));

    let unknown = client
        .request("tools/call", json!({ "name": "x" }))
        .await
        .message();
    assert_eq!(
        unknown["error"],
        json!({ "code": -32602, "message": "Unknown tool: 'x'" })
    );

    for method in ["completion/complete", "server/discover", "no/such"] {
        let response = client.request(method, json!({})).await;
        let message = format!("Method '{method}' is not available.");
        assert_eq!(
            response.message()["error"],
            json!({ "code": -32601, "message": message })
        );
    }
    assert!(handler.received().is_empty());

    client
        .call(json!({ "a": "", "b": 1, "unknown": true }))
        .await;
    assert_eq!(host.handler().invocations(), 1);

    let tools = client.request("tools/list", json!({})).await.message()["result"]["tools"].clone();
    assert_eq!(
        tools[0]["inputSchema"],
        json!({
            "type": "object",
            "properties": {
                "a": { "type": "string", "description": "A" },
                "b": { "type": "number", "description": "B" },
                "c": { "type": "array", "items": { "type": "string", "enum": ["x"] }, "description": "C" },
            },
            "required": ["a", "b"],
        })
    );
}

// Calls, as the handler sees them.

#[actix_web::test]
async fn an_invocation_is_posted_to_the_functions_name_whatever_the_case_of_the_tools() {
    let app = TestApp::new();
    let handler = FakeHandler::greeting();
    let host = host_before(&handler, &app);
    Client::of(&host)
        .request("tools/call", json!({ "name": "hellotool" }))
        .await;

    let invocation = handler.received().remove(0);
    assert_eq!(invocation.path, "/HelloTool");
    assert_eq!(
        invocation.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(invocation.header("transfer-encoding"), Some("chunked"));
    assert!(
        invocation
            .header("user-agent")
            .unwrap()
            .starts_with("Azure-Functions-Host/")
    );
    assert!(invocation.header("x-azure-functions-hostversion").is_some());
    invocation
        .header("x-azure-functions-invocationid")
        .unwrap()
        .parse::<Uuid>()
        .unwrap();
    let call = invocation.call();
    assert_eq!(call["name"], "hellotool");
    assert!(call.get("arguments").is_none());
}

#[actix_web::test]
async fn all_headers_of_the_client_reach_the_handler() {
    let app = TestApp::new();
    let handler = FakeHandler::greeting();
    let host = host_before(&handler, &app);
    let introduction = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let initialized = Client::of(&host).request("initialize", introduction).await;
    let session = initialized.header("mcp-session-id").unwrap();
    let client = Client::of(&host)
        .with("Authorization", "Bearer a.b.c")
        .with("Mcp-Session-Id", session)
        .with("MCP-Protocol-Version", "2025-06-18");
    client.call(json!({ "when": "now", "n": 1.50 })).await;

    let invocation = handler.received().remove(0);
    let headers = invocation.client_headers();
    assert_eq!(headers["Authorization"], "Bearer a.b.c");
    assert_eq!(headers["Host"], json!(client.url.split('/').nth(2)));
    assert_eq!(headers["Accept"], "application/json, text/event-stream");
    assert_eq!(headers["mcp-protocol-version"], "2025-06-18");
    assert_eq!(invocation.call()["sessionid"], session);
    assert_eq!(invocation.call()["transport"]["sessionId"], session);
    assert_eq!(
        invocation.call()["arguments"],
        json!({ "when": "now", "n": 1.5 })
    );
}

#[actix_web::test]
async fn requests_for_another_host_name_are_refused_unless_the_host_is_as_in_azure() {
    let app = TestApp::new();
    for (answers_any_host, expected) in [(false, 403), (true, 200)] {
        let handler = FakeHandler::greeting();
        let mut options =
            FunctionsHostOptions::new(app.files(), Handler::Address(handler.address)).unwrap();
        options.answers_any_host = answers_any_host;
        let host = FunctionsHost::start(options).unwrap();
        let rebound = Client::of(&host).with("Host", "evil.example");
        let response = rebound.request("ping", json!({})).await;
        assert_eq!(response.status, expected);
        let own = Client::of(&host).request("ping", json!({})).await;
        assert_eq!(own.status, 200);
    }
}

#[actix_web::test]
async fn under_core_tools_the_body_comes_with_its_length() {
    let app = TestApp::new();
    let handler = FakeHandler::greeting();
    let mut options =
        FunctionsHostOptions::new(app.files(), Handler::Address(handler.address)).unwrap();
    options.platform = Platform::CoreTools;
    let host = FunctionsHost::start(options).unwrap();
    Client::of(&host).call(json!({})).await;

    let invocation = handler.received().remove(0);
    assert_eq!(
        invocation.header("content-length"),
        Some(invocation.body.len().to_string().as_str())
    );
    assert_eq!(invocation.header("transfer-encoding"), None);
}

#[actix_web::test]
async fn a_call_goes_on_when_its_client_goes_away() {
    let app = TestApp::new();
    let handler = FakeHandler::answering(CannedAnswer {
        status: 200,
        content_type: Some("application/json"),
        body: String::new(),
    });
    let (events, log) = recorder();
    let mut options =
        FunctionsHostOptions::new(app.files(), Handler::Address(handler.address)).unwrap();
    options.function_timeout = Some(Duration::from_millis(500));
    options.timings = without_grace();
    options.events = events;
    let host = FunctionsHost::start(options).unwrap();

    let client = Client::of(&host);
    let impatient = tokio::time::timeout(Duration::from_millis(200), client.call(json!({}))).await;
    assert!(impatient.is_err());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(
        log.lock()
            .unwrap()
            .iter()
            .any(|event| matches!(event, Event::ToolCall { .. }))
    );
}

// The MCP endpoint.

#[actix_web::test]
async fn the_server_introduces_itself_as_host_json_says() {
    let app = TestApp::new();
    let host = host_before(&FakeHandler::greeting(), &app);
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-06-18"),
        ("2026-07-28", "2025-06-18"),
        ("nonsense", "2025-06-18"),
    ] {
        let params = json!({
            "protocolVersion": asked,
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let response = Client::of(&host).request("initialize", params).await;
        assert_eq!(response.header("content-type"), Some("text/event-stream"));
        assert_eq!(response.header("cache-control"), Some("no-cache,no-store"));
        assert!(response.header("mcp-session-id").is_some());
        assert_eq!(
            response.message()["result"],
            json!({
                "protocolVersion": answered,
                "capabilities": { "logging": {}, "prompts": {}, "resources": {}, "tools": {} },
                "serverInfo": { "name": "Test", "version": "2.1" },
                "instructions": "Be kind.",
            })
        );
    }
}

#[actix_web::test]
async fn the_tools_are_those_of_the_function_json_files() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let app = TestApp::with_trigger(json!({
        "useWorkerInputSchema": true,
        "inputSchema": schema.to_string(),
        "outputSchema": schema.to_string(),
        "metadata": "{\"b\":1}",
    }));
    let host = host_before(&FakeHandler::greeting(), &app);
    let message = Client::of(&host)
        .request("tools/list", json!({}))
        .await
        .message();
    assert_eq!(
        message["result"],
        json!({
            "tools": [{
                "name": "HelloTool",
                "description": "Says hello",
                "inputSchema": schema,
                "outputSchema": schema,
                "_meta": { "b": 1 },
            }],
        })
    );
}

#[actix_web::test]
async fn only_posts_that_accept_both_media_types_are_answered() {
    let app = TestApp::new();
    let host = host_before(&FakeHandler::greeting(), &app);
    for method in ["GET", "DELETE", "PUT", "OPTIONS"] {
        let response = Client::of(&host).send(method, String::new()).await;
        assert_eq!((response.status, response.text.as_str()), (405, ""));
    }

    let response = Client::of(&host)
        .with("Accept", "application/json")
        .call_response(json!({}))
        .await;
    assert_eq!(response.status, 406);
    let body: Value = serde_json::from_str(&response.text).unwrap();
    let message = "Not Acceptable: Client must accept both application/json and text/event-stream";
    assert_eq!(
        body,
        json!({ "jsonrpc": "2.0", "id": "", "error": { "code": -32000, "message": message } })
    );

    assert_eq!(
        Client::of(&host)
            .with("Accept", "*/*")
            .call_text(json!({}))
            .await,
        "Hello"
    );
}

#[actix_web::test]
async fn notifications_are_accepted_and_broken_messages_are_not() {
    let app = TestApp::new();
    let host = host_before(&FakeHandler::greeting(), &app);
    let client = Client::of(&host);
    for message in [
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
    ] {
        let response = client.send("POST", message.to_string()).await;
        assert_eq!((response.status, response.text.as_str()), (202, ""));
        assert_eq!(response.header("content-type"), None);
    }
    assert_eq!(client.send("POST", "null".into()).await.status, 400);
    assert_eq!(client.send("POST", "{".into()).await.status, 500);
    assert_eq!(
        client.request("ping", json!({})).await.message()["result"],
        json!({})
    );
}

#[actix_web::test]
async fn later_revisions_of_the_protocol_are_not_noticed() {
    let app = TestApp::new();
    let host = host_before(&FakeHandler::greeting(), &app);
    let client = Client::of(&host)
        .with("MCP-Protocol-Version", "2031-01-01")
        .with("Mcp-Method", "other");
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let message = client
        .request("tools/call", json!({ "name": "HelloTool", "_meta": meta }))
        .await
        .message();
    assert_eq!(message["result"]["content"][0]["text"], "Hello");
}

#[actix_web::test]
async fn a_call_without_the_system_key_is_refused() {
    let app = TestApp::new();
    let handler = FakeHandler::greeting();
    let mut options =
        FunctionsHostOptions::new(app.files(), Handler::Address(handler.address)).unwrap();
    let key = AccessKey::random();
    options.system_key = Some(key.clone());
    let host = FunctionsHost::start(options).unwrap();

    for client in [
        Client::of(&host),
        Client::of(&host).with("x-functions-key", "wrong"),
    ] {
        let response = client.call_response(json!({})).await;
        assert_eq!((response.status, response.text.as_str()), (401, ""));
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    assert!(handler.received().is_empty());

    assert_eq!(
        Client::of(&host)
            .with("x-functions-key", key.as_str())
            .call_text(json!({}))
            .await,
        "Hello"
    );
    let mut client = Client::of(&host);
    client.url += &format!("?code={}", key.as_str());
    assert_eq!(client.call_text(json!({})).await, "Hello");
}

// The handler's process. It is this program, and it does what the argument `do` says.

#[test]
#[ignore = "the handler of the tests below, which they start as a process of its own"]
fn the_handler_in_another_process() {
    if let Ok(code) = std::env::var("TEST_EXIT_AT_START") {
        eprintln!("a setting is missing");
        process::exit(code.parse().unwrap());
    }
    // Without the variable, this test was not started by another.
    let Ok(port) = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT") else {
        return;
    };
    let port: u16 = port.parse().unwrap();
    actix_web::rt::System::new().block_on(async move {
        println!("listening");
        HttpServer::new(|| App::new().default_service(web::to(obey)))
            .workers(1)
            .bind(("127.0.0.1", port))
            .unwrap()
            .run()
            .await
            .unwrap();
    });
}

async fn obey(request: HttpRequest, body: Bytes) -> HttpResponse {
    if request.method() == actix_web::http::Method::GET {
        return HttpResponse::Ok().finish();
    }
    let received = Received {
        path: String::new(),
        headers: Vec::new(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let order = received.call()["arguments"]["do"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let text = match order.split_once(' ').unwrap_or((&order, "")) {
        ("exit", code) => process::exit(code.parse().unwrap()),
        ("env", name) => std::env::var(name).unwrap_or_else(|_| "(not set)".into()),
        ("headers", _) => received.client_headers().to_string(),
        ("directory", _) => std::env::current_dir().unwrap().display().to_string(),
        ("stderr", line) => {
            eprintln!("{line}");
            String::new()
        }
        _ => "Hello".to_owned(),
    };
    HttpResponse::Ok().json(json!({ "ReturnValue": text_result(&text, false) }))
}

fn start_process(app: &TestApp, environment: &[(&str, &str)]) -> FunctionsHost {
    let variables: Vec<_> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect();
    let files = app.files();
    let command = HandlerCommand::new(&files, None, Environment::new(move || variables.clone()));
    let options = FunctionsHostOptions::new(files, Handler::Command(command)).unwrap();
    FunctionsHost::start(options).unwrap()
}

async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn the_process_gets_the_hosts_variables_and_the_apps_folder() {
    let app = TestApp::new();
    let host = start_process(&app, &[("OWN", "value")]);
    let client = Client::of(&host);
    let variable = async |name: &str| {
        client
            .call_text(json!({ "do": format!("env {name}") }))
            .await
    };

    assert_eq!(variable("OWN").await, "value");
    assert_eq!(
        variable("FUNCTIONS_HTTPWORKER_PORT").await,
        variable("FUNCTIONS_CUSTOMHANDLER_PORT").await
    );
    assert_eq!(
        variable("FUNCTIONS_HTTPWORKER_ID").await,
        variable("FUNCTIONS_CUSTOMHANDLER_WORKER_ID").await
    );
    assert_eq!(
        variable("FUNCTIONS_APP_ROOT_PATH").await,
        app.0.display().to_string()
    );
    assert_eq!(
        client.call_text(json!({ "do": "directory" })).await,
        app.0.canonicalize().unwrap().display().to_string()
    );
    assert!(host.handler().start_up().unwrap() < Duration::from_secs(10));
    assert!(host.handler().pid().is_some());
    host.stop().await;
}

#[actix_web::test]
async fn lines_of_the_process_are_kept_with_the_level_that_the_host_gives_them() {
    let app = TestApp::new();
    let host = start_process(&app, &[]);
    let client = Client::of(&host);
    for line in ["something broke", "warning: slow"] {
        client.call(json!({ "do": format!("stderr {line}") })).await;
    }
    let limit = Duration::from_secs(10);
    let level = async |text: &str| {
        let line = host.handler().wait_for_log(text, limit).await.unwrap();
        (line.stream, line.level)
    };
    assert_eq!(
        level("listening").await,
        (Stream::Stdout, Level::Information)
    );
    assert_eq!(
        level("something broke").await,
        (Stream::Stderr, Level::Error)
    );
    assert_eq!(
        level("warning: slow").await,
        (Stream::Stderr, Level::Warning)
    );
    assert!(
        host.handler()
            .wait_for_log("never written", Duration::from_millis(50))
            .await
            .is_none()
    );
}

#[actix_web::test]
async fn a_stopped_host_leaves_no_process_behind() {
    let app = TestApp::new();
    let host = start_process(&app, &[]);
    host.handler().ready().await.unwrap();
    #[cfg(target_os = "linux")]
    let process = PathBuf::from(format!("/proc/{}", host.handler().pid().unwrap()));
    host.stop().await;
    #[cfg(target_os = "linux")]
    assert!(!process.exists());
}

// The whole sandbox.

async fn sandbox(app: &TestApp, profile: Profile) -> Sandbox {
    Sandbox::start(SandboxOptions {
        profile,
        app_root: app.0.clone(),
        ..SandboxOptions::default()
    })
    .await
    .unwrap()
}

#[actix_web::test]
async fn a_handler_that_does_not_stay_keeps_the_sandbox_from_starting() {
    let app = TestApp::new();
    let error = Sandbox::start(SandboxOptions {
        app_root: app.0.clone(),
        extra_env: vec![("TEST_EXIT_AT_START".into(), "3".into())],
        ..SandboxOptions::default()
    })
    .await
    .unwrap_err();
    assert!(matches!(error, StartError::Handler(_)));
    assert!(
        error.to_string().contains("a setting is missing"),
        "{error}"
    );

    let error = Sandbox::start(SandboxOptions {
        app_root: app.0.clone(),
        handler: Some("no-such-program".into()),
        ..SandboxOptions::default()
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("no-such-program"), "{error}");
}

#[actix_web::test]
async fn a_caller_who_is_not_signed_in_gets_a_challenge() {
    let app = TestApp::new();
    let sandbox = sandbox(&app, Profile::Azure).await;
    let ada = || Client::of_sandbox(&sandbox, "ada");

    let stranger = sandbox
        .cloud()
        .access_token_spec("ada")
        .unwrap()
        .claim("aud", OTHER_API.client_id);
    let stranger = format!("Bearer {}", sandbox.cloud().sign(stranger));
    for client in [
        ada().without("Authorization"),
        ada().with("Authorization", "Bearer nonsense"),
        ada().with("Authorization", &stranger),
    ] {
        for method in ["POST", "GET"] {
            let response = client.send(method, "{}".into()).await;
            assert_eq!(response.status, 401);
            let challenge = response.header("www-authenticate").unwrap();
            let metadata = challenge
                .split("resource_metadata=\"")
                .nth(1)
                .unwrap()
                .trim_end_matches('"');
            let metadata: Value = loopback::client()
                .unwrap()
                .get(metadata)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            assert_eq!(metadata["resource"], json!(sandbox.mcp_url()));
            let issuer = format!("{}/{TENANT_ID}/v2.0", sandbox.cloud().authority());
            assert_eq!(metadata["authorization_servers"], json!([issuer]));
            assert_eq!(
                metadata["scopes_supported"],
                json!([format!("{}/user_impersonation", sandbox.mcp_url())])
            );
        }
    }

    let without_key = ada()
        .without("x-functions-key")
        .call_response(json!({}))
        .await;
    assert_eq!(without_key.status, 403);
    assert_eq!(without_key.header("www-authenticate"), None);
    assert_eq!(ada().send("GET", String::new()).await.status, 405);
    assert_eq!(sandbox.handler().invocations(), 0);
    sandbox.stop().await;
}

#[actix_web::test]
async fn a_token_of_an_application_that_is_not_allowed_is_forbidden() {
    let app = TestApp::new();
    let sandbox = sandbox(&app, Profile::Azure).await;
    let token = sandbox
        .cloud()
        .access_token_spec("ada")
        .unwrap()
        .claim("azp", OTHER_API.client_id);
    let token = format!("Bearer {}", sandbox.cloud().sign(token));
    let client = Client::of_sandbox(&sandbox, "ada").with("Authorization", &token);
    assert_eq!(client.call_response(json!({})).await.status, 403);
}

#[actix_web::test]
async fn the_handler_gets_the_caller_in_headers_that_a_client_cannot_forge() {
    let app = TestApp::new();
    let sandbox = sandbox(&app, Profile::Azure).await;
    let client = Client::of_sandbox(&sandbox, "grace")
        .with("X-MS-CLIENT-PRINCIPAL-NAME", "forged")
        .with("X-MS-TOKEN-AAD-ID-TOKEN", "forged");
    let headers: Value =
        serde_json::from_str(&client.call_text(json!({ "do": "headers" })).await).unwrap();

    let grace = sandbox.cloud().directory().person("grace").unwrap();
    assert_eq!(
        headers["X-MS-CLIENT-PRINCIPAL-NAME"],
        json!(grace.user_principal_name)
    );
    assert_eq!(headers["X-MS-CLIENT-PRINCIPAL-ID"], json!(grace.object_id));
    assert_eq!(headers["X-MS-CLIENT-PRINCIPAL-IDP"], "aad");
    assert_eq!(headers.get("X-MS-TOKEN-AAD-ID-TOKEN"), None);
    let token = headers["Authorization"]
        .as_str()
        .unwrap()
        .trim_start_matches("Bearer ");
    assert_eq!(headers["X-MS-TOKEN-AAD-ACCESS-TOKEN"], json!(token));

    let principal = BASE64_STANDARD
        .decode(headers["X-MS-CLIENT-PRINCIPAL"].as_str().unwrap())
        .unwrap();
    let principal: Value = serde_json::from_slice(&principal).unwrap();
    assert_eq!(principal["auth_typ"], "aad");
    let claim = |name: &str| {
        let claims = principal["claims"].as_array().unwrap();
        claims
            .iter()
            .find(|claim| claim["typ"] == name)
            .map(|claim| claim["val"].clone())
    };
    assert_eq!(
        claim("http://schemas.microsoft.com/identity/claims/tenantid"),
        Some(json!(TENANT_ID))
    );
    assert_eq!(
        claim("http://schemas.microsoft.com/identity/claims/objectidentifier"),
        Some(json!(grace.object_id))
    );
    assert_eq!(claim("aud"), Some(json!(MCP_SERVER.client_id)));
}

#[actix_web::test]
async fn a_handler_in_azure_has_a_managed_identity_and_a_fresh_header_at_each_start() {
    let app = TestApp::new();
    app.write(
        "local.settings.json",
        &json!({
            "IsEncrypted": false,
            "Values": {
                "FUNCTIONS_WORKER_RUNTIME": "custom",
                "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                "ONLY_LOCAL": "1",
            },
        }),
    );
    let sandbox = sandbox(&app, Profile::Azure).await;
    let client = Client::of_sandbox(&sandbox, "ada");
    let variable = async |name: &str| {
        client
            .call_text(json!({ "do": format!("env {name}") }))
            .await
    };

    assert_eq!(
        variable("IDENTITY_ENDPOINT").await,
        sandbox.cloud().identity_endpoint()
    );
    assert_eq!(
        variable("AZURE_AUTHORITY_HOST").await,
        sandbox.cloud().authority()
    );
    assert_eq!(
        variable("WEBSITE_AUTH_CLIENT_ID").await,
        MCP_SERVER.client_id
    );
    assert_eq!(
        variable("WEBSITE_HOSTNAME").await,
        client.url.split('/').nth(2).unwrap()
    );
    assert_eq!(variable("AZURE_FUNCTIONS_ENVIRONMENT").await, "(not set)");
    assert_eq!(variable("ONLY_LOCAL").await, "(not set)");

    let header = variable("IDENTITY_HEADER").await;
    client.call(json!({ "do": "exit 200" })).await;
    wait_until("it is started again", || sandbox.handler().restarts() == 1).await;
    assert_ne!(variable("IDENTITY_HEADER").await, header);
}

#[actix_web::test]
async fn a_handler_on_a_laptop_has_the_local_settings_and_the_developers_tools() {
    let app = TestApp::new();
    app.write(
        "local.settings.json",
        &json!({
            "IsEncrypted": false,
            "Values": {
                "FUNCTIONS_WORKER_RUNTIME": "custom",
                "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                "AZURE_TENANT_ID": "placeholder",
                "ONLY_LOCAL": "1",
            },
        }),
    );
    let sandbox = sandbox(&app, Profile::Local).await;
    assert_eq!(sandbox.system_key(), None);
    let client = Client {
        url: sandbox.mcp_url(),
        headers: Vec::new(),
    };
    let variable = async |name: &str| {
        client
            .call_text(json!({ "do": format!("env {name}") }))
            .await
    };

    assert_eq!(variable("AZURE_FUNCTIONS_ENVIRONMENT").await, "Development");
    assert_eq!(variable("ONLY_LOCAL").await, "1");
    assert_eq!(variable("AZURE_TENANT_ID").await, TENANT_ID);
    assert_eq!(variable("IDENTITY_ENDPOINT").await, "(not set)");
    assert!(variable("WEBSITE_HOSTNAME").await.starts_with("localhost:"));

    let path = variable("PATH").await;
    let tools = sandbox.developer_tools().unwrap();
    let az = || {
        process::Command::new(if cfg!(windows) { "cmd" } else { "sh" })
            .args([
                if cfg!(windows) { "/C" } else { "-c" },
                "az account get-access-token -o json --scope a/.default",
            ])
            .env("PATH", &path)
            .output()
            .unwrap()
    };
    let output = az();
    assert!(output.status.success());
    let output: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output["expires_on"].is_i64());
    assert_eq!(output["tenant"], TENANT_ID);
    let token = output["accessToken"].as_str().unwrap();
    let me = format!("{}/v1.0/me", sandbox.cloud().graph());
    let me = loopback::client()
        .unwrap()
        .get(me)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        me.json::<Value>().await.unwrap()["displayName"],
        "Ada Lovelace"
    );
    assert_eq!(
        tools.az_calls(),
        ["account get-access-token -o json --scope a/.default"]
    );

    tools.sign_out().unwrap();
    let output = az();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr).trim(),
        "ERROR: Please run 'az login' to setup account."
    );
    tools.sign_in().unwrap();
    assert!(az().status.success());
}

#[actix_web::test]
async fn a_taken_port_and_an_unknown_developer_are_named() {
    let app = TestApp::new();
    let taken = loopback::listen(0).unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = SandboxOptions {
        app_root: app.0.clone(),
        port,
        ..SandboxOptions::default()
    };
    let error = Sandbox::start(options).await.unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");

    let error = Sandbox::start(SandboxOptions {
        app_root: app.0.clone(),
        profile: Profile::Local,
        developer: "eve".into(),
        ..SandboxOptions::default()
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("ada"), "{error}");
}
