//! The Functions host's MCP extension: the MCP server that it makes of an app's tools, resources
//! and prompts.
//!
//! It follows recordings of the real extension, down to the spelling of its JSON, since clients and handlers depend on
//! what the extension does and not on the specification.

mod client_state;
mod content;
mod json_rpc;
mod prompts;
mod resources;
mod sse;
mod streamable_http;
mod tools;

use std::{fmt, sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{Data, Payload},
};
use function_app::{AppFiles, CallFault, Platform, Prompt, Resource};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use self::{
    client_state::ClientState,
    json_rpc::{Outcome, Request, RpcError, Unreadable},
    prompts::{GetPromptResult, PromptList},
    resources::{ReadResult, ResourceList, TemplateList},
    sse::Streams,
    tools::{CallToolResult, ToolList},
};
use super::{
    answer::InvocationFailure,
    dotnet::{
        newtonsoft::Json,
        system_text_json::{self, Members, with_net_numbers},
    },
    invocation::{Call, Client, ClientInfo, Inputs, Invocation, Target},
    invoker::{Invoker, TraceContext},
};
use crate::events::{Answer, Event, Events, Exchange, Party};

/// The revisions of the protocol that the extension speaks.
const PROTOCOL_VERSIONS: [&str; 3] = ["2024-11-05", "2025-03-26", "2025-06-18"];

/// The levels of `logging/setLevel`.
const LOG_LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// The MCP server of an app.
pub(super) struct McpExtension {
    app: Arc<AppFiles>,
    invoker: Arc<Invoker>,
    events: Events,
    client_state: ClientState,
    /// The name of this server in the ids of sessions.
    instance: String,
    streams: Streams,
}

impl fmt::Debug for McpExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("McpExtension")
    }
}

/// Serves every request to the extension.
pub(super) async fn serve(
    extension: Data<McpExtension>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let path = request.path();
    if sse::is_stream(path) {
        if request.method() == Method::GET {
            return sse::open(&extension, &request);
        }
    } else if sse::is_message(path) {
        return sse::post(extension, request, payload).await;
    } else if request.method() == Method::POST {
        return streamable_http::post(extension, request, payload).await;
    }
    HttpResponse::MethodNotAllowed().finish()
}

impl McpExtension {
    /// The extension of an app. `has_encryption_key` says whether the environment
    /// has a key for session ids.
    pub(super) fn new(
        app: Arc<AppFiles>,
        invoker: Invoker,
        has_encryption_key: bool,
        events: Events,
    ) -> Self {
        let client_state = match invoker.platform {
            Platform::CoreTools => ClientState::Plain,
            Platform::Azure if !app.host.mcp.encrypt_client_state => ClientState::Plain,
            Platform::Azure if has_encryption_key => ClientState::encrypted(),
            Platform::Azure => ClientState::Keyless,
        };
        Self {
            app,
            invoker: Arc::new(invoker),
            events,
            client_state,
            instance: client_state::random_part(),
            streams: Streams::default(),
        }
    }

    /// Answers a request. An incomplete `initialize` is unreadable.
    async fn answer(&self, request: Request, client: Client) -> Result<Outcome, Unreadable> {
        let params = request.params();
        if request.method == "initialize" {
            return match params {
                Ok(params) => initialize(&self.app, request.params.is_some(), &params).map(Ok),
                Err(_) => Err(Unreadable),
            };
        }
        let params = match params {
            Ok(params) => params,
            Err(error) => return Ok(Err(error)),
        };
        self.report_request(&request, &params, &client);
        Ok(self.dispatch(&request, &params, client).await)
    }

    async fn dispatch(&self, request: &Request, params: &Members<'_>, client: Client) -> Outcome {
        let app = &self.app;
        match request.method.as_str() {
            "ping" | "resources/subscribe" | "resources/unsubscribe" => Ok("{}".into()),
            "logging/setLevel" => set_level(params),
            "tools/list" => {
                let functions = app.functions.iter().map(Arc::as_ref);
                result(&ToolList::of(functions))
            }
            "tools/call" => self.call_tool(request, params, client).await,
            "resources/list" => result(&ResourceList::of(self.resources())),
            "resources/templates/list" => result(&TemplateList::of(self.resources())),
            "resources/read" => self.read_resource(params, client).await,
            "prompts/list" => result(&PromptList::of(app.prompts.iter().map(Arc::as_ref))),
            "prompts/get" => self.get_prompt(params, client).await,
            other => Err(RpcError::method_not_available(other)),
        }
    }

    fn resources(&self) -> impl Iterator<Item = &Resource> + Clone {
        self.app.resources.iter().map(Arc::as_ref)
    }

