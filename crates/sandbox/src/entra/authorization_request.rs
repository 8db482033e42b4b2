//! A client's authorization request, checked before the person is asked anything.
//!
//! Source: "Microsoft identity platform and OAuth 2.0 authorization code flow"; OpenID Connect Core, section 3.

use reqwest::Url;
use serde::Deserialize;

use super::{
    redirect_uri,
    reply::{Reply, ResponseMode},
    request::{check_resource, required},
};
use crate::{
    directory::{Application, ClientType, Permission},
    tenant::{CodeChallenge, EntraError, Scopes, Tenant},
};

/// The query of an authorization request. Entra ignores members that it does not know.
#[derive(Deserialize)]
pub(super) struct Parameters {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    response_mode: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    prompt: Option<String>,
    login_hint: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    resource: Option<String>,
    client_info: Option<String>,
}

/// A valid authorization request, before the person is known.
pub(super) struct AuthorizationRequest {
    pub(super) client: &'static Application,
    /// As the client wrote it: the token request has to repeat it.
    pub(super) redirect_uri: String,
    pub(super) reply: Reply,
    pub(super) response_type: ResponseType,
    pub(super) scopes: Scopes,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: Option<CodeChallenge>,
    pub(super) prompt: Option<Prompt>,
    pub(super) login_hint: Option<String>,
    pub(super) wants_client_info: bool,
}

/// The artifacts that the client wants in the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResponseType {
    pub(super) code: bool,
    pub(super) id_token: bool,
}

/// The question that the client wants the person to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// None, even if one is needed.
    None,
    /// For the account, even if it is known.
    Account,
    /// For consent, even if it was given.
    Consent,
}

/// The refusal of an authorization request.
pub(super) enum Refusal {
    /// Shown to the person, since the redirect URI is unknown or cannot be trusted.
    Shown(EntraError),
    /// Sent back to the client.
    SentBack(Box<Reply>, EntraError),
}

impl AuthorizationRequest {
    /// Checks the query.
    pub(super) fn check(tenant: &Tenant, parameters: Parameters) -> Result<Self, Refusal> {
        let (client, redirect_uri) =
            check_client_and_redirect_uri(tenant, &parameters).map_err(Refusal::Shown)?;
        let response_type = ResponseType::parse(client, &parameters);
        let mode = parse_response_mode(
            parameters.response_mode.as_deref(),
            response_type.clone().unwrap_or_default(),
        );
        let reply = Reply {
            redirect_uri,
            mode: mode.clone().unwrap_or(ResponseMode::Query),
            state: parameters.state.clone(),
        };
        response_type
            .and_then(|response_type| {
                mode?;
                Self::check_the_rest(tenant, client, reply.clone(), response_type, parameters)
            })
            .map_err(|error| Refusal::SentBack(Box::new(reply), error))
    }

    fn check_the_rest(
        tenant: &Tenant,
        client: &'static Application,
        reply: Reply,
        response_type: ResponseType,
        parameters: Parameters,
    ) -> Result<Self, EntraError> {
        let scopes = Scopes::parse(
            tenant.api_names(),
            required(parameters.scope.as_deref(), "scope")?,
        )?;
        check_resource(tenant, parameters.resource.as_deref(), &scopes)?;
        if response_type.id_token {
            if !scopes.contains(Permission::OpenId) {
                return Err(
                    EntraError::RESPONSE_TYPE.because("`id_token` needs the scope `openid`.")
                );
            }
            required(parameters.nonce.as_deref(), "nonce")?;
        }
        Ok(Self {
            client,
            redirect_uri: parameters.redirect_uri.unwrap_or_default(),
            reply,
            response_type,
            scopes,
            nonce: parameters.nonce,
            code_challenge: CodeChallenge::parse(
                parameters.code_challenge,
                parameters.code_challenge_method.as_deref(),
            )?,
            prompt: Prompt::parse(parameters.prompt.as_deref())?,
            login_hint: parameters.login_hint,
            wants_client_info: parameters.client_info.as_deref() == Some("1"),
        })
    }
}

/// The client and its redirect URI. Nothing is sent there before the two are known to belong together.
fn check_client_and_redirect_uri(
    tenant: &Tenant,
    parameters: &Parameters,
) -> Result<(&'static Application, Url), EntraError> {
    let client = Application::find_client(required(parameters.client_id.as_deref(), "client_id")?)
        .ok_or(EntraError::CLIENT_UNKNOWN)?;
    let uri = parameters
        .redirect_uri
        .as_deref()
        .ok_or(EntraError::REDIRECT_URI_MISSING)?;
    let registered = tenant.directory.redirect_uris(client);
    Url::parse(uri)
        .ok()
        .filter(|_| redirect_uri::is_registered(client, &registered, uri))
        .map(|url| (client, url))
        .ok_or_else(|| EntraError::REDIRECT_URI.because(format!("It was `{uri}`.")))
}

impl ResponseType {
    fn parse(client: &Application, parameters: &Parameters) -> Result<Self, EntraError> {
        let mut response_type = Self::default();
        for part in
            required(parameters.response_type.as_deref(), "response_type")?.split_ascii_whitespace()
        {
            match part {
                "code" => response_type.code = true,
                // Registrations enable it for web applications.
                "id_token" if client.client_type == ClientType::Public => {
                    return Err(EntraError::ID_TOKEN_DISABLED);
                }
                "id_token" => response_type.id_token = true,
                other => {
                    return Err(EntraError::RESPONSE_TYPE.because(format!("It was `{other}`.")));
                }
            }
        }
        Ok(response_type)
    }
}

fn parse_response_mode(
    mode: Option<&str>,
    response_type: ResponseType,
) -> Result<ResponseMode, EntraError> {
    match mode {
        None if response_type.id_token => Ok(ResponseMode::Fragment),
        None => Ok(ResponseMode::Query),
        Some("query") if !response_type.id_token => Ok(ResponseMode::Query),
        Some("fragment") => Ok(ResponseMode::Fragment),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(other) => Err(EntraError::RESPONSE_MODE.because(format!("It was `{other}`."))),
    }
}

impl Prompt {
    fn parse(prompt: Option<&str>) -> Result<Option<Self>, EntraError> {
        match prompt {
            None | Some("") => Ok(None),
            Some("none") => Ok(Some(Self::None)),
            Some("login" | "select_account") => Ok(Some(Self::Account)),
            Some("consent") => Ok(Some(Self::Consent)),
            Some(other) => Err(EntraError::PROMPT.because(format!("It was `{other}`."))),
        }
    }
}
