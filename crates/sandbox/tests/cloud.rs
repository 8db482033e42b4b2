//! The cloud over HTTP, as the handler sees it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE},
};
use sandbox::{
    cloud::{Cloud, CloudOptions},
    directory::{FEDERATED_CREDENTIAL, MANAGED_IDENTITY, MCP_SERVER, OTHER_API, TENANT_ID},
    faults::{Effect, Endpoint, Fault},
    ledger::LedgerSnapshot,
    loopback,
    tenant::{EntraError, Signer, TokenRefusal, TokenSpec},
};
use serde_json::{Value, json};

/// A cloud and a client of it.
struct Setup {
    cloud: Cloud,
    client: Client,
    identity_header: String,
}

impl Setup {
    async fn new() -> Self {
        Self::with(CloudOptions::default()).await
    }

    async fn with(options: CloudOptions) -> Self {
        let cloud = Cloud::start(options).await.unwrap();
        let identity_header = cloud.rotate_identity_header();
        Self {
            cloud,
            client: loopback::client().unwrap(),
            identity_header,
        }
    }

    async fn get(&self, url: &str) -> Response {
        self.client.get(url).send().await.unwrap()
    }

    fn entra(&self, path: &str) -> String {
        format!("{}/{TENANT_ID}/{path}", self.cloud.authority())
    }

    async fn identity(&self, query: &[(&str, &str)]) -> Response {
        let request = self.client.get(self.cloud.identity_endpoint()).query(query);
        request
            .header("X-IDENTITY-HEADER", &self.identity_header)
            .send()
            .await
            .unwrap()
    }

    async fn client_assertion(&self) -> String {
        let response = self.identity(&IDENTITY_QUERY).await;
        assert_eq!(response.status(), StatusCode::OK);
        text_of(&json_of(response).await["access_token"])
    }

    /// A valid on-behalf-of request.
    async fn exchange_form(&self, person: &str) -> Form {
        let scope = format!("{}/.default", self.cloud.graph());
        Form::from([
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
            ),
            ("client_id", MCP_SERVER.client_id.to_owned()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", self.client_assertion().await),
            ("assertion", self.cloud.access_token(person).unwrap()),
            ("scope", scope),
            ("requested_token_use", "on_behalf_of".to_owned()),
        ])
    }

    async fn exchange(&self, form: &Form) -> Response {
        self.client
            .post(self.entra("oauth2/v2.0/token"))
            .form(form)
            .send()
            .await
            .unwrap()
    }

    async fn graph_token(&self, person: &str) -> String {
        let response = self.exchange(&self.exchange_form(person).await).await;
        assert_eq!(response.status(), StatusCode::OK);
        text_of(&json_of(response).await["access_token"])
    }

