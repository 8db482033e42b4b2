//! The whole sandbox: the cloud, the Functions host with the app's handler and, between them, App Service
//! Authentication or a developer's tools.

use std::{
    fmt, io,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use function_app::{AppFiles, AppFilesError, MCP_PATH, Platform, Warning};

use crate::{
    app_service_auth::AppServiceAuth,
    ca_certificate::CaCertificate,
    cloud::{Cloud, CloudOptions},
    developer_tools::DeveloperTools,
    directory::{FEDERATED_CREDENTIAL, MANAGED_IDENTITY, MCP_SERVER, TENANT_ID, UnknownPerson},
    events::Events,
    functions_host::{
        AccessKey, FunctionsHost, FunctionsHostOptions, Handler, HandlerCommand, HandlerFailure,
        HandlerProcess, HostKeys, HostTimings, handler_process::Environment,
    },
    loopback,
};

/// The environment that the app runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Flex Consumption: App Service Authentication, a system key, a managed identity.
    #[default]
    Azure,
    /// A developer's machine with `func start`: calls are anonymous, and the tools call Graph as the developer.
    Local,
}

impl Profile {
    fn platform(self) -> Platform {
        match self {
            Self::Azure => Platform::Azure,
            Self::Local => Platform::CoreTools,
        }
    }
}

/// The identifier URIs of the MCP server's registration (Application ID URI).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum IdentifierUri {
    /// The MCP endpoint's URL and its origin, beside `api://` and the client id: Entra accepts the `resource` that MCP
    /// clients send.
    #[default]
    Endpoint,
    /// `api://` and the client id only: Entra refuses the `resource` that MCP clients send.
    Api,
}

impl IdentifierUri {
    /// The identifier URIs of an app whose host listens on `port`, under either name of this machine.
    fn of_app(self, port: u16) -> Vec<String> {
        match self {
            Self::Endpoint => ["127.0.0.1", "localhost"]
                .iter()
                .map(|host| format!("http://{host}:{port}"))
                .flat_map(|origin| [format!("{origin}{MCP_PATH}"), origin])
                .collect(),
            Self::Api => Vec::new(),
        }
    }
}

/// The options of a sandbox.
#[derive(Debug)]
pub struct SandboxOptions {
    /// The environment that the app runs in.
    pub profile: Profile,
    /// The app's folder.
    pub app_root: PathBuf,
    /// The handler's executable, instead of the one that host.json names.
    pub handler: Option<PathBuf>,
    /// The port of the MCP endpoint; 0 takes any free one.
    pub port: u16,
    /// The system key; a random one if `None`.
    pub system_key: Option<String>,
    /// Settings that override all others.
    pub extra_env: Vec<(String, String)>,
    /// Whether App Service Authentication guards the host ([`Profile::Azure`]). Without it, clients can set the headers
    /// that it adds, like a caller who bypasses it.
    pub app_service_auth: bool,
    /// The person who is signed in to the developer's tools ([`Profile::Local`]).
    pub developer: String,
    /// Replaces host.json's `functionTimeout`.
    pub function_timeout: Option<Duration>,
    /// The host's waiting times.
    pub timings: HostTimings,
    /// Whether to start in spite of errors that keep the host down or its calls waiting, as Azure does, instead of
    /// reporting them: a host that cannot start answers 503, and the tools of a handler that cannot be started are
    /// listed. Requests for any host name are answered, too.
    pub as_azure: bool,
    /// The identifier URIs of the MCP server's registration.
    pub identifier_uri: IdentifierUri,
    /// Entra, managed identity and Graph. Their events go to [`events`](Self::events), and their identifier URIs follow
    /// [`identifier_uri`](Self::identifier_uri).
    pub cloud: CloudOptions,
    /// The listener to events.
    pub events: Events,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            app_root: PathBuf::from("."),
            handler: None,
            port: 0,
            system_key: None,
            extra_env: Vec::new(),
            app_service_auth: true,
            developer: "ada".into(),
            function_timeout: None,
            timings: HostTimings::default(),
            as_azure: false,
            identifier_uri: IdentifierUri::default(),
            cloud: CloudOptions::default(),
            events: Events::default(),
        }
    }
}

/// A running sandbox. Dropping it stops it.
pub struct Sandbox {
    host: FunctionsHost,
    sign_in_url: Option<String>,
    developer_tools: Option<DeveloperTools>,
    ca_certificate: Option<CaCertificate>,
    cloud: Arc<Cloud>,
}