    async fn call_tool(&self, request: &Request, params: &Members<'_>, client: Client) -> Outcome {
        if request.params.is_none() {
            return Err(unknown_tool(""));
        }
        let name = match params.get("name") {
            None => return Err(RpcError::internal()),
            // The SDK looks the name up before it looks at it.
            Some(name) if name.get() == "null" => return result(&CallToolResult::failure("")),
            Some(name) => read_text(name)?,
        };
        let arguments = read_arguments(params)?;
        let mut call = ToolCall {
            tool: name.clone(),
            caller: client.headers.caller().map(str::to_owned),
            started: Instant::now(),
            events: self.events.clone(),
        };
        let function = self
            .app
            .function_of_tool(&name)
            .ok_or_else(|| call.refuse(unknown_tool(&name)))?;
        let given = arguments_or_none(arguments.as_deref())?;
        tools::check_arguments(function, &given).map_err(|error| call.refuse(error))?;

        let target = Target::Tool { name, arguments };
        let read = |value: &Json| CallToolResult::read(function, value);
        let outcome = self
            .invoke(
                function.as_ref().into(),
                function.fault,
                &Call { target, client },
                read,
            )
            .await?;
        match outcome {
            Ok(tool_result) => {
                let text = tool_result.first_text().to_owned();
                call.report(if tool_result.is_error == Some(true) {
                    Answer::Error(text)
                } else {
                    Answer::Result(text)
                });
                result(&tool_result)
            }
            Err(failure) => {
                call.report(Answer::HandlerFailed(failure.to_string()));
                result(&CallToolResult::failure(&call.tool))
            }
        }
    }

    async fn read_resource(&self, params: &Members<'_>, client: Client) -> Outcome {
        let uri = read_text(params.get("uri").ok_or_else(RpcError::internal)?)?;
        // The extension looks for a scheme before it looks for the resource.
        if url::Url::parse(&uri).is_err() {
            return Err(RpcError::internal());
        }
        let (resource, parameters) = resources::find(self.resources(), &uri)
            .ok_or_else(|| RpcError::invalid_params(format!("Unknown resource: '{uri}'")))?;
        let target = Target::Resource {
            uri: uri.clone(),
            parameters,
        };
        let read = |value: &Json| ReadResult::read(resource, &uri, value);
        let outcome = self
            .invoke(
                resource.into(),
                resource.fault,
                &Call { target, client },
                read,
            )
            .await?;
        self.finish(&format!("resources/read {uri}"), outcome)
    }

    async fn get_prompt(&self, params: &Members<'_>, client: Client) -> Outcome {
        let name = read_text(params.get("name").ok_or_else(RpcError::internal)?)?;
        let prompt: &Prompt = self
            .app
            .prompts
            .iter()
            .find(|prompt| prompt.prompt_name.eq_ignore_ascii_case(&name))
            .ok_or_else(|| RpcError::invalid_params(format!("Unknown prompt: '{name}'")))?;
        let arguments = read_arguments(params)?;
        let given = arguments_or_none(arguments.as_deref())?;
        prompts::check_arguments(prompt, &given)?;
        let what = format!("prompts/get {name}");
        let target = Target::Prompt { name, arguments };
        let read = |value: &Json| GetPromptResult::read(prompt, value);
        let outcome = self
            .invoke(prompt.into(), None, &Call { target, client }, read)
            .await?;
        self.finish(&what, outcome)
    }

    /// Invokes a function and reads its return value. The protocol error is for a call that cannot be written.
    async fn invoke<T>(
        &self,
        function: Inputs<'_>,
        fault: Option<CallFault>,
        call: &Call,
        read: impl FnOnce(&Json) -> Result<T, content::Problem>,
    ) -> Result<Result<T, InvocationFailure>, RpcError> {
        let invocation = Invocation::new(function, call).map_err(|_| RpcError::internal())?;
        if fault == Some(CallFault::Input) {
            return Ok(Err(InvocationFailure::Binding));
        }
        let trace = TraceContext::of(&call.client);
        let name = function.function_name();
        let answer = match self.invoker.invoke(name, invocation, trace).await {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure)),
        };
        for text in answer.logs {
            self.events.emit(Event::FunctionLog {
                function: name.to_owned(),
                text,
            });
        }
        if fault == Some(CallFault::Output) {
            return Ok(Err(InvocationFailure::Binding));
        }
        Ok(read(&answer.return_value).map_err(InvocationFailure::ReturnValue))
    }

    /// The answer to a read or a prompt. The client gets no details of a failure.
    fn finish<T: Serialize>(&self, what: &str, outcome: Result<T, InvocationFailure>) -> Outcome {
        let answer = match &outcome {
            Ok(_) => "answered".to_owned(),
            Err(failure) => failure.to_string(),
        };
        self.events.emit(Event::Exchange(Exchange {
            from: Some(Party::Client),
            to: Party::FunctionsHost,
            request: what.to_owned(),
            status: 200,
            answer,
        }));
        match outcome {
            Ok(value) => result(&value),
            Err(_) => Err(RpcError::internal()),
        }
    }

    fn report_request(&self, request: &Request, params: &Members, client: &Client) {
        let is_call = request.method == "tools/call";
        self.events.emit(Event::McpRequest {
            method: request.method.clone(),
            tool: params
                .get("name")
                .filter(|_| is_call)
                .and_then(|name| read_text(name).ok()),
            caller: client.headers.caller().map(str::to_owned),
        });
    }

    /// Reports a message that expects no answer.
    fn report_message(&self, method: Option<&str>, client: &Client) {
        if let Some(method) = method {
            self.events.emit(Event::McpRequest {
                method: method.to_owned(),
                tool: None,
                caller: client.headers.caller().map(str::to_owned),
            });
        }
    }
}

