//! The running cloud: Entra, the managed identity endpoint and Graph, each on a loopback port of its own.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use rustls::ServerConfig;
use serde::Serialize;
use uuid::Uuid;

use crate::certificate::Certificate;
use crate::directory::{
    AZURE_CLI, Directory, Person, SCOPE, TENANT_ID, UnknownPerson, VISUAL_STUDIO_CODE,
};
use crate::entra::{
    self, AccessTokenClaims, ApiNames, Authority, Clock, Grants, SignIns, SigningKeys,
    TokenRefusal, TokenSpec, Tokens, unverified_claims,
};
use crate::events::{Events, Party};
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::{control, exchanges, graph, loopback, managed_identity};

/// Enough for RSA on both cores of a small machine.
const WORKERS: usize = 2;

/// Whether the handler can be told by a file whom to trust. On macOS and Windows it asks the system, which does not know
/// the sandbox's authority.
const HANDLER_TAKES_HTTPS: bool = cfg!(not(any(target_os = "macos", windows)));

/// Idle connections live about as long as Azure's.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// How the cloud is set up.
#[derive(Debug, Clone)]
pub struct CloudOptions {
    /// The port of Entra and of the control endpoint; 0 takes any free one.
    pub login_port: u16,
    /// The port of Graph; 0 takes any free one.
    pub graph_port: u16,
    /// The port of the managed identity endpoint; 0 takes any free one.
    pub identity_port: u16,
    /// Where the managed identity endpoint listens. App Service on Linux has it at a link-local address; here an
    /// interface must have that.
    pub identity_address: Ipv4Addr,
    /// How long Graph tokens live. Whole seconds.
    pub graph_token_lifetime: Duration,
    /// After what time Entra suggests to refresh a Graph token (`refresh_in`). Whole seconds.
    pub refresh_in: Option<Duration>,
    /// How long the tokens of MCP clients live. Whole seconds.
    pub user_token_lifetime: Duration,
    /// The identifier URIs that the MCP server has before [`IDENTIFIER_URI`](crate::directory::IDENTIFIER_URI). Scopes
    /// are written in the form of the first.
    pub identifier_uris: Vec<String>,
    /// Entra ignores `resource`. Otherwise it refuses one that is no identifier URI of the scope's API
    /// (`AADSTS9010010`), as it does since March 2026.
    pub lenient_resource: bool,
    /// Entra and Graph listen on https as well, for clients that demand it. See [`Cloud::tls_authority`].
    pub tls: bool,
    /// Keeps every secret issued in the [`Ledger`], so that a test can search all output for them.
    pub record_secrets: bool,
    /// Where it is told what the cloud is asked and what it answers.
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

/// A token for Graph, as a developer tool hands it out.
#[derive(Clone, Serialize)]
pub struct GraphToken {
    /// The token.
    pub access_token: String,
    /// When it expires, in seconds since the epoch.
    pub expires_on: i64,
    /// The tenant that issued it.
    pub tenant: &'static str,
    /// `Bearer`.
    pub token_type: &'static str,
}

impl fmt::Debug for GraphToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphToken")
            .field("expires_on", &self.expires_on)
            .finish_non_exhaustive()
    }
}

/// Entra, managed identity and Graph. Dropping it stops the servers.
pub struct Cloud {
    state: Arc<CloudState>,
    identity_endpoint: String,
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