impl Sandbox {
    /// Starts everything inside the caller's tokio runtime and waits until the handler is ready;
    /// with [`as_azure`](SandboxOptions::as_azure) calls wait for it instead.
    ///
    /// # Errors
    /// Whatever keeps a part of it from starting.
    pub async fn start(options: SandboxOptions) -> Result<Self, StartError> {
        let as_azure = options.as_azure;
        let app = load_app(&options);
        if !as_azure {
            refuse_what_fails(&app)?;
        }
        let listener = loopback::listen(options.port)?;
        let port = listener.local_addr()?.port();
        let cloud = Arc::new(start_cloud(&options, port).await?);
        let ca_certificate = cloud
            .ca_certificate_pem()
            .map(CaCertificate::write)
            .transpose()?;
        let developer_tools = install_developer_tools(&options, &cloud)?;
        let authentication = set_up_authentication(&options, &cloud, port)?;
        let sign_in_url = authentication.as_ref().map(AppServiceAuth::sign_in_url);

        let host = match app {
            Err(problem) => {
                FunctionsHost::down(&problem, listener, authentication, &options.events)?
            }
            Ok(app) => {
                let extra = options.extra_env.clone();
                let environment = match &developer_tools {
                    None => {
                        let trust = ca_certificate.as_ref().map(CaCertificate::variable);
                        let extra = trust.into_iter().chain(extra).collect();
                        azure_environment(cloud.clone(), port, extra)
                    }
                    Some(tools) => local_environment(&cloud, port, tools, &app, extra)?,
                };
                start_host(app, environment, listener, authentication, options)?
            }
        };
        let sandbox = Self {
            host,
            sign_in_url,
            developer_tools,
            ca_certificate,
            cloud,
        };
        if !as_azure {
            sandbox.handler().started().await?;
        }
        Ok(sandbox)
    }

    /// The URL of the MCP endpoint.
    pub fn mcp_url(&self) -> String {
        self.host.mcp_url()
    }

    /// The key that callers must send as `x-functions-key` ([`Profile::Azure`]).
    pub fn system_key(&self) -> Option<&str> {
        self.keys().map(|keys| keys.mcp_extension.as_str())
    }

    /// All keys of the host ([`Profile::Azure`]).
    pub fn keys(&self) -> Option<&HostKeys> {
        self.host.keys()
    }

    /// The URL where people sign in with a browser and consent ([`Profile::Azure`]).
    pub fn sign_in_url(&self) -> Option<&str> {
        self.sign_in_url.as_deref()
    }

    /// Entra, managed identity and Graph.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The handler.
    pub fn handler(&self) -> &HandlerProcess {
        self.host.handler()
    }

    /// The app, unless the host is down because of it.
    pub fn app(&self) -> Option<&AppFiles> {
        self.host.app()
    }

    /// The developer's tools ([`Profile::Local`]).
    pub fn developer_tools(&self) -> Option<&DeveloperTools> {
        self.developer_tools.as_ref()
    }

    /// The file with the certificate to trust for the cloud's https ([`CloudOptions::tls`]). It is removed with the
    /// sandbox.
    pub fn ca_certificate(&self) -> Option<&Path> {
        self.ca_certificate.as_ref().map(CaCertificate::path)
    }

    /// Waits until the host ends by itself, if it ever does: some time after the handler has failed
    /// too often.
    pub async fn host_ended(&self) {
        self.host.ended().await;
    }

