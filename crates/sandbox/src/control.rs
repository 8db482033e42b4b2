//! The control API: commands to the sandbox itself, under `/sandbox` on Entra's port.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error,
    http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN},
    middleware::{Next, from_fn},
    web,
};
use serde::Deserialize;

use crate::{
    directory::{Person, UnknownPerson},
    faults::{Fault, Faults},
    loopback::is_loopback_host,
    tenant::Tenant,
};

const HELP: &str = r#"The sandbox's control API

GET    /sandbox                      this text
GET    /sandbox/token/{person}       the access token of the person's MCP client, as text
GET    /sandbox/graph-token/{person} a token for Microsoft Graph as a developer tool hands it out, as JSON
GET    /sandbox/consent/{person}     the person's consents, as JSON
POST   /sandbox/consent/{person}     the person allows the MCP server to read the profile
DELETE /sandbox/consent/{person}     the person revokes every consent
GET    /sandbox/ledger               requests so far, by endpoint and person
POST   /sandbox/ledger/reset         reset the counts to zero
GET    /sandbox/faults               the faults in force
POST   /sandbox/faults               add a fault (JSON, see below)
DELETE /sandbox/faults               remove all faults
POST   /sandbox/keys/rotate          sign with a new key; the previous one stays published
POST   /sandbox/clock                {"skew_seconds": 90}: the cloud's clock is 90 s ahead of this machine's

People: ada, grace (no mailbox), alan (has not consented), user0, user1, user2, ...

A fault is a JSON object:
  at       token | metadata | keys | managed_identity | graph
  effect   {"entra_error": {"code": 65001}}                    token only; the code after AADSTS
           {"status": {"code": 429, "retry_after": 7}}         retry_after in seconds, optional
           {"delay": {"milliseconds": 2000}}                   combines with the next fault
           "reset" | "malformed" | "empty" | "html" | "oversized"
           "claims_challenge"                                  graph only; until a token answers the challenge
           "numeric_expiry"                                    managed_identity only; `expires_on` is a number
  person   only this person; optional (token and graph)
  times    how often it happens; optional
  chance   probability, 0 to 1; optional, default 1

Faults are tried in the order in which they were added. For example:
  curl --json '{"at": "graph", "person": "ada", "effect": {"status": {"code": 503}}, "times": 1}' HOST/sandbox/faults
"#;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/sandbox")
            .wrap(from_fn(refuse_foreign_requests))
            .app_data(web::JsonConfig::default().error_handler(explain))
            .route("", web::get().to(get_help))
            .route("/token/{person}", web::get().to(get_token))
            .route("/graph-token/{person}", web::get().to(get_graph_token))
            .route("/consent/{person}", web::get().to(list_consents))
            .route("/consent/{person}", web::post().to(record_consent))
            .route("/consent/{person}", web::delete().to(revoke_consent))
            .route("/ledger", web::get().to(get_ledger))
            .route("/ledger/reset", web::post().to(reset_ledger))
            .route("/faults", web::get().to(list_faults))
            .route("/faults", web::post().to(add_fault))
            .route("/faults", web::delete().to(clear_faults))
            .route("/keys/rotate", web::post().to(rotate_keys))
            .route("/clock", web::post().to(set_clock)),
    );
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses requests for other host names than the loopback's: a web page whose name was rebound to 127.0.0.1 must not
/// fetch tokens. Refuses commands from pages of other sites, too: they take effect even on pages that cannot read the
/// response.
async fn refuse_foreign_requests(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let host = header(request.headers(), HOST).unwrap_or_default();
    if !is_loopback_host(host) {
        Err(error::ErrorForbidden(
            "The control API answers to 127.0.0.1 and localhost only.\n",
        ))
    } else if !request.method().is_safe() && is_of_another_site(request.headers()) {
        Err(error::ErrorForbidden(
            "The control API refuses requests from pages of other sites.\n",
        ))
    } else {
        next.call(request).await
    }
}

/// Whether the request comes from a page of another site, by the headers that browsers add. Other programs do not send
/// these headers.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let is_foreign = |origin: &str| {
        let (scheme, host) = origin.split_once("://").unwrap_or_default();
        !matches!(scheme, "http" | "https") || !is_loopback_host(host)
    };
    headers.contains_key(ORIGIN) && header(headers, ORIGIN).is_none_or(is_foreign)
        || header(headers, SEC_FETCH_SITE) == Some("cross-site")
}

