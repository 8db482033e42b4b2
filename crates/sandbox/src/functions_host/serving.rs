//! The server of the host: HTTP/1.1 on both loopback addresses, with authentication in front.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::{
    App, Error, HttpResponse,
    dev::{AppConfig, Server, ServerHandle, fn_service},
    http::header::CONTENT_TYPE,
    middleware::from_fn,
    rt::net::TcpStream,
    web::{Bytes, Data, ServiceConfig},
};
use tokio::task::AbortHandle;

use super::{
    timings::HostTimings,
    web_server::{self, Connection},
    webhooks,
};
use crate::app_service_auth::{self, AppServiceAuth};

/// Serves `services` behind `authentication` on both loopback addresses.
pub(super) fn serve(
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
pub(super) async fn not_running() -> HttpResponse {
    let text =
        async { Ok::<_, actix_web::Error>(Bytes::from_static(b"Function host is not running.")) };
    let mut response =
        HttpResponse::ServiceUnavailable().streaming(futures_util::stream::once(text));
    response.headers_mut().remove(CONTENT_TYPE);
    response
}
