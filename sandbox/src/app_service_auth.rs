//! App Service Authentication ("Easy Auth"): in front of the Functions host, it verifies who calls
//! and tells the app in headers that nobody else can set.
//!
//! The texts of its challenge and of the protected resource metadata are not published.
//! `AppServiceAuth::challenge` and `AppServiceAuth::resource_metadata` hold all that is assumed
//! of them.

use std::fmt;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::directory::{IDENTIFIER_URI, MCP_SERVER, SCOPE, TENANT_ID, VISUAL_STUDIO_CODE};
use crate::entra::{AccessTokenClaims, TokenRefusal};
use crate::events::{Event, Events};
use crate::functions_host::MCP_PATH;

/// Where a client finds what protects the app (RFC 9728).
const RESOURCE_METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

const PRINCIPAL: HeaderName = HeaderName::from_static("x-ms-client-principal");
const PRINCIPAL_ID: HeaderName = HeaderName::from_static("x-ms-client-principal-id");
const PRINCIPAL_NAME: HeaderName = HeaderName::from_static("x-ms-client-principal-name");
const PRINCIPAL_PROVIDER: HeaderName = HeaderName::from_static("x-ms-client-principal-idp");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-ms-token-aad-access-token");

/// The authentication of one app.
#[derive(Clone)]
pub struct AppServiceAuth {
    cloud: Arc<Cloud>,
    origin: String,
    events: Events,
}

impl AppServiceAuth {
    /// The authentication of the app at `origin` (`http://127.0.0.1:7071`) with the tenant of
    /// `cloud`.
    pub fn new(cloud: Arc<Cloud>, origin: String, events: Events) -> Self {
        Self {
            cloud,
            origin,
            events,
        }
    }

    fn challenge(&self) -> String {
        let Self { cloud, origin, .. } = self;
        let authority = cloud.authority();
        // VS Code looks for the parameters between commas.
        format!(
            "Bearer realm=\"{host}\", \
             authorization_uri=\"{authority}/{TENANT_ID}/oauth2/v2.0/authorize\", \
             resource_metadata=\"{origin}{RESOURCE_METADATA_PATH}{MCP_PATH}\"",
            host = origin.trim_start_matches("http://"),
        )
    }

    fn resource_metadata(&self) -> Value {
        json!({
            "resource": format!("{}{MCP_PATH}", self.origin),
            "authorization_servers": [format!("{}/{TENANT_ID}/v2.0", self.cloud.authority())],
            "scopes_supported": [format!("{IDENTIFIER_URI}/{SCOPE}")],
            "bearer_methods_supported": ["header"],
        })
    }

    /// Who calls, and with which token.
    fn verify(&self, request: &ServiceRequest) -> Result<(String, AccessTokenClaims), Refusal> {
        let token = bearer_token(request).ok_or(Refusal::NoToken)?;
        let claims = self
            .cloud
            .verify_access_token(token)
            .map_err(Refusal::Token)?;
        let allowed = [MCP_SERVER.client_id, VISUAL_STUDIO_CODE.client_id];
        if !claims
            .authorized_party()
            .is_some_and(|client| allowed.contains(&client))
        {
            return Err(Refusal::Application);
        }
        Ok((token.to_owned(), claims))
    }

    fn refuse(&self, refusal: &Refusal) -> HttpResponse {
        let response = match refusal {
            Refusal::NoToken | Refusal::Token(_) => HttpResponse::Unauthorized()
                .insert_header((WWW_AUTHENTICATE, self.challenge()))
                .finish(),
            Refusal::Application => HttpResponse::Forbidden().finish(),
        };
        let status = response.status().as_u16();
        self.events.emit(Event::Refused {
            status,
            reason: format!("App Service Authentication: {refusal}"),
        });
        response
    }
}

impl fmt::Debug for AppServiceAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppServiceAuth")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Why a request goes no further.
enum Refusal {
    NoToken,
    Token(TokenRefusal),
    Application,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("no bearer token"),
            Self::Token(refusal) => refusal.fmt(f),
            Self::Application => {
                f.write_str("the token was issued to an application that is not allowed")
            }
        }
    }
}

/// Lets authenticated requests pass; all requests, when the app has no authentication.
pub(crate) async fn authenticate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(auth) = request.app_data::<Data<AppServiceAuth>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    if request
        .path()
        .strip_prefix(RESOURCE_METADATA_PATH)
        .is_some_and(|rest| rest.is_empty() || rest == MCP_PATH)
    {
        return Ok(request.into_response(HttpResponse::Ok().json(auth.resource_metadata())));
    }
    let (token, claims) = match auth.verify(&request) {
        Ok(caller) => caller,
        Err(refusal) => {
            let response = auth.refuse(&refusal);
            return Ok(request.into_response(response));
        }
    };

    let headers = request.headers_mut();
    let forged: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-ms-"))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
    let injected = [
        (PRINCIPAL, client_principal(&claims)),
        (
            PRINCIPAL_ID,
            claims.object_id().unwrap_or_default().to_owned(),
        ),
        (
            PRINCIPAL_NAME,
            claims
                .get("preferred_username")
                .unwrap_or_default()
                .to_owned(),
        ),
        (PRINCIPAL_PROVIDER, "aad".to_owned()),
        (ACCESS_TOKEN, token),
    ];
    for (name, value) in injected {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn bearer_token(request: &ServiceRequest) -> Option<&str> {
    let (scheme, token) = request
        .headers()
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// The caller's claims as `X-MS-CLIENT-PRINCIPAL` holds them: those that .NET has longer names for
/// under these.
fn client_principal(claims: &AccessTokenClaims) -> String {
    let claims: Vec<Value> = claims
        .iter()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            json!({ "typ": long_name(name), "val": value })
        })
        .collect();
    let principal = json!({
        "auth_typ": "aad",
        "claims": claims,
        "name_typ": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        "role_typ": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
    });
    BASE64_STANDARD.encode(principal.to_string())
}

fn long_name(claim: &str) -> &str {
    match claim {
        "oid" => "http://schemas.microsoft.com/identity/claims/objectidentifier",
        "tid" => "http://schemas.microsoft.com/identity/claims/tenantid",
        "scp" => "http://schemas.microsoft.com/identity/claims/scope",
        "sub" => "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier",
        "roles" => "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
        other => other,
    }
}
