//! App Service Authentication, as MCP clients and browsers meet it. The handler is a fake that answers
//! a call with the headers that it was sent.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpServer, web};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use function_app::{AppFiles, MCP_PATH};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{LOCATION, SET_COOKIE, WWW_AUTHENTICATE},
    redirect,
};
use sandbox::{
    app_service_auth::AppServiceAuth,
    cloud::{Cloud, CloudOptions},
    directory::{
        FEDERATED_CREDENTIAL, IDENTIFIER_URI, MANAGED_IDENTITY, MCP_CLIENT, MCP_SERVER, OTHER_API,
        SCOPE, TENANT_ID,
    },
    events::{Event, Events, Exchange, Party},
    faults::{Effect, Endpoint, Fault},
    functions_host::{AccessKey, FunctionsHost, FunctionsHostOptions, Handler},
    loopback,
};
use serde_json::{Value, json};

const KEY: &str = "the system key";

/// An app with its authentication, and a browser.
struct Setup {
    cloud: Arc<Cloud>,
    host: FunctionsHost,
    events: Arc<Mutex<Vec<Event>>>,
    browser: Browser,
}

impl Setup {
    async fn new() -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = told.clone();
        let events = Events::to(move |event| listener.lock().unwrap().push(event));
        let cloud = Cloud::start(CloudOptions {
            record_secrets: true,
            events: events.clone(),
            ..CloudOptions::default()
        });
        let cloud = Arc::new(cloud.await.unwrap());

        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/app");
        let app = AppFiles::load(&root).unwrap();
        let mut options = FunctionsHostOptions::new(app, fake_handler()).unwrap();
        let port = options.listener.local_addr().unwrap().port();
        options.authentication = Some(
            AppServiceAuth::new(cloud.tenant().clone(), port, MCP_PATH, events.clone()).unwrap(),
        );
        options.system_key = Some(AccessKey::from(KEY.to_owned()));
        options.events = events;
        Self {
            cloud,
            host: FunctionsHost::start(options).unwrap(),
            events: told,
            browser: Browser::new(),
        }
    }

    /// The URL of a path of the app.
    fn app(&self, path: &str) -> Url {
        Url::parse(&self.host.mcp_url())
            .unwrap()
            .join(path)
            .unwrap()
    }

    /// The same URL under the machine's other name.
    fn app_on_localhost(&self, path: &str) -> Url {
        let mut url = self.app(path);
        url.set_host(Some("localhost")).unwrap();
        url
    }

    /// Opens the sign-in page and chooses an account.
    async fn sign_in(&self, person: &str) -> Page {
        let picker = self.browser.open(self.app("/.auth/login/aad")).await;
        self.browser.answer(&picker, "account", person).await
    }

    /// A tool call without any credential.
    fn call(&self) -> RequestBuilder {
        self.browser
            .client
            .post(self.host.mcp_url())
            .header("Accept", "application/json, text/event-stream")
            .json(&json!({
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": { "name": "HelloTool", "arguments": {} },
            }))
    }

    fn token(&self, person: &str) -> String {
        self.cloud.access_token(person).unwrap()
    }

    /// The handler's steps to act for a user: it authenticates, and exchanges the token.
    async fn exchange_on_behalf_of(&self, token: &str) -> Value {
        let assertion = self
            .browser
            .client
            .get(self.cloud.identity_endpoint())
            .query(&[
                ("api-version", "2019-08-01"),
                ("resource", FEDERATED_CREDENTIAL.audience),
                ("client_id", MANAGED_IDENTITY.client_id),
            ])
            .header("X-IDENTITY-HEADER", self.cloud.rotate_identity_header());
        let assertion: Value = assertion.send().await.unwrap().json().await.unwrap();
        let scope = format!("{}/.default", self.cloud.graph());
        let request = self
            .browser
            .client
            .post(format!(
                "{}/{TENANT_ID}/oauth2/v2.0/token",
                self.cloud.authority()
            ))
            .form(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("client_id", MCP_SERVER.client_id),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                (
                    "client_assertion",
                    assertion["access_token"].as_str().unwrap(),
                ),
                ("assertion", token),
                ("scope", &scope),
                ("requested_token_use", "on_behalf_of"),
            ]);
        request.send().await.unwrap().json().await.unwrap()
    }

    fn exchanges(&self) -> Vec<Exchange> {
        let events = self.events.lock().unwrap();
        let exchanges = events.iter().filter_map(|event| match event {
            Event::Exchange(exchange) => Some(exchange.clone()),
            _ => None,
        });
        exchanges.collect()
    }
}

