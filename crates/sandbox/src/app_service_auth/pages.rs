//! The pages of the sign-in with a browser.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};

use crate::html;

const PRODUCT: &str = "App Service Authentication";

/// Says that the sign-in is complete.
pub(super) fn signed_in() -> HttpResponse {
    respond(
        StatusCode::OK,
        "Signed in",
        html! {
            h1 { "You have successfully signed in" }
            p { "You can close this page. If a tool sent you here, run it again." }
            p { a href="/" { "Return to the app" } }
        },
    )
}

/// Says that the person has signed out.
pub(super) fn signed_out() -> HttpResponse {
    respond(
        StatusCode::OK,
        "Signed out",
        html! {
            h1 { "You have signed out" }
            p { a href="/.auth/login/aad" { "Sign in again" } }
        },
    )
}

/// Says why the sign-in failed, and links to a new one.
pub(super) fn failed(status: StatusCode, reason: &str, detail: &str) -> HttpResponse {
    respond(
        status,
        "Not signed in",
        html! {
            h1 { "You are not signed in" }
            p { (reason) }
            @for line in detail.lines() {
                p.detail { (line) }
            }
            p { a href="/.auth/login/aad" { "Sign in again" } }
        },
    )
}

fn respond(status: StatusCode, title: &str, content: Markup) -> HttpResponse {
    html::response(status).body(html::page(PRODUCT, title, content))
}
