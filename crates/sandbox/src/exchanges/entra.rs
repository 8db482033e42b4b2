//! Requests to Entra.

use reqwest::Url;

use super::message::{Answer, Body, Request, Words, user};
use crate::{
    directory::{MCP_SERVER, TENANT_ID},
    events::Party,
    tenant::unverified_claims,
};

/// Describes a request to Entra; `None` for one to the control API, which shares Entra's port.
pub(super) fn describe(asked: &Request<'_>, answer: &Answer) -> Option<Words> {
    if asked.path == "/sandbox" || asked.path.starts_with("/sandbox/") {
        return None;
    }
    let path = asked.path.strip_prefix(&format!("/{TENANT_ID}/"));
    Some(match path {
        Some("v2.0/.well-known/openid-configuration") => describe_metadata(answer),
        Some("discovery/v2.0/keys") => describe_keys(answer),
        Some("oauth2/v2.0/authorize") => describe_authorization(asked, answer),
        Some("account") => describe_browser(describe_account(asked), answer),
        Some("consent") => describe_browser(describe_decision(asked), answer),
        Some("oauth2/v2.0/logout") => describe_browser("sign out".to_owned(), answer),
        Some("oauth2/v2.0/token") => describe_token_request(asked, answer),
        _ => describe_unknown_path(asked, answer),
    })
}

fn describe_metadata(answer: &Answer) -> Words {
    Words {
        from: None,
        asks: "OpenID metadata".to_owned(),
        gets: if answer.has("/issuer") {
            "the endpoints for sign-in, tokens and signing keys"
        } else {
            answer.reason("/error_description")
        }
        .to_owned(),
    }
}

fn describe_keys(answer: &Answer) -> Words {
    Words {
        from: Some(Party::Handler),
        asks: "signing keys".to_owned(),
        gets: if answer.has("/keys") {
            "the public keys that verify tokens"
        } else {
            answer.reason("/error_description")
        }
        .to_owned(),
    }
}

fn describe_authorization(asked: &Request<'_>, answer: &Answer) -> Words {
    let mut asks = format!(
        "authorize {} for {}",
        asked.client(),
        describe_scopes(asked)
    );
    match asked.parameter("code_challenge_method") {
        Some(method) => asks += &format!(", PKCE {method}"),
        None if asked.parameter("code_challenge").is_some() => asks += ", PKCE plain",
        None => {}
    }
    if let Some(prompt) = asked.parameter("prompt") {
        asks += &format!(", prompt {prompt}");
    }
    if let Some(resource) = asked.parameter("resource") {
        asks += &format!(", resource {resource}");
    }
    describe_browser(asks, answer)
}

fn describe_account(asked: &Request<'_>) -> String {
    format!(
        "sign in as {}",
        asked.parameter("account").unwrap_or("no account")
    )
}

fn describe_decision(asked: &Request<'_>) -> String {
    match asked.parameter("decision") {
        Some("accept") => "consent: accept",
        _ => "consent: cancel",
    }
    .to_owned()
}

/// Describes a browser's request, and the redirect or the page that it gets.
fn describe_browser(asks: String, answer: &Answer) -> Words {
    let gets = match (&answer.location, &answer.body) {
        (Some(location), _) => describe_redirect(location),
        (None, Body::Html(page)) => describe_page(page),
        (None, _) => answer.reason("/error_description").to_owned(),
    };
    Words {
        from: Some(Party::Browser),
        asks,
        gets,
    }
}

fn describe_redirect(location: &Url) -> String {
    let parameter = |wanted: &str| {
        location
            .query_pairs()
            .find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
    };
    let to = format!(
        "{}{}",
        location.origin().ascii_serialization(),
        location.path()
    );
    if parameter("code").is_some() {
        format!("a code, through the browser to {to}")
    } else if let Some(error) = parameter("error") {
        let description = parameter("error_description").unwrap_or_default();
        let reason = description.lines().next().unwrap_or_default();
        format!("{error}, through the browser to {to}: {reason}")
    } else {
        format!("redirect to {to}")
    }
}

/// The page's title and its error, if it shows one.
fn describe_page(page: &str) -> String {
    let between = |start: &str, end: &str| {
        let (_, rest) = page.split_once(start)?;
        Some(rest.split_once(end)?.0)
    };
    let title = between("<title>", " - ").unwrap_or_default();
    match between("AADSTS", "</p>") {
        Some(error) => format!("page \"{title}\": AADSTS{}", error.replace("</strong>", "")),
        None => format!("page \"{title}\""),
    }
}

fn describe_token_request(asked: &Request<'_>, answer: &Answer) -> Words {
    let client = asked.client();
    let (from, mut asks) = match asked.parameter("grant_type") {
        Some("authorization_code") => {
            let from = if asked.parameter("client_id") == Some(MCP_SERVER.client_id) {
                Party::AppServiceAuth
            } else {
                Party::Client
            };
            let verifier = match asked.parameter("code_verifier") {
                Some(_) => " and its PKCE verifier",
                None => "",
            };
            (Some(from), format!("token: {client} with a code{verifier}"))
        }
        Some("refresh_token") => (
            Some(Party::Client),
            format!("token: {client} with a refresh token"),
        ),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            let assertion = asked.parameter("assertion").and_then(unverified_claims);
            let user = assertion
                .as_ref()
                .and_then(user)
                .unwrap_or("an unknown user");
            let scopes = describe_scopes(asked);
            (
                Some(Party::Handler),
                format!("token: {client} on behalf of {user} for {scopes}"),
            )
        }
        grant => (
            None,
            format!("token: {client} with {}", grant.unwrap_or("no grant")),
        ),
    };
    if asked.parameter("client_assertion").is_some() {
        asks += ", authenticated by its managed identity";
    }
    if let Some(resource) = asked.parameter("resource") {
        asks += &format!(", resource {resource}");
    }
    let gets = match answer.text("/access_token") {
        Some(token) => describe_tokens(asked, token, answer),
        None => answer.reason("/error_description").to_owned(),
    };
    Words { from, asks, gets }
}

/// Describes the tokens in a response.
fn describe_tokens(asked: &Request<'_>, token: &str, answer: &Answer) -> String {
    let Some(claims) = unverified_claims(token) else {
        return "an access token".to_owned();
    };
    let claim = |name| claims.get(name).unwrap_or("none");
    let mut gets = format!(
        "access token for {} ({}) as {}",
        asked.api(claim("aud")),
        claim("scp"),
        user(&claims).unwrap_or("an unknown user"),
    );
    for (member, name) in [
        ("/id_token", "id token"),
        ("/refresh_token", "refresh token"),
    ] {
        if answer.has(member) {
            gets += &format!(", {name}");
        }
    }
    gets
}

/// Describes the requested scopes.
fn describe_scopes(asked: &Request<'_>) -> String {
    let scope = asked.parameter("scope").unwrap_or("no scope");
    let scopes: Vec<_> = scope
        .split_ascii_whitespace()
        .map(|scope| match scope.rsplit_once('/') {
            Some((resource, permission)) => format!("{permission} of {}", asked.api(resource)),
            None => scope.to_owned(),
        })
        .collect();
    scopes.join(", ")
}

/// Describes a request to an unknown path. Clients look for metadata where other authorization servers have it.
fn describe_unknown_path(asked: &Request<'_>, answer: &Answer) -> Words {
    Words {
        from: None,
        asks: format!("{} {}", asked.method, asked.path),
        gets: if asked.path.starts_with("/.well-known/") {
            "Entra has its metadata below the issuer's path only".to_owned()
        } else {
            answer.reason("/error_description").to_owned()
        },
    }
}
