//! The layout of every page: plain HTML that works without scripts and loads nothing from other origins.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rsa::sha2::{Digest as _, Sha256};

const STYLE_SHEET: &str = include_str!("../assets/style.css");

/// Allows the style sheet and nothing else. It does not restrict the targets of forms: browsers apply that to the
/// redirects after a form as well, which lead to other origins.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = hash(STYLE_SHEET);
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// The policy of a page with a script.
pub(crate) fn policy_with_script(script: &str) -> String {
    format!("{}; script-src 'sha256-{}'", *POLICY, hash(script))
}

fn hash(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text))
}

/// The response for a page, with `Cache-Control: no-store`.
pub(crate) fn response(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

/// A page of the stand-in for `product`.
pub(crate) fn page(product: &str, title: &str, content: Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - sandbox of " (product) }
                style { (PreEscaped(STYLE_SHEET)) }
            }
            body {
                header { p { "Sandbox of " (product) } }
                main { (content) }
                footer { p { "This page comes from your own machine, not from Microsoft." } }
            }
        }
    }
    .into_string()
}
