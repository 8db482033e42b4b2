//! The sessions of browsers, with their part of the token store.
//!
//! Source: "Manage OAuth tokens in Azure App Service authentication".

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    http::{StatusCode, header::CACHE_CONTROL},
    web::{self, Data, ServiceConfig},
};
use parking_lot::Mutex;
use serde_json::json;

use super::{AppServiceAuth, caller::user_claims, random_id};
use crate::{events::Party, tenant::AccessTokenClaims};

/// The cookie that holds the id of the session.
pub(super) const COOKIE: &str = "AppServiceAuthSession";

pub(super) fn routes(config: &mut ServiceConfig) {
    config.route("/.auth/me", web::get().to(me));
}

/// The session of a person who signed in with a browser.
#[derive(Clone)]
pub(super) struct Session {
    /// The claims of the id token.
    pub(super) claims: AccessTokenClaims,
    pub(super) tokens: StoredTokens,
}

/// The tokens of a sign-in, as the token store keeps them.
#[derive(Clone)]
pub(super) struct StoredTokens {
    /// For Microsoft Graph.
    pub(super) access_token: String,
    pub(super) id_token: String,
    /// When the access token expires, as RFC 3339 writes it.
    pub(super) expires_on: String,
}

/// The sessions, by id. They last as long as the sandbox.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    fn insert(&self, id: String, session: Session) {
        self.0.lock().insert(id, session);
    }

    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.0.lock().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.0.lock().remove(id);
    }
}

impl AppServiceAuth {
    /// Opens a session and returns its cookie.
    pub(super) fn open_session(&self, session: Session) -> Cookie<'static> {
        let id = random_id();
        self.tenant.ledger.record_secret(&id);
        self.sessions.insert(id.clone(), session);
        Cookie::build(COOKIE, id)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .finish()
    }
}

/// `GET /.auth/me`: the session as JSON, for the browser that it belongs to.
async fn me(auth: Data<AppServiceAuth>, request: HttpRequest) -> HttpResponse {
    let session = request
        .cookie(COOKIE)
        .and_then(|cookie| auth.sessions.find(cookie.value()));
    let Some(Session { claims, tokens }) = session else {
        let status = StatusCode::UNAUTHORIZED;
        auth.report(Party::Browser, &request, status, "no session".into());
        return HttpResponse::new(status);
    };
    let user = claims.get("preferred_username").unwrap_or_default();
    let answer = format!("the session of {user}, with its tokens");
    auth.report(Party::Browser, &request, StatusCode::OK, answer);
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!([{
            "access_token": tokens.access_token,
            "expires_on": tokens.expires_on,
            "id_token": tokens.id_token,
            "provider_name": "aad",
            "user_claims": user_claims(&claims),
            "user_id": user,
        }]))
}
