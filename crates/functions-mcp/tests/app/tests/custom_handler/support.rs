//! Starts a server with the tools of the test app, and calls it as the host does.

use std::{net::TcpListener, time::Duration};

use functions_mcp::{Settings, internals::serve, names};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A running server.
pub struct Server {
    base: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts a server as under Core Tools, so that no call needs a user. The time limit of a call is a second.
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let settings = Settings::from_lookup(|name| match name {
            names::PORT => Some(port.to_string()),
            names::ENVIRONMENT => Some("Development".into()),
            // The host name in the recorded envelopes.
            names::DEVELOPMENT_ALLOWED_HOSTS => Some("myapp.azurewebsites.net".into()),
            names::CALL_BUDGET => Some("1".into()),
            _ => None,
        })
        .unwrap();
        tokio::spawn(serve(settings, test_app::tools::registry()));
        let server = Self {
            base: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::new(),
        };
        for _ in 0..200 {
            if server.http.get(&server.base).send().await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the server is not ready after five seconds");
    }

    /// Opens a connection, and sends the host's probe after `pause`. Returns the status line of the answer.
    pub async fn probe_after(&self, pause: Duration) -> String {
        let mut connection = TcpStream::connect(self.address()).await.unwrap();
        tokio::time::sleep(pause).await;
        let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n", self.address());
        exchange(&mut connection, &head, "").await
    }

    /// The server's address: `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Sends a request, to whose head it adds the last headers. Returns the status line of the answer.
    pub async fn send(&self, head: &str, body: &str) -> String {
        let mut connection = TcpStream::connect(self.address()).await.unwrap();
        exchange(&mut connection, head, body).await
    }

    /// Sends the host's probe.
    pub async fn probe(&self) -> reqwest::StatusCode {
        self.http.get(&self.base).send().await.unwrap().status()
    }

    /// Posts `body` to `function`, and checks that the answer meets the host's requirements. Returns the tool result.
    pub async fn post(&self, function: &str, body: impl Into<reqwest::Body>) -> Value {
        let response = self
            .http
            .post(format!("{}/{function}", self.base))
            .header("Content-Type", "application/json; charset=utf-8")
            .header(
                "X-Azure-Functions-InvocationId",
                "0d8a3c5e-0000-4000-8000-000000000000",
            )
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["Content-Type"], "application/json");
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(answer["Outputs"], json!({}));
        assert_eq!(answer["Logs"], json!([]));
        let envelope: Value =
            serde_json::from_str(answer["ReturnValue"].as_str().unwrap()).unwrap();
        assert_eq!(envelope["type"], "call_tool_result");
        serde_json::from_str(envelope["content"].as_str().unwrap()).unwrap()
    }

    /// Calls `tool` with `arguments` as the host does.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.post(tool, invocation(tool, &arguments)).await
    }
}

async fn exchange(connection: &mut TcpStream, head: &str, body: &str) -> String {
    let length = body.len();
    let request = format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// The host's body for a call, without the parts that the handler does not read.
pub fn invocation(tool: &str, arguments: &Value) -> String {
    let transport = transport("http-streamable", &json!({ "Host": "localhost:7071" }));
    invocation_over(&transport, tool, arguments)
}

/// Like [`invocation`], over another transport.
pub fn invocation_over(transport: &Value, tool: &str, arguments: &Value) -> String {
    let payload = json!({
        "name": tool, "arguments": arguments, "sessionid": "s1", "transport": transport,
    });
    let encoded_twice = Value::from(payload.to_string()).to_string();
    json!({ "Data": { "mcpTrigger": encoded_twice }, "Metadata": {} }).to_string()
}

/// The extension's description of a client's request with `headers`.
pub fn transport(name: &str, headers: &Value) -> Value {
    json!({ "name": name, "properties": { "headers": headers } })
}

/// The text of a result that is an error.
pub fn error_text(result: &Value) -> &str {
    assert_eq!(result["isError"], true, "{result}");
    assert!(result.get("structuredContent").is_none(), "{result}");
    result["content"][0]["text"].as_str().unwrap()
}
