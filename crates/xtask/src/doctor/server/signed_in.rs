//! Checks what a signed-in user sees: the system key, the tools, and whether the user has consented.

use std::env;

use reqwest::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::{Value, json};

use super::{
    Checked, Checkup, HOST_IS_DOWN, LOG_STREAM, PROVISION, Server, host_is_down, names_metadata,
    says,
};
use crate::doctor::{
    finding::Finding,
    http::{Reply, send},
};

/// The tool that a check may call: it only reads the caller's own profile.
const HELLO_TOOL: &str = "HelloTool";

const ACCESS_TOKEN: &str = "MCP_ACCESS_TOKEN";
const SYSTEM_KEY: &str = "MCP_SYSTEM_KEY";
const FETCH_SYSTEM_KEY: &str = "az functionapp keys list --resource-group <resource group> --name <function app> --query \
                                systemKeys.mcp_extension --output tsv";
const EMPTY_500: &str = "https://github.com/Azure/azure-functions-mcp-extension/issues/273";

/// The secrets of a signed-in user. Has no `Debug`, so that they are never shown.
#[derive(Default)]
pub struct Credentials {
    /// An access token for the server's scope.
    pub access_token: Option<String>,
    /// The system key `mcp_extension`.
    pub system_key: Option<String>,
}

impl Credentials {
    /// Reads them from the environment: on a command line, other users of the machine would see them.
    pub fn from_env() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            access_token: variable(ACCESS_TOKEN),
            system_key: variable(SYSTEM_KEY),
        }
    }
}

impl Server {
    /// Runs the checks that need `credentials`.
    pub(super) async fn check_signed_in(&self, credentials: &Credentials, checkup: &mut Checkup) {
        let Some(token) = &credentials.access_token else {
            checkup.findings.push(Finding::warn(
                "not checked, for lack of a token: system key, tools and consent",
                format!("set {ACCESS_TOKEN} and {SYSTEM_KEY}: cargo xtask doctor --help"),
            ));
            return;
        };
        let key = credentials.system_key.as_deref();
        let Some(tools) = checkup.keep(self.tools(token, key).await) else {
            return;
        };
        checkup.keep(self.key_gate(token).await);
        if tools.iter().any(|tool| tool == HELLO_TOOL) {
            checkup.keep(self.hello(token, key).await);
        } else {
            // The host lists the tools even if the handler does not run.
            checkup.findings.push(Finding::warn(
                format!("not checked, for lack of {HELLO_TOOL}: whether the handler runs and users have consented"),
                "call one of your tools with an MCP client",
            ));
        }
    }

    async fn tools(&self, token: &str, key: Option<&str>) -> Checked<Vec<String>> {
        let reply = self.call("tools/list", json!({}), token, key).await?;
        let (text, remedy) = match reply.status {
            StatusCode::OK => return listed_tools(&reply),
            StatusCode::UNAUTHORIZED if names_metadata(&reply) => (
                format!("{ACCESS_TOKEN} is not accepted"),
                "it has expired or is for another server: get a new one for the scope above"
                    .to_owned(),
            ),
            StatusCode::UNAUTHORIZED => (
                "the Functions host does not learn who has signed in".to_owned(),
                format!("App Service Authentication must be on; {PROVISION}"),
            ),
            StatusCode::FORBIDDEN => return Err(self.forbidden(token, key).await?),
            StatusCode::INTERNAL_SERVER_ERROR if reply.body.is_empty() => (
                "calls of signed-in users are answered with 500 and an empty body".to_owned(),
                format!("{LOG_STREAM}; {EMPTY_500} reports the same"),
            ),
            StatusCode::SERVICE_UNAVAILABLE if says(&reply, HOST_IS_DOWN) => host_is_down(),
            status => (
                format!("calls of signed-in users are answered with {status}"),
                LOG_STREAM.to_owned(),
            ),
        };
        Err(Finding::fail(text, remedy))
    }

    /// Finds out who answered 403. App Service Authentication refuses the client for every path; the host asks for its
    /// key for the MCP endpoint, but not for its home page.
    async fn forbidden(&self, token: &str, key: Option<&str>) -> Result<Finding, Finding> {
        let mut home = Request::new(Method::GET, self.at("/"));
        authorize(&mut home, token)?;
        let home = send(home)
            .await
            .map_err(|error| Finding::fail(format!("/ is not answered: {error}"), LOG_STREAM))?;
        Ok(match key {
            _ if home.status == StatusCode::FORBIDDEN => Finding::fail(
                format!("the client that got {ACCESS_TOKEN} may not call"),
                "azd env set PRE_AUTHORIZED_CLIENT_IDS with its client id, and azd provision",
            ),
            None => Finding::warn(
                "not checked, since calls without the system key are refused: tools and consent",
                format!("set {SYSTEM_KEY}: {FETCH_SYSTEM_KEY}"),
            ),
            Some(_) => Finding::fail(format!("{SYSTEM_KEY} is not accepted"), FETCH_SYSTEM_KEY),
        })
    }

    /// Checks that the host refuses the caller without the key, having answered with it.
    async fn key_gate(&self, token: &str) -> Checked<()> {
        let reply = self.call("tools/list", json!({}), token, None).await?;
        match reply.status {
            StatusCode::FORBIDDEN => {
                let text = "calls without the system key are refused";
                Ok((Finding::ok(text), ()))
            }
            StatusCode::OK => Err(Finding::warn(
                "calls without the system key are accepted",
                "correct with ANONYMOUS_WEBHOOK; otherwise azd env set ANONYMOUS_WEBHOOK false, and azd provision",
            )),
            status => Err(Finding::fail(
                format!("calls without the system key are answered with {status}, not 403"),
                LOG_STREAM,
            )),
        }
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
                format!("do what it says; for details, {LOG_STREAM}"),
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
        authorize(&mut request, token)?;
        if let Some(key) = key {
            let key = secret(key, SYSTEM_KEY)?;
            request.headers_mut().insert("x-functions-key", key);
        }
        send(request).await.map_err(|error| {
            Finding::fail(format!("{method} is not answered: {error}"), LOG_STREAM)
        })
    }
}

fn authorize(request: &mut Request, token: &str) -> Result<(), Finding> {
    let bearer = secret(&format!("Bearer {token}"), ACCESS_TOKEN)?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    Ok(())
}

/// Makes a header of the secret in the environment variable `name`.
fn secret(text: &str, name: &str) -> Result<HeaderValue, Finding> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Finding::fail(
            format!("{name} contains characters that no header can have"),
            "set it again, on one line",
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

/// The result of a JSON-RPC answer, which is JSON or the data of a server-sent event.
fn json_rpc_result(reply: &Reply) -> Option<Value> {
    let body = std::str::from_utf8(&reply.body).ok()?;
    body.lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|mut message| message.get_mut("result").map(Value::take))
}
