//! The tenant's OpenID metadata and keys.
//!
//! Source: OpenID Connect Discovery 1.0, as Entra serves it: behind the issuer's path only, without
//! `code_challenge_methods_supported` and without `registration_endpoint`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::{request::check_tenant, response::answer};
use crate::{
    faults::{Call, Endpoint, Faults},
    tenant::{Authority, Tenant},
};

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub(super) async fn metadata(
    tenant: web::Data<Tenant>,
    faults: web::Data<Faults>,
    authority: web::Data<Authority>,
    tenant_id: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let call = Call::new(Endpoint::Metadata, None);
    answer(&tenant, &faults, call, &request, || {
        check_tenant(&tenant_id)?;
        let graph = tenant.addresses.graph.audience();
        Ok(HttpResponse::Ok().json(openid_configuration(&authority, graph)))
    })
    .await
}

/// `GET /{tenant}/discovery/v2.0/keys`
pub(super) async fn keys(
    tenant: web::Data<Tenant>,
    faults: web::Data<Faults>,
    authority: web::Data<Authority>,
    tenant_id: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let call = Call::new(Endpoint::Keys, None);
    answer(&tenant, &faults, call, &request, || {
        check_tenant(&tenant_id)?;
        let keys = &tenant.tokens.keys;
        Ok(HttpResponse::Ok().json(keys.json_web_key_set(&authority.issuer())))
    })
    .await
}

fn openid_configuration(authority: &Authority, graph: &str) -> Value {
    json!({
        "issuer": authority.issuer(),
        "authorization_endpoint": authority.url("oauth2/v2.0/authorize"),
        "token_endpoint": authority.url("oauth2/v2.0/token"),
        "end_session_endpoint": authority.url("oauth2/v2.0/logout"),
        "jwks_uri": authority.url("discovery/v2.0/keys"),
        "userinfo_endpoint": format!("{}/oidc/userinfo", graph),
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
    })
}
