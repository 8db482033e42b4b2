//! The Azure Functions host with its MCP extension, as far as clients and custom handlers can tell
//! it from the real one.
//!
//! It reads the app's own files, starts the custom handler, and turns MCP tool calls into
//! invocations of it.

mod answer;
pub mod app_files;
mod dotnet;
pub mod handler_process;
mod headers;
mod home_page;
mod invocation;
mod invoker;
mod key_gate;
mod mcp_extension;
mod timings;
mod web_server;
mod webhooks;

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::dev::{AppConfig, Server, ServerHandle, fn_service};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{App, Error, HttpResponse, guard};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

pub use self::app_files::{AppFiles, AppFilesError, Warning};
pub use self::handler_process::{HandlerCommand, HandlerFailure, HandlerProcess};
pub use self::headers::Headers;
pub use self::invocation::{Call, Client, ClientInfo, Invocation, Target, Transport};
pub use self::key_gate::{AccessKey, HostKeys};
pub use self::timings::HostTimings;

use self::invoker::Invoker;
use self::key_gate::KeyGate;
use self::mcp_extension::McpExtension;
use self::web_server::{AnswersAnyHost, Connection};
use self::webhooks::Webhooks;
use crate::app_service_auth::{self, AppServiceAuth};
use crate::events::{Event, Events};
use crate::loopback;

/// The path of the MCP endpoint.
pub const MCP_PATH: &str = "/runtime/webhooks/mcp";

/// What answers the invocations.
#[derive(Debug)]
pub enum Handler {
    /// A process that the host starts and restarts.
    Command(HandlerCommand),
    /// Something that listens already.
    Address(SocketAddr),
}

/// Where the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// In Azure: the bodies of invocations are chunked, and clients cannot read their session ids.
    Azure,
    /// On a developer's machine, started by Core Tools: bodies come with their length, and session
    /// ids are plain.
    CoreTools,
}

/// How the host is set up.
#[derive(Debug)]
pub struct FunctionsHostOptions {
    /// The app.
    pub app: AppFiles,
    /// What answers its invocations.
    pub handler: Handler,
    /// Where the host listens.
    pub listener: TcpListener,
    /// The authentication in front of it, if any.
    pub authentication: Option<AppServiceAuth>,
    /// Whether the host believes `X-MS-CLIENT-PRINCIPAL` (`WEBSITE_AUTH_ENABLED`), as it does behind
    /// `authentication` anyway.
    pub believes_principal: bool,
    /// The key `mcp_extension` that callers must send, if any; host.json can waive it.
    pub system_key: Option<AccessKey>,
    /// Where the host runs.
    pub platform: Platform,
    /// Whether the environment has a key for session ids (`WEBSITE_AUTH_ENCRYPTION_KEY`).
    pub has_encryption_key: bool,
    /// Instead of host.json's `functionTimeout`.
    pub function_timeout: Option<Duration>,
    /// How long the host takes its time.
    pub timings: HostTimings,
    /// Whether the host answers requests for any host name, as it does in Azure. Otherwise it
    /// refuses those for another than this machine's own with 403.
    pub answers_any_host: bool,
    /// Where events go.
    pub events: Events,
}

impl FunctionsHostOptions {
    /// A host on any free port that lets everybody in.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(app: AppFiles, handler: Handler) -> io::Result<Self> {
        Ok(Self {
            app,
            handler,
            listener: loopback::listen(0)?,
            authentication: None,
            believes_principal: false,
            system_key: None,
            platform: Platform::Azure,
            has_encryption_key: true,
            function_timeout: None,
            timings: HostTimings::default(),
            answers_any_host: false,
            events: Events::default(),
        })
    }
}

/// A running host. Dropping it stops it and its handler.
#[derive(Debug)]
pub struct FunctionsHost {
    address: SocketAddr,
    app: Option<Arc<AppFiles>>,
    keys: Option<HostKeys>,
    handler: Arc<HandlerProcess>,
    timings: HostTimings,
    server: ServerHandle,
}

impl FunctionsHost {
    /// Starts the host and its handler inside the caller's tokio runtime. Calls wait until the
    /// handler is ready.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub fn start(options: FunctionsHostOptions) -> io::Result<Self> {
        let FunctionsHostOptions {
            app,
            handler,
            listener,
            timings,
            events,
            ..
        } = options;
        let keys = options.system_key.map(HostKeys::with_mcp_extension);
        for warning in &app.warnings {
            let problem = warning.to_string();
            events.emit(Event::AppProblem { problem });
        }
        let handler = Arc::new(match handler {
            Handler::Command(command) => HandlerProcess::start(command, timings, events.clone())?,
            Handler::Address(address) => HandlerProcess::attach(address, timings, events.clone())?,
        });

