//! The banner: the addresses and keys, the people, and the commands and settings to paste.

use anstyle::{AnsiColor, Style};
use sandbox::{
    Sandbox,
    directory::{Directory, Person},
};
use serde_json::{Value, json};

use super::ready::{Ready, SignIn};
use crate::command_line::DEFAULT_LOGIN_PORT;

const HEADING: Style = Style::new().bold();
const PROBLEM: Style = AnsiColor::Red.on_default();

/// The banner. Its rows are read by programs, too: two blanks, the title, blanks, the value.
pub(super) fn text(sandbox: &Sandbox, ready: &Ready, is_quiet: bool) -> String {
    let home = if ready.system_key.is_some() {
        "as in Azure: signed-in callers, system key, on-behalf-of"
    } else {
        "as `func start` runs it: no sign-in, the developer calls Graph"
    };
    let mut text = format!("\n{HEADING}The sandbox is running {home}.{HEADING:#}\n\n");
    for (title, value) in rows(sandbox.cloud().directory(), ready) {
        text += &format!("  {title:<13} {value}\n");
    }
    let problems = match sandbox.app() {
        Some(app) => app.warnings.iter().map(ToString::to_string).collect(),
        None => Vec::from_iter(
            sandbox
                .handler()
                .trouble()
                .map(|trouble| trouble.to_string()),
        ),
    };
    for problem in problems {
        text += &format!("\n  {PROBLEM}{problem}{PROBLEM:#}\n");
    }
    let app = sandbox.app();
    for function in app.into_iter().flat_map(|app| &app.other_functions) {
        text += &format!("\n  {function} has no MCP trigger; the sandbox ignores it.\n");
    }
    let tool = app
        .and_then(|app| app.functions.first())
        .map_or("HelloTool", |function| function.tool_name.as_str());
    for (heading, paste) in instructions(tool, ready) {
        let paste = paste.replace('\n', "\n  ");
        text += &format!("\n{HEADING}{heading}{HEADING:#}\n\n  {paste}\n");
    }
    if !is_quiet {
        text += &format!(
            "\n{HEADING}Log: each request between the parts, as it happens{HEADING:#}\n\
             auth is App Service Authentication, host the Functions host, handler your program and identity the\n\
             managed identity. The log never shows tokens or codes.\n"
        );
    }
    text += "\nCtrl-C stops the sandbox.\n";
    text
}

fn rows(directory: &Directory, ready: &Ready) -> Vec<(&'static str, String)> {
    let mut rows = vec![("MCP endpoint", ready.mcp_url.clone())];
    if let Some(key) = &ready.system_key {
        rows.push(("System key", key.clone()));
    }
    if let Some(developer) = &ready.developer {
        rows.push(("Developer", format!("{developer}, signed in to `az`")));
    }
    if let Some(sign_in) = &ready.sign_in {
        rows.push(("People", people(directory)));
        rows.push((
            "Sign-in page",
            format!(
                "{} (in a browser; asks for consent where it is missing)",
                sign_in.url
            ),
        ));
        rows.push((
            "Client id",
            format!("{} (for MCP clients that sign in)", sign_in.client_id),
        ));
        rows.push(("Scope", sign_in.scope.clone()));
        rows.push(("Resource", resource(sign_in, &ready.mcp_url)));
    }
    rows.push(("Entra", ready.issuer.clone()));
    if let Some(tls) = &ready.tls {
        let authority = &tls.tls_authority;
        let tenant = ready.tenant_id;
        rows.push(("Entra (TLS)", format!("{authority}/{tenant}/v2.0")));
        rows.push(("Graph (TLS)", tls.tls_graph.clone()));
        rows.push(("CA", tls.ca_certificate.display().to_string()));
    }
    if ready.sign_in.is_some() {
        rows.push(("Identity", ready.identity_endpoint.clone()));
    }
    rows.push(("Graph", ready.graph.clone()));
    rows.push((
        "Control API",
        format!("{} (GET it for help)", ready.control_url),
    ));
    let handler = match (ready.handler_pid, ready.handler_start_up_milliseconds) {
        (Some(pid), Some(start_up)) => format!("process {pid}, ready after {start_up} ms"),
        (Some(pid), None) => format!("process {pid}, not ready yet"),
        (None, _) => "no process".to_owned(),
    };
    rows.push(("Handler", handler));
    rows
}