fn fake_handler() -> Handler {
    let listener = loopback::listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(|| App::new().default_service(web::to(answer_with_headers)));
    let server = server
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap();
    tokio::spawn(server.run());
    Handler::Address(address)
}

async fn answer_with_headers(invocation: web::Json<Value>) -> web::Json<Value> {
    let call: String = serde_json::from_str(text(&invocation["Data"]["mcpTrigger"])).unwrap();
    let call: Value = serde_json::from_str(&call).unwrap();
    let headers = call["transport"]["properties"]["headers"].to_string();
    let result = json!({ "content": [{ "type": "text", "text": headers }] });
    let result = json!({ "type": "call_tool_result", "content": result.to_string() });
    web::Json(json!({ "Outputs": {}, "Logs": [], "ReturnValue": result.to_string() }))
}

/// The headers with which a call reached the handler.
async fn headers_at_handler(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    let stream = response.text().await.unwrap();
    let data = stream
        .lines()
        .find_map(|line| line.strip_prefix("data:"))
        .unwrap();
    let message: Value = serde_json::from_str(data).unwrap();
    serde_json::from_str(text(&message["result"]["content"][0]["text"])).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A browser without scripts.
struct Browser {
    client: Client,
}

/// The page that a browser ends on.
#[derive(Debug)]
struct Page {
    url: Url,
    status: StatusCode,
    html: String,
}

impl Browser {
    fn new() -> Self {
        // Installs the TLS provider.
        loopback::client().unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .cookie_store(true)
            .redirect(redirect::Policy::none());
        Self {
            client: client.build().unwrap(),
        }
    }

    async fn get(&self, url: Url) -> Response {
        self.client.get(url).send().await.unwrap()
    }

    /// Opens a page, and follows redirects.
    async fn open(&self, url: Url) -> Page {
        self.follow(self.get(url).await).await
    }

    /// Answers the form on a page, and follows redirects.
    async fn answer(&self, page: &Page, name: &str, value: &str) -> Page {
        let response = self.post(page, name, value).await;
        self.follow(response).await
    }

    async fn post(&self, page: &Page, name: &str, value: &str) -> Response {
        let action = page.attribute("action=\"");
        let flow = page.attribute("name=\"flow\" value=\"");
        let form = self
            .client
            .post(action)
            .form(&[("flow", flow), (name, value)]);
        form.send().await.unwrap()
    }

    async fn follow(&self, mut response: Response) -> Page {
        while let Some(location) = location(&response) {
            response = self.get(location).await;
        }
        Page {
            url: response.url().clone(),
            status: response.status(),
            html: response.text().await.unwrap(),
        }
    }
}

fn location(response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION)?;
    Some(Url::parse(location.to_str().unwrap()).unwrap())
}

impl Page {
    /// The text between `start` and the next quotation mark.
    fn attribute(&self, start: &str) -> &str {
        let (_, rest) = self
            .html
            .split_once(start)
            .unwrap_or_else(|| panic!("no {start} in {}", self.html));
        rest.split('"').next().unwrap()
    }

    fn title(&self) -> &str {
        let (_, rest) = self.html.split_once("<title>").unwrap();
        rest.split(" - ").next().unwrap()
    }

