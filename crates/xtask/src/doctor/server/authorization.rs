//! Checks how the server tells clients where users sign in.
//!
//! Sources: the authorization chapter of the Model Context Protocol (2025-06-18), RFC 9728 (protected resource
//! metadata), OpenID Connect Discovery 1.0; for App Service Authentication,
//! <https://learn.microsoft.com/azure/app-service/configure-authentication-mcp>.

use function_app::MCP_PATH;
use reqwest::{Method, Request, StatusCode, Url, header::LOCATION};
use serde::Deserialize;
use serde_json::json;

use super::{
    Checked, HOST_IS_DOWN, LOG_STREAM, PROVISION, Server, bearer_challenge, get_json, host_is_down,
    says,
};
use crate::doctor::{
    finding::Finding,
    http::{Reply, is_confidential, send},
};

/// The sign-in page of App Service Authentication.
const SIGN_IN_PATH: &str = "/.auth/login/aad";
/// Its redirect URI.
const CALLBACK_PATH: &str = "/.auth/login/aad/callback";
/// The scopes that concern the sign-in itself, not another service.
const SIGN_IN_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// The first path segments of the authorities that serve many tenants.
const SHARED_AUTHORITIES: [&str; 3] = ["common", "organizations", "consumers"];

/// Protected resource metadata (RFC 9728, section 2).
#[derive(Deserialize)]
pub struct ResourceMetadata {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// Metadata of an authorization server (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
pub struct AuthorizationServer {
    issuer: String,
    authorization_endpoint: Url,
}

impl Server {
    /// Checks that a call without a token is refused with the address of the metadata.
    pub async fn challenge(&self) -> Checked<Url> {
        let parameters = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "doctor", "version": env!("CARGO_PKG_VERSION") },
        });
        let reply = send(self.mcp_request("initialize", parameters)).await.map_err(|error| {
            Finding::fail(
                format!("{} does not answer: {error}", self.origin),
                "azd env get-value SERVICE_MCP_DEFAULT_HOSTNAME prints the host name; cargo run -p sandbox starts the \
                 sandbox",
            )
        })?;
        let (text, remedy) = match reply.status {
            StatusCode::UNAUTHORIZED => return self.resource_metadata_url(&reply),
            status if status.is_success() => (
                "callers without a token are let in".to_owned(),
                format!(
                    "correct for `func start` only: elsewhere, App Service Authentication must be on; {PROVISION}"
                ),
            ),
            status if status.is_redirection() => (
                "callers without a token are sent to another page instead of refused with 401"
                    .to_owned(),
                format!("unauthenticatedClientAction must be Return401; {PROVISION}"),
            ),
            StatusCode::FORBIDDEN => (
                "every caller is refused with 403".to_owned(),
                "start the function app, and check its access restrictions".to_owned(),
            ),
            StatusCode::SERVICE_UNAVAILABLE if says(&reply, HOST_IS_DOWN) => host_is_down(),
            StatusCode::NOT_FOUND => (
                format!("there is nothing at {MCP_PATH}"),
                format!("azd deploy; if it is deployed, {LOG_STREAM}"),
            ),
            status => (
                format!("the app does not run: it answers {status}"),
                LOG_STREAM.to_owned(),
            ),
        };
        Err(Finding::fail(text, remedy))
    }

    fn resource_metadata_url(&self, reply: &Reply) -> Checked<Url> {
        // The host refuses callers without its key with a challenge that has no parameters.
        let challenge = bearer_challenge(reply)
            .filter(|challenge| challenge.contains('='))
            .ok_or_else(|| {
                Finding::fail(
                    "callers without a token are refused, but not by App Service Authentication",
                    format!("it must be on; {PROVISION}"),
                )
            })?;
        let url = parameter(challenge, "resource_metadata").ok_or_else(|| {
            Finding::fail(
                "callers without a token are not told where the protected resource metadata is",
                format!("WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES must be set; {PROVISION}"),
            )
        })?;
        match Url::parse(url) {
            Ok(url) if url.origin() == self.origin.origin() => Ok((
                Finding::ok(
                    "callers without a token are refused, and told where the protected resource metadata is",
                ),
                url,
            )),
            _ => Err(Finding::fail(
                format!("the challenge names protected resource metadata on another host: {url}"),
                "use the host name in that address",
            )),
        }
    }

    /// Checks that the metadata exists and describes this server.
    pub async fn resource_metadata(&self, url: Url) -> Checked<ResourceMetadata> {
        let metadata: ResourceMetadata = get_json(url.clone()).await.map_err(|reason| {
            Finding::fail(
                format!("there is no protected resource metadata at {url}: {reason}"),
                format!("WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES must be set; {PROVISION}"),
            )
        })?;
        let covers_this = |resource: Url| {
            resource.origin() == self.origin.origin() && MCP_PATH.starts_with(resource.path())
        };
        let resource = &metadata.resource;
        if Url::parse(resource).is_ok_and(covers_this) {
            let text = format!("the protected resource metadata is about {resource}");
            Ok((Finding::ok(text), metadata))
        } else {
            Err(Finding::fail(
                format!("the protected resource metadata is about another server: {resource}"),
                "use the host name in that address",
            ))
        }
    }

    /// Checks the sign-in page, where users consent to what the server does on their behalf.
    pub async fn sign_in_page(
        &self,
        authorization_server: Option<&AuthorizationServer>,
    ) -> Checked<()> {
        let page = self.at(SIGN_IN_PATH);
        let answer = send(Request::new(Method::GET, page.clone())).await.ok();
        let sign_in = answer.as_ref().and_then(redirection).ok_or_else(|| {
            Finding::fail(
                format!("users cannot sign in and consent at {page}"),
                format!("the provider azureActiveDirectory must be enabled; {PROVISION}"),
            )
        })?;
        if let Some(server) = authorization_server
            && server.authorization_endpoint.origin() != sign_in.origin()
        {
            return Err(Finding::fail(
                format!(
                    "{page} leads to {}, not to the authorization server",
                    sign_in.origin().ascii_serialization()
                ),
                format!("openIdIssuer must be the tenant's own; {PROVISION}"),
            ));
        }

        let query = |name: &str| {
            let found = sign_in.query_pairs().find(|(key, _)| key == name);
            found
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let callback = query("redirect_uri");
        if callback != self.at(CALLBACK_PATH).as_str() {
            return Err(Finding::fail(
                format!(
                    "after signing in, users are sent to {callback:?}, not back to this server"
                ),
                "use the host name in that address",
            ));
        }
        let scopes = query("scope");
        if scopes
            .split(' ')
            .all(|scope| scope.is_empty() || SIGN_IN_SCOPES.contains(&scope))
        {
            return Err(Finding::warn(
                format!("users are asked for no consent at {page}"),
                "azd env set DELEGATED_PERMISSIONS User.Read, and azd provision; needed for Microsoft Graph",
            ));
        }
        Ok((
            Finding::ok(format!("users consent at {page} to {scopes}")),
            (),
        ))
    }
}