        let app = Arc::new(app);
        let function_timeout = options
            .function_timeout
            .unwrap_or(app.host.function_timeout);
        let invoker = Invoker::new(
            Arc::clone(&handler),
            options.platform,
            function_timeout.saturating_add(timings.grace),
        );
        let extension = Data::new(McpExtension::new(
            Arc::clone(&app),
            invoker,
            options.has_encryption_key,
            events.clone(),
        ));
        let webhooks = Data::new(Webhooks {
            gate: KeyGate {
                keys: keys.clone(),
                level: app.host.mcp.webhook_authorization,
                believes_principal: options.believes_principal || options.authentication.is_some(),
            },
            events,
        });
        let (address, server, task) =
            serve(listener, options.authentication, timings, move |services| {
                services
                    .app_data(AnswersAnyHost(options.answers_any_host))
                    .app_data(extension.clone())
                    .app_data(webhooks.clone())
                    .route("/", web::get().to(home_page::home_page))
                    .service(
                        web::resource("/{path:.*}")
                            .guard(guard::fn_guard(|request| {
                                webhooks::is_mcp(request.head().uri.path())
                            }))
                            .default_service(web::to(mcp_extension::serve)),
                    );
            })?;

        let given_up = handler.given_up();
        let handle = server.clone();
        tokio::spawn(async move {
            if given_up.await {
                // Calls that still wait for a handler go without an answer.
                let _ = timeout(timings.farewell, handle.stop(true)).await;
                task.abort();
            }
        });
        Ok(Self {
            address,
            app: Some(app),
            keys,
            handler,
            timings,
            server,
        })
    }

    /// Stands for a host that cannot start with the app's files because of `problem`: it answers
    /// every request with 503, those alone that `authentication` lets pass.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub fn down(
        problem: &AppFilesError,
        listener: TcpListener,
        authentication: Option<AppServiceAuth>,
        events: &Events,
    ) -> io::Result<Self> {
        let problem = format!("the Functions host does not start: {problem}");
        let handler = HandlerProcess::none(problem.clone())?;
        events.emit(Event::AppProblem { problem });
        let timings = HostTimings::default();
        let (address, server, _) = serve(listener, authentication, timings, |services| {
            services.default_service(web::to(not_running));
        })?;
        Ok(Self {
            address,
            app: None,
            keys: None,
            handler: Arc::new(handler),
            timings,
            server,
        })
    }

    /// Where the host listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the MCP endpoint.
    pub fn mcp_url(&self) -> String {
        format!("http://{}{MCP_PATH}", self.address)
    }

    /// The app, unless the host is down because of it.
    pub fn app(&self) -> Option<&AppFiles> {
        self.app.as_deref()
    }

    /// The host's keys, if it asks for one.
    pub fn keys(&self) -> Option<&HostKeys> {
        self.keys.as_ref()
    }

    /// The handler behind the host.
    pub fn handler(&self) -> &HandlerProcess {
        &self.handler
    }

    /// Waits until the host ends by itself, if it ever does: some time after the handler has failed
    /// too often.
    pub async fn ended(&self) {
        if self.handler.given_up().await {
            sleep(self.timings.farewell).await;
        } else {
            std::future::pending().await
        }
    }

    /// Stops the host as a signal does: takes no more connections, lets calls in flight finish,
    /// kills its handler and waits until both are gone.
    pub async fn stop(self) {
        self.server.stop(true).await;
        self.handler.stop().await;
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        // Both orders are given at once; there is nobody to wait for their completion.
        drop(self.server.stop(false));
        self.handler.order_stop();
    }
}

/// Serves `services` behind `authentication` on both loopback addresses.
fn serve(
    listener: TcpListener,
    authentication: Option<AppServiceAuth>,
    timings: HostTimings,
    services: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<(SocketAddr, ServerHandle, AbortHandle)> {
    let address = listener.local_addr()?;
    let authentication = authentication.map(Data::new);
    let app = move || {
        let mut app = App::new()
            .wrap(from_fn(webhooks::route))
            .wrap(from_fn(app_service_auth::authenticate))
            .wrap(from_fn(web_server::limit));
        if let Some(authentication) = authentication.clone() {
            app = app.configure(|config| app_service_auth::routes(config, authentication));
        }
        app.configure(|config| services(config))
    };
    let builder = Server::build();
    let stopping = builder.graceful_shutdown_signal();
    let connections = move || {
        let stopping = stopping.clone();
        let app = app.clone()()
            .into_factory()
            .map_err(|error: Error| error.error_response());
        let http = HttpService::build()
            // As long as the real host's.
            .keep_alive(Duration::from_secs(130))
            // A busy client may take its time over a connection that it has opened.
            .client_request_timeout(Duration::ZERO)
            // When the host stops, idle connections are not waited for.
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|connection: &Connection, extensions| {
                extensions.insert(connection.heads());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        fn_service(async |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            let _ = stream.set_nodelay(true);
            Ok((Connection::new(stream), peer))
        })
        .and_then(http)
    };
    let mut server = builder
        .shutdown_timeout(timings.drain.as_secs())
        .workers(2)
        .disable_signals()
        .listen("functions-host", listener, connections.clone())?;
    // `localhost` may mean either.
    if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())) {
        server = server.listen("functions-host-ipv6", listener, connections)?;
    }
    let server = server.run();
    let handle = server.handle();
    let task = tokio::spawn(server).abort_handle();
    Ok((address, handle, task))
}

/// The answer of a host that is down: a text without a type, in chunks.
async fn not_running() -> HttpResponse {
    let text =
        async { Ok::<_, actix_web::Error>(Bytes::from_static(b"Function host is not running.")) };
    let mut response =
        HttpResponse::ServiceUnavailable().streaming(futures_util::stream::once(text));
    response.headers_mut().remove(CONTENT_TYPE);
    response
}
