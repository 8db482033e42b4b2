//! The running cloud: Entra, the managed identity endpoint and Graph, each on a loopback port of its own.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use rustls::ServerConfig;

use crate::{
    certificate::Certificate,
    control,
    directory::{Directory, UnknownPerson},
    entra::{self, SignIns},
    events::{Events, Party},
    exchanges,
    faults::Faults,
    graph,
    ledger::Ledger,
    loopback, managed_identity,
    tenant::{
        AccessTokenClaims, Addresses, Authority, Clock, GraphOrigins, GraphToken, Policy,
        SigningKeys, Tenant, TokenRefusal, TokenSpec, Tokens,
    },
};

/// Enough for RSA on both cores of a small machine.
const WORKERS: usize = 2;

/// Whether the handler can read trusted authorities from a file. On macOS and Windows it uses the system's trust store,
/// which does not have the sandbox's authority.
const HANDLER_TAKES_HTTPS: bool = cfg!(not(any(target_os = "macos", windows)));

/// Idle connections live about as long as Azure's.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// The options of a cloud.
#[derive(Clone, Debug)]
pub struct CloudOptions {
    /// The port of Entra and of the control API; 0 takes any free one.
    pub login_port: u16,
    /// The port of Graph; 0 takes any free one.
    pub graph_port: u16,
    /// The port of the managed identity endpoint; 0 takes any free one.
    pub identity_port: u16,
    /// The address at which the managed identity endpoint listens. App Service on Linux has it at a link-local address,
    /// which works here only if an interface has that address.
    pub identity_address: Ipv4Addr,
    /// How long Graph tokens live. Whole seconds.
    pub graph_token_lifetime: Duration,
    /// The time after which Entra suggests refreshing a Graph token (`refresh_in`). Whole seconds.
    pub refresh_in: Option<Duration>,
    /// How long the tokens of MCP clients live. Whole seconds.
    pub user_token_lifetime: Duration,
    /// The identifier URIs that the MCP server has before [`IDENTIFIER_URI`](crate::directory::IDENTIFIER_URI). Scopes
    /// are written in the form of the first.
    pub identifier_uris: Vec<String>,
    /// Entra ignores `resource`. Otherwise it refuses one that is not an identifier URI of the scope's API
    /// (`AADSTS9010010`), as it does since March 2026.
    pub lenient_resource: bool,
    /// Entra and Graph listen on https as well, for clients that demand it. See [`Cloud::tls_authority`].
    pub tls: bool,
    /// Keeps every secret issued in the [`Ledger`], so that a test can search all output for them.
    pub record_secrets: bool,
    /// Receives an event for each request to the cloud.
    pub events: Events,
}

impl Default for CloudOptions {
    fn default() -> Self {
        Self {
            login_port: 0,
            graph_port: 0,
            identity_port: 0,
            identity_address: Ipv4Addr::LOCALHOST,
            graph_token_lifetime: Duration::from_secs(60 * 60),
            refresh_in: None,
            user_token_lifetime: Duration::from_secs(75 * 60),
            identifier_uris: Vec::new(),
            lenient_resource: false,
            tls: false,
            record_secrets: false,
            events: Events::default(),
        }
    }
}

impl CloudOptions {
    /// A tenant with these options.
    fn tenant(&self, addresses: Addresses, issuers: Vec<String>, keys: SigningKeys) -> Tenant {
        let policy = Policy {
            graph_token_lifetime: self.graph_token_lifetime,
            refresh_in: self.refresh_in,
            user_token_lifetime: self.user_token_lifetime,
            lenient_resource: self.lenient_resource,
        };
        let tokens = Tokens {
            issuers,
            keys,
            clock: Clock::default(),
        };
        Tenant::new(
            policy,
            addresses,
            Directory::new(self.identifier_uris.iter().cloned()),
            tokens,
            Ledger::new(self.record_secrets),
        )
    }
}

/// Entra, managed identity and Graph. Dropping it stops the servers.
pub struct Cloud {
    tenant: Arc<Tenant>,
    faults: Arc<Faults>,
    events: Events,
    tls: Option<Tls>,
    servers: Vec<ServerHandle>,
}