        let login_authority = Authority {
            origin: authority.clone(),
        };
        let mut authorities = vec![&login_authority];
        if let Some(https) = &https {
            authorities.insert(usize::from(!HANDLER_TAKES_HTTPS), &https.authority);
        }
        let state = Arc::new(CloudState {
            tokens: Tokens {
                issuers: authorities.into_iter().map(Authority::issuer).collect(),
                keys,
                clock: Clock::default(),
            },
            sign_ins: SignIns::default(),
            grants: Grants::default(),
            ledger: Ledger::new(options.record_secrets),
            faults: Faults::default(),
            directory: Directory::new(options.identifier_uris.iter().cloned()),
            identity_header: RwLock::new(new_identity_header()),
            authority,
            graph: GraphOrigins {
                http: graph_url,
                https: https.as_ref().map(|https| https.graph_origin.clone()),
            },
            options,
        });
        // Dropped on failure, the cloud stops the servers that run already.
        let mut cloud = Self {
            state,
            identity_endpoint: format!("{identity_url}{}", managed_identity::PATH),
            tls: None,
            servers: Vec::new(),
        };
        cloud.serve(Party::Entra, login, None, move |config| {
            control::routes(config);
            entra::routes(config, login_authority.clone());
        })?;
        if let Some(https) = https {
            let authority = https.authority;
            cloud.tls = Some(Tls {
                authority: authority.origin.clone(),
                ca_certificate_pem: https.certificate.authority_pem,
            });
            let certificate = https.certificate.server;
            cloud.serve(
                Party::Entra,
                https.login,
                Some(certificate.clone()),
                move |config| entra::routes(config, authority.clone()),
            )?;
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
        let state = self.state.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(state.clone()))
                .app_data(service)
                .configure(&routes)
                .wrap(from_fn(exchanges::observe))
        })
        .workers(WORKERS)
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true)
        // A busy client may take its time over a connection that it has opened.
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

    /// The tenant's people and their consents.
    pub fn directory(&self) -> &Directory {
        &self.state.directory
    }

    /// Entra's address: `http://127.0.0.1:{port}`.
    pub fn authority(&self) -> &str {
        &self.state.authority
    }

    /// Entra's other address, `https://localhost:{port}`, with [`tls`](CloudOptions::tls). Its metadata and id tokens
    /// name this origin. Access tokens name [`handler_authority`](Self::handler_authority) wherever they are issued: a
    /// tenant has one issuer, however many addresses Entra has.
    pub fn tls_authority(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.authority.as_str())
    }

    /// The certificate, in PEM, of the authority that vouches for [`tls_authority`](Self::tls_authority) and
    /// [`tls_graph`](Self::tls_graph). It is made anew at each start: trust it in a test, never in a system.
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
        &self.state.graph.http
    }

    /// Graph's other address, `https://localhost:{port}`, with [`tls`](CloudOptions::tls).
    pub fn tls_graph(&self) -> Option<&str> {
        self.state.graph.https.as_deref()
    }

    /// What `IDENTITY_ENDPOINT` is to be: `http://{address}:{port}/msi/token`.
    pub fn identity_endpoint(&self) -> &str {
        &self.identity_endpoint
    }

    /// The address of the control endpoint: `http://127.0.0.1:{port}/sandbox`.
    pub fn control_url(&self) -> String {
        format!("{}/sandbox", self.state.authority)
    }

    /// Makes a new value for `IDENTITY_HEADER`; the former is no longer accepted.
    pub fn rotate_identity_header(&self) -> String {
        let header = new_identity_header();
        self.state.ledger.record_secret(&header);
        self.state.identity_header.write().clone_from(&header);
        header
    }

    /// What `IDENTITY_HEADER` is: the value that is accepted.
    pub fn identity_header(&self) -> String {
        self.state.identity_header.read().clone()
    }

    /// The token that an MCP client holds for a person.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn access_token(&self, person: &str) -> Result<String, UnknownPerson> {
        self.state.access_token(person)
    }

    /// The same token before it is signed, for tests to spoil.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn access_token_spec(&self, person: &str) -> Result<TokenSpec, UnknownPerson> {
        self.state.access_token_spec(person)
    }

    /// The token for Graph that a developer's Azure CLI holds for a person.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn graph_token(&self, person: &str) -> Result<GraphToken, UnknownPerson> {
        self.state.graph_token(person)
    }

    /// Signs any token.
    pub fn sign(&self, token: TokenSpec) -> String {
        self.state.issue(token)
    }

    /// Verifies a caller's token as App Service Authentication does: signature, issuer, times, and as audience the
    /// MCP server's client id or one of its identifier URIs.
    ///
    /// # Errors
    /// Why the token is not accepted.
    pub fn verify_access_token(&self, token: &str) -> Result<AccessTokenClaims, TokenRefusal> {
        let CloudState {
            tokens, directory, ..
        } = &*self.state;
        tokens.verify(token, &directory.server_audiences())
    }

    /// What Entra accepts as the `resource` (RFC 8707) of the MCP server; nothing, if it ignores the parameter.
    pub fn accepted_resources(&self) -> Option<&[String]> {
        (!self.state.options.lenient_resource).then_some(self.directory().identifier_uris())
    }

    /// Signs with a new key from now on. The former stays published. Takes a good part of a second.
    pub fn rotate_keys(&self) {
        self.state.tokens.keys.rotate();
    }

    /// Sets how many seconds the cloud's clock is ahead of this machine's, by which it dates and checks tokens.
    pub fn set_clock_skew(&self, seconds: i64) {
        self.state.tokens.clock.set_skew(seconds);
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// What the cloud was asked.
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        for server in &self.servers {
            // The command is sent at once; there is nobody to wait for its completion.
            drop(server.stop(false));
        }
    }
}

