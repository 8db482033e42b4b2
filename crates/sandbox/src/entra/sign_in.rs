//! The sign-in: the choice of an account, the consent, and the redirect back to the client.
//!
//! Each page holds a form with the id of its sign-in. The id is valid for one answer, from the browser that the page
//! was sent to.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    web,
};
use reqwest::Url;
use serde::Deserialize;

use super::{
    authorization_request::{AuthorizationRequest, Prompt},
    pages, reply,
    request::check_tenant,
    response::client_info,
    sign_ins::{Pending, Question, SignIns},
};
use crate::{
    directory::{MCP_SERVER, Permission, Person, TENANT_ID},
    tenant::{Authority, AuthorizationCode, EntraError, Grant, Tenant},
};

/// The path that the account picker's form is posted to.
const ACCOUNT: &str = "account";

/// The path that the consent page's form is posted to.
const CONSENT: &str = "consent";

const COOKIE: &str = "sandbox_session";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            &format!("/{{tenant}}/{ACCOUNT}"),
            web::post().to(choose_account),
        )
        .route(
            &format!("/{{tenant}}/{CONSENT}"),
            web::post().to(decide_on_consent),
        )
        .route("/{tenant}/oauth2/v2.0/logout", web::get().to(sign_out));
}

/// Signs a person in for the client, asking as little as the request allows.
pub(super) fn begin(
    tenant: &Tenant,
    sign_ins: &SignIns,
    authority: &Authority,
    browser: &HttpRequest,
    request: AuthorizationRequest,
) -> HttpResponse {
    let visit = Visit::new(tenant, sign_ins, authority, browser);
    let hinted = visit.hinted_person(&request);
    let signed_in = sign_ins
        .person(&visit.session)
        .filter(|person| hinted.as_ref().is_none_or(|hinted| hinted == person));
    match (request.prompt, signed_in) {
        (Some(Prompt::None), None) => visit.refuse(&request, &EntraError::LOGIN_REQUIRED),
        (Some(Prompt::Account), _) | (_, None) => visit.ask_for_account(request),
        (_, Some(person)) => visit.go_on_as(person, request),
    }
}

/// The form of the account picker.
#[derive(Deserialize)]
struct AccountForm {
    flow: String,
    account: String,
}

async fn choose_account(
    tenant: web::Data<Tenant>,
    sign_ins: web::Data<SignIns>,
    authority: web::Data<Authority>,
    form: web::Form<AccountForm>,
    browser: HttpRequest,
) -> HttpResponse {
    let visit = Visit::new(&tenant, &sign_ins, &authority, &browser);
    let answered = sign_ins.take_answered(&visit.session, &form.flow);
    match (answered, tenant.directory.person(&form.account)) {
        (Some((request, Question::Account)), Ok(person)) => {
            tracing::debug!(person = person.name, "signed in");
            sign_ins.sign_in(&visit.session, &person);
            visit.go_on_as(person, request)
        }
        _ => visit.expired(),
    }
}

/// The form of the consent page.
#[derive(Deserialize)]
struct ConsentForm {
    flow: String,
    decision: Decision,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Accept,
    Cancel,
}

async fn decide_on_consent(
    tenant: web::Data<Tenant>,
    sign_ins: web::Data<SignIns>,
    authority: web::Data<Authority>,
    form: web::Form<ConsentForm>,
    browser: HttpRequest,
) -> HttpResponse {
    let visit = Visit::new(&tenant, &sign_ins, &authority, &browser);
    let answered = sign_ins.take_answered(&visit.session, &form.flow);
    let Some((request, Question::Consent(person))) = answered else {
        return visit.expired();
    };
    match form.decision {
        Decision::Accept => {
            tracing::debug!(person = person.name, "consent given");
            let permissions = request.scopes.permissions();
            tenant.directory.grant(&person, request.client, permissions);
            visit.finish(person, request)
        }
        Decision::Cancel => {
            tracing::debug!(person = person.name, "consent declined");
            visit.refuse(&request, &EntraError::CONSENT_DECLINED)
        }
    }
}

/// The query of a request to sign out (OpenID Connect RP-Initiated Logout).
#[derive(Deserialize)]
struct SignOutParameters {
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// Signs the person out, and redirects to the MCP server if the request asks for that.
async fn sign_out(
    tenant: web::Data<Tenant>,
    sign_ins: web::Data<SignIns>,
    authority: web::Data<Authority>,
    tenant_id: web::Path<String>,
    parameters: web::Query<SignOutParameters>,
    browser: HttpRequest,
) -> HttpResponse {
    if let Err(error) = check_tenant(&tenant_id) {
        return pages::error(&error, &tenant.tokens.clock);
    }
    let visit = Visit::new(&tenant, &sign_ins, &authority, &browser);
    sign_ins.sign_out(&visit.session);

    let SignOutParameters {
        post_logout_redirect_uri,
        state,
    } = parameters.into_inner();
    match post_logout_redirect_uri.and_then(|uri| url_of_server(&tenant, &uri)) {
        Some(mut url) => {
            if let Some(state) = state {
                url.query_pairs_mut().append_pair("state", &state);
            }
            reply::redirect(&url)
        }
        None => pages::signed_out(),
    }
}

/// The URL, if it is on the origin of the MCP server.
fn url_of_server(tenant: &Tenant, uri: &str) -> Option<Url> {
    let url = Url::parse(uri).ok()?;
    tenant
        .directory
        .redirect_uris(&MCP_SERVER)
        .iter()
        .filter_map(|registered| Url::parse(registered).ok())
        .any(|registered| registered.origin() == url.origin())
        .then_some(url)
}

/// A browser that visits Entra.
struct Visit<'a> {
    tenant: &'a Tenant,
    sign_ins: &'a SignIns,
    authority: &'a Authority,
    session: String,
}