    fn says(&self, text: &str) -> bool {
        self.html.contains(text)
    }
}

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[actix_web::test]
async fn a_person_signs_in_accepts_and_sees_a_confirmation() {
    let setup = Setup::new().await;
    let consent = setup.sign_in("alan").await;
    assert_eq!(consent.title(), "Permissions requested");
    assert!(consent.says("Functions MCP server") && consent.says("Read your profile"));

    let done = setup.browser.answer(&consent, "decision", "accept").await;
    assert_eq!(done.status, StatusCode::OK);
    assert_eq!(done.url, setup.app("/.auth/login/done"));
    assert!(done.says("You have successfully signed in"));
    let alan = setup.cloud.directory().person("alan").unwrap();
    assert!(setup.cloud.directory().has_consented(&alan));

    let home = setup
        .browser
        .open(setup.app(done.attribute("<a href=\"")))
        .await;
    assert_eq!(home.status, StatusCode::OK);
}

#[actix_web::test]
async fn the_same_call_succeeds_when_the_user_has_consented() {
    let setup = Setup::new().await;
    let token = setup.token("alan");
    let refused = setup.exchange_on_behalf_of(&token).await;
    assert_eq!(refused["suberror"], "consent_required");

    let consent = setup.sign_in("alan").await;
    setup.browser.answer(&consent, "decision", "accept").await;
    let granted = setup.exchange_on_behalf_of(&token).await;
    assert!(granted["access_token"].is_string(), "{granted}");
}

#[actix_web::test]
async fn a_person_who_has_consented_is_asked_only_for_the_account() {
    let setup = Setup::new().await;
    let done = setup.sign_in("ada").await;
    assert_eq!(done.url, setup.app("/.auth/login/done"));
    let again = setup.browser.open(setup.app("/.auth/login/aad")).await;
    assert_eq!(
        again.url,
        setup.app("/.auth/login/done"),
        "Entra remembers her"
    );
}

#[actix_web::test]
async fn a_refusal_of_consent_is_shown_and_leaves_no_session() {
    let setup = Setup::new().await;
    let consent = setup.sign_in("alan").await;
    let refused = setup.browser.answer(&consent, "decision", "cancel").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.says("You did not accept"));
    assert!(refused.says("AADSTS65004"));
    assert_eq!(refused.attribute("<a href=\""), "/.auth/login/aad");

    let me = setup.browser.get(setup.app("/.auth/me")).await;
    assert_eq!(me.status(), StatusCode::UNAUTHORIZED);
    let alan = setup.cloud.directory().person("alan").unwrap();
    assert!(!setup.cloud.directory().has_consented(&alan));
}

#[actix_web::test]
async fn entra_is_asked_for_a_code_for_all_that_the_tools_need() {
    let setup = Setup::new().await;
    let response = setup.browser.get(setup.app("/.auth/login/aad")).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    let asked = query(&location(&response).unwrap());
    assert_eq!(asked["client_id"], MCP_SERVER.client_id);
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["scope"], "openid profile email User.Read");
    assert_eq!(
        asked["redirect_uri"],
        setup.app("/.auth/login/aad/callback").as_str()
    );
    assert_ne!(asked["state"], asked["nonce"]);
}

#[actix_web::test]
async fn the_session_is_in_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let setup = Setup::new().await;
    let picker = setup.browser.open(setup.app("/.auth/login/aad")).await;
    let callback = location(&setup.browser.post(&picker, "account", "ada").await).unwrap();
    let response = setup.browser.get(callback).await;
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("AppServiceAuthSession="), "{cookie}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    let id = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(
        setup
            .cloud
            .ledger()
            .secrets()
            .iter()
            .any(|secret| secret == id)
    );
}

