//! `options.json`: how the host takes `customHandler` in host.json.

use std::{fs, io, net::Ipv4Addr, path::Path, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, web};
use function_app::{AppFiles, Platform};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{Outcome, app_folder::AppFolder};
use crate::{
    events::Events,
    functions_host::{
        FunctionsHost, FunctionsHostOptions, Handler, HandlerCommand, handler_process::Environment,
    },
    loopback,
};

/// The timeout of a call. Calls that the recorded host never answered were given up after some time. The sandbox's,
/// with the real host's timings, are given up, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// A recorded option, and the answer to a tool call.
#[derive(Deserialize)]
struct Case {
    case: String,
    /// `customHandler.description`.
    description: Option<Value>,
    /// The rest of `customHandler`.
    #[serde(rename = "customHandler", default)]
    custom_handler: Map<String, Value>,
    response: Answer,
}

/// An answer; empty if none was recorded.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    status: Option<u16>,
    headers: Option<Map<String, Value>>,
    body: Option<String>,
}

/// Replays the cases.
pub(super) async fn replay(file: &Path) -> io::Result<Vec<Outcome>> {
    let cases: Vec<Case> = super::read(file)?;
    let replays = cases.iter().map(async |case| {
        Ok::<_, io::Error>(Outcome {
            case: format!("options.json/{}", case.case),
            differences: compare(case).await?,
        })
    });
    futures_util::future::try_join_all(replays).await
}

async fn compare(case: &Case) -> io::Result<Vec<String>> {
    let mut custom_handler = case.custom_handler.clone();
    let description = case.description.clone().unwrap_or_else(|| {
        // These cases are about the other options.
        json!({ "defaultExecutablePath": "handler" })
    });
    custom_handler.insert("description".into(), description);
    if case.case == "description.initializationTimeout" {
        custom_handler.insert("initializationTimeout".into(), json!("00:00:01"));
    }
    let app = AppFolder::new(&custom_handler.into())?;
    write_handlers(&app, &case.case)?;

    let host = start(&app, &case.case)?;
    let answer = call_tool(&host.mcp_url()).await?;
    let recorded = &case.response;
    let Some(headers) = &recorded.headers else {
        // Only that the host took the option was recorded, not the answer.
        let status = answer.status;
        let differs = status != Some(200);
        return Ok(Vec::from_iter(differs.then(|| {
            format!("status {status:?} with an option that the host takes")
        })));
    };
    let mut differences = Vec::new();
    let mut compare = |what: &str, ours: &Value, recorded: &Value| {
        if ours != recorded {
            differences.push(format!("{what} {ours} instead of {recorded}"));
        }
    };
    compare("status", &json!(answer.status), &json!(recorded.status));
    for (name, value) in headers {
        let ours = answer
            .headers
            .as_ref()
            .and_then(|headers| headers.get(name));
        compare(name, ours.unwrap_or(&Value::Null), value);
    }
    let body = |answer: &Answer| parse_message(answer.body.as_deref().unwrap_or_default());
    compare("body", &body(&answer), &body(recorded));
    Ok(differences)
}

/// The message of an event stream; any other body as it is.
fn parse_message(body: &str) -> Value {
    body.lines()
        .find_map(|line| line.strip_prefix("data:"))
        .and_then(|data| serde_json::from_str(data.trim()).ok())
        .unwrap_or_else(|| body.into())
}

fn start(app: &AppFolder, case: &str) -> io::Result<FunctionsHost> {
    let files = match AppFiles::load_with_settings(app.path(), Platform::Azure, []) {
        Ok(files) => files,
        Err(problem) => {
            let listener = loopback::listen(0)?;
            return FunctionsHost::down(&problem, listener, None, &Events::default());
        }
    };
    let mut variables = vec![("MY_DIR".to_owned(), Some("bin".to_owned()))];
    // This machine may itself be a container that has a name.
    let is_container = case.ends_with("-linux-consumption");
    variables.push((
        "CONTAINER_NAME".to_owned(),
        is_container.then(|| "container".to_owned()),
    ));
    if case == "description.initializationTimeout" {
        variables.push((NEVER_LISTENS.to_owned(), Some("1".to_owned())));
    }
    let environment = Environment::new(move || variables.clone());
    let command = HandlerCommand::new(&files, None, environment);
    FunctionsHost::start(FunctionsHostOptions::new(files, Handler::Command(command))?)
}

/// Calls the tool. The answer is empty if it does not come in time or the connection is refused.
async fn call_tool(url: &str) -> io::Result<Answer> {
    let params = json!({ "name": "Echo", "arguments": {} });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = loopback::client()?
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream")
        .body(message.to_string());
    let answer = async {
        let response = request.send().await?;
        let status = Some(response.status().as_u16());
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| ("Content-Type".to_owned(), json!(value)));
        Ok::<_, reqwest::Error>(Answer {
            status,
            headers: Some(content_type.into_iter().collect()),
            body: Some(response.text().await?),
        })
    };
    Ok(match timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => answer,
        // The recording does not distinguish an answer that never ends from none.
        Ok(Err(_)) | Err(_) => Answer::default(),
    })
}

/// Puts the recorded executables into the app's folder: each starts the scripted handler.
#[cfg(unix)]
fn write_handlers(app: &AppFolder, case: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let program = std::env::current_exe()?;
    let script = format!("#!/bin/sh\nexec '{}' scripted-handler\n", program.display());
    let files = match case {
        "description.percent" => vec!["bin/handler"],
        "description.sub" | "description.sub-working-directory" => vec!["sub/handler"],
        "description.missing" => vec![],
        _ => vec!["handler", "node"],
    };
    for file in files {
        let path = app.write(file, &script)?;
        let mode = if case.contains("not-executable") {
            0o644
        } else {
            0o755
        };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn write_handlers(_app: &AppFolder, _case: &str) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "options.json is replayed with shell scripts",
    ))
}

/// The variable that keeps the scripted handler from listening.
const NEVER_LISTENS: &str = "SCRIPTED_HANDLER_NEVER_LISTENS";

/// A handler that answers every call with "ok", at the port that the host gives it.
///
/// # Errors
/// When nobody gave it a port, or when the port is taken.
pub async fn scripted_handler() -> io::Result<()> {
    if std::env::var_os(NEVER_LISTENS).is_some() {
        std::future::pending::<()>().await;
    }
    let port = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT")
        .ok()
        .and_then(|port| port.parse::<u16>().ok())
        .ok_or_else(|| io::Error::other("FUNCTIONS_CUSTOMHANDLER_PORT is no port"))?;
    let answer = || async { HttpResponse::Ok().json(json!({ "ReturnValue": "ok" })) };
    HttpServer::new(move || App::new().default_service(web::to(answer)))
        .workers(1)
        .disable_signals()
        .bind((Ipv4Addr::LOCALHOST, port))?
        .run()
        .await
}