/// What the servers share.
pub(crate) struct CloudState {
    pub(crate) options: CloudOptions,
    pub(crate) authority: String,
    pub(crate) graph: GraphOrigins,
    pub(crate) directory: Directory,
    pub(crate) tokens: Tokens,
    pub(crate) sign_ins: SignIns,
    pub(crate) grants: Grants,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) identity_header: RwLock<String>,
}

impl CloudState {
    pub(crate) fn access_token(&self, person: &str) -> Result<String, UnknownPerson> {
        Ok(self.issue(self.access_token_spec(person)?))
    }

    fn access_token_spec(&self, person: &str) -> Result<TokenSpec, UnknownPerson> {
        let person = self.directory.person(person)?;
        let lifetime = self.options.user_token_lifetime;
        Ok(self
            .tokens
            .user_token(&person, &VISUAL_STUDIO_CODE, SCOPE, lifetime))
    }

    pub(crate) fn graph_token(&self, person: &str) -> Result<GraphToken, UnknownPerson> {
        let person = self.directory.person(person)?;
        let token = self.tokens.graph_token(
            &person,
            &AZURE_CLI,
            self.graph.audience(),
            "User.Read email openid profile",
            self.options.graph_token_lifetime,
        );
        Ok(GraphToken {
            expires_on: token.expires_on(),
            access_token: self.issue(token),
            tenant: TENANT_ID,
            token_type: "Bearer",
        })
    }

    /// Signs a token and records it as a secret.
    pub(crate) fn issue(&self, token: TokenSpec) -> String {
        let token = self.tokens.sign(token);
        self.ledger.record_secret(&token);
        token
    }

    /// Makes a code, a refresh token or an id that nobody can guess, and records it as a secret.
    pub(crate) fn new_secret(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        self.ledger.record_secret(&secret);
        secret
    }

    /// What the tenant's APIs are called.
    pub(crate) fn api_names(&self) -> ApiNames<'_> {
        ApiNames {
            graph: &self.graph,
            directory: &self.directory,
        }
    }

    /// Whom an unverified token speaks of.
    pub(crate) fn person_of(&self, token: &str) -> Option<Person> {
        self.directory
            .person_by_object_id(unverified_claims(token)?.object_id()?)
    }
}

/// How Entra is reached on https.
struct Tls {
    authority: String,
    ca_certificate_pem: String,
}

/// The origins at which Graph listens. Each names it in scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GraphOrigins {
    pub(crate) http: String,
    pub(crate) https: Option<String>,
}

impl GraphOrigins {
    /// The `aud` of every token for Graph, and where it says that its things are.
    pub(crate) fn audience(&self) -> &str {
        &self.http
    }

    /// Whether a scope's `resource` means Graph.
    pub(crate) fn contains(&self, resource: &str) -> bool {
        resource == self.http || self.https.as_deref() == Some(resource)
    }
}

/// What listens on https, before it serves.
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

fn new_identity_header() -> String {
    Uuid::new_v4().simple().to_string()
}
