//! The MCP server that the Functions host's MCP extension makes of the tool triggers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    Implementation, InitializeResult, JsonObject, ListToolsResult, MetaObject,
    PaginatedRequestParams, PromptsCapability, ProtocolVersion, ResourcesCapability,
    ServerCapabilities, Tool, ToolsCapability,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use rmcp_actix_web::transport::on_request_extensions;
use serde_json::Value;
use tokio::time::timeout;

use super::Platform;
use super::answer::{self, InvocationFailure};
use super::app_files::{AppFiles, Function};
use super::handler_process::HandlerProcess;
use super::invocation::{Invocation, ToolRequest};
use super::streamable_http::HttpCall;
use crate::events::{Answer, Event, Events};

/// `X-Azure-Functions-HostVersion`.
const HOST_VERSION: &str = "4.1037.0.0";

/// The tools of an app as an MCP server.
#[derive(Clone)]
pub(super) struct McpExtension {
    pub app: Arc<AppFiles>,
    pub handler: Arc<HandlerProcess>,
    pub function_timeout: Duration,
    pub platform: Platform,
    pub events: Events,
}

impl ServerHandler for McpExtension {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_06_18))
    }

    fn get_info(&self) -> InitializeResult {
        let mut capabilities = ServerCapabilities::default();
        capabilities.logging = Some(JsonObject::new());
        capabilities.prompts = Some(PromptsCapability::default());
        capabilities.resources = Some(ResourcesCapability::default());
        capabilities.tools = Some(ToolsCapability::default());

        let server = &self.app.host.mcp;
        let mut info = InitializeResult::new(capabilities)
            .with_server_info(Implementation::new(&server.name, &server.version))
            .with_protocol_version(ProtocolVersion::V_2025_06_18);
        info.instructions.clone_from(&server.instructions);
        info
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(
            self.app
                .functions
                .iter()
                .map(|function| tool(function))
                .collect(),
        ))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(http) = on_request_extensions(&context.extensions)
            .and_then(|extensions| extensions.get::<HttpCall>())
        else {
            return Err(ErrorData::internal_error("An error occurred.", None));
        };
        let call = Call {
            request: ToolRequest {
                tool_name: request.name.into_owned(),
                arguments: http.arguments.clone(),
                headers: http.headers.clone(),
            },
            started: Instant::now(),
        };
        let function = match self.admit(&call.request.tool_name, request.arguments.as_ref()) {
            Ok(function) => function,
            Err(message) => {
                self.report(&call, Answer::Refused(message.clone()));
                return Err(ErrorData::invalid_params(message, None));
            }
        };
        // A task of its own, since the host does not call the invocation off when the client goes
        // away.
        let extension = self.clone();
        tokio::spawn(async move { extension.answer(&function, call).await })
            .await
            .map(Into::into)
            .map_err(|_| ErrorData::internal_error("An error occurred.", None))
    }

    /// The extension announces logging, and takes any level.
    #[expect(deprecated, reason = "the extension speaks the protocol of 2025-06-18")]
    async fn set_level(
        &self,
        _request: rmcp::model::SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}

/// A tool as `tools/list` shows it.
fn tool(function: &Function) -> Tool {
    let mut tool = Tool::new(
        function.tool_name.clone(),
        function.description.clone(),
        Arc::new(function.input_schema.clone()),
    );
    tool.output_schema = function.output_schema.clone().map(Arc::new);
    tool.meta = function.metadata.clone().map(MetaObject);
    tool
}

/// The required arguments that are missing or null.
fn missing_arguments<'a>(function: &'a Function, arguments: Option<&JsonObject>) -> Vec<&'a str> {
    let required = function
        .input_schema
        .get("required")
        .and_then(Value::as_array);
    required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| {
            arguments
                .and_then(|arguments| arguments.get(*name))
                .is_none_or(Value::is_null)
        })
        .collect()
}

/// One call of a tool.
struct Call {
    request: ToolRequest,
    started: Instant,
}

impl McpExtension {
    /// The tool's function, if there is one and the call has what it requires: all that the
    /// extension checks.
    fn admit(
        &self,
        tool_name: &str,
        arguments: Option<&JsonObject>,
    ) -> Result<Arc<Function>, String> {
        let function = self
            .app
            .function_of_tool(tool_name)
            .ok_or_else(|| format!("Unknown tool: '{tool_name}'"))?;
        let missing = missing_arguments(function, arguments);
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(format!(
                "One or more required tool properties are missing values. Please provide: {missing}"
            ));
        }
        Ok(Arc::clone(function))
    }

    async fn answer(&self, function: &Function, call: Call) -> CallToolResult {
        let pid = self.handler.pid();
        let outcome = timeout(self.function_timeout, self.invoke(function, &call.request))
            .await
            .unwrap_or_else(|_| {
                self.handler.restart(pid);
                Err(InvocationFailure::Timeout)
            });
        match outcome {
            Ok(result) => {
                let text = result.content.iter().find_map(|block| block.as_text());
                let text = text.map(|block| block.text.clone()).unwrap_or_default();
                let is_error = result.is_error == Some(true);
                self.report(
                    &call,
                    if is_error {
                        Answer::Error(text)
                    } else {
                        Answer::Result(text)
                    },
                );
                result
            }
            Err(failure) => {
                self.report(&call, Answer::HandlerFailed(failure.to_string()));
                let text = format!("An error occurred invoking '{}'.", call.request.tool_name);
                CallToolResult::error(vec![ContentBlock::text(text)])
            }
        }
    }

    async fn invoke(
        &self,
        function: &Function,
        request: &ToolRequest,
    ) -> Result<CallToolResult, InvocationFailure> {
        let Self {
            handler,
            platform,
            events,
            ..
        } = self;
        let invocation = Invocation::new(function, request).map_err(InvocationFailure::Call)?;
        handler
            .ready()
            .await
            .map_err(|failure| InvocationFailure::NoHandler(failure.to_string()))?;

        let body = match platform {
            // Core Tools read the body for their log first, and so know its length.
            Platform::CoreTools => reqwest::Body::from(invocation.body),
            Platform::Azure => {
                let chunk = async { Ok::<_, std::io::Error>(invocation.body) };
                reqwest::Body::wrap_stream(futures_util::stream::once(chunk))
            }
        };
        handler.count_invocation();
        let response = handler
            .client()
            .post(format!("http://{}/{}", handler.address(), function.name))
            .header("X-Azure-Functions-HostVersion", HOST_VERSION)
            .header("X-Azure-Functions-InvocationId", invocation.id.to_string())
            .header(USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body)
            .send()
            .await
            .map_err(InvocationFailure::Connection)?;

        match answer::read(response, function.use_result_schema).await? {
            Some(answer) => {
                for text in answer.logs {
                    events.emit(Event::FunctionLog {
                        function: function.name.clone(),
                        text,
                    });
                }
                Ok(answer.result)
            }
            // Nothing completes the invocation, and so it lasts until its time is over.
            None => std::future::pending().await,
        }
    }

    fn report(&self, call: &Call, answer: Answer) {
        self.events.emit(Event::ToolCall {
            tool: call.request.tool_name.clone(),
            caller: call.request.headers.caller().map(str::to_owned),
            answer,
            duration: call.started.elapsed(),
        });
    }
}
