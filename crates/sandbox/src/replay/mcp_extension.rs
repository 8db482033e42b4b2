//! Recordings of the MCP extension: folders of cases beside `apps.json`.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use function_app::{AppFiles, Platform};
use serde_json::{Value, json};

use super::{
    Outcome, Selection,
    app_folder::{AppFolder, KEY},
    body,
    case::{Call, Case, Exchange, Request, Response, Step, header},
    client::{self, Connection, Received, exchange},
    compare,
    scripted_handler::{Answer, ScriptedHandler},
};
use crate::{
    events::Events,
    functions_host::{AccessKey, FunctionsHost, FunctionsHostOptions, Handler, HostTimings},
    loopback,
};

/// The files of the apps, by app and path.
type Apps = BTreeMap<String, BTreeMap<String, Value>>;

/// In place of the recorded six seconds, for groups in which a call is never answered.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(1);

/// Replays the cases beside an `apps.json`, the groups side by side.
pub(super) async fn replay(apps_file: &Path, selection: Selection<'_>) -> io::Result<Vec<Outcome>> {
    let apps: Apps = super::read(apps_file)?;
    let folder = apps_file.parent().unwrap_or(Path::new("."));
    let groups = groups(folder)?;
    let selected = groups
        .iter()
        .filter(|group| selection.contains(&file_name(group)));
    let replays = selected.map(|group| replay_group(&apps, group));
    let outcomes = futures_util::future::try_join_all(replays).await?;
    Ok(outcomes.into_iter().flatten().collect())
}

async fn replay_group(apps: &Apps, group: &Path) -> io::Result<Vec<Outcome>> {
    let cases = super::find_files(group)?
        .iter()
        .map(|file| super::read(file))
        .collect::<io::Result<Vec<Case>>>()?;
    let is_timed_out = cases.iter().any(Case::is_timed_out);
    let mut outcomes = Vec::new();
    let mut site: Option<Site> = None;
    for case in cases {
        let setting = Setting::of(&file_name(group), &case.name, is_timed_out);
        let current = match site.take().filter(|site| site.setting == setting) {
            Some(site) => site,
            None => Site::start(apps, setting).await?,
        };
        outcomes.push(Outcome {
            differences: current.play(&case).await,
            case: case.name,
        });
        site = Some(current);
    }
    Ok(outcomes)
}

fn groups(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut groups: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    groups.sort();
    Ok(groups)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Which app a case belongs to, and in what environment it was recorded. Both follow from the name
/// of its group.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    app: String,
    platform: Platform,
    has_encryption_key: bool,
    /// `extensions.mcp.encryptClientState` is false.
    is_state_plain: bool,
    /// `extensions.mcp.messageOptions.useAbsoluteUriForEndpoint` is true.
    is_endpoint_absolute: bool,
    /// Some calls are never answered.
    is_timed_out: bool,
}

impl Setting {
    /// The app's files, as the setting changes them.
    fn files(&self, files: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        let mut files = files.clone();
        if let Some(host) = files.get_mut("host.json") {
            let mcp = &mut host["extensions"]["mcp"];
            if self.is_state_plain {
                mcp["encryptClientState"] = json!(false);
            }
            if self.is_endpoint_absolute {
                mcp["messageOptions"] = json!({ "useAbsoluteUriForEndpoint": true });
            }
        }
        files
    }

    fn of(group: &str, case: &str, is_timed_out: bool) -> Self {
        Self {
            app: match group {
                "empty" | "odd" => group.to_owned(),
                "fatal" => case.replacen('/', "-", 1),
                _ => "full".to_owned(),
            },
            platform: if group.starts_with("core-tools-") {
                Platform::CoreTools
            } else {
                Platform::Azure
            },
            has_encryption_key: !group.starts_with("no-encryption-key-"),
            is_state_plain: group.starts_with("plain-state-"),
            is_endpoint_absolute: group == "plain-state-sse",
            is_timed_out,
        }
    }
}

/// A host with the recorded app, and the handler behind it.
struct Site {
    setting: Setting,
    host: FunctionsHost,
    handler: ScriptedHandler,
    /// Removed with the site.
    _folder: AppFolder,
}

