//! What the program prints.

use std::io::{self, Write as _};

use sandbox::directory::{Directory, Person, TENANT_ID};
use sandbox::events::{Answer, Event, Events};
use sandbox::functions_host::handler_process::{Level, LogLine};
use sandbox::{Profile, Sandbox};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::command_line::DEFAULT_LOGIN_PORT;

/// How much of a tool's answer is shown.
const ANSWER_LENGTH: usize = 160;

/// Prints each event as a line.
pub fn live_lines() -> Events {
    Events::to(|event| print(&line(&event)))
}

fn print(text: &str) {
    // Nobody may be reading any more, which is no reason to stop.
    let _ = writeln!(io::stdout(), "{text}");
}

fn line(event: &Event) -> String {
    let (hour, minute, second) = OffsetDateTime::now_utc().to_hms();
    let (topic, text) = match event {
        Event::HandlerStarted { pid } => ("handler", format!("started, process {pid}")),
        Event::HandlerReady { after } => {
            ("handler", format!("ready after {} ms", after.as_millis()))
        }
        Event::HandlerEnded { reason } => ("handler", reason.clone()),
        Event::HandlerLog(LogLine {
            level: Level::Information,
            text,
            ..
        }) => ("  stdout", text.clone()),
        Event::HandlerLog(LogLine { text, .. }) => ("  stderr", text.clone()),
        Event::FunctionLog { function, text } => ("  log", format!("{function}  {text}")),
        Event::McpRequest { method, caller } => ("mcp", format!("{method}  {}", name(caller))),
        Event::ToolCall {
            tool,
            caller,
            answer,
            duration,
        } => {
            let answer = match answer {
                Answer::Result(text) => shorten(text),
                Answer::Error(text) => format!("error: {}", shorten(text)),
                Answer::HandlerFailed(cause) => format!("handler failed: {cause}"),
                Answer::Refused(reason) => format!("refused: {}", shorten(reason)),
            };
            (
                "call",
                format!(
                    "{tool}  {}  {} ms  {answer}",
                    name(caller),
                    duration.as_millis()
                ),
            )
        }
        Event::Refused { status, reason } => ("refused", format!("{status}  {reason}")),
    };
    // Further lines of a text stay in its column.
    let text = text.replace('\n', &format!("\n{:21}", ""));
    format!("{hour:02}:{minute:02}:{second:02}Z  {topic:<10}{text}")
}

fn name(caller: &Option<String>) -> &str {
    caller.as_deref().unwrap_or("anonymous")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(ANSWER_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Prints where everything is and how to call it.
pub fn banner(sandbox: &Sandbox, profile: Profile, login_port: u16) {
    let url = sandbox.mcp_url();
    let cloud = sandbox.cloud();
    let start_up = sandbox.handler().start_up().unwrap_or_default().as_millis();

    let mut rows = vec![("MCP endpoint", url.clone())];
    if let Some(key) = sandbox.system_key() {
        rows.push(("System key", key.to_owned()));
    }
    match sandbox.developer_tools() {
        Some(tools) => rows.push((
            "Developer",
            format!("{}, signed in to `az`", tools.developer()),
        )),
        None => rows.push(("People", people(sandbox.cloud().directory()))),
    }
    rows.push(("Entra", format!("{}/{TENANT_ID}/v2.0", cloud.authority())));
    rows.push(("Graph", cloud.graph().to_owned()));
    rows.push((
        "Switches",
        format!("{} (GET it to read what it can do)", cloud.control_url()),
    ));
    let pid = sandbox
        .handler()
        .pid()
        .map(|pid| pid.to_string())
        .unwrap_or_default();
    rows.push((
        "Handler",
        format!("process {pid}, ready after {start_up} ms"),
    ));

    let home = match profile {
        Profile::Azure => "as in Azure: signed-in callers, system key, on-behalf-of",
        Profile::Local => "as `func start` runs it: no sign-in, the developer calls Graph",
    };
    print(&format!("\nThe sandbox is running {home}.\n"));
    for (title, value) in rows {
        print(&format!("  {title:<13} {value}"));
    }
    for function in &sandbox.app().other_functions {
        print(&format!(
            "\n  {function} has no MCP tool trigger; the sandbox leaves it alone."
        ));
    }

    let token_command = match login_port {
        DEFAULT_LOGIN_PORT => "cargo run -q -p sandbox -- token ada".to_owned(),
        port => format!("cargo run -q -p sandbox -- token ada --login-port {port}"),
    };
    let tool = sandbox
        .app()
        .functions
        .first()
        .map_or("HelloTool", |function| function.tool_name.as_str());
    let mut call = format!(
        "npx -y @modelcontextprotocol/inspector --cli {url} --transport http \
        --method tools/call --tool-name {tool}"
    );
    if let Some(key) = sandbox.system_key() {
        call += &format!(
            " --header \"x-functions-key: {key}\" \
            --header \"Authorization: Bearer $({token_command})\""
        );
    }
    print(&format!(
        "\nCall {tool} from another terminal:\n\n  {call}\n"
    ));
    print(
        "For VS Code, in .vscode/mcp.json \
        (the Inspector's web page takes the same URL and headers):\n",
    );
    for line in format!("{:#}", client_configuration(sandbox, &token_command)).lines() {
        print(&format!("  {line}"));
    }
    print("\nCtrl-C stops it all.\n");
}

/// Who can call, and what is special about them.
fn people(directory: &Directory) -> String {
    let named = directory.people();
    let names = named.iter().map(|person| match person {
        _ if !directory.has_consented(person) => {
            format!("{} (has not consented to Graph)", person.name)
        }
        Person {
            mail: None, name, ..
        } => format!("{name} (no mailbox)"),
        Person { name, .. } => name.clone(),
    });
    names
        .chain(["user0, user1, …".to_owned()])
        .collect::<Vec<_>>()
        .join(", ")
}

fn client_configuration(sandbox: &Sandbox, token_command: &str) -> Value {
    let url = sandbox.mcp_url();
    match sandbox.system_key() {
        None => json!({ "servers": { "sandbox": { "type": "http", "url": url } } }),
        Some(key) => json!({
            "inputs": [{
                "type": "promptString",
                "id": "token",
                "description": format!("The output of: {token_command}"),
                "password": true,
            }],
            "servers": {
                "sandbox": {
                    "type": "http",
                    "url": url,
                    "headers": { "x-functions-key": key, "Authorization": "Bearer ${input:token}" },
                },
            },
        }),
    }
}
