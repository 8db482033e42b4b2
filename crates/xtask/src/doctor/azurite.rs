//! Checks Azurite, the storage of local runs.

use reqwest::{Method, Request, Url, header::SERVER};

use super::{
    finding::Finding,
    http::{self, Reply, SendError},
};

const START: &str = "azurite --silent, in a terminal of its own; needed for `func start`";

/// The ports of the services that the Functions host uses.
pub struct Azurite {
    /// For the host's keys and leases.
    pub blob: u16,
    /// For the MCP extension's messages.
    pub queue: u16,
}

impl Default for Azurite {
    /// The ports that `UseDevelopmentStorage=true` stands for.
    fn default() -> Self {
        Self {
            blob: 10_000,
            queue: 10_001,
        }
    }
}

impl Azurite {
    /// Checks that both services answer.
    pub async fn check(&self) -> [Finding; 2] {
        [
            service("blob", self.blob).await,
            service("queue", self.queue).await,
        ]
    }
}

async fn service(name: &str, port: u16) -> Finding {
    match answer(port).await {
        Ok(reply) if is_azurite(&reply) => {
            Finding::ok(format!("Azurite's {name} service is on port {port}"))
        }
        Err(SendError::Unreachable) => Finding::warn(
            format!("Azurite's {name} service is not on port {port}"),
            START,
        ),
        Ok(_) => Finding::fail(
            format!("another program than Azurite's {name} service is on port {port}"),
            format!("stop it; then {START}"),
        ),
        Err(error) => Finding::fail(
            format!("Azurite's {name} service does not answer on port {port}: {error}"),
            format!("stop the program that listens there; then {START}"),
        ),
    }
}

async fn answer(port: u16) -> Result<Reply, SendError> {
    let url =
        Url::parse(&format!("http://127.0.0.1:{port}/")).map_err(|_| SendError::Unreachable)?;
    http::send(Request::new(Method::GET, url)).await
}

/// Azurite names itself in every answer, errors included.
fn is_azurite(reply: &Reply) -> bool {
    let server = reply.headers.get(SERVER);
    server.is_some_and(|server| server.as_bytes().starts_with(b"Azurite"))
}

/// For tests: ports without a listener.
#[cfg(test)]
pub fn nowhere() -> Azurite {
    let [blob, queue] = [(); 2].map(|()| sandbox::loopback::free_port().unwrap());
    Azurite { blob, queue }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, HttpServer, web};
    use sandbox::loopback;

    use super::*;
    use crate::doctor::finding::{Verdict, assert_found};

    /// The finding for a program that answers with this header.
    async fn finding(server: &'static str) -> Finding {
        let listener = loopback::listen(0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let running = HttpServer::new(move || {
            App::new().default_service(web::to(move || async move {
                HttpResponse::BadRequest()
                    .insert_header((SERVER.as_str(), server))
                    .finish()
            }))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = running.handle();
        tokio::spawn(running);
        let finding = service("queue", port).await;
        handle.stop(false).await;
        finding
    }

    #[tokio::test]
    async fn azurite_is_known_by_its_name() {
        let findings = [finding("Azurite-Queue/3.35.0").await];
        assert_found(
            &findings,
            Verdict::Ok,
            "Azurite's queue service is on port",
            "",
        );
    }

    #[tokio::test]
    async fn another_program_on_its_port_is_found() {
        let findings = [finding("nginx").await];
        assert_found(
            &findings,
            Verdict::Fail,
            "another program than Azurite",
            "stop it",
        );
    }

    #[tokio::test]
    async fn an_azurite_that_does_not_run_is_told() {
        let findings = nowhere().check().await;
        for service in ["blob", "queue"] {
            let text = format!("Azurite's {service} service is not on port");
            assert_found(&findings, Verdict::Warn, &text, "azurite --silent");
        }
    }
}