impl Site {
    async fn start(apps: &Apps, setting: Setting) -> io::Result<Self> {
        let files = apps.get(&setting.app).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("apps.json has no app {}", setting.app),
            )
        })?;
        let folder = AppFolder::with(&setting.files(files))?;
        let settings = [
            ("AzureWebJobs.DisabledSetting.Disabled", "true"),
            ("TOOL_NAME", "tool from a setting"),
            ("TOOL_DESCRIPTION", "a description from a setting"),
        ];
        let handler = ScriptedHandler::start().await?;
        let app = AppFiles::load_with_settings(folder.path(), setting.platform, settings);
        let host = match app {
            Ok(app) => {
                let mut options =
                    FunctionsHostOptions::new(app, Handler::Address(handler.address()))?;
                options.system_key = Some(AccessKey::from(KEY.to_owned()));
                options.platform = setting.platform;
                options.answers_any_host = true;
                options.has_encryption_key = setting.has_encryption_key;
                options.function_timeout = Some(if setting.is_timed_out {
                    FUNCTION_TIMEOUT
                } else {
                    client::PATIENCE
                });
                options.timings = HostTimings {
                    grace: Duration::from_millis(200),
                    ..HostTimings::default()
                };
                FunctionsHost::start(options)?
            }
            Err(problem) => {
                FunctionsHost::down(&problem, loopback::listen(0)?, None, &Events::default())?
            }
        };
        Ok(Self {
            setting,
            host,
            handler,
            _folder: folder,
        })
    }

    async fn play(&self, case: &Case) -> Vec<String> {
        let mut play = Play {
            site: self,
            session: None,
            state: None,
        };
        let is_stream = case
            .single
            .response
            .as_ref()
            .is_some_and(|response| response.first.is_some());
        let differences = if !case.exchanges.is_empty() {
            play.play_client(&case.exchanges).await
        } else if is_stream {
            play.play_stream(case).await
        } else if case.steps.is_empty() {
            play.play_step(&case.single).await
        } else {
            play.play_steps(&case.steps).await
        };
        differences.unwrap_or_else(|error| vec![format!("no response: {error}")])
    }

    fn address(&self) -> SocketAddr {
        self.host.address()
    }
}

/// One case while it is played.
struct Play<'a> {
    site: &'a Site,
    /// The session id that the host gave out last.
    session: Option<String>,
    /// The state of the stream that is open.
    state: Option<String>,
}