/// The values of `resource` that Entra accepts from MCP clients.
fn resource(sign_in: &SignIn, mcp_url: &str) -> String {
    match &sign_in.resources {
        None => "ignored (the real Entra checks it)".to_owned(),
        Some(uris) if uris.iter().any(|uri| uri == mcp_url) => {
            format!("{mcp_url} or its origin (anything else: AADSTS9010010)")
        }
        Some(uris) => format!(
            "{} (anything else, the MCP endpoint too: AADSTS9010010)",
            uris.join(", ")
        ),
    }
}

/// The people who can call, with their special conditions.
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

/// Headings, and the text to paste below each.
fn instructions(tool: &str, ready: &Ready) -> Vec<(String, String)> {
    match (&ready.system_key, &ready.sign_in) {
        (Some(key), Some(sign_in)) => signed_in_instructions(tool, ready, key, sign_in),
        _ => anonymous_instructions(tool, &ready.mcp_url),
    }
}

/// The instructions for callers whom nobody asks for a key or a token.
fn anonymous_instructions(tool: &str, url: &str) -> Vec<(String, String)> {
    vec![
        (
            format!("Call {tool} from another terminal:"),
            curl(tool, url, ""),
        ),
        (
            "The same with the MCP Inspector (Node 22 or later):".to_owned(),
            inspector(tool, url),
        ),
        visual_studio_code(&json!({ "type": "http", "url": url })),
        mcp_remote(url),
    ]
}

/// The instructions for callers who need the system key and a token.
fn signed_in_instructions(
    tool: &str,
    ready: &Ready,
    key: &str,
    sign_in: &SignIn,
) -> Vec<(String, String)> {
    let Ready {
        mcp_url: url,
        control_url,
        authority,
        ..
    } = ready;
    let inspector = inspector(tool, url);
    let token_command = token_command(authority);
    let client_id = sign_in.client_id;
    vec![
        (
            format!("Call {tool} as Ada from another terminal:"),
            curl(
                tool,
                url,
                &format!(
                    " -H 'x-functions-key: {key}' \
                     -H \"Authorization: Bearer $(curl -s {control_url}/token/ada)\""
                ),
            ),
        ),
        (
            "The same with the MCP Inspector (Node 22 or later):".to_owned(),
            format!(
                "{inspector} --header \"x-functions-key: {key}\" \
                 --header \"Authorization: Bearer $({token_command})\""
            ),
        ),
        (
            "Let the Inspector sign in, as the person that you choose in the browser:".to_owned(),
            format!("{inspector} --header \"x-functions-key: {key}\" --client-id {client_id}"),
        ),
        visual_studio_code(&json!({
            "type": "http",
            "url": url,
            "headers": { "x-functions-key": key },
            "oauth": { "clientId": sign_in.visual_studio_code_client_id },
        })),
        mcp_remote(&format!(
            "{url} --header \"x-functions-key:{key}\" --static-oauth-client-info '{}'",
            json!({ "client_id": client_id })
        )),
    ]
}

/// A call with curl; `headers` are its options for further headers.
fn curl(tool: &str, url: &str, headers: &str) -> String {
    let message = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": { "name": tool, "arguments": {} },
    });
    format!(
        "curl -s {url} -H 'Content-Type: application/json' \
         -H 'Accept: application/json, text/event-stream'{headers} -d '{message}'"
    )
}

/// A call with the MCP Inspector.
fn inspector(tool: &str, url: &str) -> String {
    format!(
        "npx -y @modelcontextprotocol/inspector --cli {url} --transport http \
         --method tools/call --tool-name {tool}"
    )
}

/// The entry of the server in Visual Studio Code's settings, below its heading.
fn visual_studio_code(server: &Value) -> (String, String) {
    (
        "VS Code, in .vscode/mcp.json:".to_owned(),
        pretty(&json!({ "servers": { "sandbox": server } })),
    )
}

/// The command for mcp-remote, below its heading.
fn mcp_remote(arguments: &str) -> (String, String) {
    (
        "Clients that can only start programs, with mcp-remote:".to_owned(),
        format!("npx -y mcp-remote {arguments}"),
    )
}

/// The command that prints Ada's token, when Entra is at `authority`.
fn token_command(authority: &str) -> String {
    match port_of(authority) {
        port if port == DEFAULT_LOGIN_PORT.to_string() => {
            "cargo run -q -p sandbox -- token ada".to_owned()
        }
        port => format!("cargo run -q -p sandbox -- token ada --login-port {port}"),
    }
}

fn pretty(json: &Value) -> String {
    format!("{json:#}")
}

/// The port of `http://127.0.0.1:{port}`.
fn port_of(url: &str) -> &str {
    url.rsplit_once(':').map_or("", |(_, port)| port)
}