impl Cloud {
    /// Makes the tenant's key and starts the servers inside the caller's tokio runtime.
    ///
    /// # Errors
    /// When a port is taken.
    pub async fn start(options: CloudOptions) -> io::Result<Self> {
        let (login, authority) = listen(options.login_port)?;
        let (graph, graph_url) = listen(options.graph_port)?;
        let (identity, identity_url) = listen_at(options.identity_address, options.identity_port)?;
        let https = options.tls.then(Https::listen).transpose()?;
        let keys = tokio::task::spawn_blocking(SigningKeys::generate)
            .await
            .map_err(io::Error::other)?;

        let addresses = Addresses {
            authority: authority.clone(),
            graph: GraphOrigins {
                http: graph_url,
                https: https.as_ref().map(|https| https.graph_origin.clone()),
            },
            identity_endpoint: format!("{identity_url}{}", managed_identity::PATH),
        };
        let login_authority = Authority { origin: authority };
        let issuers = issuers(&login_authority, https.as_ref());
        // On failure, dropping the cloud stops the servers that already run.
        let mut cloud = Self {
            tenant: Arc::new(options.tenant(addresses, issuers, keys)),
            faults: Arc::default(),
            events: options.events,
            tls: None,
            servers: Vec::new(),
        };
        let sign_ins = web::Data::new(SignIns::default());
        let entra_at = |authority: Authority| {
            let sign_ins = sign_ins.clone();
            move |config: &mut web::ServiceConfig| {
                entra::routes(config, authority.clone(), sign_ins.clone());
            }
        };
        let entra = entra_at(login_authority);
        cloud.serve(Party::Entra, login, None, move |config| {
            control::routes(config);
            entra(config);
        })?;
        if let Some(https) = https {
            cloud.tls = Some(Tls {
                authority: https.authority.origin.clone(),
                ca_certificate_pem: https.certificate.authority_pem,
            });
            let certificate = https.certificate.server;
            let entra = entra_at(https.authority);
            cloud.serve(Party::Entra, https.login, Some(certificate.clone()), entra)?;
            cloud.serve(Party::Graph, https.graph, Some(certificate), graph::routes)?;
        }
        cloud.serve(Party::Graph, graph, None, graph::routes)?;
        cloud.serve(
            Party::ManagedIdentity,
            identity,
            None,
            managed_identity::routes,
        )?;
        Ok(cloud)
    }

