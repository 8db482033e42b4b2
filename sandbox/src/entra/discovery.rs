//! The tenant's OpenID metadata and keys.
//!
//! Source: OpenID Connect Discovery 1.0, as Entra serves it: behind the issuer's path only, without
//! `code_challenge_methods_supported` and without `registration_endpoint`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::authority::Authority;
use super::{check_tenant, correlation_id, strike};
use crate::cloud::CloudState;
use crate::faults::Endpoint;

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub(super) async fn metadata(
    cloud: web::Data<CloudState>,
    authority: web::Data<Authority>,
    tenant: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    cloud.ledger.record(Endpoint::Metadata, None);
    if let Some(response) = strike(&cloud, Endpoint::Metadata, None, &request).await {
        return response;
    }
    if let Err(error) = check_tenant(&tenant) {
        return error.respond(&cloud.tokens.clock, correlation_id(&request));
    }
    HttpResponse::Ok().json(json!({
        "issuer": authority.issuer(),
        "authorization_endpoint": authority.url("oauth2/v2.0/authorize"),
        "token_endpoint": authority.url("oauth2/v2.0/token"),
        "end_session_endpoint": authority.url("oauth2/v2.0/logout"),
        "jwks_uri": authority.url("discovery/v2.0/keys"),
        "userinfo_endpoint": format!("{}/oidc/userinfo", cloud.graph.audience()),
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver",
            "at_hash", "c_hash", "email"
        ],
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
    }))
}

/// `GET /{tenant}/discovery/v2.0/keys`
pub(super) async fn keys(
    cloud: web::Data<CloudState>,
    authority: web::Data<Authority>,
    tenant: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    cloud.ledger.record(Endpoint::Keys, None);
    if let Some(response) = strike(&cloud, Endpoint::Keys, None, &request).await {
        return response;
    }
    match check_tenant(&tenant) {
        Ok(()) => HttpResponse::Ok().json(cloud.tokens.keys.json_web_key_set(&authority.issuer())),
        Err(error) => error.respond(&cloud.tokens.clock, correlation_id(&request)),
    }
}
