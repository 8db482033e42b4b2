//! The host as a whole: what starts, ends and stops together.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use actix_web::{
    dev::ServerHandle,
    guard,
    web::{self, Data, ServiceConfig},
};
use function_app::{AppFiles, AppFilesError, MCP_PATH};
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    handler_process::HandlerProcess,
    home_page,
    invoker::Invoker,
    key_gate::{HostKeys, KeyGate},
    mcp_extension::{self, McpExtension},
    options::{FunctionsHostOptions, Handler},
    serving::{not_running, serve},
    timings::HostTimings,
    web_server::AnswersAnyHost,
    webhooks::{self, Webhooks},
};
use crate::{
    app_service_auth::AppServiceAuth,
    events::{Event, Events},
};

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
        for warning in &options.app.warnings {
            let problem = warning.to_string();
            options.events.emit(Event::AppProblem { problem });
        }
        let FunctionsHostOptions { timings, .. } = options;
        let events = options.events.clone();
        let handler = Arc::new(match options.handler {
            Handler::Command(command) => HandlerProcess::start(command, timings, events)?,
            Handler::Address(address) => HandlerProcess::attach(address, timings, events)?,
        });
        let app = Arc::new(options.app);
        let keys = options.system_key.map(HostKeys::with_mcp_extension);
        let function_timeout = options
            .function_timeout
            .unwrap_or(app.host.function_timeout);
        let invoker = Invoker::new(
            handler.clone(),
            options.platform,
            function_timeout.saturating_add(timings.grace),
        );
        let extension = McpExtension::new(
            app.clone(),
            invoker,
            options.has_encryption_key,
            options.events.clone(),
        );
        let webhooks = Webhooks {
            gate: KeyGate {
                keys: keys.clone(),
                level: app.host.mcp.webhook_authorization,
                believes_principal: options.believes_principal || options.authentication.is_some(),
            },
            events: options.events,
        };
        let any_host = AnswersAnyHost(options.answers_any_host);
        let (address, server, task) = serve(
            options.listener,
            options.authentication,
            timings,
            services(any_host, extension, webhooks),
        )?;
        end_with_handler(&handler, server.clone(), task, timings);
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

/// What a running host serves.
fn services(
    any_host: AnswersAnyHost,
    extension: McpExtension,
    webhooks: Webhooks,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let (extension, webhooks) = (Data::new(extension), Data::new(webhooks));
    move |services| {
        let mcp = web::resource("/{path:.*}")
            .guard(guard::fn_guard(|request| {
                webhooks::is_mcp(request.head().uri.path())
            }))
            .default_service(web::to(mcp_extension::serve));
        services
            .app_data(any_host)
            .app_data(extension.clone())
            .app_data(webhooks.clone())
            .route("/", web::get().to(home_page::home_page))
            .service(mcp);
    }
}

/// Ends `server` some time after the handler has failed too often.
fn end_with_handler(
    handler: &HandlerProcess,
    server: ServerHandle,
    task: AbortHandle,
    timings: HostTimings,
) {
    let given_up = handler.given_up();
    tokio::spawn(async move {
        if given_up.await {
            // Calls that still wait for a handler go without an answer.
            let _ = timeout(timings.farewell, server.stop(true)).await;
            task.abort();
        }
    });
}
