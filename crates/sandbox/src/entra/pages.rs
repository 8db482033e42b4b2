//! The pages of the sign-in.

use actix_web::{
    HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header::CONTENT_SECURITY_POLICY},
};
use maud::{Markup, PreEscaped, html};

use crate::{
    directory::{Application, Permission, Person},
    html,
    tenant::{Clock, EntraError, Occurrence},
};

const PRODUCT: &str = "Microsoft Entra ID";

/// The script that submits the form of [`form_post`].
const SUBMIT: &str = "document.forms[0].submit()";

/// Asks who signs in.
pub(super) fn account_picker(
    action: &str,
    flow: &str,
    client: &Application,
    people: &[Person],
    session: Cookie<'_>,
) -> HttpResponse {
    let page = page(
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
                "The sandbox has no passwords: you are signed in as the account that you choose."
            }
        },
    );
    html::response(StatusCode::OK).cookie(session).body(page)
}

/// Asks whether the client may have the permissions.
pub(super) fn consent(
    action: &str,
    flow: &str,
    client: &Application,
    person: &Person,
    permissions: &[Permission],
) -> HttpResponse {
    let page = page(
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
            p { "Accept only if you trust the app. The sandbox's control API can revoke your consent." }
            form method="post" action=(action) aria-labelledby="title" {
                input type="hidden" name="flow" value=(flow);
                div.actions {
                    button.primary type="submit" name="decision" value="accept" { "Accept" }
                    button type="submit" name="decision" value="cancel" { "Cancel" }
                }
            }
        },
    );
    html::response(StatusCode::OK).body(page)
}

/// Shows an error that cannot be sent to a client.
pub(super) fn error(error: &EntraError, clock: &Clock) -> HttpResponse {
    let occurrence = Occurrence::new(clock, None);
    let page = page(
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
    html::response(StatusCode::BAD_REQUEST).body(page)
}

/// Sends the answer to the client in a form that submits itself.
pub(super) fn form_post(action: &str, parameters: &[(&'static str, String)]) -> HttpResponse {
    let page = page(
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
    html::response(StatusCode::OK)
        .insert_header((CONTENT_SECURITY_POLICY, html::policy_with_script(SUBMIT)))
        .body(page)
}

/// Says that the person has signed out.
pub(super) fn signed_out() -> HttpResponse {
    let page = page(
        "Signed out",
        html! {
            h1 { "You have signed out" }
            p { "The next sign-in asks for your account again. You can close this page." }
        },
    );
    html::response(StatusCode::OK).body(page)
}

fn page(title: &str, content: Markup) -> String {
    html::page(PRODUCT, title, content)
}
