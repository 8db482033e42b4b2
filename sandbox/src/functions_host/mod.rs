//! The Azure Functions host with its MCP extension, as far as clients and custom handlers can tell
//! it from the real one.
//!
//! It reads the app's own files, starts the custom handler, and turns MCP tool calls into
//! invocations of it.

mod answer;
pub mod app_files;
pub mod handler_process;
mod home_page;
mod invocation;
mod mcp_extension;
mod streamable_http;
mod system_key;

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpMessage as _, HttpServer};
use rmcp_actix_web::transport::{LocalSessionManager, StreamableHttpService};

pub use self::app_files::{AppFiles, AppFilesError};
pub use self::handler_process::{HandlerCommand, HandlerFailure, HandlerProcess};
pub use self::invocation::{Headers, Invocation, ToolRequest};
pub use self::system_key::SystemKey;

use self::mcp_extension::McpExtension;
use self::streamable_http::{Front, HttpCall};
use self::system_key::Gate;
use crate::app_service_auth::{self, AppServiceAuth};
use crate::events::Events;
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
    /// The key that callers must send, if any; host.json can waive it.
    pub system_key: Option<SystemKey>,
    /// Where the host runs.
    pub platform: Platform,
    /// Instead of host.json's `functionTimeout`.
    pub function_timeout: Option<Duration>,
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
            system_key: None,
            platform: Platform::Azure,
            function_timeout: None,
            events: Events::default(),
        })
    }
}

/// A running host. Dropping it stops it and its handler.
#[derive(Debug)]
pub struct FunctionsHost {
    address: SocketAddr,
    app: Arc<AppFiles>,
    handler: Arc<HandlerProcess>,
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
            events,
            ..
        } = options;
        let address = listener.local_addr()?;
        let system_key = options.system_key.filter(|_| app.host.mcp.needs_system_key);
        let handler = Arc::new(match handler {
            Handler::Command(command) => HandlerProcess::start(command, events.clone())?,
            Handler::Address(address) => HandlerProcess::attach(address, events.clone())?,
        });

        let app = Arc::new(app);
        let extension = McpExtension {
            function_timeout: options
                .function_timeout
                .unwrap_or(app.host.function_timeout),
            app: Arc::clone(&app),
            handler: Arc::clone(&handler),
            platform: options.platform,
            events: events.clone(),
        };
        let mcp = StreamableHttpService::builder()
            .service_factory(Arc::new(move || Ok(extension.clone())))
            .session_manager(Arc::new(LocalSessionManager::default()))
            .stateful_mode(false)
            .max_request_body_bytes(streamable_http::MAX_BODY)
            .on_request_fn(|request, extensions| {
                if let Some(call) = request.extensions().get::<HttpCall>() {
                    extensions.insert(call.clone());
                }
            })
            .build();

        let front = Data::new(Front {
            encrypts_sessions: options.platform == Platform::Azure,
            events: events.clone(),
        });
        let gate = Data::new(Gate { system_key, events });
        let authentication = options.authentication.map(Data::new);
        let mut server = HttpServer::new(move || {
            let web_app = App::new()
                .wrap(from_fn(app_service_auth::authenticate))
                .app_data(front.clone())
                .app_data(gate.clone());
            let web_app = match &authentication {
                Some(authentication) => web_app
                    .app_data(authentication.clone())
                    .configure(app_service_auth::routes),
                None => web_app,
            };
            web_app
                .route("/", web::get().to(home_page::home_page))
                .service(
                    mcp.clone()
                        .scope_with_path(MCP_PATH)
                        .wrap(from_fn(streamable_http::front))
                        .wrap(from_fn(system_key::check)),
                )
        })
        // As long as the real host's.
        .keep_alive(Duration::from_secs(130))
        .tcp_nodelay(true)
        // A busy client may take its time over a connection that it has opened.
        .client_request_timeout(Duration::ZERO)
        .workers(2)
        .disable_signals()
        .listen(listener)?;
        // `localhost` may mean either.
        if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())) {
            server = server.listen(listener)?;
        }
        let server = server.run();
        let running = Self {
            address,
            app,
            handler,
            server: server.handle(),
        };
        tokio::spawn(server);
        Ok(running)
    }

    /// The URL of the MCP endpoint.
    pub fn mcp_url(&self) -> String {
        format!("http://{}{MCP_PATH}", self.address)
    }

    /// The app.
    pub fn app(&self) -> &AppFiles {
        &self.app
    }

    /// The handler behind the host.
    pub fn handler(&self) -> &HandlerProcess {
        &self.handler
    }

    /// Stops the host, kills its handler and waits until both are gone.
    pub async fn stop(self) {
        self.server.stop(false).await;
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
