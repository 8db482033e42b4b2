//! Sign-in and sign-out with a browser.
//!
//! Source: "Customize sign-ins and sign-outs in Azure App Service authentication"; OpenID Connect
//! Core, section 3.1.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    cookie::{Cookie, SameSite},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, LOCATION},
    },
    web::{self, Data, Form, Query, ServiceConfig},
};
use parking_lot::Mutex;
use reqwest::Url;
use serde::Deserialize;

use super::{
    AppServiceAuth,
    code_redemption::RedemptionError,
    pages, random_id,
    session::{self, Session},
    url_at,
};
use crate::{directory::MCP_SERVER, events::Party, tenant::TokenRefusal};

pub(super) const SIGN_IN_PATH: &str = "/.auth/login/aad";
const CALLBACK_PATH: &str = "/.auth/login/aad/callback";
const SIGNED_IN_PATH: &str = "/.auth/login/done";
const SIGN_OUT_PATH: &str = "/.auth/logout";
const SIGNED_OUT_PATH: &str = "/.auth/logout/done";

/// The scopes in `loginParameters` of the app's settings: the sign-in also asks for the consent that the tools need.
const SCOPE: &str = "openid profile email User.Read";

/// The cookie that identifies the browser that began a sign-in.
const BROWSER_COOKIE: &str = "AppServiceAuthBrowser";

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route(SIGN_IN_PATH, web::get().to(sign_in))
        .route(CALLBACK_PATH, web::get().to(callback_in_query))
        .route(CALLBACK_PATH, web::post().to(callback_in_form))
        .route(SIGNED_IN_PATH, web::get().to(async || pages::signed_in()))
        .route(SIGN_OUT_PATH, web::get().to(sign_out))
        .route(SIGNED_OUT_PATH, web::get().to(async || pages::signed_out()));
}

/// The redirect URI for Entra's answer.
pub(super) fn redirect_uri(origin: &Url) -> Url {
    url_at(origin, CALLBACK_PATH)
}

/// The sign-ins that wait for Entra's answer, by `state`.
#[derive(Default)]
pub(super) struct SignIns(Mutex<HashMap<String, SignIn>>);

/// A sign-in under way.
struct SignIn {
    browser: String,
    nonce: String,
    redirect_uri: Url,
    /// Where the browser goes when it is signed in.
    then: Url,
}

impl SignIns {
    fn begin(&self, state: String, sign_in: SignIn) {
        self.0.lock().insert(state, sign_in);
    }

    /// Removes and returns the sign-in, if this browser began it.
    fn take(&self, state: &str, browser: &str) -> Option<SignIn> {
        let mut sign_ins = self.0.lock();
        sign_ins
            .get(state)
            .filter(|sign_in| sign_in.browser == browser)?;
        sign_ins.remove(state)
    }
}

#[derive(Deserialize)]
struct SignInParameters {
    #[serde(alias = "post_login_redirect_url")]
    post_login_redirect_uri: Option<String>,
}

/// `GET /.auth/login/aad`: sends the browser to Entra.
async fn sign_in(
    auth: Data<AppServiceAuth>,
    parameters: Query<SignInParameters>,
    request: HttpRequest,
) -> HttpResponse {
    let origin = auth.origin(&request);
    let browser = request
        .cookie(BROWSER_COOKIE)
        .map_or_else(random_id, |cookie| cookie.value().to_owned());
    let (state, nonce) = (random_id(), random_id());
    let redirect_uri = redirect_uri(origin);
    let mut authorize = auth.entra("authorize");
    authorize.query_pairs_mut().extend_pairs([
        ("client_id", MCP_SERVER.client_id),
        ("response_type", "code"),
        ("redirect_uri", redirect_uri.as_str()),
        ("scope", SCOPE),
        ("state", &state),
        ("nonce", &nonce),
    ]);
    let cookie = Cookie::build(BROWSER_COOKIE, browser.clone())
        // The callback is below this path.
        .path(SIGN_IN_PATH)
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish();

    let target = parameters.post_login_redirect_uri.as_deref();
    let sign_in = SignIn {
        browser,
        nonce,
        redirect_uri,
        then: url_of_app(origin, target, SIGNED_IN_PATH),
    };
    auth.sign_ins.begin(state, sign_in);
    let answer = format!("redirect to Entra, to sign in for {SCOPE}");
    auth.report(Party::Browser, &request, StatusCode::FOUND, answer);
    redirect(&authorize).cookie(cookie).finish()
}

