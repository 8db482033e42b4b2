//! Microsoft Entra ID: metadata, keys, sign-in and the token endpoint of one tenant.

mod authorization_request;
mod authorize;
mod client_authentication;
mod discovery;
mod on_behalf_of;
mod pages;
mod redirect_uri;
mod reply;
mod request;
mod response;
mod sign_in;
mod sign_ins;
mod token;

use actix_web::web;

pub(crate) use self::sign_ins::SignIns;
use crate::tenant::Authority;

/// Entra accepts long forms: a token of a user in many groups is long.
const FORM_LIMIT: usize = 1024 * 1024;

/// The routes of the authority. All authorities of the tenant share its sign-ins.
pub(crate) fn routes(
    config: &mut web::ServiceConfig,
    authority: Authority,
    sign_ins: web::Data<SignIns>,
) {
    config
        .app_data(web::Data::new(authority))
        .app_data(sign_ins)
        .app_data(web::FormConfig::default().limit(FORM_LIMIT))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            web::get().to(discovery::metadata),
        )
        .route(
            "/{tenant}/discovery/v2.0/keys",
            web::get().to(discovery::keys),
        )
        .route(
            "/{tenant}/oauth2/v2.0/authorize",
            web::get().to(authorize::authorize),
        )
        .route("/{tenant}/oauth2/v2.0/token", web::post().to(token::token))
        .configure(sign_in::routes);
}
