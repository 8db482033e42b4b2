//! What a signed-in user sees: the key gate, the tools, and whether the user has consented.

use std::env;

use handler::outbound::Reply;
use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::{Value, json};

use super::{Checked, Checkup, LOG_STREAM, Server, bearer_challenge, send};
use crate::doctor::finding::Finding;

/// The tool that only reads the caller's own profile, so that it can be called to see whether it works.
const HELLO_TOOL: &str = "HelloTool";

const ACCESS_TOKEN: &str = "MCP_ACCESS_TOKEN";
const SYSTEM_KEY: &str = "MCP_SYSTEM_KEY";
const FETCH_SYSTEM_KEY: &str = "az functionapp keys list --resource-group <resource group> --name <function app> --query \
                                systemKeys.mcp_extension --output tsv";

/// What a signed-in user has. Not to be shown.
#[derive(Default)]
pub struct Credentials {
    /// An access token for the server's scope.
    pub access_token: Option<String>,
    /// The system key `mcp_extension`.
    pub system_key: Option<String>,
}

impl Credentials {
    /// Those in the environment: on a command line, other users of the machine would see them.
    pub fn from_env() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            access_token: variable(ACCESS_TOKEN),
            system_key: variable(SYSTEM_KEY),
        }
    }
}

impl Server {
    /// Checks what `credentials` let through.
    pub(super) async fn check_signed_in(&self, credentials: &Credentials, checkup: &mut Checkup) {
        let Some(token) = &credentials.access_token else {
            checkup.findings.push(Finding::warn(
                "system key, tools and consent cannot be seen without signing in",
                format!("set {ACCESS_TOKEN} and {SYSTEM_KEY}: cargo xtask doctor --help"),
            ));
            return;
        };
        let key = credentials.system_key.as_deref();
        let Some(tools) = checkup.keep(self.tools(token, key).await) else {
            return;
        };
        if key.is_some() {
            checkup.keep(self.key_gate(token).await);
        }
        if tools.iter().any(|tool| tool == HELLO_TOOL) {
            checkup.keep(self.hello(token, key).await);
        }
    }

    async fn tools(&self, token: &str, key: Option<&str>) -> Checked<Vec<String>> {
        let reply = self.call("tools/list", json!({}), token, key).await?;
        let (text, remedy) = match reply.status {
            StatusCode::OK => return listed_tools(&reply),
            StatusCode::UNAUTHORIZED if bearer_challenge(&reply).is_some() => (
                format!("{ACCESS_TOKEN} is not accepted"),
                "it has expired, or is for another server: get a new one for the scope above"
                    .to_owned(),
            ),
            StatusCode::UNAUTHORIZED if key.is_none() => {
                return Err(Finding::warn(
                    "calls without the system key are refused, so tools and consent cannot be seen",
                    format!("set {SYSTEM_KEY}: {FETCH_SYSTEM_KEY}"),
                ));
            }
            StatusCode::UNAUTHORIZED => (
                format!("{SYSTEM_KEY} is not accepted"),
                FETCH_SYSTEM_KEY.to_owned(),
            ),
            StatusCode::FORBIDDEN => (
                format!("the client that got {ACCESS_TOKEN} may not call"),
                "azd env set PRE_AUTHORIZED_CLIENT_IDS with its client id, and azd provision"
                    .to_owned(),
            ),
            status => (
                format!("signed-in callers are answered {status}"),
                LOG_STREAM.to_owned(),
            ),
        };
        Err(Finding::fail(text, remedy))
    }

    async fn key_gate(&self, token: &str) -> Checked<()> {
        let reply = self.call("tools/list", json!({}), token, None).await?;
        let text = match reply.status {
            StatusCode::UNAUTHORIZED => "calls without the system key are refused",
            _ => "calls without the system key are let in, as with ANONYMOUS_WEBHOOK",
        };
        Ok((Finding::ok(text), ()))
    }

    async fn hello(&self, token: &str, key: Option<&str>) -> Checked<()> {
        let parameters = json!({ "name": HELLO_TOOL, "arguments": {} });
        let reply = self.call("tools/call", parameters, token, key).await?;
        let result = json_rpc_result(&reply).unwrap_or_default();
        let answer = result["content"][0]["text"].as_str();
        let text = format!("{HELLO_TOOL}: {}", answer.unwrap_or("no answer"));
        if answer.is_some() && result["isError"] != true {
            Ok((Finding::ok(text), ()))
        } else {
            Err(Finding::fail(
                text,
                format!("do what it says; for more, {LOG_STREAM}"),
            ))
        }
    }

    async fn call(
        &self,
        method: &str,
        parameters: Value,
        token: &str,
        key: Option<&str>,
    ) -> Result<Reply, Finding> {
        let mut request = self.mcp_request(method, parameters);
        let headers = request.headers_mut();
        headers.insert(
            AUTHORIZATION,
            secret(&format!("Bearer {token}"), ACCESS_TOKEN)?,
        );
        if let Some(key) = key {
            headers.insert("x-functions-key", secret(key, SYSTEM_KEY)?);
        }
        send(request).await.map_err(|error| {
            Finding::fail(format!("{method} is not answered: {error}"), LOG_STREAM)
        })
    }
}

/// The header with a secret out of the environment variable `name`.
fn secret(text: &str, name: &str) -> Result<HeaderValue, Finding> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Finding::fail(
            format!("{name} holds characters that no header can have"),
            "set it again, in one line",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn listed_tools(reply: &Reply) -> Checked<Vec<String>> {
    let result = json_rpc_result(reply).unwrap_or_default();
    let tools = result["tools"].as_array().into_iter().flatten();
    let names: Vec<_> = tools
        .filter_map(|tool| tool["name"].as_str().map(str::to_owned))
        .collect();
    if names.is_empty() {
        Err(Finding::fail(
            "the server has no tools",
            "cargo xtask package --check dist/mcp.zip shows whether they were deployed",
        ))
    } else {
        let text = format!("signed-in callers find the tools {}", names.join(", "));
        Ok((Finding::ok(text), names))
    }
}

/// The result in a JSON-RPC answer, which comes as JSON or as the data of a server-sent event.
fn json_rpc_result(reply: &Reply) -> Option<Value> {
    let body = std::str::from_utf8(&reply.body).ok()?;
    body.lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|mut message| message.get_mut("result").map(Value::take))
}
