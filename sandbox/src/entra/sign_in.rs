//! Signing in: who it is, what the client may do, and the way back to the client.
//!
//! Each page holds a form with the id of the sign-in that it belongs to. The id is good for one answer, from the browser
//! that the page was sent to.

use std::collections::HashMap;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse, web};
use parking_lot::Mutex;
use reqwest::Url;
use serde::Deserialize;

use super::authority::Authority;
use super::authorize::{AuthorizationRequest, Prompt};
use super::error::EntraError;
use super::grants::{AuthorizationCode, Grant};
use super::{check_tenant, client_info, pages, reply};
use crate::cloud::CloudState;
use crate::directory::{MCP_SERVER, Permission, Person, TENANT_ID};

/// Where the account picker's form goes.
const ACCOUNT: &str = "account";

/// Where the consent page's form goes.
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

/// The sessions of browsers and the sign-ins under way in them. They live as long as the cloud.
#[derive(Default)]
pub(crate) struct SignIns {
    /// Who is signed in, by the id of the session.
    sessions: Mutex<HashMap<String, Option<Person>>>,
    /// What waits for an answer, by the id in the form.
    pending: Mutex<HashMap<String, Pending>>,
}

struct Pending {
    session: String,
    request: AuthorizationRequest,
    question: Question,
}

/// What a page asks.
enum Question {
    /// Who signs in.
    Account,
    /// Whether this person consents.
    Consent(Person),
}

impl SignIns {
    fn knows(&self, session: &str) -> bool {
        self.sessions.lock().contains_key(session)
    }

    fn person(&self, session: &str) -> Option<Person> {
        self.sessions.lock().get(session)?.clone()
    }

    fn sign_in(&self, session: &str, person: &Person) {
        self.sessions
            .lock()
            .insert(session.to_owned(), Some(person.clone()));
    }

    fn sign_out(&self, session: &str) {
        self.sessions.lock().remove(session);
    }

    fn ask(&self, flow: String, pending: Pending) {
        self.sessions
            .lock()
            .entry(pending.session.clone())
            .or_default();
        self.pending.lock().insert(flow, pending);
    }

    /// What was asked, if it was asked in this session and is answered for the first time.
    fn answered(&self, session: &str, flow: &str) -> Option<(AuthorizationRequest, Question)> {
        let mut pending = self.pending.lock();
        pending.get(flow).filter(|asked| asked.session == session)?;
        let Pending {
            request, question, ..
        } = pending.remove(flow)?;
        Some((request, question))
    }
}

