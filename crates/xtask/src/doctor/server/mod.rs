//! Checks a running server, as an MCP client sees it.

mod authorization;
mod signed_in;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use function_app::MCP_PATH;
use reqwest::{
    Body, Method, Request, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use self::signed_in::Credentials;
use super::{
    finding::Finding,
    http::{Reply, is_confidential, send},
};

/// Without `--no-state` azd skips what it deployed before, also where somebody has changed it since.
const PROVISION: &str = "azd provision --no-state sets it";
const LOG_STREAM: &str = "see the log stream of the function app";
/// The body of the host's 503 when it cannot start.
const HOST_IS_DOWN: &str = "Function host is not running.";

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    origin: Url,
}

impl FromStr for Server {
    type Err = String;

    /// Takes the server's root or its MCP endpoint.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut origin = Url::parse(text)
            .ok()
            .filter(Url::has_host)
            .ok_or("must be a URL such as https://func-mcp-abc123.azurewebsites.net")?;
        if !is_confidential(&origin) {
            return Err("must be https (plain http is for loopback addresses)".into());
        }
        if !["/", MCP_PATH].contains(&origin.path()) || origin.query().is_some() {
            return Err(format!("must have no path, or {MCP_PATH}"));
        }
        origin.set_path("/");
        Ok(Self { origin })
    }
}

/// The outcome of a check. On success it includes what later checks need.
type Checked<T> = Result<(Finding, T), Finding>;

/// The findings so far.
#[derive(Default)]
struct Checkup {
    findings: Vec<Finding>,
}

impl Checkup {
    /// Keeps the finding. Returns what later checks need.
    fn keep<T>(&mut self, checked: Checked<T>) -> Option<T> {
        let (finding, value) = match checked {
            Ok((finding, value)) => (finding, Some(value)),
            Err(finding) => (finding, None),
        };
        self.findings.push(finding);
        value
    }
}

impl Server {
    /// The host name, without port.
    pub fn host(&self) -> &str {
        self.origin.host_str().unwrap_or_default()
    }

    /// Runs all checks in the order of an MCP client's requests. `scope` is the one that the server was deployed with,
    /// if known.
    pub async fn check(&self, credentials: &Credentials, scope: Option<&str>) -> Vec<Finding> {
        let mut checkup = Checkup::default();
        let Some(metadata_url) = checkup.keep(self.challenge().await) else {
            return checkup.findings;
        };
        let mut authorization_server = None;
        if let Some(metadata) = checkup.keep(self.resource_metadata(metadata_url).await) {
            checkup.keep(metadata.scope(scope));
            authorization_server = checkup.keep(metadata.authorization_server().await);
        }
        checkup.keep(self.sign_in_page(authorization_server.as_ref()).await);
        self.check_signed_in(credentials, &mut checkup).await;
        checkup.findings
    }

    /// A JSON-RPC call by the Streamable HTTP transport.
    fn mcp_request(&self, method: &str, parameters: Value) -> Request {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let mut request = Request::new(Method::POST, self.at(MCP_PATH));
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        *request.body_mut() = Some(Body::from(call.to_string()));
        request
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path);
        url
    }
}

/// The `Bearer` challenge of an answer, if it has one.
fn bearer_challenge(reply: &Reply) -> Option<&str> {
    reply
        .headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find(|challenge| {
            let scheme = challenge.split(' ').next().unwrap_or_default();
            scheme.eq_ignore_ascii_case("Bearer")
        })
}

/// Whether an answer is App Service Authentication's refusal. The Functions host's challenge is `Bearer` alone.
fn names_metadata(reply: &Reply) -> bool {
    bearer_challenge(reply).is_some_and(|challenge| challenge.contains("resource_metadata="))
}

fn says(reply: &Reply, text: &str) -> bool {
    String::from_utf8_lossy(&reply.body).contains(text)
}

/// The text and the remedy for a host that cannot start.
fn host_is_down() -> (String, String) {
    (
        format!("the Functions host cannot start: {HOST_IS_DOWN}"),
        format!("{LOG_STREAM}; docs/troubleshooting.md explains its messages"),
    )
}

async fn get_json<T: DeserializeOwned>(url: Url) -> Result<T, String> {
    let reply = send(Request::new(Method::GET, url))
        .await
        .map_err(|error| error.to_string())?;
    if reply.status != StatusCode::OK {
        return Err(format!("the answer is {}", reply.status));
    }
    serde_json::from_slice(&reply.body).map_err(|_| "the answer is not the expected JSON".into())
}