    async fn me(&self, token: &str) -> Response {
        let url = format!(
            "{}/v1.0/me?$select=displayName,mail,userPrincipalName",
            self.cloud.graph()
        );
        self.client
            .get(url)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    fn fault(&self, fault: Fault) {
        self.cloud.faults().add(fault).unwrap();
    }
}

type Form = BTreeMap<&'static str, String>;

const IDENTITY_QUERY: [(&str, &str); 3] = [
    ("api-version", "2019-08-01"),
    ("resource", FEDERATED_CREDENTIAL.audience),
    ("client_id", MANAGED_IDENTITY.client_id),
];

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The `AADSTS` code of a refusal.
async fn code_of(response: Response) -> u64 {
    assert!(response.status().is_client_error(), "{}", response.status());
    json_of(response).await["error_codes"][0].as_u64().unwrap()
}

#[tokio::test]
async fn metadata_names_the_tenants_issuer_and_no_more_than_entras() {
    let setup = Setup::new().await;
    let metadata = json_of(
        setup
            .get(&setup.entra("v2.0/.well-known/openid-configuration"))
            .await,
    )
    .await;
    assert_eq!(metadata["issuer"], setup.entra("v2.0"));
    assert_eq!(metadata["token_endpoint"], setup.entra("oauth2/v2.0/token"));
    assert_eq!(
        metadata["authorization_endpoint"],
        setup.entra("oauth2/v2.0/authorize")
    );
    assert_eq!(metadata["jwks_uri"], setup.entra("discovery/v2.0/keys"));
    assert_eq!(metadata["subject_types_supported"], json!(["pairwise"]));
    assert_eq!(
        metadata["id_token_signing_alg_values_supported"],
        json!(["RS256"])
    );
    assert!(metadata.get("code_challenge_methods_supported").is_none());
    assert!(metadata.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn metadata_is_found_behind_the_issuers_path_only() {
    let setup = Setup::new().await;
    for name in ["oauth-authorization-server", "openid-configuration"] {
        let url = format!(
            "{}/.well-known/{name}/{TENANT_ID}/v2.0",
            setup.cloud.authority()
        );
        assert_eq!(
            setup.get(&url).await.status(),
            StatusCode::NOT_FOUND,
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_unknown_tenant_is_refused_everywhere() {
    let setup = Setup::new().await;
    for path in [
        "v2.0/.well-known/openid-configuration",
        "discovery/v2.0/keys",
    ] {
        let url = format!(
            "{}/00000000-0000-0000-0000-000000000000/{path}",
            setup.cloud.authority()
        );
        let response = setup.get(&url).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let body = json_of(response).await;
        assert_eq!(
            (&body["error"], &body["error_codes"]),
            (&json!("invalid_tenant"), &json!([90002]))
        );
    }
    let url = format!("{}/common/oauth2/v2.0/token", setup.cloud.authority());
    let form = setup.exchange_form("ada").await;
    assert_eq!(
        code_of(setup.client.post(url).form(&form).send().await.unwrap()).await,
        90002
    );
}

#[tokio::test]
async fn the_published_keys_verify_tokens_before_and_after_a_rotation() {
    let setup = Setup::new().await;
    let before = setup.cloud.access_token("ada").unwrap();
    setup.cloud.rotate_keys();
    let after = setup.cloud.access_token("ada").unwrap();

    let keys = setup
        .get(&setup.entra("discovery/v2.0/keys"))
        .await
        .text()
        .await
        .unwrap();
    let keys: JwkSet = serde_json::from_str(&keys).unwrap();
    assert_eq!(keys.keys.len(), 2);
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[MCP_SERVER.client_id]);
    validation.set_issuer(&[setup.entra("v2.0")]);
    for token in [before, after] {
        let id = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&id).unwrap()).unwrap();
        jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    }
}

#[tokio::test]
async fn a_user_is_read_from_graph_by_way_of_the_exchange() {
    let setup = Setup::new().await;
    for (person, expected) in [
        (
            "ada",
            (
                "Ada Lovelace",
                json!("ada@contoso.example"),
                "ada@contoso.example",
            ),
        ),
        (
            "grace",
            ("Grace Hopper", Value::Null, "grace@contoso.example"),
        ),
        (
            "user17",
            (
                "User 17",
                json!("user17@contoso.example"),
                "user17@contoso.example",
            ),
        ),
    ] {
        let response = setup.me(&setup.graph_token(person).await).await;
        assert_eq!(response.status(), StatusCode::OK);
        let me = json_of(response).await;
        assert_eq!(me["displayName"], expected.0);
        assert_eq!(me["mail"], expected.1);
        assert_eq!(me["userPrincipalName"], expected.2);
        assert!(me.get("id").is_none(), "not selected");
    }
    let ledger = setup.cloud.ledger().snapshot();
    assert_eq!(
        (
            ledger.token.total,
            ledger.graph.total,
            ledger.managed_identity.total
        ),
        (3, 3, 3)
    );
    assert_eq!(
        (ledger.token.people["ada"], ledger.graph.people["user17"]),
        (1, 1)
    );
}

#[tokio::test]
async fn a_successful_exchange_has_entras_members() {
    let options = CloudOptions {
        graph_token_lifetime: Duration::from_secs(100),
        refresh_in: Some(Duration::from_secs(40)),
        ..CloudOptions::default()
    };
    let setup = Setup::with(options).await;
    let body = json_of(setup.exchange(&setup.exchange_form("ada").await).await).await;
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(
        (&body["expires_in"], &body["ext_expires_in"]),
        (&json!(100), &json!(100))
    );
    assert_eq!(body["refresh_in"], 40);
    assert!(text_of(&body["scope"]).contains(&format!("{}/User.Read", setup.cloud.graph())));
    assert!(body.get("refresh_token").is_none());
}

#[tokio::test]
async fn every_member_of_the_exchange_is_checked() {
    let setup = Setup::new().await;
    let good = setup.exchange_form("ada").await;
    let graph = setup.cloud.graph();
    for (member, value, expected) in [
        ("grant_type", "client_credentials", 70003),
        ("grant_type", "", 900144),
        ("client_id", OTHER_API.client_id, 700016),
        ("client_id", "", 900144),
        ("client_assertion_type", "jwt", 9002313),
        ("client_assertion", "", 7000218),
        ("client_assertion", "garbage", 700027),
        ("assertion", "", 900144),
        ("assertion", "garbage", 50027),
        ("scope", "https://graph.example/.default", 500011),
        ("scope", &format!("{graph}/Mail.Read"), 65001),
        ("scope", "", 900144),
        ("requested_token_use", "", 900144),
        ("requested_token_use", "something", 9002313),
        ("claims", "[]", 9002313),
    ] {
        let mut form = good.clone();
        form.insert(member, value.to_owned());
        assert_eq!(
            code_of(setup.exchange(&form).await).await,
            expected,
            "{member}={value}"
        );
    }
    assert_eq!(setup.exchange(&good).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_bad_form_is_a_malformed_request() {
    let setup = Setup::new().await;
    let url = setup.entra("oauth2/v2.0/token");
    for (content_type, body) in [
        ("application/json", "{}"),
        ("application/x-www-form-urlencoded", "scope=a&scope=b"),
    ] {
        let request = setup
            .client
            .post(&url)
            .header(CONTENT_TYPE, content_type)
            .body(body);
        assert_eq!(
            code_of(request.send().await.unwrap()).await,
            9002313,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_bad_assertion_of_the_user_is_refused_for_the_right_reason() {
    let setup = Setup::new().await;
    let ada = || setup.cloud.access_token_spec("ada").unwrap();
    for (spec, expected) in [
        (ada().expires_in(-1), 500133),
        (ada().claim("aud", OTHER_API.client_id), 500131),
        (ada().signed_by(Signer::Stranger), 50013),
        (ada().signed_by(Signer::PublicKeyAsSecret), 50013),
        (ada().signed_by(Signer::Nobody), 50027),
        (ada().claim("iss", "https://login.example/v2.0"), 50013),
        (ada().app_only(), 7000114),
        (
            ada().claim("oid", "00000000-0000-0000-0000-000000000000"),
            50020,
        ),
    ] {
        let mut form = setup.exchange_form("ada").await;
        form.insert("assertion", setup.cloud.sign(spec.clone()));
        assert_eq!(
            code_of(setup.exchange(&form).await).await,
            expected,
            "{spec:?}"
        );
    }
}

#[tokio::test]
async fn the_federated_credential_must_match() {
    let setup = Setup::new().await;
    // The identity's token is a user's token with other claims.
    let identity = || -> TokenSpec {
        let spec = setup.cloud.access_token_spec("ada").unwrap();
        spec.claim("aud", FEDERATED_CREDENTIAL.audience)
            .claim("sub", FEDERATED_CREDENTIAL.subject)
    };
    for (spec, expected) in [
        (
            identity().claim("iss", "https://login.example/v2.0"),
            700211,
        ),
        (
            identity().claim("aud", "api://AzureADTokenExchangeUSGov"),
            700212,
        ),
        (identity().claim("sub", OTHER_API.client_id), 700213),
        (
            identity().claim("sub", FEDERATED_CREDENTIAL.subject.to_ascii_uppercase()),
            7002138,
        ),
        (identity().expires_in(-1), 700024),
        (identity().signed_by(Signer::Stranger), 700027),
    ] {
        let mut form = setup.exchange_form("ada").await;
        form.insert("client_assertion", setup.cloud.sign(spec.clone()));
        let response = setup.exchange(&form).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(code_of(response).await, expected, "{spec:?}");
    }
    let mut form = setup.exchange_form("ada").await;
    form.insert("client_assertion", setup.cloud.sign(identity()));
    assert_eq!(setup.exchange(&form).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn alan_has_to_consent_first() {
    let setup = Setup::new().await;
    let form = setup.exchange_form("alan").await;
    let body = json_of(setup.exchange(&form).await).await;
    assert_eq!(
        (&body["error"], &body["suberror"]),
        (&json!("invalid_grant"), &json!("consent_required"))
    );

    let consent = format!("{}/consent/alan", setup.cloud.control_url());
    assert_eq!(
        setup.client.post(&consent).send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(setup.exchange(&form).await.status(), StatusCode::OK);

    setup.client.delete(&consent).send().await.unwrap();
    assert_eq!(code_of(setup.exchange(&form).await).await, 65001);
}

#[tokio::test]
async fn the_managed_identity_answers_as_app_service_does() {
    let setup = Setup::new().await;
    let body = json_of(setup.identity(&IDENTITY_QUERY).await).await;
    assert_eq!(body["resource"], FEDERATED_CREDENTIAL.audience);
    assert_eq!(body["client_id"], MANAGED_IDENTITY.client_id);
    assert_eq!(body["token_type"], "Bearer");
    // A string of seconds since the epoch.
    assert!(text_of(&body["expires_on"]).parse::<u64>().unwrap() > 1_700_000_000);
}

#[tokio::test]
async fn the_assertions_audience_is_a_client_id_and_not_the_uri_that_was_asked_for() {
    let setup = Setup::new().await;
    let body = json_of(setup.identity(&IDENTITY_QUERY).await).await;
    let assertion = text_of(&body["access_token"]);
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(claims["aud"], "fb60f99c-7a34-4190-8149-302f77469936");

    let mut form = setup.exchange_form("ada").await;
    form.insert("client_assertion", assertion);
    assert_eq!(setup.exchange(&form).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_expiry_can_be_a_number_as_from_other_hosts() {
    let setup = Setup::new().await;
    setup.fault(Fault::new(Endpoint::ManagedIdentity, Effect::NumericExpiry));
    let body = json_of(setup.identity(&IDENTITY_QUERY).await).await;
    assert!(body["expires_on"].as_u64().unwrap() > 1_700_000_000);
}

#[tokio::test]
async fn the_managed_identity_refuses_what_app_service_refuses() {
    let setup = Setup::new().await;
    let [version, resource, client] = IDENTITY_QUERY;
    for query in [
        vec![resource, client],
        vec![("api-version", "2017-09-01"), resource, client],
        vec![version, client],
        vec![
            version,
            resource,
            client,
            ("mi_res_id", MANAGED_IDENTITY.resource_id),
        ],
    ] {
        let response = setup.identity(&query).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query:?}");
        assert_eq!(json_of(response).await["statusCode"], 400);
    }
}

#[tokio::test]
async fn the_managed_identity_is_asked_for_by_any_of_its_ids() {
    let setup = Setup::new().await;
    let [version, resource, _] = IDENTITY_QUERY;
    for id in [
        ("client_id", MANAGED_IDENTITY.client_id),
        ("principal_id", MANAGED_IDENTITY.principal_id),
        ("object_id", MANAGED_IDENTITY.principal_id),
        ("mi_res_id", MANAGED_IDENTITY.resource_id),
    ] {
        let response = setup.identity(&[version, resource, id]).await;
        assert_eq!(response.status(), StatusCode::OK, "{id:?}");
        let body = json_of(response).await;
        assert_eq!(body["client_id"], MANAGED_IDENTITY.client_id);
        let (name, _) = id;
        let response = setup
            .identity(&[version, resource, (name, TENANT_ID)])
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name}");
        assert_eq!(
            json_of(response).await["message"],
            "No User Assigned or Delegated Managed Identity found for specified \
             ClientId/ResourceId/PrincipalId."
        );
    }
}

#[tokio::test]
async fn the_app_has_no_system_assigned_identity() {
    let setup = Setup::new().await;
    let [version, resource, _] = IDENTITY_QUERY;
    let response = setup.identity(&[version, resource]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = json_of(response).await;
    assert_eq!(body["statusCode"], 400);
    assert_eq!(
        body["message"],
        "Unable to load the proper Managed Identity."
    );
    assert!(body["correlationId"].is_string());
}

#[tokio::test]
async fn only_the_latest_identity_header_is_accepted() {
    let mut setup = Setup::new().await;
    let former = setup.identity_header.clone();
    setup.identity_header = setup.cloud.rotate_identity_header();
    assert_eq!(
        setup.identity(&IDENTITY_QUERY).await.status(),
        StatusCode::OK
    );

    setup.identity_header = former;
    assert_eq!(
        setup.identity(&IDENTITY_QUERY).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let bare = setup
        .client
        .get(setup.cloud.identity_endpoint())
        .query(&IDENTITY_QUERY)
        .send()
        .await
        .unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn graph_verifies_its_tokens() {
    let setup = Setup::new().await;
    let graph = setup.cloud.graph();
    let spec = || {
        let spec = setup.cloud.access_token_spec("ada").unwrap();
        spec.claim("aud", graph).claim("scp", "openid User.Read")
    };
    for (token, status, code) in [
        (setup.cloud.sign(spec()), 200, None),
        (
            setup.cloud.access_token("ada").unwrap(),
            401,
            Some("InvalidAuthenticationToken"),
        ),
        (
            setup.cloud.sign(spec().expires_in(-1)),
            401,
            Some("InvalidAuthenticationToken"),
        ),
        (
            setup.cloud.sign(spec().signed_by(Signer::Stranger)),
            401,
            Some("InvalidAuthenticationToken"),
        ),
        (
            "garbage".to_owned(),
            401,
            Some("InvalidAuthenticationToken"),
        ),
        (
            setup.cloud.sign(spec().claim("scp", "Mail.Read")),
            403,
            Some("Authorization_RequestDenied"),
        ),
    ] {
        let response = setup.me(&token).await;
        assert_eq!(response.status().as_u16(), status);
        let body = json_of(response).await;
        assert_eq!(body["error"]["code"].as_str(), code);
        if status != 200 {
            assert!(body["error"]["innerError"]["request-id"].is_string());
        }
    }
    let bare = setup.get(&format!("{graph}/v1.0/me")).await;
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    assert!(bare.headers().contains_key(WWW_AUTHENTICATE));
}

#[tokio::test]
async fn graph_selects_what_is_asked_for() {
    let setup = Setup::new().await;
    let token = setup.graph_token("ada").await;
    let get = |query: &'static str| {
        setup
            .client
            .get(format!("{}/v1.0/me{query}", setup.cloud.graph()))
            .bearer_auth(&token)
            .send()
    };
    let all = json_of(get("").await.unwrap()).await;
    assert_eq!(
        (&all["givenName"], &all["surname"]),
        (&json!("Ada"), &json!("Lovelace"))
    );
    let unknown = get("?$select=displayName,shoeSize").await.unwrap();
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
    assert!(text_of(&json_of(unknown).await["error"]["message"]).contains("'shoeSize'"));
}

#[tokio::test]
async fn app_service_authentication_accepts_the_servers_tokens_only() {
    let setup = Setup::new().await;
    let token = setup.cloud.access_token("grace").unwrap();
    let claims = setup.cloud.verify_access_token(&token).unwrap();
    assert_eq!(
        claims.get("preferred_username"),
        Some("grace@contoso.example")
    );
    let graph_token = setup.graph_token("grace").await;
    assert_eq!(
        setup.cloud.verify_access_token(&graph_token),
        Err(TokenRefusal::Audience)
    );
}

#[tokio::test]
async fn every_error_of_entra_can_be_injected() {
    let setup = Setup::new().await;
    let form = setup.exchange_form("ada").await;
    for error in EntraError::ALL {
        setup.fault(
            Fault::new(Endpoint::Token, Effect::EntraError { code: error.code() })
                .person("ada")
                .times(1),
        );
        assert_eq!(
            code_of(setup.exchange(&form).await).await,
            u64::from(error.code())
        );
    }
    assert_eq!(setup.exchange(&form).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_error_carries_the_callers_correlation_id() {
    let setup = Setup::new().await;
    let id = "11111111-2222-3333-4444-555555555555";
    let request = setup
        .client
        .post(setup.entra("oauth2/v2.0/token"))
        .header("client-request-id", id);
    let response = request.form(&Form::new()).send().await.unwrap();
    let trace_id = response.headers()["x-ms-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = json_of(response).await;
    assert_eq!(
        (&body["correlation_id"], &body["trace_id"]),
        (&json!(id), &json!(trace_id))
    );
}

#[tokio::test]
async fn faults_of_the_connection_are_the_same_at_every_endpoint() {
    let setup = Setup::new().await;
    let graph_token = setup.graph_token("ada").await;
    let form = setup.exchange_form("ada").await;
    for at in [
        Endpoint::Token,
        Endpoint::Metadata,
        Endpoint::Keys,
        Endpoint::ManagedIdentity,
        Endpoint::Graph,
    ] {
        let call = || async {
            match at {
                Endpoint::Token => setup
                    .client
                    .post(setup.entra("oauth2/v2.0/token"))
                    .form(&form),
                Endpoint::Metadata => setup
                    .client
                    .get(setup.entra("v2.0/.well-known/openid-configuration")),
                Endpoint::Keys => setup.client.get(setup.entra("discovery/v2.0/keys")),
                Endpoint::ManagedIdentity => setup
                    .client
                    .get(setup.cloud.identity_endpoint())
                    .query(&IDENTITY_QUERY)
                    .header("X-IDENTITY-HEADER", &setup.identity_header),
                Endpoint::Graph => setup
                    .client
                    .get(format!("{}/v1.0/me", setup.cloud.graph()))
                    .bearer_auth(&graph_token),
            }
            .send()
            .await
        };
        let once = |effect: Effect| setup.fault(Fault::new(at, effect).times(1));

        once(Effect::Reset);
        assert!(call().await.unwrap_err().is_request(), "{at:?}");

        once(Effect::Malformed);
        let malformed = call().await.unwrap();
        assert_eq!(malformed.status(), StatusCode::OK);
        assert!(serde_json::from_str::<Value>(&malformed.text().await.unwrap()).is_err());

        once(Effect::Empty);
        assert_eq!(call().await.unwrap().text().await.unwrap(), "");

        once(Effect::Html);
        let html = call().await.unwrap();
        assert_eq!(
            (html.status(), &html.headers()[CONTENT_TYPE]),
            (StatusCode::BAD_GATEWAY, &"text/html".parse().unwrap())
        );

        once(Effect::Oversized);
        let oversized = call().await.unwrap();
        assert_eq!(oversized.content_length(), None);
        assert!(oversized.bytes().await.unwrap().len() > 2 * 1024 * 1024);

        once(Effect::Status {
            code: 429,
            retry_after: Some(7),
        });
        let throttled = call().await.unwrap();
        assert_eq!(
            (throttled.status(), &throttled.headers()[RETRY_AFTER]),
            (StatusCode::TOO_MANY_REQUESTS, &"7".parse().unwrap())
        );
        assert!(json_of(throttled).await.is_object());

        once(Effect::Delay { milliseconds: 150 });
        let start = Instant::now();
        assert_eq!(call().await.unwrap().status(), StatusCode::OK);
        assert!(start.elapsed() >= Duration::from_millis(150));
    }
}

#[tokio::test]
async fn a_claims_challenge_is_answered_by_a_token_issued_with_its_claims() {
    let setup = Setup::new().await;
    let mut form = setup.exchange_form("ada").await;
    let token = setup.graph_token("ada").await;
    setup.fault(Fault::new(Endpoint::Graph, Effect::ClaimsChallenge).person("ada"));

    let challenged = setup.me(&token).await;
    assert_eq!(challenged.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenged.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(
        challenge.contains(r#"error="insufficient_claims""#),
        "{challenge}"
    );
    let (_, claims) = challenge.split_once("claims=\"").unwrap();
    let claims = STANDARD.decode(claims.trim_end_matches('"')).unwrap();

    // A fresh token is not enough; the claims must be passed on.
    assert_eq!(
        setup.me(&setup.graph_token("ada").await).await.status(),
        StatusCode::UNAUTHORIZED
    );
    form.insert("claims", String::from_utf8(claims).unwrap());
    let token = text_of(&json_of(setup.exchange(&form).await).await["access_token"]);
    assert_eq!(setup.me(&token).await.status(), StatusCode::OK);
    assert_eq!(
        setup.me(&setup.graph_token("grace").await).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_clocks_skew_moves_the_times_of_tokens() {
    let setup = Setup::new().await;
    let before = setup.cloud.access_token("ada").unwrap();
    let clock = format!("{}/clock", setup.cloud.control_url());
    setup
        .client
        .post(clock)
        .json(&json!({"skew_seconds": 7200}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        setup.cloud.verify_access_token(&before),
        Err(TokenRefusal::Expired)
    );
    let after = setup.cloud.access_token("ada").unwrap();
    assert!(setup.cloud.verify_access_token(&after).is_ok());
}

#[tokio::test]
async fn the_control_api_explains_itself() {
    let setup = Setup::new().await;
    let control = setup.cloud.control_url();
    let help = setup.get(&control).await.text().await.unwrap();
    for word in [
        "/sandbox/token/{person}",
        "/sandbox/faults",
        "claims_challenge",
        "ada, grace",
    ] {
        assert!(help.contains(word), "{word}");
    }

    let unknown = setup.get(&format!("{control}/token/eve")).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(unknown.text().await.unwrap().contains("ada, grace, alan"));

    let faults = format!("{control}/faults");
    for (fault, expected) in [
        (
            json!({"at": "tokn", "effect": "reset"}),
            "unknown variant `tokn`",
        ),
        (
            json!({"at": "token", "effect": {"entra_error": {"code": 1}}}),
            "AADSTS1;",
        ),
        (
            json!({"at": "token", "effect": "reset", "person": "eve"}),
            "`eve`",
        ),
    ] {
        let refused = setup
            .client
            .post(&faults)
            .json(&fault)
            .send()
            .await
            .unwrap();
        assert!(refused.status().is_client_error());
        let explanation = refused.text().await.unwrap();
        assert!(explanation.contains(expected), "{explanation}");
    }
}

#[tokio::test]
async fn the_control_api_controls_the_cloud() {
    let setup = Setup::new().await;
    let control = setup.cloud.control_url();

    let token = setup
        .get(&format!("{control}/token/ada"))
        .await
        .text()
        .await
        .unwrap();
    assert!(setup.cloud.verify_access_token(&token).is_ok());
    let developers = json_of(setup.get(&format!("{control}/graph-token/ada")).await).await;
    assert_eq!(developers["tenant"], TENANT_ID);
    assert!(developers["expires_on"].is_u64());
    assert_eq!(
        setup
            .me(&text_of(&developers["access_token"]))
            .await
            .status(),
        StatusCode::OK
    );

    let faults = format!("{control}/faults");
    let fault = json!({"at": "graph", "effect": {"status": {"code": 503}}, "person": "ada"});
    assert_eq!(
        setup
            .client
            .post(&faults)
            .json(&fault)
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(json_of(setup.get(&faults).await).await[0]["person"], "ada");
    assert_eq!(
        setup
            .me(&text_of(&developers["access_token"]))
            .await
            .status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    setup.client.delete(&faults).send().await.unwrap();
    assert_eq!(
        setup
            .me(&text_of(&developers["access_token"]))
            .await
            .status(),
        StatusCode::OK
    );

    let ledger: LedgerSnapshot =
        serde_json::from_value(json_of(setup.get(&format!("{control}/ledger")).await).await)
            .unwrap();
    assert_eq!(ledger.graph.people["ada"], 3);
    setup
        .client
        .post(format!("{control}/ledger/reset"))
        .send()
        .await
        .unwrap();
    assert_eq!(setup.cloud.ledger().snapshot(), LedgerSnapshot::default());

    setup
        .client
        .post(format!("{control}/keys/rotate"))
        .send()
        .await
        .unwrap();
    let keys = json_of(setup.get(&setup.entra("discovery/v2.0/keys")).await).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_control_api_answers_to_loopback_names_only() {
    let setup = Setup::new().await;
    let url = format!("{}/token/ada", setup.cloud.control_url());
    let rebound = setup
        .client
        .get(url)
        .header(HOST, "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    assert!(!rebound.text().await.unwrap().contains("ey"));
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_control_api() {
    let setup = Setup::new().await;
    let control = setup.cloud.control_url();
    let consent = format!("{control}/consent/alan");
    let rotate = format!("{control}/keys/rotate");
    let send = async |method: Method, url: &str, header: Option<(&str, &str)>| {
        let mut request = setup.client.request(method, url);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status()
    };
    let foreign = [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
    ];
    for header in foreign {
        for (method, url) in [
            (Method::POST, &consent),
            (Method::DELETE, &consent),
            (Method::POST, &rotate),
        ] {
            let status = send(method, url, Some(header)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{header:?} {url}");
        }
    }
    let alan = setup.cloud.directory().person("alan").unwrap();
    assert!(!setup.cloud.directory().has_consented(&alan));

    // A link may lead to the help, and programs other than browsers send no origin.
    let help = send(
        Method::GET,
        &control,
        Some(("Sec-Fetch-Site", "cross-site")),
    );
    assert_eq!(help.await, StatusCode::OK);
    let own = Some(("Origin", setup.cloud.authority()));
    for header in [None, own] {
        let status = send(Method::POST, &consent, header).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{header:?}");
    }
    assert!(setup.cloud.directory().has_consented(&alan));
}

#[tokio::test]
async fn every_secret_is_recorded_on_request() {
    let setup = Setup::with(CloudOptions {
        record_secrets: true,
        ..CloudOptions::default()
    })
    .await;
    let graph_token = setup.graph_token("ada").await;
    let secrets = setup.cloud.ledger().secrets();
    assert!(secrets.contains(&graph_token) && secrets.contains(&setup.identity_header));
    // Identity header, the identity's token, the user's token, the Graph token.
    assert_eq!(secrets.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_exchanges_at_once_are_answered() {
    let setup = Setup::new().await;
    let mut form = setup.exchange_form("ada").await;
    let exchanges = (0..250).map(|number| {
        form.insert(
            "assertion",
            setup.cloud.access_token(&format!("user{number}")).unwrap(),
        );
        let request = setup
            .client
            .post(setup.entra("oauth2/v2.0/token"))
            .form(&form);
        tokio::spawn(async move { request.send().await.unwrap().status() })
    });
    for exchange in exchanges.collect::<Vec<_>>() {
        assert_eq!(exchange.await.unwrap(), StatusCode::OK);
    }
    let ledger = setup.cloud.ledger().snapshot();
    assert_eq!((ledger.token.total, ledger.token.people.len()), (250, 250));
}

#[tokio::test]
async fn a_rotation_of_keys_amid_exchanges_loses_none() {
    let setup = Setup::new().await;
    let form = setup.exchange_form("ada").await;
    let rotate = format!("{}/keys/rotate", setup.cloud.control_url());
    let rotation = tokio::spawn(setup.client.post(rotate).send());
    while !rotation.is_finished() {
        assert_eq!(
            setup.me(&setup.graph_token("ada").await).await.status(),
            StatusCode::OK
        );
        assert_eq!(setup.exchange(&form).await.status(), StatusCode::OK);
    }
    assert_eq!(
        rotation.await.unwrap().unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(setup.exchange(&form).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_stopped_cloud_frees_its_ports_and_a_dropped_one_too() {
    // Below the ports of the other tests, so that none of them takes it in between.
    let port = (20_000..32_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap();
    let start = || {
        Cloud::start(CloudOptions {
            login_port: port,
            ..CloudOptions::default()
        })
    };

    let first = start().await.unwrap();
    let taken = start().await.err().unwrap();
    assert!(taken.to_string().contains(&port.to_string()), "{taken}");

    first.stop().await;
    drop(start().await.unwrap());
    let deadline = Instant::now() + Duration::from_secs(10);
    while start().await.is_err() {
        assert!(Instant::now() < deadline, "the port is still taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