#[actix_web::test]
async fn the_browser_can_read_its_session() {
    let setup = Setup::new().await;
    setup.sign_in("ada").await;
    let response = setup.browser.get(setup.app("/.auth/me")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let me: Value = response.json().await.unwrap();
    assert_eq!(me[0]["provider_name"], "aad");
    assert_eq!(me[0]["user_id"], "ada@contoso.example");
    assert!(text(&me[0]["expires_on"]).ends_with('Z'));
    let claims = me[0]["user_claims"].as_array().unwrap();
    assert!(claims.contains(&json!({ "typ": "name", "val": "Ada Lovelace" })));

    let profile = setup
        .browser
        .client
        .get(format!("{}/v1.0/me", setup.cloud.graph()))
        .bearer_auth(text(&me[0]["access_token"]));
    let profile: Value = profile.send().await.unwrap().json().await.unwrap();
    assert_eq!(profile["displayName"], "Ada Lovelace");
    let id_token = setup
        .cloud
        .verify_access_token(text(&me[0]["id_token"]))
        .unwrap();
    assert_eq!(id_token.get("aud"), Some(MCP_SERVER.client_id));

    let stranger = Browser::new().get(setup.app("/.auth/me")).await;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_call_from_a_session_carries_what_the_token_store_has() {
    let setup = Setup::new().await;
    setup.sign_in("ada").await;
    let me = setup.browser.get(setup.app("/.auth/me")).await;
    let me: Value = me.json().await.unwrap();
    let call = setup
        .call()
        .header("x-functions-key", KEY)
        .header("X-MS-CLIENT-PRINCIPAL-ID", "forged");
    let headers = headers_at_handler(call.send().await.unwrap()).await;

    for (header, member) in [
        ("X-MS-TOKEN-AAD-ACCESS-TOKEN", "access_token"),
        ("X-MS-TOKEN-AAD-ID-TOKEN", "id_token"),
        ("X-MS-TOKEN-AAD-EXPIRES-ON", "expires_on"),
        ("X-MS-CLIENT-PRINCIPAL-NAME", "user_id"),
    ] {
        assert_eq!(headers[header], me[0][member], "{header}");
    }
    assert_eq!(headers.get("Authorization"), None);
    let ada = setup.cloud.directory().person("ada").unwrap();
    assert_eq!(headers["X-MS-CLIENT-PRINCIPAL-ID"], json!(ada.object_id));
    let principal = BASE64_STANDARD
        .decode(text(&headers["X-MS-CLIENT-PRINCIPAL"]))
        .unwrap();
    let principal: Value = serde_json::from_slice(&principal).unwrap();
    assert_eq!(principal["claims"], me[0]["user_claims"]);
}

#[actix_web::test]
async fn a_bearer_token_overrides_the_session() {
    let setup = Setup::new().await;
    setup.sign_in("ada").await;
    let call = || setup.call().header("x-functions-key", KEY);
    let response = call().bearer_auth(setup.token("grace")).send().await;
    let headers = headers_at_handler(response.unwrap()).await;
    assert_eq!(
        headers["X-MS-CLIENT-PRINCIPAL-NAME"],
        "grace@contoso.example"
    );
    assert_eq!(headers.get("X-MS-TOKEN-AAD-ID-TOKEN"), None);

    let response = call().bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn an_invented_session_is_refused() {
    let setup = Setup::new().await;
    let call = setup
        .call()
        .header("x-functions-key", KEY)
        .header("Cookie", "AppServiceAuthSession=guessed");
    let response = call.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(WWW_AUTHENTICATE));
}

#[actix_web::test]
async fn the_two_gates_are_passed_in_order_and_answer_differently() {
    let setup = Setup::new().await;
    let has_challenge = |response: &Response| response.headers().contains_key(WWW_AUTHENTICATE);
    let spoilt = |claim: &str| {
        let token = setup.cloud.access_token_spec("ada").unwrap();
        setup.cloud.sign(token.claim(claim, OTHER_API.client_id))
    };

    for call in [
        setup.call(),
        setup.call().header("x-functions-key", KEY),
        setup.call().bearer_auth(spoilt("aud")),
        setup
            .call()
            .header("x-functions-key", KEY)
            .bearer_auth(spoilt("aud")),
    ] {
        let response = call.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(has_challenge(&response), "authentication is checked first");
    }
    let other_client = setup
        .call()
        .bearer_auth(spoilt("azp"))
        .send()
        .await
        .unwrap();
    assert_eq!(other_client.status(), StatusCode::FORBIDDEN);
    assert!(!has_challenge(&other_client));

    let ada = || setup.call().bearer_auth(setup.token("ada"));
    for call in [ada(), ada().header("x-functions-key", "wrong")] {
        let response = call.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(!has_challenge(&response), "the host sends no challenge");
    }
    let let_in = ada().header("x-functions-key", KEY).send().await.unwrap();
    assert_eq!(let_in.status(), StatusCode::OK);

    let reasons: Vec<_> = setup
        .exchanges()
        .into_iter()
        .filter(|exchange| exchange.from == Some(Party::Client))
        .map(|exchange| (exchange.to, exchange.status, exchange.answer))
        .collect();
    for (to, status, reason) in [
        (Party::AppServiceAuth, 401, "no bearer token"),
        (Party::AppServiceAuth, 401, "allowedAudiences"),
        (Party::AppServiceAuth, 403, "allowedApplications"),
        (Party::FunctionsHost, 403, "no system key"),
        (Party::FunctionsHost, 403, "not the system key"),
    ] {
        let is_told = |(at, code, answer): &(Party, u16, String)| {
            (*at, *code) == (to, status) && answer.contains(reason)
        };
        assert!(reasons.iter().any(is_told), "{reason}: {reasons:?}");
    }
}

#[actix_web::test]
async fn pre_authorised_clients_are_allowed_applications() {
    let setup = Setup::new().await;
    let token = setup.cloud.access_token_spec("ada").unwrap();
    let token = setup.cloud.sign(token.claim("azp", MCP_CLIENT.client_id));
    let call = setup
        .call()
        .header("x-functions-key", KEY)
        .bearer_auth(token);
    assert_eq!(call.send().await.unwrap().status(), StatusCode::OK);
}

#[actix_web::test]
async fn the_metadata_names_the_app_as_the_client_does() {
    let setup = Setup::new().await;
    for name in [Setup::app, Setup::app_on_localhost] {
        let response = setup.browser.get(name(&setup, MCP_PATH)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        let path = "/.well-known/oauth-protected-resource";
        let url = name(&setup, &format!("{path}{MCP_PATH}"));
        let scope = format!("{IDENTIFIER_URI}/{SCOPE}");
        assert!(
            challenge.ends_with(&format!(", scope=\"{scope}\", resource_metadata=\"{url}\"")),
            "{challenge}"
        );
        let endpoint = name(&setup, MCP_PATH);
        let origin = endpoint.origin().ascii_serialization();
        for (url, resource) in [
            (url, endpoint.as_str()),
            (name(&setup, path), origin.as_str()),
        ] {
            let metadata: Value = setup.browser.get(url).await.json().await.unwrap();
            assert_eq!(
                metadata,
                json!({
                    "resource": resource,
                    "authorization_servers": [format!("{}/{TENANT_ID}/v2.0", setup.cloud.authority())],
                    "scopes_supported": [scope],
                })
            );
        }
    }
}

#[actix_web::test]
async fn what_a_client_accepts_is_checked_only_once_it_is_allowed() {
    let setup = Setup::new().await;
    let request = || {
        let request = setup.browser.client.post(setup.host.mcp_url());
        request.header("Accept", "text/html").json(&json!({}))
    };
    let response = request().send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(WWW_AUTHENTICATE));

    let ada = request()
        .header("x-functions-key", KEY)
        .bearer_auth(setup.token("ada"));
    assert_eq!(
        ada.send().await.unwrap().status(),
        StatusCode::NOT_ACCEPTABLE
    );
}

#[actix_web::test]
async fn a_browser_stays_at_the_host_name_that_it_used() {
    let setup = Setup::new().await;
    let sign_in = setup.app_on_localhost("/.auth/login/aad");
    let picker = setup.browser.open(sign_in).await;
    let done = setup.browser.answer(&picker, "account", "ada").await;
    assert_eq!(done.status, StatusCode::OK);
    assert_eq!(done.url, setup.app_on_localhost("/.auth/login/done"));
}

#[actix_web::test]
async fn a_sign_in_leads_back_into_the_app_and_nowhere_else() {
    let setup = Setup::new().await;
    setup.sign_in("ada").await;
    for (asked, path) in [
        ("/.auth/me", "/.auth/me"),
        ("https://evil.example/", "/.auth/login/done"),
        ("//evil.example/", "/.auth/login/done"),
        ("/\\evil.example/", "/.auth/login/done"),
    ] {
        for parameter in ["post_login_redirect_uri", "post_login_redirect_url"] {
            let mut url = setup.app("/.auth/login/aad");
            url.query_pairs_mut().append_pair(parameter, asked);
            assert_eq!(
                setup.browser.open(url).await.url,
                setup.app(path),
                "{asked}"
            );
        }
    }
}

#[actix_web::test]
async fn an_answer_is_accepted_once_and_from_the_browser_that_began_the_sign_in() {
    let setup = Setup::new().await;
    let picker = setup.browser.open(setup.app("/.auth/login/aad")).await;
    let callback = location(&setup.browser.post(&picker, "account", "ada").await).unwrap();

    let stranger = Browser::new().open(callback.clone()).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert!(stranger.says("This browser did not start the sign-in"));
    let done = setup.browser.open(callback.clone()).await;
    assert_eq!(done.status, StatusCode::OK);
    let replayed = setup.browser.open(callback).await;
    assert_eq!(replayed.status, StatusCode::UNAUTHORIZED);

    let without_state = setup.app("/.auth/login/aad/callback?code=x");
    let page = setup.browser.open(without_state).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn two_sign_ins_of_one_browser_do_not_disturb_each_other() {
    let setup = Setup::new().await;
    let mut pickers = Vec::new();
    for _ in 0..2 {
        pickers.push(setup.browser.open(setup.app("/.auth/login/aad")).await);
    }
    for picker in &pickers {
        let done = setup.browser.answer(picker, "account", "ada").await;
        assert_eq!(done.url, setup.app("/.auth/login/done"));
    }
}

#[actix_web::test]
async fn entras_answer_may_come_in_a_form() {
    let setup = Setup::new().await;
    let picker = setup.browser.open(setup.app("/.auth/login/aad")).await;
    let mut callback = location(&setup.browser.post(&picker, "account", "ada").await).unwrap();
    let answer = query(&callback);
    callback.set_query(None);
    let response = setup.browser.client.post(callback).form(&answer);
    let done = setup.browser.follow(response.send().await.unwrap()).await;
    assert_eq!(done.url, setup.app("/.auth/login/done"));
}

#[actix_web::test]
async fn a_code_of_another_sign_in_is_detected_by_its_nonce() {
    let setup = Setup::new().await;
    let picker = setup.browser.open(setup.app("/.auth/login/aad")).await;
    let first = location(&setup.browser.post(&picker, "account", "ada").await).unwrap();
    let authorize = setup.browser.get(setup.app("/.auth/login/aad")).await;
    let authorize = setup.browser.get(location(&authorize).unwrap()).await;
    let mut second = location(&authorize).unwrap();

    let answer = [
        ("state", &query(&second)["state"]),
        ("code", &query(&first)["code"]),
    ]
    .map(|(name, value)| (name, value.clone()));
    second.query_pairs_mut().clear().extend_pairs(answer);
    let page = setup.browser.open(second).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.says("nonce"), "{}", page.html);
}

#[actix_web::test]
async fn the_log_has_the_reason_of_a_failed_redemption() {
    let setup = Setup::new().await;
    let sign_in = async |fault: Fault| {
        setup.cloud.faults().add(fault.times(1)).unwrap();
        setup.sign_in("ada").await;
        setup.browser.open(setup.app("/.auth/logout")).await;
    };
    let fault = Fault::new(Endpoint::Token, Effect::EntraError { code: 700213 });
    sign_in(fault).await;
    let status = Effect::Status {
        code: 500,
        retry_after: None,
    };
    sign_in(Fault::new(Endpoint::ManagedIdentity, status)).await;

    let failures: Vec<_> = setup
        .exchanges()
        .into_iter()
        .filter(|exchange| exchange.request.ends_with("/callback"))
        .map(|exchange| (exchange.status, exchange.answer))
        .collect();
    let [(401, entra), (401, identity)] = &failures[..] else {
        panic!("{failures:?}");
    };
    assert!(entra.contains("AADSTS700213"), "{entra}");
    assert!(
        identity.contains("no client assertion from its managed identity"),
        "{identity}"
    );
}

#[actix_web::test]
async fn signing_out_ends_the_session_here_and_at_entra() {
    let setup = Setup::new().await;
    setup.sign_in("ada").await;
    let before = setup.browser.get(setup.app("/.auth/me")).await;
    assert_eq!(before.status(), StatusCode::OK);

    let page = setup.browser.open(setup.app("/.auth/logout")).await;
    assert_eq!(page.url, setup.app("/.auth/logout/done"));
    assert!(page.says("You have signed out"));
    let after = setup.browser.get(setup.app("/.auth/me")).await;
    assert_eq!(after.status(), StatusCode::UNAUTHORIZED);
    let picker = setup.browser.open(setup.app("/.auth/login/aad")).await;
    assert_eq!(picker.title(), "Choose an account");

    let elsewhere = "/.auth/logout?post_logout_redirect_uri=https://evil.example/";
    let page = setup.browser.open(setup.app(elsewhere)).await;
    assert_eq!(page.url, setup.app("/.auth/logout/done"));
}

#[actix_web::test]
async fn pages_load_nothing_from_other_origins() {
    let setup = Setup::new().await;
    let response = setup.browser.get(setup.app("/.auth/login/done")).await;
    let policy = response.headers()["content-security-policy"].to_str();
    assert!(policy.unwrap().starts_with("default-src 'none'"));
    let html = response.text().await.unwrap();
    assert!(html.contains("<html lang=\"en\">") && html.contains("<h1>"));
    assert!(!html.contains("<script"));
}

#[actix_web::test]
async fn the_log_has_every_step_and_no_secret() {
    let setup = Setup::new().await;
    let consent = setup.sign_in("alan").await;
    setup.browser.answer(&consent, "decision", "accept").await;
    setup.browser.get(setup.app("/.auth/me")).await;
    let call = setup.call().header("x-functions-key", KEY);
    call.send().await.unwrap();
    setup.exchange_on_behalf_of(&setup.token("alan")).await;

    let steps: Vec<_> = setup
        .exchanges()
        .iter()
        .map(
            |Exchange {
                 from, to, status, ..
             }| (*from, *to, *status),
        )
        .collect();
    let (browser, auth) = (Some(Party::Browser), Some(Party::AppServiceAuth));
    assert_eq!(
        steps,
        [
            (browser, Party::AppServiceAuth, 302),
            (browser, Party::Entra, 200),
            (browser, Party::Entra, 200),
            (browser, Party::Entra, 302),
            (auth, Party::ManagedIdentity, 200),
            (auth, Party::Entra, 200),
            (browser, Party::AppServiceAuth, 302),
            (browser, Party::AppServiceAuth, 200),
            (Some(Party::Handler), Party::ManagedIdentity, 200),
            (Some(Party::Handler), Party::Entra, 200),
        ]
    );

    let told: Vec<_> = setup
        .events
        .lock()
        .unwrap()
        .iter()
        // The fake handler repeats the headers in its answer.
        .filter(|event| !matches!(event, Event::ToolCall { .. }))
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    let told = told.concat();
    let secrets = setup.cloud.ledger().secrets();
    assert!(secrets.len() > 5 && told.contains("alan@contoso.example"));
    for secret in secrets.iter().map(String::as_str).chain([KEY]) {
        assert!(!told.contains(secret));
    }
}
