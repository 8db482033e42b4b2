//! Microsoft Graph: `GET /v1.0/me`.
//!
//! Source: Microsoft Graph REST API v1.0, "Get a user" and "Error responses"; "Continuous access evaluation".

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    web,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    directory::{Person, TENANT_ID},
    faults::{Call, Effect, Endpoint, Faults, InjectedFault},
    tenant::{CHALLENGE_CLAIM, Tenant, unverified_claims},
};

/// Graph's own client id, the same in every tenant.
const GRAPH_CLIENT_ID: &str = "00000003-0000-0000-c000-000000000000";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1.0/me", web::get().to(me))
        .default_service(web::to(unknown_resource));
}

async fn me(
    tenant: web::Data<Tenant>,
    faults: web::Data<Faults>,
    request: HttpRequest,
    query: web::Query<HashMap<String, String>>,
) -> HttpResponse {
    let token = bearer_token(&request);
    let person = token.and_then(|token| tenant.person_of(token));
    let claims = token.and_then(unverified_claims);
    let call = Call {
        at: Endpoint::Graph,
        person: person.as_ref().map(|person| person.name.as_str()),
        challenge: claims
            .as_ref()
            .and_then(|claims| claims.get(CHALLENGE_CLAIM)),
    };
    let answer = Answer {
        tenant: &tenant,
        request: &request,
    };
    faults
        .answer(
            &tenant.ledger,
            call,
            |injected| match injected {
                InjectedFault::Challenge(value) => answer.claims_challenge(&value),
                InjectedFault::Effect(effect) => answer.fault(&effect),
            },
            || {
                let select = query.get("$select").map(String::as_str);
                answer.me(token, person.as_ref(), select)
            },
        )
        .await
}

async fn unknown_resource(tenant: web::Data<Tenant>, request: HttpRequest) -> HttpResponse {
    tenant.ledger.record(Endpoint::Graph, None);
    Answer {
        tenant: &tenant,
        request: &request,
    }
    .error(
        StatusCode::BAD_REQUEST,
        "BadRequest",
        "The sandbox's Graph knows only GET /v1.0/me.",
    )
}

/// The token of `Authorization: Bearer`, the scheme in any case (RFC 7235).
fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request
        .headers()
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then_some(token.trim())
}

/// Answers one request.
struct Answer<'a> {
    tenant: &'a Tenant,
    request: &'a HttpRequest,
}