impl Play<'_> {
    async fn play_steps(&mut self, steps: &[Step]) -> io::Result<Vec<String>> {
        let mut differences = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let found = self.play_step(step).await?;
            differences.extend(
                found
                    .into_iter()
                    .map(|line| format!("step {index}: {line}")),
            );
        }
        Ok(differences)
    }

    async fn play_step(&mut self, step: &Step) -> io::Result<Vec<String>> {
        let (Some(request), Some(recorded)) = (&step.request, &step.response) else {
            return Ok(Vec::new());
        };
        let answers = match read_answers(&step.handler) {
            Ok(answers) => answers,
            Err(problem) => return Ok(vec![problem]),
        };
        self.site.handler.answer_with(answers);
        let (head, body) = match self.encode(request) {
            Ok(raw) => raw,
            Err(problem) => return Ok(vec![problem]),
        };
        let address = self.site.address();
        let received = if recorded.ended.as_deref() == Some("stopped") {
            first_event(address, &head, &body).await?
        } else {
            exchange(address, &head, &body, &request.method).await?
        };
        if let Some(session) = received.header("mcp-session-id") {
            self.session = Some(session.to_owned());
        }
        let mut differences = compare::response(&self.fill_in(recorded, &received), &received);
        differences.extend(self.compare_calls(step));
        Ok(differences)
    }

    /// Compares what reached the handler.
    fn compare_calls(&self, step: &Step) -> Vec<String> {
        let received = self.site.handler.received();
        let expected = step.handler_calls.unwrap_or(step.handler.len());
        let mut differences = Vec::new();
        if received.len() != expected {
            differences.push(format!(
                "handler: called {expected} times, got {}",
                received.len()
            ));
        }
        let session = self.session.as_deref().unwrap_or_default();
        let placeholder = match self.site.setting.platform {
            Platform::Azure if !self.site.setting.is_state_plain => "<session opaque 124>",
            _ => "<session plain 33>",
        };
        let mut secrets = vec![(KEY, "<key>")];
        if !session.is_empty() {
            secrets.push((session, placeholder));
        }
        for (call, received) in step.handler.iter().zip(&received) {
            differences.extend(compare::call(&call.request, received, &secrets));
        }
        differences
    }

    /// The recorded response with this run's values in place of placeholders that the host repeats.
    fn fill_in(&self, recorded: &Response, received: &Received) -> Response {
        let body::Body::Whole(text) = &recorded.body else {
            return recorded.clone();
        };
        let mut text = text.replace("<key>", KEY);
        if let Some((before, after)) = text.split_once("<state")
            && let Some((_, after)) = after.split_once('>')
        {
            let got = String::from_utf8_lossy(&received.body);
            let state = got
                .split_once("azmcpcs=")
                .and_then(|(_, rest)| rest.split_once('&'))
                .map(|(state, _)| state.to_owned());
            text = format!("{before}{}{after}", state.unwrap_or_default());
        }
        Response {
            body: body::Body::Whole(text),
            ..recorded.clone()
        }
    }

    /// The bytes of a request: head and body.
    fn encode(&self, request: &Request) -> Result<(Vec<u8>, Vec<u8>), String> {
        let body = request.body.bytes()?;
        let path = self.with_values(&request.path);
        let mut head = format!("{} {path} HTTP/1.1\r\n", request.method).into_bytes();
        let mut has_length = false;
        for line in &request.headers {
            let line = rebuild_long_header(&self.with_values(line))?;
            has_length |= header(&line).0.eq_ignore_ascii_case("content-length");
            // Recorded characters stand for bytes.
            head.extend(line.chars().map(|character| character as u8));
            head.extend_from_slice(b"\r\n");
        }
        let has_body = !body.is_empty() || request.method == "POST";
        if has_body && !has_length {
            head.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        head.extend_from_slice(format!("x-functions-key: {KEY}\r\n\r\n").as_bytes());
        Ok((head, body))
    }

    fn with_values(&self, text: &str) -> String {
        let mut text = text
            .replace("<key>", KEY)
            .replace("<guid>", "6f1f0b8e-6a0e-4c5a-9d5f-0a4f7f0d9b11");
        for (start, value) in [("<session ", &self.session), ("<state", &self.state)] {
            if let (Some(value), Some(at)) = (value, text.find(start))
                && let Some(length) = text[at..].find('>')
            {
                text.replace_range(at..=at + length, value);
            }
        }
        text
    }

    /// A conversation over HTTP with SSE.
    async fn play_stream(&mut self, case: &Case) -> io::Result<Vec<String>> {
        let (Some(request), Some(recorded)) = (&case.single.request, &case.single.response) else {
            return Ok(Vec::new());
        };
        let mut differences = Vec::new();
        let mut stream = self
            .open_stream(request, recorded, &mut differences)
            .await?;
        for (index, step) in case.steps.iter().enumerate() {
            let mut found = Vec::new();
            if step.request.is_none() {
                // The last message comes after the stream was closed.
                drop(stream);
                differences.extend(self.play_after_stream(step).await?);
                return Ok(differences);
            }
            self.site
                .handler
                .answer_with([Answer::returning("over sse")]);
            if let (Some(request), Some(recorded)) = (&step.request, &step.response) {
                let (head, body) = self.encode(request).map_err(io::Error::other)?;
                let received = exchange(self.site.address(), &head, &body, &request.method).await?;
                found.extend(compare::response(recorded, &received));
            }
            let expected = step.stream.as_deref().unwrap_or_default();
            let mut events = Vec::new();
            for _ in expected {
                events.push(stream.read_event().await?);
            }
            found.extend(compare::events(expected, &events));
            found.extend(self.compare_calls(step));
            differences.extend(
                found
                    .into_iter()
                    .map(|line| format!("step {index}: {line}")),
            );
        }
        Ok(differences)
    }

    async fn open_stream(
        &mut self,
        request: &Request,
        recorded: &Response,
        differences: &mut Vec<String>,
    ) -> io::Result<Connection> {
        let (head, body) = self.encode(request).map_err(io::Error::other)?;
        let mut stream = Connection::open(self.site.address(), &head, &body).await?;
        let received = stream.read_head().await?;
        let mut lines = recorded.head.iter().skip(1).cloned().collect::<Vec<_>>();
        if lines.is_empty() {
            lines.clone_from(&recorded.headers);
        }
        let expected = Response {
            status: Some(200),
            headers: lines,
            ..Response::default()
        };
        differences.extend(compare::response(&expected, &received));
        let first = stream.read_event().await?;
        let state = first
            .data
            .split_once("azmcpcs=")
            .and_then(|(_, rest)| rest.split_once('&'))
            .map(|(state, _)| state.to_owned());
        self.state = state;
        if let Some(recorded) = &recorded.first {
            let expected = self.with_values(&recorded.data);
            if (recorded.event.as_str(), expected.as_str())
                != (first.event.as_str(), first.data.as_str())
            {
                differences.push(format!("first event: {expected}, got {}", first.data));
            }
        }
        Ok(stream)
    }

    async fn play_after_stream(&mut self, step: &Step) -> io::Result<Vec<String>> {
        let Some(recorded) = &step.response else {
            return Ok(Vec::new());
        };
        let request = Request {
            method: "POST".into(),
            path: "/runtime/webhooks/mcp/message?azmcpcs=<state>&code=<key>".into(),
            headers: vec![
                "Host: localhost".into(),
                "Content-Type: application/json".into(),
            ],
            body: body::Body::Whole(
                json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" }).to_string(),
            ),
        };
        let (head, raw_body) = self.encode(&request).map_err(io::Error::other)?;
        let mut received = None;
        // The host may take a moment to see that the client is gone.
        for _ in 0..100 {
            let answer = exchange(self.site.address(), &head, &raw_body, "POST").await?;
            let is_gone = answer.status != 202;
            received = Some(answer);
            if is_gone {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let Some(received) = received else {
            return Ok(Vec::new());
        };
        let text = String::from_utf8_lossy(&received.body);
        let body::Body::Whole(pattern) = &recorded.body else {
            return Ok(Vec::new());
        };
        let fits = pattern.split("<id>").all(|part| text.contains(part));
        if recorded.status == Some(received.status) && fits {
            Ok(Vec::new())
        } else {
            Ok(vec![format!("after the stream: {pattern}, got {text}")])
        }
    }

    /// The requests of a real client, one after the other.
    async fn play_client(&mut self, exchanges: &[Exchange]) -> io::Result<Vec<String>> {
        let handler = &self.site.handler;
        handler.answer_with([]);
        let rich = json!({
            "type": "text",
            "content": json!({ "type": "text", "text": "{\"n\":1}" }).to_string(),
            "structuredContent": "{\"n\":1}",
        });
        handler.set_default_answer("Rich", Answer::returning(&rich.to_string()));
        for function in ["Plain", "ResText", "PromptPlain"] {
            handler.set_default_answer(function, Answer::returning("hello"));
        }
        let mut differences = Vec::new();
        let mut stream = None;
        for (index, exchange_) in exchanges.iter().enumerate() {
            let request = Request {
                method: word(&exchange_.request.line, 0),
                path: word(&exchange_.request.line, 1),
                headers: exchange_
                    .request
                    .headers
                    .iter()
                    .filter(|line| !is_framing(header(line).0))
                    .map(|line| line.replace("PORT", "7071"))
                    .collect(),
                body: exchange_.request.body.clone(),
            };
            if request.path.ends_with("/sse") && request.method == "GET" {
                let opened = self
                    .open_stream(&request, &exchange_.response, &mut differences)
                    .await?;
                stream = Some(opened);
                continue;
            }
            let (head, body) = self.encode(&request).map_err(io::Error::other)?;
            let received = exchange(self.site.address(), &head, &body, &request.method).await?;
            if let Some(session) = received.header("mcp-session-id") {
                self.session = Some(session.to_owned());
            }
            let found = compare::response(&exchange_.response, &received);
            differences.extend(
                found
                    .into_iter()
                    .map(|line| format!("request {index}: {line}")),
            );
        }
        drop(stream);
        Ok(differences)
    }
}

/// Reads the response to a request up to the first event of its body.
async fn first_event(address: SocketAddr, head: &[u8], body: &[u8]) -> io::Result<Received> {
    let mut connection = Connection::open(address, head, body).await?;
    let mut received = connection.read_head().await?;
    let event = connection.read_event().await?;
    received.body = format!("event: {}\ndata: {}\n\n", event.event, event.data).into_bytes();
    Ok(received)
}

fn word(line: &str, index: usize) -> String {
    line.split(' ').nth(index).unwrap_or_default().to_owned()
}

fn is_framing(name: &str) -> bool {
    ["content-length", "transfer-encoding"]
        .iter()
        .any(|framing| framing.eq_ignore_ascii_case(name))
}

/// Rebuilds a header line whose long value was recorded as its beginning and its length.
fn rebuild_long_header(line: &str) -> Result<String, String> {
    let Some((start, rest)) = line.split_once("… (") else {
        return Ok(line.to_owned());
    };
    let (name, value) = header(start);
    let length: usize = rest
        .split(' ')
        .next()
        .and_then(|length| length.parse().ok())
        .ok_or("a long header has no length")?;
    let filler = value.chars().next_back().unwrap_or('x').to_string();
    Ok(format!(
        "{name}: {value}{}",
        filler.repeat(length - value.len())
    ))
}

/// The answers that the handler gave.
fn read_answers(calls: &[Call]) -> Result<Vec<Answer>, String> {
    calls
        .iter()
        .map(|call| match &call.answer {
            Value::String(word) if word == "connection closed" => Ok(Answer::Close),
            Value::Object(answer) => {
                let body: body::Body = answer
                    .get("body")
                    .map(|body| serde_json::from_value(body.clone()))
                    .transpose()
                    .map_err(|error| error.to_string())?
                    .unwrap_or_default();
                let headers = answer.get("headers").and_then(Value::as_array);
                Ok(Answer::Response {
                    status: answer["status"]
                        .as_u64()
                        .and_then(|status| u16::try_from(status).ok())
                        .unwrap_or(200),
                    headers: headers
                        .into_iter()
                        .flatten()
                        .filter_map(|line| Some(line.as_str()?.to_owned()))
                        .collect(),
                    body: body.bytes()?,
                })
            }
            _ => Ok(Answer::None),
        })
        .collect()
}