/// One call of a tool, for the log.
struct ToolCall {
    tool: String,
    caller: Option<String>,
    started: Instant,
    events: Events,
}

impl ToolCall {
    fn report(&mut self, answer: Answer) {
        self.events.emit(Event::ToolCall {
            tool: self.tool.clone(),
            caller: self.caller.take(),
            answer,
            duration: self.started.elapsed(),
        });
    }

    fn refuse(&mut self, error: RpcError) -> RpcError {
        self.report(Answer::Refused(error.message.clone()));
        error
    }
}

/// The answer to `initialize`. The client must name its version and itself, unless it sends no parameters at all.
fn initialize(app: &AppFiles, has_params: bool, params: &Members) -> Result<String, Unreadable> {
    let version = match params.get("protocolVersion") {
        None if has_params => return Err(Unreadable),
        None => None,
        Some(version) => Some(read_text(version).map_err(|_| Unreadable)?),
    };
    if has_params && client_info(params).is_none() {
        return Err(Unreadable);
    }
    let version = version.filter(|version| PROTOCOL_VERSIONS.contains(&version.as_str()));
    let server = &app.host.mcp;
    let mut result = json!({
        "protocolVersion": version.as_deref().unwrap_or(PROTOCOL_VERSIONS[2]),
        "capabilities": { "logging": {}, "prompts": {}, "resources": {}, "tools": {} },
        "serverInfo": { "name": server.name, "version": server.version },
    });
    if let (Some(instructions), Some(result)) = (&server.instructions, result.as_object_mut()) {
        result.insert("instructions".into(), json!(instructions));
    }
    Ok(result.to_string())
}

/// `clientInfo` of the parameters of `initialize`, if it is complete.
fn client_info(params: &Members) -> Option<ClientInfo> {
    let info = content::object(params.get("clientInfo")?).ok()?;
    Some(ClientInfo {
        name: read_text(info.get("name")?).ok()?,
        version: read_text(info.get("version")?).ok()?,
    })
}

/// Accepts any known level.
fn set_level(params: &Members) -> Outcome {
    match params.get("level") {
        Some(level) if !LOG_LEVELS.contains(&read_text(level)?.as_str()) => {
            Err(RpcError::internal())
        }
        _ => Ok("{}".into()),
    }
}

fn unknown_tool(name: &str) -> RpcError {
    RpcError::invalid_params(format!("Unknown tool: '{name}'"))
}

fn read_text(json: &RawValue) -> Result<String, RpcError> {
    serde_json::from_str(json.get()).map_err(|_| RpcError::internal())
}

/// The arguments' JSON text: an object, or nothing.
fn read_arguments(params: &Members) -> Result<Option<Box<RawValue>>, RpcError> {
    match params.get("arguments") {
        None => Ok(None),
        Some(arguments) if arguments.get() == "null" => Ok(None),
        Some(arguments) if arguments.get().starts_with('{') => Ok(Some(arguments.to_owned())),
        Some(_) => Err(RpcError::internal()),
    }
}

fn arguments_or_none(arguments: Option<&RawValue>) -> Result<Members<'_>, RpcError> {
    match arguments {
        None => Ok(Members::default()),
        Some(arguments) => {
            system_text_json::members(arguments.get()).map_err(|_| RpcError::internal())
        }
    }
}

fn result(value: &impl Serialize) -> Outcome {
    serde_json::to_string(value).map_err(|_| RpcError::internal())
}

/// `_meta` of a tool, a resource or a prompt.
fn meta(metadata: Option<&Map<String, Value>>) -> Option<Box<RawValue>> {
    metadata
        .filter(|metadata| !metadata.is_empty())
        .and_then(|metadata| with_net_numbers(metadata).ok())
}
