//! The HTTP server that the Functions host calls: `GET /` for its probes, `POST /<function>` for a tool call.
//!
//! Every invocation is answered with 200 and a tool result, whatever happens: the host replaces anything else by
//! a sentence that says nothing, and an empty body hangs the call.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::header::{CONTENT_LENGTH, ContentType},
    web,
};
use futures_util::FutureExt;

use crate::{
    credential::CredentialSource,
    failure::{Failure, Remedy},
    graph::Graph,
    host::{
        call_bodies::CallBodies,
        envelope::{InvocationResponse, TriggerValue},
        invocation::{Arguments, ToolInvocation},
        only_the_host::{forbidden, is_from_the_host, is_json, unsupported_media_type},
        result::CallToolResult,
    },
    http::{Http, HttpClients},
    identity::Identity,
    settings::Settings,
    tool::{Answer, Registry, ToolContext},
};

/// How long an idle connection stays open: longer than the host keeps one (one minute), so that none is closed while
/// the host sends.
///
/// A connection on which the host has sent nothing yet counts as well: .NET opens some in advance.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// How long calls in flight may go on after SIGTERM. New connections are refused meanwhile.
const SHUTDOWN_GRACE_SECONDS: u64 = 5;

/// The state that all calls share.
struct Handler {
    settings: Settings,
    tools: Registry,
    credentials: CredentialSource,
    bodies: CallBodies,
    http: HttpClients,
}

/// Serves `tools` until the process is told to end.
///
/// After SIGTERM, calls in flight are finished first.
pub async fn run(settings: Settings, tools: Registry) -> std::io::Result<()> {
    let port = settings.port;
    let handler = web::Data::new(Handler {
        credentials: CredentialSource::new(&settings.identity),
        settings,
        tools,
        bodies: CallBodies::new(),
        http: HttpClients::lazy(),
    });
    let server = HttpServer::new(move || {
        let for_the_host = web::scope("")
            .guard(is_from_the_host(port))
            .route("/", web::get().to(ready))
            .route("/{function}", web::post().guard(is_json).to(invoke))
            .route("/{function}", web::post().to(unsupported_media_type));
        App::new()
            .app_data(handler.clone())
            .service(for_the_host)
            .default_service(web::to(forbidden))
    })
    .keep_alive(KEEP_ALIVE)
    // Without it, the end of a large answer waits until the host has acknowledged the rest.
    .tcp_nodelay(true)
    .client_request_timeout(KEEP_ALIVE)
    .shutdown_timeout(SHUTDOWN_GRACE_SECONDS)
    .bind(("127.0.0.1", port))?
    .run();
    server.await
}

/// Answers the host's probe, and prepares for the first call.
async fn ready(handler: web::Data<Handler>) -> HttpResponse {
    // Not at the start: on few cores, it would delay the host's first probe.
    tokio::task::spawn_blocking(move || handler.http.warm_up());
    HttpResponse::Ok().finish()
}

async fn invoke(
    function: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    handler: web::Data<Handler>,
) -> HttpResponse {
    let started = Instant::now();
    let invocation_id = invocation_id(&request);
    let http = handler.http.for_call(handler.settings.call_budget);

    let length = content_length(&request);
    let call = handler.call(&function, invocation_id, payload, length, &http);
    // A panic of the tool must not end the host's connection.
    let call = AssertUnwindSafe(call).catch_unwind();
    let outcome = match tokio::time::timeout(http.remaining(), call).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(panicked()),
        Err(_) => Err(timed_out(handler.settings.call_budget)),
    };

    log(
        &function,
        invocation_id,
        &outcome,
        started.elapsed(),
        http.requests(),
    );
    let result = match outcome {
        Ok(answer) => CallToolResult::success(answer),
        Err(failure) => CallToolResult::failure(failure.message().to_owned()),
    };
    match result.to_return_value() {
        Ok(return_value) => HttpResponse::Ok().json(InvocationResponse::returning(return_value)),
        Err(_) => HttpResponse::Ok()
            .content_type(ContentType::json())
            .body("{}"),
    }
}