/// The value of the header, if it is present and text.
fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn explain(error: error::JsonPayloadError, _: &HttpRequest) -> Error {
    error::ErrorBadRequest(format!(
        "{error}\nGET /sandbox describes the control API.\n"
    ))
}

fn not_found(unknown: UnknownPerson) -> Error {
    error::ErrorNotFound(format!("{unknown}\n"))
}

fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn get_help() -> HttpResponse {
    text(HELP.to_owned())
}

async fn get_token(
    tenant: web::Data<Tenant>,
    person: web::Path<String>,
) -> Result<HttpResponse, Error> {
    tenant.access_token(&person).map(text).map_err(not_found)
}

async fn get_graph_token(
    tenant: web::Data<Tenant>,
    person: web::Path<String>,
) -> Result<HttpResponse, Error> {
    tenant
        .graph_token(&person)
        .map(|token| HttpResponse::Ok().json(token))
        .map_err(not_found)
}

async fn list_consents(
    tenant: web::Data<Tenant>,
    person: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let person = find_person(&tenant, &person)?;
    Ok(HttpResponse::Ok().json(tenant.directory.consents(&person)))
}

async fn record_consent(
    tenant: web::Data<Tenant>,
    person: web::Path<String>,
) -> Result<HttpResponse, Error> {
    tenant
        .directory
        .record_consent(&find_person(&tenant, &person)?);
    Ok(no_content())
}

async fn revoke_consent(
    tenant: web::Data<Tenant>,
    person: web::Path<String>,
) -> Result<HttpResponse, Error> {
    tenant
        .directory
        .revoke_consent(&find_person(&tenant, &person)?);
    Ok(no_content())
}

async fn get_ledger(tenant: web::Data<Tenant>) -> HttpResponse {
    HttpResponse::Ok().json(tenant.ledger.snapshot())
}

async fn reset_ledger(tenant: web::Data<Tenant>) -> HttpResponse {
    tenant.ledger.reset();
    no_content()
}

async fn list_faults(faults: web::Data<Faults>) -> HttpResponse {
    HttpResponse::Ok().json(faults.list())
}

async fn add_fault(
    tenant: web::Data<Tenant>,
    faults: web::Data<Faults>,
    fault: web::Json<Fault>,
) -> Result<HttpResponse, Error> {
    let fault = fault.into_inner();
    if let Some(person) = &fault.person {
        find_person(&tenant, person)?;
    }
    faults
        .add(fault)
        .map_err(|invalid| error::ErrorBadRequest(format!("{invalid}\n")))?;
    Ok(no_content())
}

async fn clear_faults(faults: web::Data<Faults>) -> HttpResponse {
    faults.clear();
    no_content()
}

async fn rotate_keys(tenant: web::Data<Tenant>) -> Result<HttpResponse, Error> {
    web::block(move || tenant.tokens.keys.rotate()).await?;
    Ok(no_content())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockSetting {
    skew_seconds: i64,
}

async fn set_clock(tenant: web::Data<Tenant>, setting: web::Json<ClockSetting>) -> HttpResponse {
    tenant.tokens.clock.set_skew(setting.skew_seconds);
    no_content()
}

fn find_person(tenant: &Tenant, person: &str) -> Result<Person, Error> {
    tenant.directory.person(person).map_err(not_found)
}

fn text(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .body(body)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_other_sites_are_recognised_by_the_browsers_headers() {
        let is_foreign = |name: HeaderName, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            is_of_another_site(&headers)
        };
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://127.0.0.1.evil.example:7072",
            "http://localhost@evil.example",
            "file://localhost",
            "127.0.0.1:7072",
            "http://127.0.0.1:7072\u{e9}",
        ] {
            assert!(is_foreign(ORIGIN, origin), "{origin}");
        }
        for origin in ["http://127.0.0.1:7072", "https://localhost:8443"] {
            assert!(!is_foreign(ORIGIN, origin), "{origin}");
        }
        assert!(is_foreign(SEC_FETCH_SITE, "cross-site"));
        for site in ["none", "same-origin", "same-site"] {
            assert!(!is_foreign(SEC_FETCH_SITE, site), "{site}");
        }
        assert!(!is_of_another_site(&HeaderMap::new()));
    }
}
