//! The answer to an authorization request: sent through the browser to the client's redirect URI.
//!
//! Source: RFC 6749, sections 4.1.2 and 4.1.2.1; "OAuth 2.0 Multiple Response Type Encoding Practices";
//! "OAuth 2.0 Form Post Response Mode".

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY},
};
use reqwest::Url;

use super::pages;
use crate::tenant::{Clock, EntraError};

/// The part of the request to the redirect URI that carries the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseMode {
    /// The query.
    Query,
    /// The fragment, which browsers do not send to the server.
    Fragment,
    /// The body of a `POST`, from a form that submits itself.
    FormPost,
}

/// The redirect URI, and how the client wants the answer to be sent there.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) redirect_uri: Url,
    pub(super) mode: ResponseMode,
    /// The client's value, returned unchanged.
    pub(super) state: Option<String>,
}

impl Reply {
    /// The response that makes the browser deliver the parameters.
    pub(super) fn send(&self, mut parameters: Vec<(&'static str, String)>) -> HttpResponse {
        parameters.extend(self.state.clone().map(|state| ("state", state)));
        let mut location = self.redirect_uri.clone();
        match self.mode {
            ResponseMode::FormPost => {
                return pages::form_post(self.redirect_uri.as_str(), &parameters);
            }
            ResponseMode::Query => {
                location.query_pairs_mut().extend_pairs(parameters);
            }
            ResponseMode::Fragment => {
                let mut fragment = self.redirect_uri.clone();
                fragment.query_pairs_mut().clear().extend_pairs(parameters);
                location.set_fragment(fragment.query());
            }
        }
        redirect(&location)
    }

    /// The response that makes the browser deliver the error.
    pub(super) fn refuse(&self, error: &EntraError, clock: &Clock) -> HttpResponse {
        self.send(error.parameters(clock))
    }
}

/// Redirects the browser.
pub(super) fn redirect(location: &Url) -> HttpResponse {
    HttpResponse::Found()
        .insert_header((LOCATION, location.as_str()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(redirect_uri: &str, mode: ResponseMode) -> String {
        let reply = Reply {
            redirect_uri: Url::parse(redirect_uri).unwrap(),
            mode,
            state: Some("a b&c".to_owned()),
        };
        let response = reply.send(vec![("code", "123".to_owned())]);
        let location = response.headers().get(LOCATION).unwrap();
        location.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_answer_is_added_to_the_redirect_uris_query() {
        assert_eq!(
            location("http://localhost:3000/callback?x=1", ResponseMode::Query),
            "http://localhost:3000/callback?x=1&code=123&state=a+b%26c"
        );
    }

    #[test]
    fn the_answer_is_put_into_the_fragment() {
        assert_eq!(
            location("http://localhost:3000?x=1", ResponseMode::Fragment),
            "http://localhost:3000/?x=1#code=123&state=a+b%26c"
        );
    }
}
