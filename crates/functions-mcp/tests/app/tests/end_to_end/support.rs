//! Starts a sandbox with the handler of the test app, and MCP clients for its people.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::Duration,
};

use rmcp::{
    RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::RunningService,
    transport::{
        StreamableHttpClientTransport,
        streamable_http_client::{StreamableHttpClient, StreamableHttpClientTransportConfig},
    },
};
use sandbox::{
    Profile, Sandbox, SandboxOptions,
    cloud::CloudOptions,
    events::{Answer as HostAnswer, Event, Events},
    faults::{Effect, Endpoint, Fault},
    ledger::LedgerSnapshot,
};
use serde_json::Value;

/// The time limit of every wait: more than enough on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running app. On drop, its log and answers are searched for secrets.
pub struct App {
    pub sandbox: Sandbox,
    answers: Mutex<String>,
}

/// The answer to a tool call.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub text: String,
    pub structured: Option<Value>,
    pub is_error: bool,
}

/// An MCP client of one person.
pub type Client = RunningService<RoleClient, ()>;

impl App {
    /// Starts the app as in Azure.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts the app with changed options.
    pub async fn start_with(change: impl FnOnce(&mut SandboxOptions)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut options = options();
        change(&mut options);
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            answers: Mutex::default(),
        }
    }

    /// Starts the app as Core Tools do.
    pub async fn start_locally() -> Self {
        Self::start_with(|options| options.profile = Profile::Local).await
    }

    /// Connects an MCP client with a token of `person`.
    pub async fn client(&self, person: &str) -> Client {
        let token = self.sandbox.cloud().access_token(person).unwrap();
        self.client_with(&[("authorization", &format!("Bearer {token}"))])
            .await
    }

    /// Connects an MCP client that sends `headers`, and the system key if there is one.
    pub async fn client_with(&self, headers: &[(&str, &str)]) -> Client {
        // Like rmcp's own client, without idle connections: the server may close one just as it is reused.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build();
        self.client_over(http.unwrap(), headers).await
    }

    /// Connects an MCP client that uses `http`.
    pub async fn client_over<C>(&self, http: C, headers: &[(&str, &str)]) -> Client
    where
        C: StreamableHttpClient + Send + Sync + 'static,
    {
        let key = self
            .sandbox
            .system_key()
            .map(|key| ("x-functions-key", key));
        let headers: HashMap<_, _> = headers
            .iter()
            .copied()
            .chain(key)
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.sandbox.mcp_url())
            .custom_headers(headers);
        config.max_concurrent_requests = 1000;
        let transport = StreamableHttpClientTransport::with_client(http, config);
        ().serve(transport).await.unwrap()
    }

    /// Calls HelloTool as `person`.
    pub async fn hello(&self, person: &str) -> Answer {
        self.hello_from(&self.client(person).await).await
    }

    /// Calls HelloTool from `client`.
    pub async fn hello_from(&self, client: &Client) -> Answer {
        self.call_from(client, CallToolRequestParams::new("HelloTool"))
            .await
    }

    /// Calls `tool` with `arguments`, which is an object, as `person`.
    pub async fn call(&self, person: &str, tool: &'static str, arguments: Value) -> Answer {
        let arguments = arguments.as_object().unwrap().clone();
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        self.call_from(&self.client(person).await, call).await
    }

    async fn call_from(&self, client: &Client, call: CallToolRequestParams) -> Answer {
        let call = client.call_tool(call);
        let result = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
        self.answers
            .lock()
            .unwrap()
            .push_str(&serde_json::to_string(&result).unwrap());
        Answer {
            text: result.content[0].as_text().unwrap().text.clone(),
            structured: result.structured_content,
            is_error: result.is_error.unwrap_or(false),
        }
    }

    /// Makes a service fail for every user and every request.
    pub fn fail(&self, at: Endpoint, effect: Effect) {
        self.add(Fault::new(at, effect));
    }

    /// Adds a fault.
    pub fn add(&self, fault: Fault) {
        self.sandbox.cloud().faults().add(fault).unwrap();
    }

    /// The handler's requests to the cloud since the start or the last reset.
    pub fn requests(&self) -> LedgerSnapshot {
        self.sandbox.cloud().ledger().snapshot()
    }

    /// The handler's log line of the call whose outcome is `class`.
    pub async fn log_line(&self, class: &str) -> String {
        let field = format!("outcome=\"{class}\"");
        let line = self.sandbox.handler().wait_for_log(&field, PATIENCE).await;
        line.unwrap_or_else(|| {
            panic!(
                "no log line with {field}: {:?}",
                self.sandbox.handler().log_lines()
            )
        })
        .text
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut output = self.answers.lock().unwrap().clone();
        for line in self.sandbox.handler().log_lines() {
            output.push_str(&line.text);
        }
        let secrets = self.sandbox.cloud().ledger().secrets();
        assert!(!secrets.is_empty());
        // The middle of a token identifies it even if it was cut or wrapped.
        let middles: HashSet<_> = secrets
            .iter()
            .map(|secret| middle(secret.as_bytes()))
            .collect();
        let leaked = output
            .as_bytes()
            .windows(MIDDLE)
            .filter(|window| middles.contains(window));
        assert_eq!(leaked.count(), 0, "a secret was logged or answered");
    }
}

const MIDDLE: usize = 16;

fn middle(secret: &[u8]) -> &[u8] {
    let start = (secret.len() - MIDDLE) / 2;
    &secret[start..start + MIDDLE]
}

fn options() -> SandboxOptions {
    SandboxOptions {
        app_root: test_app::root().to_owned(),
        handler: Some(env!("CARGO_BIN_EXE_test-handler").into()),
        cloud: CloudOptions {
            record_secrets: true,
            ..CloudOptions::default()
        },
        // Printed with a failing test: why the host rejects an answer of the handler.
        events: Events::to(|event| {
            if let Event::ToolCall {
                answer: HostAnswer::HandlerFailed(cause),
                ..
            } = event
            {
                println!("the handler failed: {cause}");
            }
        }),
        ..SandboxOptions::default()
    }
}

/// A successful answer.
pub fn greeting(text: &str, structured: Value) -> Answer {
    Answer {
        text: text.into(),
        structured: Some(structured),
        is_error: false,
    }
}

/// Waits until `condition` holds.
pub async fn wait_until(condition: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "it did not happen");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