    fn serve(
        &mut self,
        service: Party,
        listener: TcpListener,
        tls: Option<ServerConfig>,
        routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<()> {
        let tenant = self.tenant.clone();
        let faults = self.faults.clone();
        let events = self.events.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(tenant.clone()))
                .app_data(web::Data::from(faults.clone()))
                .app_data(events.clone())
                .app_data(service)
                .configure(&routes)
                .wrap(from_fn(exchanges::observe))
        })
        .workers(WORKERS)
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true)
        // A busy client may be slow to send a request on a connection that it has opened.
        .client_request_timeout(Duration::ZERO)
        .tls_handshake_timeout(KEEP_ALIVE)
        .disable_signals();
        let server = match tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls)?,
            None => server.listen(listener)?,
        }
        .run();
        self.servers.push(server.handle());
        tokio::spawn(server);
        Ok(())
    }

    /// Stops the servers and waits until they have stopped. Open connections are dropped.
    pub async fn stop(mut self) {
        for server in std::mem::take(&mut self.servers) {
            server.stop(false).await;
        }
    }

    /// The tenant, for services that are built on it.
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The tenant's people and their consents.
    pub fn directory(&self) -> &Directory {
        &self.tenant.directory
    }

    /// Entra's address: `http://127.0.0.1:{port}`.
    pub fn authority(&self) -> &str {
        &self.tenant.addresses.authority
    }

    /// Entra's other address, `https://localhost:{port}`, with [`tls`](CloudOptions::tls). Its metadata and id tokens
    /// name this origin. Access tokens name [`handler_authority`](Self::handler_authority) wherever they are issued: a
    /// tenant has one issuer, however many addresses Entra has.
    pub fn tls_authority(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.authority.as_str())
    }

    /// The certificate, in PEM, of the authority to trust for [`tls_authority`](Self::tls_authority) and
    /// [`tls_graph`](Self::tls_graph). It is generated at each start: trust it in a test, never in a system.
    pub fn ca_certificate_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.ca_certificate_pem.as_str())
    }

    /// Entra's address for the handler: the one on https if there is one and the handler can be made to trust it.
    pub fn handler_authority(&self) -> &str {
        self.tls_authority()
            .filter(|_| HANDLER_TAKES_HTTPS)
            .unwrap_or(self.authority())
    }

    /// Graph's address for the handler, like [`handler_authority`](Self::handler_authority).
    pub fn handler_graph(&self) -> &str {
        self.tls_graph()
            .filter(|_| HANDLER_TAKES_HTTPS)
            .unwrap_or(self.graph())
    }

    /// Graph's address: `http://127.0.0.1:{port}`.
    pub fn graph(&self) -> &str {
        &self.tenant.addresses.graph.http
    }

    /// Graph's other address, `https://localhost:{port}`, with [`tls`](CloudOptions::tls).
    pub fn tls_graph(&self) -> Option<&str> {
        self.tenant.addresses.graph.https.as_deref()
    }

    /// The value of `IDENTITY_ENDPOINT`: `http://{address}:{port}/msi/token`.
    pub fn identity_endpoint(&self) -> &str {
        &self.tenant.addresses.identity_endpoint
    }

    /// The address of the control API: `http://127.0.0.1:{port}/sandbox`.
    pub fn control_url(&self) -> String {
        format!("{}/sandbox", self.authority())
    }

    /// Makes a new value for `IDENTITY_HEADER`; the previous one is no longer accepted.
    pub fn rotate_identity_header(&self) -> String {
        self.tenant.rotate_identity_header()
    }

    /// The accepted value of `IDENTITY_HEADER`.
    pub fn identity_header(&self) -> String {
        self.tenant.identity_header()
    }

    /// The token that an MCP client holds for a person.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn access_token(&self, person: &str) -> Result<String, UnknownPerson> {
        self.tenant.access_token(person)
    }

    /// The same token before it is signed, for tests that tamper with it.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn access_token_spec(&self, person: &str) -> Result<TokenSpec, UnknownPerson> {
        self.tenant.access_token_spec(person)
    }

    /// The token for Graph that a developer's Azure CLI holds for a person.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn graph_token(&self, person: &str) -> Result<GraphToken, UnknownPerson> {
        self.tenant.graph_token(person)
    }

    /// Signs any token.
    pub fn sign(&self, token: TokenSpec) -> String {
        self.tenant.issue(token)
    }

    /// Verifies a caller's token as App Service Authentication does: signature, issuer, times, and as audience the
    /// MCP server's client id or one of its identifier URIs.
    ///
    /// # Errors
    /// Why the token is not accepted.
    pub fn verify_access_token(&self, token: &str) -> Result<AccessTokenClaims, TokenRefusal> {
        self.tenant.verify_access_token(token)
    }

    /// The values that Entra accepts as the `resource` (RFC 8707) of the MCP server; `None` if it ignores `resource`.
    pub fn accepted_resources(&self) -> Option<&[String]> {
        (!self.tenant.policy.lenient_resource).then_some(self.directory().identifier_uris())
    }

    /// Signs with a new key from now on. The previous key stays published. Takes a good part of a second.
    pub fn rotate_keys(&self) {
        self.tenant.tokens.keys.rotate();
    }

    /// Sets how many seconds the cloud's clock, by which it issues and checks tokens, is ahead of this machine's.
    pub fn set_clock_skew(&self, seconds: i64) {
        self.tenant.tokens.clock.set_skew(seconds);
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The counts of the cloud's requests.
    pub fn ledger(&self) -> &Ledger {
        &self.tenant.ledger
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        for server in &self.servers {
            // The command is sent at once; `drop` cannot wait for its completion.
            drop(server.stop(false));
        }
    }
}

/// Entra's address on https, and the authority to trust for it.
struct Tls {
    authority: String,
    ca_certificate_pem: String,
}

/// The listeners for https, before they serve.
struct Https {
    login: TcpListener,
    authority: Authority,
    graph: TcpListener,
    graph_origin: String,
    certificate: Certificate,
}

impl Https {
    fn listen() -> io::Result<Self> {
        let (login, origin) = listen_for_https()?;
        let (graph, graph_origin) = listen_for_https()?;
        Ok(Self {
            login,
            authority: Authority { origin },
            graph,
            graph_origin,
            certificate: Certificate::generate()?,
        })
    }
}

/// The tenant's issuers. The first is the one that access tokens name.
fn issuers(login: &Authority, https: Option<&Https>) -> Vec<String> {
    let mut authorities = vec![login];
    if let Some(https) = https {
        authorities.insert(usize::from(!HANDLER_TAKES_HTTPS), &https.authority);
    }
    authorities.into_iter().map(Authority::issuer).collect()
}

/// A listener and its address as a URL.
fn listen(port: u16) -> io::Result<(TcpListener, String)> {
    listen_at(Ipv4Addr::LOCALHOST, port)
}

fn listen_at(address: Ipv4Addr, port: u16) -> io::Result<(TcpListener, String)> {
    let listener = loopback::listen_at(address, port)?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// A listener and its address under the name in the certificate.
fn listen_for_https() -> io::Result<(TcpListener, String)> {
    let listener = loopback::listen(0)?;
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    Ok((listener, url))
}
