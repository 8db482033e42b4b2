//! The environment of all programs: the sandbox's Entra ID, managed identity and Microsoft Graph, and the Functions
//! host's invocations.

use std::{io, path::Path, sync::Arc, time::Duration};

use function_app::{AppFiles, Function};
use sandbox::{
    app_service_auth::caller_headers,
    azure_variables,
    cloud::{Cloud, CloudOptions},
    functions_host::{Call, Client, Headers, Invocation, Target, Transport},
};
use tempfile::NamedTempFile;

use crate::program::Program;

/// The lifetime of tokens: longer than any run, so that no token is renewed during a measurement.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The port in `WEBSITE_HOSTNAME`. No program uses it.
const HOST_PORT: u16 = 7071;

/// The tool that is called.
const TOOL: &str = "HelloTool";

/// The running cloud, and the app's functions.
pub struct World {
    cloud: Arc<Cloud>,
    function: Arc<Function>,
    ca_certificate: NamedTempFile,
}

/// The body of one user's invocation, ready to be sent.
pub type Envelope = Arc<str>;

impl World {
    /// Starts the cloud, with or without TLS, and reads the app's files in `app_root`.
    ///
    /// # Errors
    /// When no port is free, or the app's files are invalid.
    pub async fn start(app_root: &Path, tls: bool) -> io::Result<Self> {
        let cloud = Cloud::start(CloudOptions {
            graph_token_lifetime: LIFETIME,
            user_token_lifetime: LIFETIME,
            tls,
            ..CloudOptions::default()
        })
        .await?;
        let app = AppFiles::load(app_root).map_err(|error| io::Error::other(error.to_string()))?;
        let function = app
            .functions
            .into_iter()
            .find(|function| function.name == TOOL);
        let ca_certificate = NamedTempFile::new()?;
        std::fs::write(
            &ca_certificate,
            cloud.ca_certificate_pem().unwrap_or_default(),
        )?;
        Ok(Self {
            cloud: Arc::new(cloud),
            function: function.ok_or_else(|| io::Error::other(format!("the app has no {TOOL}")))?,
            ca_certificate,
        })
    }

    /// Entra ID, managed identity and Microsoft Graph.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The environment variables of a program: those of the platform, and the CA certificate to trust.
    ///
    /// # Errors
    /// When there is no token for the floor.
    pub fn variables(&self, program: Program) -> io::Result<Vec<(&'static str, String)>> {
        // Later values win.
        let mut variables = Vec::from(azure_variables(&self.cloud, HOST_PORT));
        let certificate = self.ca_certificate.path().display().to_string();
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"] {
            variables.push((name, certificate.clone()));
        }
        if !program.exchanges() {
            let token = self.cloud.graph_token("ada").map_err(io::Error::other)?;
            variables.push(("GRAPH_TOKEN", token.access_token));
        }
        variables.extend(
            program
                .variables()
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        Ok(variables)
    }

    /// Creates the invocations of `user0`, `user1` and so on, on all processors.
    ///
    /// # Errors
    /// When they cannot be created.
    pub async fn envelopes(&self, users: std::ops::Range<usize>) -> io::Result<Vec<Envelope>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let numbers: Vec<_> = users.collect();
        let parts: Vec<_> = numbers
            .chunks(numbers.len().div_ceil(threads).max(1))
            .map(|numbers| {
                let (cloud, function) = (self.cloud.clone(), self.function.clone());
                let numbers = numbers.to_vec();
                tokio::task::spawn_blocking(move || {
                    numbers
                        .into_iter()
                        .map(|number| envelope(&cloud, &function, &format!("user{number}"), 0))
                        .collect::<io::Result<Vec<_>>>()
                })
            })
            .collect();
        let mut envelopes = Vec::with_capacity(numbers.len());
        for part in parts {
            envelopes.extend(part.await.map_err(io::Error::other)??);
        }
        Ok(envelopes)
    }

    /// Creates an invocation by Ada whose request has about `size` bytes of headers.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn envelope_with_headers(&self, size: usize) -> io::Result<Envelope> {
        envelope(&self.cloud, &self.function, "ada", size)
    }
}

/// Creates an invocation with the headers of an MCP client, and those that App Service Authentication and the
/// platform's front end add.
fn envelope(cloud: &Cloud, function: &Function, person: &str, size: usize) -> io::Result<Envelope> {
    let token = cloud.access_token(person).map_err(io::Error::other)?;
    let mut headers: Vec<(String, String)> = [
        ("accept", "application/json, text/event-stream".to_owned()),
        ("authorization", format!("Bearer {token}")),
        ("content-type", "application/json".to_owned()),
        ("host", "func-mcp.azurewebsites.net".to_owned()),
        ("mcp-protocol-version", "2025-06-18".to_owned()),
        (
            "mcp-session-id",
            "5f1a5b2ce01d4f7f9e6c6f7fd0a5a1c3".to_owned(),
        ),
        ("user-agent", "Visual Studio Code/1.110.0".to_owned()),
        (
            "x-functions-key",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab".to_owned(),
        ),
        ("x-forwarded-for", "203.0.113.7:51234".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
        ("disguised-host", "func-mcp.azurewebsites.net".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let identity = caller_headers(cloud.tenant(), &token)
        .map_err(|refusal| io::Error::other(refusal.to_string()))?;
    headers.extend(identity.map(|(name, value)| (name.to_string(), value)));
    let length: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if length < size {
        headers.push(("cookie".to_owned(), "x".repeat(size - length)));
    }

    let call = Call {
        target: Target::Tool {
            name: TOOL.to_owned(),
            arguments: None,
        },
        client: Client {
            headers: Headers::new(
                headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_bytes())),
            ),
            transport: Transport::StreamableHttp,
            info: None,
        },
    };
    let invocation = Invocation::new(function, &call).map_err(io::Error::other)?;
    Ok(invocation.body.into())
}
