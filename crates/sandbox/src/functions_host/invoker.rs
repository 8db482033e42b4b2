//! Posts invocations to the custom handler.

use std::{io, sync::Arc, time::Duration};

use actix_web::web::Bytes;
use function_app::Platform;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue, LOCATION, USER_AGENT},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

use super::{
    answer::{self, Answer, InvocationFailure},
    handler_process::HandlerProcess,
    invocation::{Client as McpClient, Invocation},
};

/// `X-Azure-Functions-HostVersion`.
const HOST_VERSION: &str = "4.1037.0.0";

/// How many redirects the host's HTTP client follows.
const MAX_REDIRECTS: usize = 50;

/// How long the host keeps a connection to the handler that it does not use.
const IDLE_TIMEOUT: Duration = Duration::from_secs(67);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The host's side of the connection to the handler.
#[derive(Debug)]
pub(super) struct Invoker {
    pub handler: Arc<HandlerProcess>,
    pub platform: Platform,
    pub function_timeout: Duration,
    client: Client<HttpConnector, Body>,
}

impl Invoker {
    pub(super) fn new(
        handler: Arc<HandlerProcess>,
        platform: Platform,
        function_timeout: Duration,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            handler,
            platform,
            function_timeout,
            client: Client::builder(TokioExecutor::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .build(connector),
        }
    }

    /// Posts an invocation and waits for the answer that completes it.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        function: &str,
        invocation: Invocation,
        client: TraceContext,
    ) -> Result<Answer, InvocationFailure> {
        let invoker = self.clone();
        let function = function.to_owned();
        // A task of its own, since the host does not cancel the invocation when the client goes away.
        let task = tokio::spawn(async move {
            let pid = invoker.handler.pid();
            let call = invoker.call(&function, invocation, client);
            match timeout(invoker.function_timeout, call).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    invoker.handler.restart(pid);
                    Err(InvocationFailure::Timeout)
                }
            }
        });
        task.await
            .unwrap_or_else(|error| Err(InvocationFailure::NoHandler(error.to_string())))
    }

    async fn call(
        &self,
        function: &str,
        invocation: Invocation,
        trace: TraceContext,
    ) -> Result<Answer, InvocationFailure> {
        self.handler
            .ready()
            .await
            .map_err(|failure| InvocationFailure::NoHandler(failure.to_string()))?;
        self.handler.count_invocation();
        let response = self.post(function, invocation, &trace).await?;
        if !response.status().is_success() {
            return Err(InvocationFailure::Status(response.status().as_u16()));
        }
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| connection_failure(&error))?.to_bytes();
        match answer::read(content_type.as_deref(), &body)? {
            Some(answer) => Ok(answer),
            // Nothing completes the invocation, and so it lasts until its timeout.
            None => std::future::pending().await,
        }
    }

    /// Posts the invocation and follows redirects; most of them turn the POST into a GET.
    async fn post(
        &self,
        function: &str,
        invocation: Invocation,
        trace: &TraceContext,
    ) -> Result<Response<Incoming>, InvocationFailure> {
        let own = format!("http://{}", self.handler.address());
        let id = invocation.id.to_string();
        let text = Bytes::from(invocation.body);
        let mut url = format!("{own}/{function}");
        let mut repeats_post = true;
        for redirects in 0.. {
            let request = if repeats_post {
                let mut request = self.request(Method::POST, &url, &id, trace)?;
                let json = HeaderValue::from_static("application/json; charset=utf-8");
                request.headers_mut().insert(CONTENT_TYPE, json);
                *request.body_mut() = body(self.platform, text.clone());
                request
            } else {
                self.request(Method::GET, &url, &id, trace)?
            };
            let response = self.send(request).await?;
            let location = redirect(response.status(), response.headers());
            let Some(location) = location.filter(|_| redirects < MAX_REDIRECTS) else {
                return Ok(response);
            };
            url = match location.strip_prefix('/') {
                Some(_) => format!("{own}{location}"),
                None => location.to_owned(),
            };
            repeats_post &= matches!(response.status().as_u16(), 307 | 308);
        }
        Err(InvocationFailure::Connection("too many redirects".into()))
    }

    fn request(
        &self,
        method: Method,
        url: &str,
        id: &str,
        trace: &TraceContext,
    ) -> Result<Request<Body>, InvocationFailure> {
        let uri: Uri = url
            .parse()
            .map_err(|_| InvocationFailure::Connection(format!("{url} is not a URL")))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("X-Azure-Functions-HostVersion", HOST_VERSION)
            .header("X-Azure-Functions-InvocationId", id)
            .header(USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
            .header("traceparent", &trace.parent);
        if let Some(state) = &trace.state {
            request = request.header("tracestate", state);
        }
        request
            .body(empty())
            .map_err(|error| InvocationFailure::Connection(error.to_string()))
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, InvocationFailure> {
        let response = self.client.request(request).await;
        response.map_err(|error| connection_failure(&error))
    }
}

fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<&str> {
    let is_redirect = matches!(status.as_u16(), 300..=303 | 307 | 308);
    headers
        .get(LOCATION)
        .filter(|_| is_redirect)
        .and_then(|location| location.to_str().ok())
}

fn empty() -> Body {
    Full::default()
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn body(platform: Platform, text: Bytes) -> Body {
    match platform {
        // Core Tools read the body for their log first, and so know its length.
        Platform::CoreTools => Full::from(text)
            .map_err(|never| match never {})
            .boxed_unsync(),
        Platform::Azure => {
            let chunk = async { Ok(Frame::data(text)) };
            StreamBody::new(futures_util::stream::once(chunk)).boxed_unsync()
        }
    }
}

fn connection_failure(error: &(dyn std::error::Error + 'static)) -> InvocationFailure {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    InvocationFailure::Connection(text)
}

/// The place of an invocation in a distributed trace
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/)).
#[derive(Debug)]
pub(super) struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// A new span: of the client's trace if it sent one, else of a trace of its own that is not
    /// marked as recorded.
    pub(super) fn of(client: &McpClient) -> Self {
        let span = hex(&rand::random::<[u8; 8]>());
        let sent = client.headers.get("traceparent").and_then(|parent| {
            let (trace, rest) = parent.strip_prefix("00-")?.split_at_checked(32)?;
            let flags = rest.strip_prefix('-')?.get(16..)?.strip_prefix('-')?;
            let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
            (is_hex(trace) && flags.len() == 2 && is_hex(flags)).then_some((trace, flags))
        });
        match sent {
            Some((trace, flags)) => Self {
                parent: format!("00-{trace}-{span}-{flags}"),
                state: client.headers.get("tracestate").map(str::to_owned),
            },
            None => Self {
                parent: format!("00-{}-{span}-00", hex(&rand::random::<[u8; 16]>())),
                state: None,
            },
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