/// Entra's answer (RFC 6749, section 4.1.2).
#[derive(Deserialize)]
struct Callback {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /.auth/login/aad/callback`: the answer in the query.
async fn callback_in_query(
    auth: Data<AppServiceAuth>,
    answer: Query<Callback>,
    request: HttpRequest,
) -> HttpResponse {
    callback(&auth, answer.into_inner(), &request).await
}

/// `POST /.auth/login/aad/callback`: the answer in a form (`response_mode=form_post`).
async fn callback_in_form(
    auth: Data<AppServiceAuth>,
    answer: Form<Callback>,
    request: HttpRequest,
) -> HttpResponse {
    callback(&auth, answer.into_inner(), &request).await
}

async fn callback(auth: &AppServiceAuth, answer: Callback, request: &HttpRequest) -> HttpResponse {
    match auth.complete(answer, request).await {
        Ok((session, then)) => {
            let user = session.claims.get("preferred_username").unwrap_or_default();
            let answer = format!("{user} is signed in; redirect to {}", then.path());
            auth.report(Party::Browser, request, StatusCode::FOUND, answer);
            auth.close_session(request);
            redirect(&then).cookie(auth.open_session(session)).finish()
        }
        Err(failure) => {
            let (status, reason) = failure.explanation();
            let detail = failure.detail();
            let first_line = detail.lines().next().unwrap_or_default();
            let answer = format!("{reason} {first_line}");
            auth.report(Party::Browser, request, status, answer);
            pages::failed(status, reason, &detail)
        }
    }
}

impl AppServiceAuth {
    /// Turns Entra's answer into a session, and returns it with the URL that the browser goes to.
    async fn complete(
        &self,
        answer: Callback,
        request: &HttpRequest,
    ) -> Result<(Session, Url), Failure> {
        let sign_in = request
            .cookie(BROWSER_COOKIE)
            .and_then(|browser| {
                self.sign_ins
                    .take(answer.state.as_deref()?, browser.value())
            })
            .ok_or(Failure::NotUnderWay)?;
        let code = match answer {
            Callback {
                error: Some(error),
                error_description,
                ..
            } => {
                return Err(Failure::RefusedByEntra {
                    error,
                    description: error_description.unwrap_or_default(),
                });
            }
            Callback { code, .. } => code.ok_or(Failure::NotUnderWay)?,
        };
        let tokens = self
            .redeem(&code, sign_in.redirect_uri.as_str())
            .await
            .map_err(Failure::NoTokens)?;
        let claims = self
            .tenant
            .verify_access_token(&tokens.id_token)
            .map_err(Failure::IdToken)?;
        if claims.get("nonce") != Some(&sign_in.nonce) {
            return Err(Failure::Nonce);
        }
        Ok((Session { claims, tokens }, sign_in.then))
    }

    fn close_session(&self, request: &HttpRequest) {
        if let Some(cookie) = request.cookie(session::COOKIE) {
            self.sessions.remove(cookie.value());
        }
    }
}

/// Why a sign-in failed.
enum Failure {
    NotUnderWay,
    RefusedByEntra { error: String, description: String },
    NoTokens(RedemptionError),
    IdToken(TokenRefusal),
    Nonce,
}

impl Failure {
    /// The response's status, and a sentence for the person.
    fn explanation(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotUnderWay => (
                StatusCode::UNAUTHORIZED,
                "This browser did not start the sign-in, or has already completed it.",
            ),
            Self::RefusedByEntra { error, .. } if error == "access_denied" => (
                StatusCode::FORBIDDEN,
                "You did not accept the requested permissions. The app's tools cannot work for you until you do.",
            ),
            Self::RefusedByEntra { .. } => (StatusCode::UNAUTHORIZED, "Entra refused the sign-in."),
            Self::NoTokens(RedemptionError::ManagedIdentity(_)) => (
                StatusCode::UNAUTHORIZED,
                "The app got no client assertion from its managed identity.",
            ),
            Self::NoTokens(RedemptionError::Entra(_)) => (
                StatusCode::UNAUTHORIZED,
                "Entra did not redeem the app's authorization code.",
            ),
            Self::IdToken(_) | Self::Nonce => {
                (StatusCode::UNAUTHORIZED, "The id token is not valid.")
            }
        }
    }

    /// The cause, for the app's developer.
    fn detail(&self) -> String {
        match self {
            Self::NotUnderWay => String::new(),
            Self::RefusedByEntra { description, .. } => description.clone(),
            Self::NoTokens(RedemptionError::ManagedIdentity(cause))
            | Self::NoTokens(RedemptionError::Entra(cause)) => cause.clone(),
            Self::IdToken(refusal) => refusal.to_string(),
            Self::Nonce => "The nonce is not the one that was sent.".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct SignOutParameters {
    post_logout_redirect_uri: Option<String>,
}

/// `GET /.auth/logout`: forgets the session and sends the browser to Entra, which forgets its own.
async fn sign_out(
    auth: Data<AppServiceAuth>,
    parameters: Query<SignOutParameters>,
    request: HttpRequest,
) -> HttpResponse {
    auth.close_session(&request);
    let target = parameters.post_logout_redirect_uri.as_deref();
    let then = url_of_app(auth.origin(&request), target, SIGNED_OUT_PATH);
    let mut logout = auth.entra("logout");
    logout
        .query_pairs_mut()
        .append_pair("post_logout_redirect_uri", then.as_str());
    let answer = "the session is closed; redirect to Entra, to sign out there".to_owned();
    auth.report(Party::Browser, &request, StatusCode::FOUND, answer);

    let mut cookie = Cookie::build(session::COOKIE, "").path("/").finish();
    cookie.make_removal();
    redirect(&logout).cookie(cookie).finish()
}

/// The URL of `target` or, if that is outside the app, of `default`.
fn url_of_app(origin: &Url, target: Option<&str>, default: &str) -> Url {
    target
        .and_then(|target| origin.join(target).ok())
        .filter(|url| url.origin() == origin.origin())
        .unwrap_or_else(|| url_at(origin, default))
}

fn redirect(location: &Url) -> HttpResponseBuilder {
    let mut response = HttpResponse::Found();
    response
        .insert_header((LOCATION, location.as_str()))
        .insert_header((CACHE_CONTROL, "no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn then(target: &str) -> String {
        let origin = Url::parse("http://127.0.0.1:7071").unwrap();
        url_of_app(&origin, Some(target), SIGNED_IN_PATH).into()
    }

    #[test]
    fn a_path_of_the_app_is_followed() {
        assert_eq!(then("/x?y=z#w"), "http://127.0.0.1:7071/x?y=z#w");
        assert_eq!(then("http://127.0.0.1:7071/x"), "http://127.0.0.1:7071/x");
        assert_eq!(
            then("/.//evil.example"),
            "http://127.0.0.1:7071//evil.example"
        );
    }

    #[test]
    fn a_target_outside_the_app_is_not_followed() {
        for target in [
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example/",
            "https://127.0.0.1:7071/",
            "http://127.0.0.1:7072/",
            "http://127.0.0.1:7071@evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            assert_eq!(
                then(target),
                "http://127.0.0.1:7071/.auth/login/done",
                "{target}"
            );
        }
    }
}