    /// Stops everything and waits until the handler is gone. Calls in flight finish first.
    pub async fn stop(self) {
        self.host.stop().await;
        if let Ok(cloud) = Arc::try_unwrap(self.cloud) {
            cloud.stop().await;
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("mcp_url", &self.mcp_url())
            .finish_non_exhaustive()
    }
}

fn load_app(options: &SandboxOptions) -> Result<AppFiles, AppFilesError> {
    let extra = options
        .extra_env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    AppFiles::load_with_settings(&options.app_root, options.profile.platform(), extra)
}

/// Refuses app files that keep the host down, or that make every call fail.
fn refuse_what_fails(app: &Result<AppFiles, AppFilesError>) -> Result<(), AppFilesError> {
    let app = app.as_ref().map_err(Clone::clone)?;
    let fault = app.warnings.iter().find_map(|warning| match warning {
        Warning::EndpointFails(problem) => Some(problem.clone()),
        _ => None,
    });
    fault.map_or(Ok(()), Err)
}

/// Starts the cloud of an app whose host listens on `port`.
async fn start_cloud(options: &SandboxOptions, port: u16) -> io::Result<Cloud> {
    Cloud::start(CloudOptions {
        events: options.events.clone(),
        identifier_uris: options.identifier_uri.of_app(port),
        ..options.cloud.clone()
    })
    .await
}

/// Installs the tools that the developer is signed in to ([`Profile::Local`]).
fn install_developer_tools(
    options: &SandboxOptions,
    cloud: &Cloud,
) -> Result<Option<DeveloperTools>, StartError> {
    match options.profile {
        Profile::Azure => Ok(None),
        Profile::Local => {
            cloud.directory().person(&options.developer)?;
            let tools = DeveloperTools::install(cloud.tenant().clone(), &options.developer)?;
            Ok(Some(tools))
        }
    }
}

/// Sets up App Service Authentication in front of a host that listens on `port`, if it guards the host.
fn set_up_authentication(
    options: &SandboxOptions,
    cloud: &Cloud,
    port: u16,
) -> io::Result<Option<AppServiceAuth>> {
    let events = options.events.clone();
    match options.profile {
        Profile::Azure if options.app_service_auth => {
            AppServiceAuth::new(cloud.tenant().clone(), port, MCP_PATH, events).map(Some)
        }
        _ => Ok(None),
    }
}

/// Starts the Functions host, and with it the app's handler.
fn start_host(
    app: AppFiles,
    environment: Environment,
    listener: TcpListener,
    authentication: Option<AppServiceAuth>,
    options: SandboxOptions,
) -> io::Result<FunctionsHost> {
    let command = HandlerCommand::new(&app, options.handler, environment);
    FunctionsHost::start(FunctionsHostOptions {
        app,
        handler: Handler::Command(command),
        listener,
        authentication,
        believes_principal: false,
        system_key: match options.profile {
            Profile::Local => None,
            Profile::Azure => Some(
                options
                    .system_key
                    .map_or_else(AccessKey::random, AccessKey::from),
            ),
        },
        platform: options.profile.platform(),
        has_encryption_key: true,
        function_timeout: options.function_timeout,
        timings: options.timings,
        answers_any_host: options.as_azure,
        events: options.events,
    })
}

/// The variables of a handler on Flex Consumption.
fn azure_environment(cloud: Arc<Cloud>, port: u16, extra: Vec<(String, String)>) -> Environment {
    let platform = platform_variables();
    Environment::new(move || {
        cloud.rotate_identity_header();
        let unset = [
            "AZURE_FUNCTIONS_ENVIRONMENT",
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            // With it the host would make the handler executable, and on the read-only mount of a
            // package it cannot.
            "CONTAINER_NAME",
        ];
        variables(platform.clone(), [])
            .chain(variables(azure_variables(&cloud, port), unset))
            .chain(own(&extra))
            .collect()
    })
}

/// The variables that a handler on Flex Consumption inherits from the host and does not need. Two are secrets, which
/// is why a handler must not print its environment.
fn platform_variables() -> [(&'static str, String); 6] {
    let secret = || AccessKey::random().as_str().to_owned();
    [
        ("FUNCTIONS_EXTENSION_VERSION", "~4".to_owned()),
        ("FUNCTIONS_WORKER_RUNTIME", "custom".to_owned()),
        ("WEBSITE_SITE_NAME", "sandbox".to_owned()),
        ("WEBSITE_AUTH_ENABLED", "True".to_owned()),
        ("WEBSITE_AUTH_ENCRYPTION_KEY", secret()),
        ("CONTAINER_ENCRYPTION_KEY", secret()),
    ]
}

/// The variables that the platform and the deployment set for a handler on Flex Consumption. The host listens on
/// `port`.
pub fn azure_variables(cloud: &Cloud, port: u16) -> [(&'static str, String); 10] {
    [
        ("WEBSITE_HOSTNAME", format!("127.0.0.1:{port}")),
        ("WEBSITE_AUTH_CLIENT_ID", MCP_SERVER.client_id.to_owned()),
        ("WEBSITE_AUTH_AAD_ALLOWED_TENANTS", TENANT_ID.to_owned()),
        (
            "WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES",
            cloud.directory().server_scope(),
        ),
        (
            "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID",
            MANAGED_IDENTITY.client_id.to_owned(),
        ),
        (
            "TokenExchangeAudience",
            FEDERATED_CREDENTIAL.audience.to_owned(),
        ),
        ("IDENTITY_ENDPOINT", cloud.identity_endpoint().to_owned()),
        ("IDENTITY_HEADER", cloud.identity_header()),
        ("AZURE_AUTHORITY_HOST", cloud.handler_authority().to_owned()),
        ("MICROSOFT_GRAPH_ENDPOINT", cloud.handler_graph().to_owned()),
    ]
}

/// The variables of a handler that Core Tools start.
fn local_environment(
    cloud: &Cloud,
    port: u16,
    tools: &DeveloperTools,
    app: &AppFiles,
    extra: Vec<(String, String)>,
) -> io::Result<Environment> {
    let path = tools
        .search_path()?
        .into_string()
        .map_err(|_| io::Error::other("PATH is not Unicode"))?;
    let set = [
        ("PATH", path),
        ("FUNCTIONS_CORETOOLS_ENVIRONMENT", "True".to_owned()),
        ("WEBSITE_HOSTNAME", format!("localhost:{port}")),
        ("AZURE_TENANT_ID", TENANT_ID.to_owned()),
        ("MICROSOFT_GRAPH_ENDPOINT", cloud.graph().to_owned()),
    ];
    let unset = [
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "WEBSITE_AUTH_CLIENT_ID",
        "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID",
    ];
    let local_settings = app
        .local_settings
        .iter()
        // Core Tools do not pass on an empty value.
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.clone(), value.clone()));
    let core_tools = core_tools_variables(&app.root)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let settings = core_tools
        .chain(local_settings)
        // Core Tools do not replace variables of the environment.
        .filter(|(name, _)| std::env::var_os(name).is_none())
        .map(|(name, value)| (name, Some(value)));
    let all: Vec<_> = settings
        .chain(variables(set, unset))
        .chain(own(&extra))
        .collect();
    Ok(Environment::new(move || all.clone()))
}

/// The variables that Core Tools set for the host, which the handler inherits.
fn core_tools_variables(app_root: &Path) -> [(&'static str, String); 6] {
    // They also fetch extension bundles, and keep them here.
    let bundles = std::env::home_dir()
        .unwrap_or_default()
        .join(".azure-functions-core-tools/Functions/ExtensionBundles");
    [
        ("AZURE_FUNCTIONS_ENVIRONMENT", "Development".to_owned()),
        ("AzureWebJobsScriptRoot", app_root.display().to_string()),
        (
            "AzureFunctionsJobHost__SequentialRestart",
            "true".to_owned(),
        ),
        (
            "AzureFunctionsJobHost__extensionBundle__downloadPath",
            bundles.display().to_string(),
        ),
        (
            "AzureFunctionsJobHost__extensionBundle__ensureLatest",
            "true".to_owned(),
        ),
        (
            "AzureFunctionsJobHost__logging__logLevel__Function",
            "Information".to_owned(),
        ),
    ]
}

fn variables<const SET: usize, const UNSET: usize>(
    set: [(&'static str, String); SET],
    unset: [&'static str; UNSET],
) -> impl Iterator<Item = (String, Option<String>)> {
    let set = set
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Some(value)));
    set.chain(unset.into_iter().map(|name| (name.to_owned(), None)))
}

fn own(extra: &[(String, String)]) -> impl Iterator<Item = (String, Option<String>)> {
    extra
        .iter()
        .map(|(name, value)| (name.clone(), Some(value.clone())))
}

/// Why a sandbox did not start.
#[derive(Debug)]
pub enum StartError {
    /// The app's files are not valid.
    App(AppFilesError),
    /// The developer is not in the tenant.
    Developer(UnknownPerson),
    /// A port cannot be had, or a file cannot be written.
    Io(io::Error),
    /// The handler did not start, or did not stay.
    Handler(HandlerFailure),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(error) => error.fmt(f),
            Self::Developer(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Handler(error) => write!(f, "the handler did not start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<AppFilesError> for StartError {
    fn from(error: AppFilesError) -> Self {
        Self::App(error)
    }
}

impl From<UnknownPerson> for StartError {
    fn from(error: UnknownPerson) -> Self {
        Self::Developer(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HandlerFailure> for StartError {
    fn from(error: HandlerFailure) -> Self {
        Self::Handler(error)
    }
}