impl ResourceMetadata {
    /// Checks that the scope that clients ask for names its API; `deployed` is the scope of the registration.
    pub fn scope(&self, deployed: Option<&str>) -> Checked<()> {
        let fail = |text: String| {
            Finding::fail(
                text,
                format!(
                    "WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES must be <identifier URI>/user_impersonation; {PROVISION}"
                ),
            )
        };
        let scope = self
            .scopes_supported
            .first()
            .ok_or_else(|| fail("clients are not told which scope to ask for".into()))?;
        let identifier_uri = scope
            .rsplit_once('/')
            .map(|(identifier_uri, _)| Url::parse(identifier_uri));
        if !matches!(identifier_uri, Some(Ok(_))) {
            return Err(fail(format!(
                "clients are told to ask for {scope:?}, which names no API"
            )));
        }
        match deployed {
            Some(deployed) if deployed != scope => Err(fail(format!(
                "clients are told to ask for {scope}, but the registration has {deployed}"
            ))),
            _ => Ok((
                Finding::ok(format!("clients ask for the scope {scope}")),
                (),
            )),
        }
    }

    /// Checks that the authorization server is a single tenant's and that clients find its metadata.
    pub async fn authorization_server(&self) -> Checked<AuthorizationServer> {
        let fail = |text: String| {
            Finding::fail(
                text,
                format!("openIdIssuer must be <authority>/<tenant id>/v2.0; {PROVISION}"),
            )
        };
        let issuer = self
            .authorization_servers
            .first()
            .ok_or_else(|| fail("clients are not told of an authorization server".into()))?;
        let of_one_tenant = |url: &Url| {
            let mut segments = url.path().split('/');
            is_confidential(url) && !segments.any(|segment| SHARED_AUTHORITIES.contains(&segment))
        };
        let url = Url::parse(&format!("{issuer}/.well-known/openid-configuration"))
            .ok()
            .filter(of_one_tenant)
            .ok_or_else(|| {
                fail(format!(
                    "{issuer} is not the authorization server of one tenant"
                ))
            })?;
        let server: AuthorizationServer = get_json(url.clone()).await.map_err(|reason| {
            fail(format!(
                "there is no authorization server metadata at {url}: {reason}"
            ))
        })?;
        if server.issuer == *issuer {
            Ok((Finding::ok(format!("users sign in with {issuer}")), server))
        } else {
            Err(fail(format!(
                "{issuer} calls itself {}: clients that compare the two refuse it",
                server.issuer
            )))
        }
    }
}

/// The target of a redirection.
fn redirection(reply: &Reply) -> Option<Url> {
    let location = reply
        .headers
        .get(LOCATION)
        .filter(|_| reply.status.is_redirection())?;
    Url::parse(location.to_str().ok()?).ok()
}

/// The value of a quoted parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = challenge.split_once(&format!("{name}=\""))?;
    value.split('"').next()
}