impl Answer<'_> {
    /// The profile of the token's user, if the token allows that.
    fn me(
        &self,
        token: Option<&str>,
        person: Option<&Person>,
        select: Option<&str>,
    ) -> HttpResponse {
        let Some(token) = token else {
            return self.unauthorized("InvalidAuthenticationToken", "Access token is empty.");
        };
        let Tenant {
            tokens, addresses, ..
        } = self.tenant;
        let claims = match tokens.verify(token, &[addresses.graph.audience()]) {
            Ok(claims) => claims,
            Err(refusal) => {
                return self.unauthorized(
                    "InvalidAuthenticationToken",
                    &format!("Refused: {refusal}."),
                );
            }
        };
        if !claims.has_scope("User.Read") {
            return self.error(
                StatusCode::FORBIDDEN,
                "Authorization_RequestDenied",
                "The token does not grant the permission User.Read.",
            );
        }
        let Some(person) = person else {
            return self.error(
                StatusCode::NOT_FOUND,
                "Request_ResourceNotFound",
                "The user is not in the directory.",
            );
        };
        self.profile(person, select)
    }

    fn profile(&self, person: &Person, select: Option<&str>) -> HttpResponse {
        let all = profile(person);
        let select: Vec<&str> = select
            .map(|select| select.split(',').map(str::trim).collect())
            .unwrap_or_default();
        if let Some(unknown) = select.iter().find(|property| !all.contains_key(**property)) {
            return self.error(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                &format!(
                    "Could not find a property named '{unknown}' on type 'microsoft.graph.user'."
                ),
            );
        }
        let graph = self.tenant.addresses.graph.audience();
        let (context, selected) = if select.is_empty() {
            ("users/$entity".to_owned(), all)
        } else {
            let selected = all
                .into_iter()
                .filter(|(property, _)| select.contains(&property.as_str()))
                .collect();
            (format!("users({})/$entity", select.join(",")), selected)
        };
        let mut body: Map<String, Value> = selected;
        body.insert(
            "@odata.context".to_owned(),
            format!("{graph}/v1.0/$metadata#{context}").into(),
        );
        HttpResponse::Ok()
            .insert_header(("request-id", Uuid::new_v4().to_string()))
            .insert_header((
                "Content-Type",
                "application/json;odata.metadata=minimal;charset=utf-8",
            ))
            .body(Value::Object(body).to_string())
    }

    fn error(&self, status: StatusCode, code: &str, message: &str) -> HttpResponse {
        HttpResponse::build(status).json(self.error_body(code, message))
    }

    fn unauthorized(&self, code: &str, message: &str) -> HttpResponse {
        let challenge = format!(
            r#"Bearer realm="", authorization_uri="{}", client_id="{GRAPH_CLIENT_ID}""#,
            self.authorize_uri()
        );
        HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, challenge))
            .json(self.error_body(code, message))
    }

    fn claims_challenge(&self, value: &str) -> HttpResponse {
        let claims = json!({"access_token": {"nbf": {"essential": true, "value": value}}});
        let challenge = format!(
            r#"Bearer realm="", authorization_uri="{}", client_id="{GRAPH_CLIENT_ID}", error="insufficient_claims", claims="{}""#,
            self.authorize_uri(),
            STANDARD.encode(claims.to_string()),
        );
        let body = self.error_body(
            "InvalidAuthenticationToken",
            "Continuous access evaluation asks for a new token.",
        );
        HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, challenge))
            .json(body)
    }

    fn fault(&self, effect: &Effect) -> HttpResponse {
        let code = match effect {
            Effect::Status { code: 401, .. } => "InvalidAuthenticationToken",
            Effect::Status { code: 403, .. } => "Authorization_RequestDenied",
            Effect::Status { code: 404, .. } => "Request_ResourceNotFound",
            Effect::Status { code: 429, .. } => "TooManyRequests",
            Effect::Status { code: 503, .. } => "ServiceUnavailable",
            Effect::Status { code: 504, .. } => "GatewayTimeout",
            _ => "InternalServerError",
        };
        effect.respond(self.error_body(code, "The sandbox injects this fault."))
    }

    fn error_body(&self, code: &str, message: &str) -> Value {
        let request_id = Uuid::new_v4().to_string();
        let client_request_id = self
            .request
            .headers()
            .get("client-request-id")
            .and_then(|value| value.to_str().ok())
            .unwrap_or(&request_id);
        let date = self
            .tenant
            .tokens
            .clock
            .timestamp()
            .trim_end_matches('Z')
            .replace(' ', "T");
        json!({"error": {
            "code": code,
            "message": message,
            "innerError": {"date": date, "request-id": request_id, "client-request-id": client_request_id},
        }})
    }

    fn authorize_uri(&self) -> String {
        format!(
            "{}/{TENANT_ID}/oauth2/v2.0/authorize",
            self.tenant.addresses.authority
        )
    }
}

/// The properties of a user, all of which a response has unless some are selected.
fn profile(person: &Person) -> Map<String, Value> {
    let (given_name, surname) = person
        .display_name
        .split_once(' ')
        .unwrap_or((&person.display_name, ""));
    Map::from_iter(
        [
            ("businessPhones", json!([])),
            ("displayName", json!(person.display_name)),
            ("givenName", json!(given_name)),
            ("id", json!(person.object_id)),
            ("jobTitle", Value::Null),
            ("mail", json!(person.mail)),
            ("mobilePhone", Value::Null),
            ("officeLocation", Value::Null),
            ("preferredLanguage", Value::Null),
            ("surname", json!(surname)),
            ("userPrincipalName", json!(person.user_principal_name)),
        ]
        .map(|(property, value)| (property.to_owned(), value)),
    )
}
