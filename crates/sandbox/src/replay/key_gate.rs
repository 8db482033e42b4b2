//! `key-gate.json`: which callers the host let through to the MCP extension, and how it refused the others.
//!
//! A row's name says what was sent: where the host ran, who was signed in, and which key or token was sent.

use std::{io, path::Path};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use function_app::{AppFiles, MCP_PATH, Platform};
use reqwest::{
    Method, RequestBuilder, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use serde_json::json;

use super::{Outcome, app_folder::AppFolder};
use crate::{
    functions_host::{AccessKey, FunctionsHost, FunctionsHostOptions, Handler, HostKeys},
    loopback,
};

const KEY: &str = "x-functions-key";
const PRINCIPAL: &str = "x-ms-client-principal";
const SESSION: &str = "mcp-session-id";

/// A recorded request and its answer.
#[derive(Deserialize)]
struct Row {
    case: String,
    host: String,
    /// `webhookAuthorizationLevel`.
    level: Option<String>,
    method: String,
    path: String,
    status: u16,
    www_authenticate: Option<String>,
    body_bytes: u64,
}

/// Replays the rows.
pub(super) async fn replay(file: &Path) -> io::Result<Vec<Outcome>> {
    let rows: Vec<Row> = super::read(file)?;
    let mut hosts: Vec<(Environment, Host)> = Vec::new();
    let mut outcomes = Vec::new();
    for row in rows {
        let case = format!("key-gate.json/{}", row.case);
        let environment = Environment::of(&row);
        let host = match hosts.iter().position(|(other, _)| *other == environment) {
            Some(index) => &hosts[index].1,
            None => {
                let host = Host::start(&environment)?;
                hosts.push((environment, host));
                &hosts[hosts.len() - 1].1
            }
        };
        let request = host.request(&row).await?;
        let answer = request.send().await.map_err(io::Error::other)?;
        outcomes.push(Outcome {
            case,
            differences: compare(&row, answer).await?,
        });
    }
    Ok(outcomes)
}

/// What the host's answer depends on besides the request.
#[derive(PartialEq)]
struct Environment {
    /// Whether App Service Authentication is on.
    believes_principal: bool,
    level: Option<String>,
}

impl Environment {
    fn of(row: &Row) -> Self {
        Self {
            believes_principal: row.case.split('.').any(|part| part.contains("easyauth")),
            // The host of 2024 does not know the setting, with which some of its rows were recorded.
            level: row.level.clone().filter(|_| row.host == "newer policy"),
        }
    }
}

/// A host with an app of one tool, which is never called.
struct Host {
    _app: AppFolder,
    host: FunctionsHost,
    keys: HostKeys,
    client: reqwest::Client,
}

impl Host {
    fn start(environment: &Environment) -> io::Result<Self> {
        let app =
            AppFolder::new(&json!({ "description": { "defaultExecutablePath": "handler" } }))?;
        const SETTING: &str =
            "AzureFunctionsJobHost__extensions__mcp__system__webhookAuthorizationLevel";
        let setting = environment.level.as_deref().map(|level| (SETTING, level));
        let files = AppFiles::load_with_settings(app.path(), Platform::Azure, setting)
            .map_err(io::Error::other)?;
        let nobody = ([127, 0, 0, 1], loopback::free_port()?).into();
        let mut options = FunctionsHostOptions::new(files, Handler::Address(nobody))?;
        options.believes_principal = environment.believes_principal;
        options.system_key = Some(AccessKey::random());
        let host = FunctionsHost::start(options)?;
        Ok(Self {
            keys: host
                .keys()
                .cloned()
                .ok_or_else(|| io::Error::other("the host has no keys"))?,
            _app: app,
            host,
            client: loopback::client()?,
        })
    }

    /// The request that the row's name describes.
    async fn request(&self, row: &Row) -> io::Result<RequestBuilder> {
        let path = row.path.split('?').next().unwrap_or_default();
        let mut url = format!("{}{path}", self.host.mcp_url().trim_end_matches(MCP_PATH));
        let sent = Sent::read(row, &self.keys)?;

        if let Some(code) = sent.code {
            url += &format!("?code={code}");
        }
        let method = Method::from_bytes(row.method.as_bytes())
            .map_err(|_| not_understood(row, &row.method))?;
        let mut request = self
            .client
            .request(method, url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        if let Some(key) = sent.key {
            request = request.header(KEY, key);
        }
        if let Some(principal) = sent.principal {
            request = request.header(PRINCIPAL, principal);
        }
        if let Some(authorization) = sent.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(session) = sent.session {
            request = request.header(SESSION, self.session_id(row, session).await?);
        }
        if row.method == "POST" {
            request = request.body(sent.message);
        }
        Ok(request)
    }

    /// The session id that a part of the row's name describes.
    async fn session_id(&self, row: &Row, part: &str) -> io::Result<String> {
        Ok(match part {
            "empty" => String::new(),
            "garbage-short" => "abc".to_owned(),
            "garbage-long" => "A".repeat(124),
            "pipe" => "abcdefghijklmnop|abcdefghijklmnop".to_owned(),
            "valid" => self.new_session().await?,
            "valid-tampered" => tampered(&self.new_session().await?),
            other => return Err(not_understood(row, other)),
        })
    }

    /// A session id that the host gave.
    async fn new_session(&self) -> io::Result<String> {
        let request = self
            .client
            .post(self.host.mcp_url())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header(KEY, self.keys.mcp_extension.as_str())
            .body(initialize());
        let answer = request.send().await.map_err(io::Error::other)?;
        let session = answer.headers().get(SESSION);
        session
            .and_then(|session| session.to_str().ok())
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other("initialize gives no session id"))
    }
}

/// What a row's name says was sent.
struct Sent<'a> {
    /// The key in a header.
    key: Option<&'a str>,
    /// The key in the query.
    code: Option<&'a str>,
    principal: Option<String>,
    authorization: Option<String>,
    message: String,
    /// The part of the name that describes the session id.
    session: Option<&'a str>,
}