impl Handler {
    async fn call(
        &self,
        function: &str,
        invocation_id: &str,
        payload: web::Payload,
        length: Option<usize>,
        http: &Http,
    ) -> Result<Answer, Failure> {
        let tool = self
            .tools
            .find(function)
            .ok_or_else(|| unknown_tool(function))?;
        // A call that has waited for half of its time needs the other half for itself.
        let patience = http.remaining() / 2;
        let (body, mut memory) = self.bodies.read(payload, length, patience).await?;
        let value = TriggerValue::from_body(body).map_err(invalid_request)?;
        memory.shrink_to_decoded(value.json().len());
        let invocation: ToolInvocation = value.read().map_err(invalid_request)?;
        invocation.require_streamable_http()?;
        if let Identity::Developer { further_hosts, .. } = &self.settings.identity {
            further_hosts.admit(invocation.headers())?;
        }
        let credential = self
            .credentials
            .for_call(invocation.headers(), http)
            .await?;
        let credential = Arc::new(credential);
        let graph = Graph::new(
            self.settings.graph.clone(),
            credential.clone(),
            http.clone(),
        );
        let context = ToolContext {
            invocation_id: invocation_id.to_owned(),
            session_id: invocation.session_id,
            credential,
            graph,
        };
        let arguments = invocation.arguments.map_or("{}", Arguments::json);
        tool.call(arguments, &context).await
    }
}

fn invocation_id(request: &HttpRequest) -> &str {
    let header = request.headers().get("X-Azure-Functions-InvocationId");
    header.and_then(|id| id.to_str().ok()).unwrap_or_default()
}

fn content_length(request: &HttpRequest) -> Option<usize> {
    let header = request.headers().get(CONTENT_LENGTH)?;
    header.to_str().ok()?.parse().ok()
}

/// Logs one line per invocation, on standard error only where the operator must act.
fn log(
    tool: &str,
    invocation_id: &str,
    outcome: &Result<Answer, Failure>,
    duration: Duration,
    outbound_calls: u32,
) {
    let duration_ms = duration.as_millis();
    macro_rules! failed {
        ($level:ident, $remedy:literal, $failure:ident) => {
            tracing::$level!(
                invocation_id,
                ?tool,
                outcome = $failure.class(),
                duration_ms,
                outbound_calls,
                remedy = $remedy,
                action = $failure.action(),
                detail = $failure.detail(),
                "tool call failed"
            )
        };
    }
    match outcome {
        Ok(_) => tracing::info!(
            invocation_id,
            ?tool,
            outcome = "ok",
            duration_ms,
            outbound_calls,
            "tool call"
        ),
        Err(failure) => match failure.remedy() {
            Remedy::User => failed!(info, "user", failure),
            Remedy::Wait => failed!(warn, "wait", failure),
            Remedy::Operator => failed!(error, "operator", failure),
        },
    }
}

fn unknown_tool(function: &str) -> Failure {
    let message = format!("This server has no tool {function:?}.");
    Failure::operator("unknown_tool", message).with_action(
        "deploy function.json files and handler of the same build: cargo xtask functions",
    )
}

fn invalid_request(problem: impl std::fmt::Display) -> Failure {
    let message = format!("The Functions host's request could not be read: {problem}.");
    Failure::operator("invalid_request", message).with_action(
        "compare the extension bundle's version in host.json with this app's release notes",
    )
}

fn timed_out(budget: Duration) -> Failure {
    let message = format!(
        "The tool did not finish within {} seconds. Please try again.",
        budget.as_secs()
    );
    Failure::wait("timed_out", message)
        .with_action("raise TOOL_CALL_TIME_BUDGET_SECONDS if the tool needs longer")
}

fn panicked() -> Failure {
    Failure::operator(
        "panic",
        "The tool failed unexpectedly. Please tell whoever runs this server.",
    )
    .with_action("see the panic message on stderr, right before this line")
}
