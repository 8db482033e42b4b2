//! The handler as a process without a host: the test starts, calls and ends it.

use std::{
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::PATIENCE;

/// A handler process that only the test calls. It is killed on drop.
pub struct Process {
    pub child: Child,
    pub port: u16,
    http: reqwest::Client,
}

impl Process {
    /// Starts a handler as on a developer's machine without developer tools, and waits until it answers.
    pub async fn start() -> Self {
        let port = sandbox::loopback::free_port().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_test-handler"))
            .env_clear()
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Self {
            child,
            port,
            http: sandbox::loopback::client().unwrap(),
        };
        let deadline = Instant::now() + PATIENCE;
        while process.probe().await.is_none() {
            assert!(Instant::now() < deadline, "the handler does not listen");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        process
    }

    /// Sends the host's probe. Returns the status of the answer, if there is one.
    pub async fn probe(&self) -> Option<u16> {
        let answer = self.http.get(format!("http://127.0.0.1:{}/", self.port));
        Some(answer.send().await.ok()?.status().as_u16())
    }

    /// Posts `body` as a call of HelloTool. Returns the text of the answer.
    pub async fn call(&self, body: impl Into<reqwest::Body>) -> String {
        let answer = self
            .http
            .post(format!("http://127.0.0.1:{}/HelloTool", self.port))
            .header("Content-Type", "application/json; charset=utf-8")
            .body(body)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let result: Value = serde_json::from_str(answer["ReturnValue"].as_str().unwrap()).unwrap();
        let result: Value = serde_json::from_str(result["content"].as_str().unwrap()).unwrap();
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Sends the process a signal by its name, such as `TERM`.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits until the process has ended.
    pub async fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the handler does not end");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the process `pid` a signal by its name, such as `TERM`.
#[cfg(unix)]
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// The host's body for a call of HelloTool on a developer's machine.
pub fn invocation(arguments: &Value) -> String {
    let call = json!({
        "name": "HelloTool",
        "arguments": arguments,
        "transport": {
            "name": "http-streamable",
            "properties": { "headers": { "Host": "localhost:7071" } },
        },
    });
    let once_more = Value::from(call.to_string()).to_string();
    json!({ "Data": { "mcpTrigger": once_more }, "Metadata": {} }).to_string()
}