/// Signs a person in for the client, asking as little as the request allows.
pub(super) fn begin(
    cloud: &CloudState,
    authority: &Authority,
    browser: &HttpRequest,
    request: AuthorizationRequest,
) -> HttpResponse {
    let visit = Visit::new(cloud, authority, browser);
    let hinted = visit.hinted_person(&request);
    let signed_in = cloud
        .sign_ins
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
    cloud: web::Data<CloudState>,
    authority: web::Data<Authority>,
    form: web::Form<AccountForm>,
    browser: HttpRequest,
) -> HttpResponse {
    let visit = Visit::new(&cloud, &authority, &browser);
    let answered = cloud.sign_ins.answered(&visit.session, &form.flow);
    match (answered, cloud.directory.person(&form.account)) {
        (Some((request, Question::Account)), Ok(person)) => {
            tracing::debug!(person = person.name, "signed in");
            cloud.sign_ins.sign_in(&visit.session, &person);
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
    cloud: web::Data<CloudState>,
    authority: web::Data<Authority>,
    form: web::Form<ConsentForm>,
    browser: HttpRequest,
) -> HttpResponse {
    let visit = Visit::new(&cloud, &authority, &browser);
    let answered = cloud.sign_ins.answered(&visit.session, &form.flow);
    let Some((request, Question::Consent(person))) = answered else {
        return visit.expired();
    };
    match form.decision {
        Decision::Accept => {
            tracing::debug!(person = person.name, "consent given");
            let permissions = request.scopes.permissions();
            cloud.directory.grant(&person, request.client, permissions);
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

/// Forgets who is signed in, and goes back to the MCP server if that is asked for.
async fn sign_out(
    cloud: web::Data<CloudState>,
    authority: web::Data<Authority>,
    tenant: web::Path<String>,
    parameters: web::Query<SignOutParameters>,
    browser: HttpRequest,
) -> HttpResponse {
    if let Err(error) = check_tenant(&tenant) {
        return pages::error(&error, &cloud.tokens.clock);
    }
    let visit = Visit::new(&cloud, &authority, &browser);
    cloud.sign_ins.sign_out(&visit.session);

    let SignOutParameters {
        post_logout_redirect_uri,
        state,
    } = parameters.into_inner();
    match post_logout_redirect_uri.and_then(|uri| url_of_server(&cloud, &uri)) {
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
fn url_of_server(cloud: &CloudState, uri: &str) -> Option<Url> {
    let url = Url::parse(uri).ok()?;
    cloud
        .directory
        .redirect_uris(&MCP_SERVER)
        .iter()
        .filter_map(|registered| Url::parse(registered).ok())
        .any(|registered| registered.origin() == url.origin())
        .then_some(url)
}

/// A browser that visits Entra.
struct Visit<'a> {
    cloud: &'a CloudState,
    authority: &'a Authority,
    session: String,
}

impl<'a> Visit<'a> {
    /// Goes on with the browser's session. Ids that Entra has not given out are not sessions.
    fn new(cloud: &'a CloudState, authority: &'a Authority, browser: &HttpRequest) -> Self {
        let session = browser
            .cookie(COOKIE)
            .map(|cookie| cookie.value().to_owned())
            .filter(|session| cloud.sign_ins.knows(session))
            .unwrap_or_else(|| cloud.new_secret());
        Self {
            cloud,
            authority,
            session,
        }
    }

    /// Whom the client expects.
    fn hinted_person(&self, request: &AuthorizationRequest) -> Option<Person> {
        self.cloud
            .directory
            .person_by_user_principal_name(request.login_hint.as_deref()?)
    }

    fn ask_for_account(&self, request: AuthorizationRequest) -> HttpResponse {
        let mut people = self.cloud.directory.people();
        if let Some(hinted) = self.hinted_person(&request) {
            people.retain(|person| *person != hinted);
            people.insert(0, hinted);
        }
        let client = request.client;
        let flow = self.ask(request, Question::Account);
        let action = self.authority.url(ACCOUNT);
        pages::account_picker(&action, &flow, client, &people, self.cookie())
    }

    /// Asks for the consent that is missing; for all of it, if the client insists.
    fn go_on_as(&self, person: Person, request: AuthorizationRequest) -> HttpResponse {
        let AuthorizationRequest { client, prompt, .. } = request;
        let wanted: Vec<Permission> = request
            .scopes
            .permissions()
            .filter(|permission| {
                prompt == Some(Prompt::Consent)
                    || !self
                        .cloud
                        .directory
                        .is_granted(&person, client, *permission)
            })
            .collect();
        if wanted.is_empty() {
            return self.finish(person, request);
        }
        if prompt == Some(Prompt::None) {
            let error = EntraError::CONSENT_REQUIRED.called("interaction_required");
            return self.refuse(&request, &error);
        }
        let flow = self.ask(request, Question::Consent(person.clone()));
        let action = self.authority.url(CONSENT);
        pages::consent(&action, &flow, client, &person, &wanted)
    }

    /// Remembers the question, and gives the id of its answer.
    fn ask(&self, request: AuthorizationRequest, question: Question) -> String {
        let flow = self.cloud.new_secret();
        let pending = Pending {
            session: self.session.clone(),
            request,
            question,
        };
        self.cloud.sign_ins.ask(flow.clone(), pending);
        flow
    }

    /// Sends the browser back to the client with what it asked for.
    fn finish(&self, person: Person, request: AuthorizationRequest) -> HttpResponse {
        let cloud = self.cloud;
        let code = request.response_type.code.then(|| cloud.new_secret());
        let mut parameters = Vec::new();
        parameters.extend(code.clone().map(|code| ("code", code)));
        if request.response_type.id_token {
            let nonce = request.nonce.as_deref();
            let token = cloud
                .tokens
                .id_token(&person, request.client, &request.scopes, nonce)
                .with_code(code.as_deref())
                .claim("iss", self.authority.issuer());
            parameters.push(("id_token", cloud.issue(token)));
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
                issued_at: cloud.tokens.clock.now(),
            };
            cloud.grants.keep_code(code, authorized);
        }
        request.reply.send(parameters)
    }

    fn refuse(&self, request: &AuthorizationRequest, error: &EntraError) -> HttpResponse {
        request.reply.refuse(error, &self.cloud.tokens.clock)
    }

    fn expired(&self) -> HttpResponse {
        pages::error(&EntraError::SIGN_IN_EXPIRED, &self.cloud.tokens.clock)
    }

    /// Cookies do not care for ports: the path keeps this one from the app on the same host.
    fn cookie(&self) -> Cookie<'_> {
        Cookie::build(COOKIE, &self.session)
            .path(format!("/{TENANT_ID}/"))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.authority.is_https())
            .finish()
    }
}