impl<'a> Visit<'a> {
    /// Continues the browser's session. Ids that Entra has not issued are not sessions.
    fn new(
        tenant: &'a Tenant,
        sign_ins: &'a SignIns,
        authority: &'a Authority,
        browser: &HttpRequest,
    ) -> Self {
        let session = browser
            .cookie(COOKIE)
            .map(|cookie| cookie.value().to_owned())
            .filter(|session| sign_ins.knows(session))
            .unwrap_or_else(|| tenant.new_secret());
        Self {
            tenant,
            sign_ins,
            authority,
            session,
        }
    }

    /// The person that the client expects, by `login_hint`.
    fn hinted_person(&self, request: &AuthorizationRequest) -> Option<Person> {
        self.tenant
            .directory
            .person_by_user_principal_name(request.login_hint.as_deref()?)
    }

    fn ask_for_account(&self, request: AuthorizationRequest) -> HttpResponse {
        let mut people = self.tenant.directory.people();
        if let Some(hinted) = self.hinted_person(&request) {
            people.retain(|person| *person != hinted);
            people.insert(0, hinted);
        }
        let client = request.client;
        let flow = self.ask(request, Question::Account);
        let action = self.authority.url(ACCOUNT);
        pages::account_picker(&action, &flow, client, &people, self.cookie())
    }

    /// Asks for the missing consent, or for all consent if the client requests that.
    fn go_on_as(&self, person: Person, request: AuthorizationRequest) -> HttpResponse {
        let AuthorizationRequest { client, prompt, .. } = request;
        let wanted: Vec<Permission> = request
            .scopes
            .permissions()
            .filter(|permission| {
                prompt == Some(Prompt::Consent)
                    || !self
                        .tenant
                        .directory
                        .is_granted(&person, client, *permission)
            })
            .collect();
        if wanted.is_empty() {
            return self.finish(person, request);
        }
        if prompt == Some(Prompt::None) {
            let error = EntraError::CONSENT_REQUIRED.with_oauth_error("interaction_required");
            return self.refuse(&request, &error);
        }
        let flow = self.ask(request, Question::Consent(person.clone()));
        let action = self.authority.url(CONSENT);
        pages::consent(&action, &flow, client, &person, &wanted)
    }

    /// Keeps the question, and returns the id that its answer must have.
    fn ask(&self, request: AuthorizationRequest, question: Question) -> String {
        let flow = self.tenant.new_secret();
        let pending = Pending {
            session: self.session.clone(),
            request,
            question,
        };
        self.sign_ins.ask(flow.clone(), pending);
        flow
    }

    /// Sends the browser back to the client with what it asked for.
    fn finish(&self, person: Person, request: AuthorizationRequest) -> HttpResponse {
        let tenant = self.tenant;
        let code = request.response_type.code.then(|| tenant.new_secret());
        let mut parameters = Vec::new();
        parameters.extend(code.clone().map(|code| ("code", code)));
        if request.response_type.id_token {
            let nonce = request.nonce.as_deref();
            let token = tenant
                .tokens
                .id_token(&person, request.client, &request.scopes, nonce)
                .with_code(code.as_deref())
                .claim("iss", self.authority.issuer());
            parameters.push(("id_token", tenant.issue(token)));
        }
        if request.wants_client_info {
            parameters.push(("client_info", client_info(&person)));
        }
        if let Some(code) = code {
            let authorized = AuthorizationCode {
                grant: Grant {
                    client: request.client,
                    person,
                    scopes: request.scopes,
                },
                redirect_uri: request.redirect_uri,
                challenge: request.code_challenge,
                nonce: request.nonce,
                issued_at: tenant.tokens.clock.now(),
            };
            tenant.grants.keep_code(code, authorized);
        }
        request.reply.send(parameters)
    }

    fn refuse(&self, request: &AuthorizationRequest, error: &EntraError) -> HttpResponse {
        request.reply.refuse(error, &self.tenant.tokens.clock)
    }

    fn expired(&self) -> HttpResponse {
        pages::error(&EntraError::SIGN_IN_EXPIRED, &self.tenant.tokens.clock)
    }

    /// The session cookie. Since cookies ignore ports, its path keeps it from the app on the same host.
    fn cookie(&self) -> Cookie<'_> {
        Cookie::build(COOKIE, &self.session)
            .path(format!("/{TENANT_ID}/"))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.authority.is_https())
            .finish()
    }
}
