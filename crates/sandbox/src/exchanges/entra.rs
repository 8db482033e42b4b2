//! Requests to Entra.

use reqwest::Url;

use super::message::{Answer, Body, Request, Words, user};
use crate::directory::{MCP_SERVER, TENANT_ID};
use crate::events::Party;
use crate::tenant::unverified_claims;

/// Entra's part of its port. The rest is the control endpoint's.
pub(super) fn describe(asked: &Request<'_>, answer: &Answer) -> Option<Words> {
    if asked.path == "/sandbox" || asked.path.starts_with("/sandbox/") {
        return None;
    }
    let path = asked.path.strip_prefix(&format!("/{TENANT_ID}/"));
    Some(match path {
        Some("v2.0/.well-known/openid-configuration") => metadata(answer),
        Some("discovery/v2.0/keys") => keys(answer),
        Some("oauth2/v2.0/authorize") => authorize(asked, answer),
        Some("account") => browser(choice_of_account(asked), answer),
        Some("consent") => browser(decision(asked), answer),
        Some("oauth2/v2.0/logout") => browser("sign out".to_owned(), answer),
        Some("oauth2/v2.0/token") => token(asked, answer),
        _ => elsewhere(asked, answer),
    })
}

fn metadata(answer: &Answer) -> Words {
    Words {
        from: None,
        asks: "OpenID metadata".to_owned(),
        gets: if answer.has("/issuer") {
            "where to sign in, where tokens are issued, and with which keys they are signed"
        } else {
            answer.reason("/error_description")
        }
        .to_owned(),
    }
}

fn keys(answer: &Answer) -> Words {
    Words {
        from: Some(Party::Handler),
        asks: "signing keys".to_owned(),
        gets: if answer.has("/keys") {
            "the public keys with which to verify tokens"
        } else {
            answer.reason("/error_description")
        }
        .to_owned(),
    }
}

fn authorize(asked: &Request<'_>, answer: &Answer) -> Words {
    let mut asks = format!("authorize {} for {}", asked.client(), scopes(asked));
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
    browser(asks, answer)
}

fn choice_of_account(asked: &Request<'_>) -> String {
    format!(
        "sign in as {}",
        asked.parameter("account").unwrap_or("nobody")
    )
}

fn decision(asked: &Request<'_>) -> String {
    match asked.parameter("decision") {
        Some("accept") => "consent: accept",
        _ => "consent: cancel",
    }
    .to_owned()
}

/// What a browser asks, and where it is led.
fn browser(asks: String, answer: &Answer) -> Words {
    let gets = match (&answer.location, &answer.body) {
        (Some(location), _) => back_to_client(location),
        (None, Body::Html(page)) => shown(page),
        (None, _) => answer.reason("/error_description").to_owned(),
    };
    Words {
        from: Some(Party::Browser),
        asks,
        gets,
    }
}

fn back_to_client(location: &Url) -> String {
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
        format!("a code, by way of the browser to {to}")
    } else if let Some(error) = parameter("error") {
        let description = parameter("error_description").unwrap_or_default();
        let reason = description.lines().next().unwrap_or_default();
        format!("{error}, by way of the browser to {to}: {reason}")
    } else {
        format!("on to {to}")
    }
}

/// The page's title and the error that it tells, if it does.
fn shown(page: &str) -> String {
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

fn token(asked: &Request<'_>, answer: &Answer) -> Words {
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
            let user = assertion.as_ref().and_then(user).unwrap_or("nobody");
            let scopes = scopes(asked);
            (
                Some(Party::Handler),
                format!("token: {client} on behalf of {user} for {scopes}"),
            )
        }
        grant => (
            None,
            format!("token: {client} with {}", grant.unwrap_or("nothing")),
        ),
    };
    if asked.parameter("client_assertion").is_some() {
        asks += ", proven by its managed identity";
    }
    if let Some(resource) = asked.parameter("resource") {
        asks += &format!(", resource {resource}");
    }
    let gets = match answer.text("/access_token") {
        Some(token) => issued(asked, token, answer),
        None => answer.reason("/error_description").to_owned(),
    };
    Words { from, asks, gets }
}

/// What a token response holds.
fn issued(asked: &Request<'_>, token: &str, answer: &Answer) -> String {
    let Some(claims) = unverified_claims(token) else {
        return "an access token".to_owned();
    };
    let claim = |name| claims.get(name).unwrap_or("nothing");
    let mut gets = format!(
        "access token for {} ({}) as {}",
        asked.api(claim("aud")),
        claim("scp"),
        user(&claims).unwrap_or("nobody"),
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

/// The scopes that are asked for.
fn scopes(asked: &Request<'_>) -> String {
    let scope = asked.parameter("scope").unwrap_or("nothing");
    let scopes: Vec<_> = scope
        .split_ascii_whitespace()
        .map(|scope| match scope.rsplit_once('/') {
            Some((resource, permission)) => format!("{permission} of {}", asked.api(resource)),
            None => scope.to_owned(),
        })
        .collect();
    scopes.join(", ")
}

/// Clients look for metadata where other authorization servers have it.
fn elsewhere(asked: &Request<'_>, answer: &Answer) -> Words {
    Words {
        from: None,
        asks: format!("{} {}", asked.method, asked.path),
        gets: if asked.path.starts_with("/.well-known/") {
            "Entra has its metadata behind the issuer's path only".to_owned()
        } else {
            answer.reason("/error_description").to_owned()
        },
    }
}