impl<'a> Sent<'a> {
    fn read(row: &'a Row, keys: &'a HostKeys) -> io::Result<Self> {
        let (mut key, mut code) = (None, None);
        let (mut principal, mut authorization) = (None, None);
        let mut message = tools_list();
        let mut session = None;

        let mut parts = row.case.split('.');
        // The first part is about the host.
        let first = parts.next().unwrap_or_default();
        for part in parts {
            match part {
                "bare" | "easyauth" | "no-principal" | "no-bearer" => {}
                "none" | "no-key" => {}
                "mcp-header" | "right-key" => key = Some(keys.mcp_extension.as_str()),
                "mcp-query" => code = Some(keys.mcp_extension.as_str()),
                "master-header" => key = Some(keys.master.as_str()),
                "master-query" => code = Some(keys.master.as_str()),
                "host-function-key-header" | "host-key" => key = Some(keys.host.as_str()),
                "host-function-key-query" => code = Some(keys.host.as_str()),
                "other-system-key-header" => key = Some(keys.other_extension.as_str()),
                "wrong-header" | "wrong-key" => key = Some("wrong"),
                "wrong-query" => code = Some("wrong"),
                "wrong-header-right-query" => {
                    key = Some("wrong");
                    code = Some(keys.mcp_extension.as_str());
                }
                "empty-header" => key = Some(""),
                "principal" => principal = Some(entra_principal()),
                "principal-garbage" | "garbage-principal" => principal = Some("%%%".to_owned()),
                "principal-empty" => principal = Some(String::new()),
                "principal-json-null" => principal = Some(base64("null")),
                "principal-no-claims" => principal = Some(base64(r#"{"auth_typ":"aad"}"#)),
                "principal-empty-claims" => principal = Some(base64(r#"{"claims":[]}"#)),
                "bearer" | "nonsense-bearer" => authorization = Some("Bearer nonsense".to_owned()),
                "entra-bearer" | "entra-bearer-no-key" => authorization = Some(entra_bearer()),
                "basic" => authorization = Some(format!("Basic {}", base64("a:b"))),
                "initialize" => message = initialize(),
                "tools-list" => {}
                part if part.starts_with("verb-") || part.starts_with("path-") => {}
                // A path may have dots.
                "" => {}
                part if first == "session" => session = Some(part),
                part => return Err(not_understood(row, part)),
            }
        }
        if first == "session" {
            key = Some(keys.mcp_extension.as_str());
        }
        Ok(Self {
            key,
            code,
            principal,
            authorization,
            message,
            session,
        })
    }
}

fn not_understood(row: &Row, part: &str) -> io::Error {
    let message = format!("key-gate.json, {}: \"{part}\" is not understood", row.case);
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn tools_list() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} }).to_string()
}

fn initialize() -> String {
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "replay", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string()
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// A principal of the form that App Service Authentication gives to a person of Entra's.
fn entra_principal() -> String {
    base64(r#"{"auth_typ":"aad","claims":[{"typ":"a","val":"b"}]}"#)
}

/// A token of the form of Entra's, whose key the host does not know.
fn entra_bearer() -> String {
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT","kid":"unknown"}"#);
    let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"aud":"app"}"#);
    let signature = BASE64_URL_SAFE_NO_PAD.encode([0; 256]);
    format!("Bearer {header}.{claims}.{signature}")
}

/// The id with another character in its middle.
fn tampered(session: &str) -> String {
    let middle = session.len() / 2;
    let other = if session[middle..].starts_with('A') {
        'B'
    } else {
        'A'
    };
    format!("{}{other}{}", &session[..middle], &session[middle + 1..])
}

/// Compares the answer. Of a body, only whether it is empty.
async fn compare(row: &Row, answer: Response) -> io::Result<Vec<String>> {
    let mut differences = Vec::new();
    let status = answer.status().as_u16();
    if status != row.status {
        differences.push(format!("status {status} instead of {}", row.status));
    }
    let challenge = answer
        .headers()
        .get(WWW_AUTHENTICATE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if !is_same_challenge(challenge.as_deref(), row.www_authenticate.as_deref()) {
        differences.push(format!(
            "WWW-Authenticate {challenge:?} instead of {:?}",
            row.www_authenticate
        ));
    }
    let length = answer.bytes().await.map_err(io::Error::other)?.len();
    if (length == 0) != (row.body_bytes == 0) {
        differences.push(format!("{length} bytes instead of {}", row.body_bytes));
    }
    Ok(differences)
}

/// In the recordings `…` stands for any text.
fn is_same_challenge(ours: Option<&str>, recorded: Option<&str>) -> bool {
    match (ours, recorded.and_then(|recorded| recorded.split_once('…'))) {
        (Some(ours), Some((start, end))) => ours.starts_with(start) && ours.ends_with(end),
        _ => ours == recorded,
    }
}
