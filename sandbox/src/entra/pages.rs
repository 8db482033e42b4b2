//! What a person sees: plain HTML that works without scripts and loads nothing from elsewhere.

use std::sync::LazyLock;

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rsa::sha2::{Digest, Sha256};

use super::clock::Clock;
use super::error::{EntraError, Occurrence};
use crate::directory::{Application, Permission, Person};

const STYLE_SHEET: &str = include_str!("../../assets/style.css");

/// Sends the form of [`form_post`] for the person.
const SUBMIT: &str = "document.forms[0].submit()";

/// Allows the style sheet and the script above, and nothing else. It does not restrict where forms go: browsers hold
/// that against the redirects that follow, which lead to the client.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE_SHEET),
        hash(SUBMIT),
    )
});

/// Asks who signs in.
pub(super) fn account_picker(
    action: &str,
    flow: &str,
    client: &Application,
    people: &[Person],
    session: Cookie<'_>,
) -> HttpResponse {
    let markup = page(
        "Choose an account",
        html! {
            h1 id="title" { "Choose an account" }
            p { "to continue to " strong { (client.display_name) } }
            form method="post" action=(action) aria-labelledby="title" {
                input type="hidden" name="flow" value=(flow);
                ul {
                    @for person in people {
                        li {
                            button.account type="submit" name="account" value=(person.name) {
                                (person.display_name)
                                span.detail { (person.user_principal_name) }
                            }
                        }
                    }
                }
            }
            p.detail {
                "There are no passwords in the sandbox: whoever you choose, you are."
            }
        },
    );
    respond(StatusCode::OK)
        .cookie(session)
        .body(markup.into_string())
}

/// Asks whether the client may have the permissions.
pub(super) fn consent(
    action: &str,
    flow: &str,
    client: &Application,
    person: &Person,
    permissions: &[Permission],
) -> HttpResponse {
    let markup = page(
        "Permissions requested",
        html! {
            p.detail { (person.user_principal_name) }
            h1 id="title" { "Permissions requested" }
            p { strong { (client.display_name) } }
            p.detail { "Published by " (client.publisher) }
            h2 { "This app would like to:" }
            ul {
                @for permission in permissions {
                    li {
                        strong { (permission.title()) }
                        div.detail { (permission.explanation()) }
                    }
                }
            }
            p { "Accept only if you trust the app. The control endpoint of the sandbox takes consent back." }
            form method="post" action=(action) aria-labelledby="title" {
                input type="hidden" name="flow" value=(flow);
                div.actions {
                    button.primary type="submit" name="decision" value="accept" { "Accept" }
                    button type="submit" name="decision" value="cancel" { "Cancel" }
                }
            }
        },
    );
    respond(StatusCode::OK).body(markup.into_string())
}

/// Says what went wrong where no client can be told.
pub(super) fn error(error: &EntraError, clock: &Clock) -> HttpResponse {
    let occurrence = Occurrence::new(clock, None);
    let markup = page(
        "Sign-in failed",
        html! {
            h1 { "Sign-in failed" }
            p { strong { "AADSTS" (error.code()) } ": " (error.description()) }
            dl {
                dt { "Request id" }
                dd { (occurrence.trace_id) }
                dt { "Correlation id" }
                dd { (occurrence.correlation_id) }
                dt { "Timestamp" }
                dd { (occurrence.timestamp) }
            }
        },
    );
    respond(StatusCode::BAD_REQUEST).body(markup.into_string())
}

/// Carries the answer to the client in a form that sends itself.
pub(super) fn form_post(action: &str, parameters: &[(&'static str, String)]) -> HttpResponse {
    let markup = page(
        "Signing in",
        html! {
            h1 { "Signing in" }
            p { "If nothing happens, continue to the app yourself." }
            form method="post" action=(action) {
                @for (name, value) in parameters {
                    input type="hidden" name=(name) value=(value);
                }
                div.actions {
                    button.primary type="submit" { "Continue" }
                }
            }
            script { (PreEscaped(SUBMIT)) }
        },
    );
    respond(StatusCode::OK).body(markup.into_string())
}

/// Says that nobody is signed in any more.
pub(super) fn signed_out() -> HttpResponse {
    let markup = page(
        "Signed out",
        html! {
            h1 { "You have signed out" }
            p { "The next sign-in asks again who you are. You can close this page." }
        },
    );
    respond(StatusCode::OK).body(markup.into_string())
}

/// A response for a page, to be kept by nobody.
fn respond(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

fn page(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - sandbox of Microsoft Entra ID" }
                style { (PreEscaped(STYLE_SHEET)) }
            }
            body {
                header { p { "Sandbox of Microsoft Entra ID" } }
                main { (content) }
                footer { p { "This page comes from your own machine, not from Microsoft." } }
            }
        }
    }
}
