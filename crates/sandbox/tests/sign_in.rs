//! The sign-in at the stand-in for Entra, with a browser without scripts and an MCP client.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{
    Certificate, Client, ClientBuilder, Response, StatusCode, Url,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
    redirect,
};
use rsa::sha2::{Digest, Sha256};
use sandbox::{
    cloud::{Cloud, CloudOptions},
    directory::{
        AZURE_CLI, Application, FEDERATED_CREDENTIAL, IDENTIFIER_URI, MANAGED_IDENTITY, MCP_CLIENT,
        MCP_SERVER, OTHER_API, Permission, TENANT_ID, VISUAL_STUDIO_CODE,
    },
    loopback,
};
use serde_json::{Value, json};

const ENDPOINT: &str = "http://127.0.0.1:7071/runtime/webhooks/mcp";
const CALLBACK: &str = "http://localhost:3334/oauth/callback";
const SERVER_CALLBACK: &str = "http://127.0.0.1:7071/.auth/login/aad/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

type Form = BTreeMap<&'static str, String>;

/// The MCP server is registered with its endpoint.
fn options() -> CloudOptions {
    CloudOptions {
        identifier_uris: vec![ENDPOINT.to_owned()],
        ..CloudOptions::default()
    }
}

/// A cloud and a browser.
struct Setup {
    cloud: Cloud,
    browser: Client,
}

impl Setup {
    async fn new() -> Self {
        Self::with(options()).await
    }

    async fn with(options: CloudOptions) -> Self {
        let cloud = Cloud::start(options).await.unwrap();
        cloud.directory().register_redirect_uri(SERVER_CALLBACK);
        Self {
            cloud,
            browser: browser(Client::builder()),
        }
    }

    fn entra(&self, path: &str) -> String {
        format!("{}/{TENANT_ID}/{path}", self.cloud.authority())
    }

    async fn authorize(&self, query: &Form) -> Page {
        let request = self.browser.get(self.entra("oauth2/v2.0/authorize"));
        Page::of(request.query(query).send().await.unwrap()).await
    }

    async fn choose(&self, page: &Page, account: &str) -> Page {
        self.answer(page, "account", account).await
    }

    async fn decide(&self, page: &Page, decision: &str) -> Page {
        self.answer(page, "decision", decision).await
    }

    async fn answer(&self, page: &Page, name: &str, value: &str) -> Page {
        let form = [("flow", page.field("flow")), (name, value.to_owned())];
        let request = self.browser.post(page.action()).form(&form);
        Page::of(request.send().await.unwrap()).await
    }

    /// Signs in where nothing but the account is asked, and returns the code.
    async fn code(&self, query: &Form, account: &str) -> String {
        let picker = self.authorize(query).await;
        self.choose(&picker, account).await.callback()["code"].clone()
    }

    async fn token(&self, form: &Form) -> Response {
        let request = self.browser.post(self.entra("oauth2/v2.0/token"));
        request.form(form).send().await.unwrap()
    }

    /// The tokens for a valid request.
    async fn issued(&self, form: &Form) -> Value {
        let response = self.token(form).await;
        let status = response.status();
        let body = json_of(response).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// The `AADSTS` code of a refusal.
    async fn refused(&self, form: &Form) -> u64 {
        let response = self.token(form).await;
        assert!(response.status().is_client_error(), "{}", response.status());
        json_of(response).await["error_codes"][0].as_u64().unwrap()
    }

    /// The valid request to redeem a code of Ada for the MCP server.
    async fn redemption(&self) -> Form {
        let code = self.code(&mcp_client_query(), "ada").await;
        redemption(&MCP_CLIENT, CALLBACK, code)
    }

    async fn client_assertion(&self) -> String {
        let query = [
            ("api-version", "2019-08-01"),
            ("resource", FEDERATED_CREDENTIAL.audience),
            ("client_id", MANAGED_IDENTITY.client_id),
        ];
        let header = self.cloud.rotate_identity_header();
        let request = self.browser.get(self.cloud.identity_endpoint());
        let response = request.query(&query).header("X-IDENTITY-HEADER", header);
        text(&json_of(response.send().await.unwrap()).await["access_token"])
    }

    /// The request of App Service Authentication to redeem its code.
    async fn server_redemption(&self, code: &str) -> Form {
        let mut form = redemption(&MCP_SERVER, SERVER_CALLBACK, code.to_owned());
        form.remove("code_verifier");
        form.insert("client_assertion", self.client_assertion().await);
        form.insert(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        );
        form
    }

    async fn me(&self, token: &str) -> Response {
        let url = format!("{}/v1.0/me", self.cloud.graph());
        self.browser
            .get(url)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }
}

/// A browser, which keeps cookies. It does not follow redirects, since no server listens at their targets.
fn browser(builder: ClientBuilder) -> Client {
    // Installs the TLS provider.
    loopback::client().unwrap();
    builder
        .no_proxy()
        .tls_certs_only([])
        .cookie_store(true)
        .redirect(redirect::Policy::none())
        .build()
        .unwrap()
}

/// The page that the browser shows, or its redirect.
struct Page {
    status: StatusCode,
    location: Option<Url>,
    html: String,
}

impl Page {
    async fn of(response: Response) -> Self {
        Self {
            status: response.status(),
            location: response
                .headers()
                .get(LOCATION)
                .map(|url| Url::parse(url.to_str().unwrap()).unwrap()),
            html: response.text().await.unwrap(),
        }
    }

    /// The value of a hidden field.
    fn field(&self, name: &str) -> String {
        self.field_if_any(name)
            .unwrap_or_else(|| panic!("no field {name} in {}", self.html))
    }

    fn field_if_any(&self, name: &str) -> Option<String> {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.html.split_once(&start)?;
        let (value, _) = rest.split_once('"')?;
        Some(value.replace("&amp;", "&"))
    }

    fn action(&self) -> &str {
        let (_, rest) = self.html.split_once("action=\"").unwrap();
        rest.split_once('"').unwrap().0
    }

    fn title(&self) -> &str {
        let (_, rest) = self.html.split_once("<title>").unwrap();
        rest.split_once(" - ").unwrap().0
    }

    fn is_account_picker(&self) -> bool {
        self.status == StatusCode::OK && self.title() == "Choose an account"
    }

    fn is_consent(&self) -> bool {
        self.status == StatusCode::OK && self.title() == "Permissions requested"
    }

    /// The code on an error page.
    fn error(&self) -> u32 {
        assert_eq!(self.status, StatusCode::BAD_REQUEST);
        assert_eq!(self.location, None, "sent away");
        let (_, rest) = self.html.split_once("AADSTS").unwrap();
        rest.split_once('<').unwrap().0.parse().unwrap()
    }

    /// The answer in the query of the client's redirect URI.
    fn callback(&self) -> BTreeMap<String, String> {
        let location = self
            .location
            .as_ref()
            .unwrap_or_else(|| panic!("no redirect but {}", self.html));
        location.query_pairs().into_owned().collect()
    }

    /// The error in the query of the client's redirect URI, and its `AADSTS` code.
    fn callback_error(&self) -> (String, String) {
        let callback = self.callback();
        assert_eq!(callback.get("code"), None);
        assert_eq!(callback["state"], "my state");
        let (number, _) = callback["error_description"].split_once(':').unwrap();
        (callback["error"].clone(), number.to_owned())
    }
}

/// The authorization request of an MCP client.
fn mcp_client_query() -> Form {
    Form::from([
        ("client_id", MCP_CLIENT.client_id.to_owned()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("response_type", "code".to_owned()),
        (
            "scope",
            format!("{IDENTIFIER_URI}/user_impersonation openid profile email offline_access"),
        ),
        ("state", "my state".to_owned()),
        ("code_challenge", challenge(VERIFIER)),
        ("code_challenge_method", "S256".to_owned()),
        ("resource", ENDPOINT.to_owned()),
    ])
}

/// The authorization request of App Service Authentication.
fn server_query() -> Form {
    Form::from([
        ("client_id", MCP_SERVER.client_id.to_owned()),
        ("redirect_uri", SERVER_CALLBACK.to_owned()),
        ("response_type", "code id_token".to_owned()),
        ("response_mode", "form_post".to_owned()),
        ("scope", "openid profile email User.Read".to_owned()),
        ("state", "my state".to_owned()),
        ("nonce", "my nonce".to_owned()),
    ])
}

fn with(mut query: Form, name: &'static str, value: &str) -> Form {
    query.insert(name, value.to_owned());
    query
}

fn without(mut query: Form, name: &str) -> Form {
    query.remove(name);
    query
}

fn redemption(client: &Application, redirect_uri: &str, code: String) -> Form {
    Form::from([
        ("grant_type", "authorization_code".to_owned()),
        ("client_id", client.client_id.to_owned()),
        ("redirect_uri", redirect_uri.to_owned()),
        ("code", code),
        ("code_verifier", VERIFIER.to_owned()),
    ])
}

fn refresh(client: &Application, token: &Value) -> Form {
    Form::from([
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", client.client_id.to_owned()),
        ("refresh_token", text(token)),
    ])
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn claims(token: &Value) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_person_signs_in_and_the_client_gets_a_token_for_the_server() {
    let setup = Setup::new().await;
    let picker = setup.authorize(&mcp_client_query()).await;
    assert!(picker.is_account_picker());
    for name in [
        "Ada Lovelace",
        "grace@contoso.example",
        "Alan Turing",
        "MCP client",
    ] {
        assert!(picker.html.contains(name), "{name}");
    }

    let page = setup.choose(&picker, "ada").await;
    assert_eq!(page.status, StatusCode::FOUND);
    let location = page.location.as_ref().unwrap();
    assert_eq!(location.host_str(), Some("localhost"));
    assert_eq!(
        (location.port(), location.path()),
        (Some(3334), "/oauth/callback")
    );
    let callback = page.callback();
    assert_eq!(callback["state"], "my state");

    let form = redemption(&MCP_CLIENT, CALLBACK, callback["code"].clone());
    let body = setup.issued(&form).await;
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["expires_in"].is_u64() && body["ext_expires_in"].is_u64());
    assert_eq!(
        body["scope"],
        format!("{IDENTIFIER_URI}/user_impersonation")
    );
    let token = setup
        .cloud
        .verify_access_token(&text(&body["access_token"]))
        .unwrap();
    assert_eq!(token.get("name"), Some("Ada Lovelace"));
    assert_eq!(token.authorized_party(), Some(MCP_CLIENT.client_id));
    assert_eq!(token.get("scp"), Some("user_impersonation"));
    assert_eq!(token.get("azpacr"), Some("0"));

    let id = claims(&body["id_token"]);
    assert_eq!(id["aud"], MCP_CLIENT.client_id);
    assert_eq!(id["iss"], setup.entra("v2.0"));
    assert_eq!(id["email"], "ada@contoso.example");
    assert_eq!(id["preferred_username"], "ada@contoso.example");
    assert_eq!(setup.cloud.ledger().snapshot().token.people["ada"], 1);
}

#[tokio::test]
async fn visual_studio_code_signs_in_by_either_of_its_ways() {
    let setup = Setup::new().await;
    for redirect_uri in ["http://127.0.0.1:50389/", "https://vscode.dev/redirect"] {
        let query = with(
            mcp_client_query(),
            "client_id",
            VISUAL_STUDIO_CODE.client_id,
        );
        let query = with(query, "redirect_uri", redirect_uri);
        let query = with(query, "prompt", "select_account");
        let code = setup.code(&query, "grace").await;
        let form = redemption(&VISUAL_STUDIO_CODE, redirect_uri, code);
        let body = setup.issued(&form).await;
        assert_eq!(claims(&body["access_token"])["name"], "Grace Hopper");
        assert_eq!(claims(&body["id_token"]).get("email"), None, "no mailbox");
    }
}

#[tokio::test]
async fn the_second_sign_in_asks_nothing() {
    let setup = Setup::new().await;
    setup.code(&mcp_client_query(), "grace").await;

    let query = with(
        mcp_client_query(),
        "client_id",
        VISUAL_STUDIO_CODE.client_id,
    );
    let query = with(query, "redirect_uri", "http://127.0.0.1:50389/");
    let page = setup.authorize(&query).await;
    let code = page.callback()["code"].clone();
    let form = redemption(&VISUAL_STUDIO_CODE, "http://127.0.0.1:50389/", code);
    assert_eq!(
        claims(&setup.issued(&form).await["access_token"])["name"],
        "Grace Hopper"
    );

    let other_browser = Setup {
        browser: browser(Client::builder()),
        ..setup
    };
    assert!(other_browser.authorize(&query).await.is_account_picker());
}

#[tokio::test]
async fn a_client_can_have_the_account_chosen_again() {
    let setup = Setup::new().await;
    setup.code(&mcp_client_query(), "ada").await;
    for prompt in ["login", "select_account"] {
        let query = with(mcp_client_query(), "prompt", prompt);
        assert!(
            setup.authorize(&query).await.is_account_picker(),
            "{prompt}"
        );
    }
    let code = setup
        .code(&with(mcp_client_query(), "prompt", "login"), "alan")
        .await;
    let body = setup.issued(&redemption(&MCP_CLIENT, CALLBACK, code)).await;
    assert_eq!(claims(&body["access_token"])["name"], "Alan Turing");
}

#[tokio::test]
async fn a_silent_sign_in_succeeds_or_says_what_it_lacks() {
    let setup = Setup::new().await;
    let silent = with(mcp_client_query(), "prompt", "none");
    let expected = ("login_required".to_owned(), "AADSTS50058".to_owned());
    assert_eq!(setup.authorize(&silent).await.callback_error(), expected);

    setup.code(&mcp_client_query(), "alan").await;
    assert!(
        setup
            .authorize(&silent)
            .await
            .callback()
            .contains_key("code")
    );

    let hinted = with(silent.clone(), "login_hint", "ada@contoso.example");
    assert_eq!(setup.authorize(&hinted).await.callback_error(), expected);

    let unconsented = without(with(silent, "scope", "User.Read"), "resource");
    assert_eq!(
        setup.authorize(&unconsented).await.callback_error(),
        ("interaction_required".to_owned(), "AADSTS65001".to_owned())
    );
}

#[tokio::test]
async fn a_login_hint_names_the_expected_person() {
    let setup = Setup::new().await;
    let hinted = |person: &str| {
        let name = format!("{person}@contoso.example");
        with(mcp_client_query(), "login_hint", &name)
    };
    // A person that the picker does not show otherwise comes first.
    let picker = setup.authorize(&hinted("User7")).await;
    let position = |name: &str| picker.html.find(name).unwrap();
    assert!(position("value=\"user7\"") < position("value=\"ada\""));
    setup.choose(&picker, "user7").await.callback();

    let same = setup.authorize(&hinted("user7")).await;
    assert!(same.callback().contains_key("code"));
    let picker = setup.authorize(&hinted("grace")).await;
    assert!(picker.is_account_picker());
    assert!(picker.html.find("value=\"grace\"") < picker.html.find("value=\"ada\""));
}

#[tokio::test]
async fn an_unknown_client_or_a_wrong_redirect_uri_is_shown_and_never_redirected() {
    let setup = Setup::new().await;
    let query = mcp_client_query;
    for (query, expected) in [
        (with(query(), "client_id", OTHER_API.client_id), 700016),
        (with(query(), "client_id", "x"), 700016),
        (without(query(), "client_id"), 900144),
        (without(query(), "redirect_uri"), 900971),
        (
            with(query(), "redirect_uri", "https://evil.example/"),
            50011,
        ),
        (
            with(query(), "redirect_uri", "http://localhost:3334/oauth/other"),
            50011,
        ),
        (
            with(query(), "redirect_uri", "http://localhost:1@evil.example/"),
            50011,
        ),
        (with(query(), "client_id", MCP_SERVER.client_id), 50011),
    ] {
        assert_eq!(setup.authorize(&query).await.error(), expected, "{query:?}");
    }

    let evil = with(query(), "redirect_uri", "https://evil.example/<script>");
    let page = setup.authorize(&evil).await;
    assert!(page.html.contains("https://evil.example/&lt;script&gt;"));

    let url = setup
        .entra("oauth2/v2.0/authorize")
        .replace(TENANT_ID, "common");
    let response = setup.browser.get(url).query(&query()).send().await.unwrap();
    assert_eq!(Page::of(response).await.error(), 90002);
}

#[tokio::test]
async fn other_faults_of_a_request_are_sent_back_to_the_client() {
    let setup = Setup::new().await;
    let query = mcp_client_query;
    for (query, error, number) in [
        (
            without(query(), "response_type"),
            "invalid_request",
            "AADSTS900144",
        ),
        (
            with(query(), "response_type", "token"),
            "unsupported_response_type",
            "AADSTS70005",
        ),
        (
            with(query(), "response_type", "code id_token"),
            "unsupported_response_type",
            "AADSTS700054",
        ),
        (
            with(query(), "response_mode", "web_message"),
            "invalid_request",
            "AADSTS70007",
        ),
        (without(query(), "scope"), "invalid_request", "AADSTS900144"),
        (with(query(), "scope", " "), "invalid_scope", "AADSTS70011"),
        (
            with(
                query(),
                "scope",
                "User.Read https://graph.microsoft.com/.default",
            ),
            "invalid_resource",
            "AADSTS500011",
        ),
        (
            with(query(), "scope", "mcp.read"),
            "invalid_client",
            "AADSTS650053",
        ),
        (
            with(query(), "prompt", "consent select_account"),
            "invalid_request",
            "AADSTS90023",
        ),
        (
            with(query(), "code_challenge", "short"),
            "invalid_request",
            "AADSTS501491",
        ),
        (
            with(query(), "code_challenge_method", "S512"),
            "invalid_request",
            "AADSTS50149",
        ),
        (
            without(query(), "code_challenge"),
            "invalid_request",
            "AADSTS50147",
        ),
    ] {
        let page = setup.authorize(&query).await;
        assert_eq!(
            page.callback_error(),
            (error.to_owned(), number.to_owned()),
            "{query:?}"
        );
    }
}

#[tokio::test]
async fn consent_is_asked_in_words_recorded_and_not_asked_again() {
    let setup = Setup::new().await;
    let alan = setup.cloud.directory().person("alan").unwrap();
    let picker = setup.authorize(&server_query()).await;
    let consent = setup.choose(&picker, "alan").await;
    assert!(consent.is_consent());
    for words in [
        "Functions MCP server",
        "Published by Contoso",
        "alan@contoso.example",
        "Read your profile",
        "Sign you in",
    ] {
        assert!(consent.html.contains(words), "{words}");
    }
    assert!(!setup.cloud.directory().has_consented(&alan));

    let page = setup.decide(&consent, "accept").await;
    assert!(setup.cloud.directory().has_consented(&alan));
    let form = setup.server_redemption(&page.field("code")).await;
    let body = setup.issued(&form).await;
    let me = setup.me(&text(&body["access_token"])).await;
    assert_eq!(json_of(me).await["displayName"], "Alan Turing");

    assert!(
        setup
            .authorize(&server_query())
            .await
            .field_if_any("code")
            .is_some()
    );
}

#[tokio::test]
async fn a_refusal_of_consent_is_sent_to_the_client_and_not_recorded() {
    let setup = Setup::new().await;
    let picker = setup.authorize(&server_query()).await;
    let consent = setup.choose(&picker, "alan").await;
    let page = setup.decide(&consent, "cancel").await;
    assert_eq!(page.action(), SERVER_CALLBACK);
    assert_eq!(page.field("error"), "access_denied");
    assert!(page.field("error_description").starts_with("AADSTS65004: "));
    assert_eq!(page.field("state"), "my state");
    assert_eq!(page.field_if_any("code"), None);

    let alan = setup.cloud.directory().person("alan").unwrap();
    assert!(!setup.cloud.directory().has_consented(&alan));
    assert!(setup.authorize(&server_query()).await.is_consent());
}

#[tokio::test]
async fn no_client_is_pre_authorised_for_graph() {
    let setup = Setup::new().await;
    let query = with(
        mcp_client_query(),
        "scope",
        &format!("{IDENTIFIER_URI}/user_impersonation User.Read offline_access"),
    );
    let picker = setup.authorize(&query).await;
    let consent = setup.choose(&picker, "ada").await;
    assert!(consent.is_consent());
    assert!(consent.html.contains("Read your profile"));
    // Only the missing consent is asked for.
    assert!(!consent.html.contains("Use Functions MCP server as you"));

    let code = setup.decide(&consent, "accept").await.callback()["code"].clone();
    let form = redemption(&MCP_CLIENT, CALLBACK, code);
    // The code is valid for two APIs, a token for one.
    let both = with(
        form.clone(),
        "scope",
        &format!("{IDENTIFIER_URI}/user_impersonation User.Read"),
    );
    assert_eq!(setup.refused(&both).await, 28000);
    let code = setup.authorize(&query).await.callback()["code"].clone();
    assert_eq!(
        setup
            .refused(&redemption(&MCP_CLIENT, CALLBACK, code))
            .await,
        28003
    );
    let code = setup.authorize(&query).await.callback()["code"].clone();
    let form = with(
        redemption(&MCP_CLIENT, CALLBACK, code),
        "scope",
        "User.Read",
    );
    let body = setup.issued(&form).await;
    let me = setup.me(&text(&body["access_token"])).await;
    assert_eq!(json_of(me).await["displayName"], "Ada Lovelace");
}

#[tokio::test]
async fn a_client_that_is_not_pre_authorised_needs_consent_for_the_server() {
    let setup = Setup::new().await;
    let query = with(mcp_client_query(), "client_id", AZURE_CLI.client_id);
    let query = with(query, "redirect_uri", "http://localhost:8400");
    let picker = setup.authorize(&query).await;
    let consent = setup.choose(&picker, "grace").await;
    assert!(consent.html.contains("Use Functions MCP server as you"));
    let code = setup.decide(&consent, "accept").await.callback()["code"].clone();
    let form = redemption(&AZURE_CLI, "http://localhost:8400", code);
    let body = setup.issued(&form).await;
    assert_eq!(claims(&body["access_token"])["azp"], AZURE_CLI.client_id);
}

#[tokio::test]
async fn a_client_can_insist_on_consent() {
    let setup = Setup::new().await;
    let query = with(mcp_client_query(), "prompt", "consent");
    let picker = setup.authorize(&query).await;
    let consent = setup.choose(&picker, "ada").await;
    assert!(consent.is_consent());
    assert!(consent.html.contains("Use Functions MCP server as you"));
    assert!(consent.html.contains("Stay signed in as you"));
    let page = setup.decide(&consent, "accept").await;
    assert!(page.callback().contains_key("code"));
    assert!(setup.authorize(&query).await.is_consent());
}

#[tokio::test]
async fn consent_is_listed_and_revoked_at_the_control_api() {
    let setup = Setup::new().await;
    let url = format!("{}/consent/ada", setup.cloud.control_url());
    let listed = json_of(setup.browser.get(&url).send().await.unwrap()).await;
    let expected = json!({
        "application": "Functions MCP server",
        "client_id": MCP_SERVER.client_id,
        "permission": "User.Read",
    });
    assert!(listed.as_array().unwrap().contains(&expected), "{listed}");

    let page = setup.authorize(&server_query()).await;
    let page = setup.choose(&page, "ada").await;
    assert!(page.field_if_any("code").is_some());
    setup.browser.delete(&url).send().await.unwrap();
    let listed = json_of(setup.browser.get(&url).send().await.unwrap()).await;
    assert_eq!(listed, json!([]));
    assert!(setup.authorize(&server_query()).await.is_consent());
}

#[tokio::test]
async fn app_service_authentication_signs_in_by_a_posted_form() {
    let setup = Setup::new().await;
    let picker = setup.authorize(&server_query()).await;
    let page = setup.choose(&picker, "ada").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.action(), SERVER_CALLBACK);
    assert_eq!(page.field("state"), "my state");
    assert!(page.html.contains("Continue"), "works without scripts");

    let id = claims(&json!(page.field("id_token")));
    assert_eq!(id["aud"], MCP_SERVER.client_id);
    assert_eq!(id["nonce"], "my nonce");
    let hash = Sha256::digest(page.field("code"));
    assert_eq!(id["c_hash"], URL_SAFE_NO_PAD.encode(&hash[..16]));

    let form = setup.server_redemption(&page.field("code")).await;
    let body = setup.issued(&form).await;
    assert_eq!(body["scope"], "email openid profile User.Read");
    assert!(body.get("refresh_token").is_none());
    assert_eq!(claims(&body["id_token"])["nonce"], "my nonce");
    let token = claims(&body["access_token"]);
    assert_eq!(
        (&token["azpacr"], &token["azp"]),
        (&json!("2"), &json!(MCP_SERVER.client_id))
    );
}

#[tokio::test]
async fn an_id_token_alone_can_be_had_and_needs_a_nonce() {
    let setup = Setup::new().await;
    let query = with(server_query(), "response_type", "id_token");
    let picker = setup.authorize(&query).await;
    let page = setup.choose(&picker, "ada").await;
    assert_eq!(page.field_if_any("code"), None);
    assert!(
        claims(&json!(page.field("id_token")))
            .get("c_hash")
            .is_none()
    );

    for (query, expected) in [
        (without(query.clone(), "nonce"), "AADSTS900144: "),
        (with(query.clone(), "scope", "User.Read"), "AADSTS70005: "),
    ] {
        let page = setup.authorize(&query).await;
        let description = page.field("error_description");
        assert!(description.starts_with(expected), "{description}");
    }

    // By default the id token is sent in the fragment; it must not be sent in the query.
    let page = setup
        .authorize(&without(query.clone(), "response_mode"))
        .await;
    let location = page.location.unwrap();
    assert!(location.fragment().unwrap().starts_with("id_token="));
    assert_eq!(location.query(), None);
    let page = setup
        .authorize(&with(query, "response_mode", "query"))
        .await;
    assert!(page.callback()["error_description"].starts_with("AADSTS70007: "));
}

#[tokio::test]
async fn a_code_expires() {
    let setup = Setup::new().await;
    let form = setup.redemption().await;
    setup.cloud.set_clock_skew(11 * 60);
    assert_eq!(setup.refused(&form).await, 70008);
}

#[tokio::test]
async fn a_code_cannot_be_replayed() {
    let setup = Setup::new().await;
    let form = setup.redemption().await;
    setup.issued(&form).await;
    assert_eq!(setup.refused(&form).await, 54005);
}

#[tokio::test]
async fn a_code_is_bound_to_its_verifier() {
    let setup = Setup::new().await;
    let form = setup.redemption().await;
    let other = with(form.clone(), "code_verifier", &challenge(VERIFIER));
    assert_eq!(setup.refused(&other).await, 501481);
    assert_eq!(
        setup.refused(&without(form.clone(), "code_verifier")).await,
        50148
    );
    setup.issued(&form).await;
}

#[tokio::test]
async fn a_verifier_may_be_plain_as_in_entra() {
    let setup = Setup::new().await;
    let query = with(mcp_client_query(), "code_challenge", VERIFIER);
    let query = with(query, "code_challenge_method", "plain");
    let code = setup.code(&query, "ada").await;
    setup.issued(&redemption(&MCP_CLIENT, CALLBACK, code)).await;
}

#[tokio::test]
async fn a_code_is_bound_to_its_client_and_redirect_uri() {
    let setup = Setup::new().await;
    let form = setup.redemption().await;
    for (name, value, expected) in [
        ("client_id", VISUAL_STUDIO_CODE.client_id, 70000),
        ("client_id", OTHER_API.client_id, 700016),
        (
            "redirect_uri",
            "http://localhost:3335/oauth/callback",
            500112,
        ),
        ("redirect_uri", "", 900144),
        ("code", "nonsense", 70000),
        ("code", "", 900144),
        ("client_secret", "hush", 700025),
        ("client_assertion", "hush", 700025),
    ] {
        let form = with(form.clone(), name, value);
        assert_eq!(setup.refused(&form).await, expected, "{name}={value}");
    }
    setup.issued(&form).await;
}

#[tokio::test]
async fn the_server_must_prove_itself_to_redeem_a_code() {
    let setup = Setup::new().await;
    let picker = setup.authorize(&server_query()).await;
    let code = setup.choose(&picker, "ada").await.field("code");
    let form = setup.server_redemption(&code).await;
    assert_eq!(
        setup
            .refused(&without(form.clone(), "client_assertion"))
            .await,
        7000218
    );
    let user = setup.cloud.access_token("ada").unwrap();
    assert_eq!(
        setup
            .refused(&with(form.clone(), "client_assertion", &user))
            .await,
        700212
    );
    setup.issued(&form).await;
}

#[tokio::test]
async fn a_refresh_token_is_renewed_with_each_use() {
    let setup = Setup::new().await;
    let body = setup.issued(&setup.redemption().await).await;
    let first = refresh(&MCP_CLIENT, &body["refresh_token"]);
    let renewed = setup.issued(&first).await;
    assert_ne!(renewed["refresh_token"], body["refresh_token"]);
    assert_ne!(renewed["access_token"], body["access_token"]);
    assert_eq!(claims(&renewed["access_token"])["name"], "Ada Lovelace");
    assert_eq!(claims(&renewed["id_token"])["aud"], MCP_CLIENT.client_id);

    let second = refresh(&MCP_CLIENT, &renewed["refresh_token"]);
    setup.issued(&second).await;
    // As in Entra, a previous refresh token stays valid.
    setup.issued(&first).await;

    let stolen = with(second.clone(), "client_id", AZURE_CLI.client_id);
    assert_eq!(setup.refused(&stolen).await, 70000);
    let nonsense = with(second.clone(), "refresh_token", "nonsense");
    assert_eq!(setup.refused(&nonsense).await, 70000);
    assert_eq!(setup.cloud.ledger().snapshot().token.people["ada"], 5);

    setup.cloud.set_clock_skew(91 * 24 * 60 * 60);
    assert_eq!(setup.refused(&second).await, 700082);
}

#[tokio::test]
async fn a_refresh_token_gives_no_more_than_was_consented_to() {
    let setup = Setup::new().await;
    let body = setup.issued(&setup.redemption().await).await;
    let form = refresh(&MCP_CLIENT, &body["refresh_token"]);
    let graph = with(form, "scope", "User.Read");
    assert_eq!(setup.refused(&graph).await, 65001);

    let ada = setup.cloud.directory().person("ada").unwrap();
    setup
        .cloud
        .directory()
        .grant(&ada, &MCP_CLIENT, [Permission::UserRead]);
    let body = setup.issued(&graph).await;
    let me = setup.me(&text(&body["access_token"])).await;
    assert_eq!(me.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_offline_access_there_is_no_refresh_token() {
    let setup = Setup::new().await;
    let scope = format!("{}/.default", MCP_SERVER.client_id);
    let code = setup
        .code(&with(mcp_client_query(), "scope", &scope), "ada")
        .await;
    let body = setup.issued(&redemption(&MCP_CLIENT, CALLBACK, code)).await;
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
    assert_eq!(
        body["scope"],
        format!("{0}/user_impersonation {0}/.default", MCP_SERVER.client_id)
    );
}

#[tokio::test]
async fn a_resource_is_exactly_one_of_the_servers_identifier_uris() {
    let mut setup = Setup::new().await;
    for resource in [ENDPOINT, IDENTIFIER_URI] {
        setup.browser = browser(Client::builder());
        let code = setup
            .code(&with(mcp_client_query(), "resource", resource), "ada")
            .await;
        let form = redemption(&MCP_CLIENT, CALLBACK, code);
        let body = setup.issued(&with(form, "resource", resource)).await;
        // As in Entra's v2 tokens, whatever the form of the scope.
        assert_eq!(claims(&body["access_token"])["aud"], MCP_SERVER.client_id);
    }
    for resource in [
        "http://127.0.0.1:7071/runtime/webhooks/mcp/",
        "http://127.0.0.1:7071/",
        "http://localhost:7071/runtime/webhooks/mcp",
        "HTTP://127.0.0.1:7071/runtime/webhooks/mcp",
        MCP_SERVER.client_id,
        setup.cloud.graph(),
    ] {
        setup.browser = browser(Client::builder());
        let query = with(mcp_client_query(), "resource", resource);
        assert_eq!(
            setup.authorize(&query).await.callback_error(),
            ("invalid_target".to_owned(), "AADSTS9010010".to_owned()),
            "{resource}"
        );
        let form = with(setup.redemption().await, "resource", resource);
        assert_eq!(setup.refused(&form).await, 9010010, "{resource}");
    }
}

#[tokio::test]
async fn scopes_are_written_in_the_form_of_any_identifier_uri() {
    let mut setup = Setup::new().await;
    for name in [ENDPOINT, IDENTIFIER_URI, MCP_SERVER.client_id] {
        setup.browser = browser(Client::builder());
        let scope = format!("{name}/user_impersonation");
        let code = setup
            .code(&with(mcp_client_query(), "scope", &scope), "ada")
            .await;
        let body = setup.issued(&redemption(&MCP_CLIENT, CALLBACK, code)).await;
        assert_eq!(body["scope"], scope);
        let token = claims(&body["access_token"]);
        assert_eq!(token["aud"], MCP_SERVER.client_id);
        assert_eq!(token["scp"], "user_impersonation");
    }
}

#[tokio::test]
async fn an_app_that_is_registered_as_api_alone_is_no_resource_by_its_endpoint() {
    let lenient = Setup::with(CloudOptions {
        lenient_resource: true,
        ..CloudOptions::default()
    })
    .await;
    let code = lenient.code(&mcp_client_query(), "ada").await;
    let form = redemption(&MCP_CLIENT, CALLBACK, code);
    lenient.issued(&with(form, "resource", ENDPOINT)).await;

    let strict = Setup::with(CloudOptions::default()).await;
    let page = strict.authorize(&mcp_client_query()).await;
    assert_eq!(
        page.callback_error(),
        ("invalid_target".to_owned(), "AADSTS9010010".to_owned())
    );
    let picker = strict
        .authorize(&without(mcp_client_query(), "resource"))
        .await;
    assert!(picker.is_account_picker());
    let picker = strict
        .authorize(&with(mcp_client_query(), "resource", IDENTIFIER_URI))
        .await;
    let code = strict.choose(&picker, "ada").await.callback()["code"].clone();
    let form = redemption(&MCP_CLIENT, CALLBACK, code);
    let body = strict.issued(&with(form, "resource", IDENTIFIER_URI)).await;
    let form = refresh(&MCP_CLIENT, &body["refresh_token"]);
    let form = with(form, "resource", ENDPOINT);
    assert_eq!(strict.refused(&form).await, 9010010);
}

#[tokio::test]
async fn a_form_is_valid_for_one_answer_from_the_browser_it_was_sent_to() {
    let setup = Setup::new().await;
    let picker = setup.authorize(&mcp_client_query()).await;
    let other_browser = browser(Client::builder());
    let form = [
        ("flow", picker.field("flow")),
        ("account", "ada".to_owned()),
    ];
    let response = other_browser.post(picker.action()).form(&form).send().await;
    assert_eq!(Page::of(response.unwrap()).await.error(), 50089);

    setup.choose(&picker, "ada").await.callback();
    assert_eq!(setup.choose(&picker, "grace").await.error(), 50089);
}

#[tokio::test]
async fn an_invented_session_is_not_continued() {
    let setup = Setup::new().await;
    let url = setup.entra("oauth2/v2.0/authorize");
    let response = browser(Client::builder())
        .get(url)
        .query(&mcp_client_query())
        .header(COOKIE, "sandbox_session=chosen-by-somebody-else")
        .send()
        .await
        .unwrap();
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(!cookie.contains("chosen-by-somebody-else"));
    for attribute in ["HttpOnly", "SameSite=Lax", &format!("Path=/{TENANT_ID}/")] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
}

#[tokio::test]
async fn pages_load_nothing_from_other_origins() {
    let setup = Setup::new().await;
    let request = setup.browser.get(setup.entra("oauth2/v2.0/authorize"));
    let response = request.query(&mcp_client_query()).send().await.unwrap();
    let policy = response.headers()[CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    let html = response.text().await.unwrap();
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    assert!(!html.contains("src=") && !html.contains("href="), "{html}");
}

#[tokio::test]
async fn a_person_who_signs_out_is_asked_again() {
    let setup = Setup::new().await;
    let ada = async || setup.code(&mcp_client_query(), "ada").await;
    let logout = |query: &'static [(&str, &str)]| async {
        let request = setup.browser.get(setup.entra("oauth2/v2.0/logout"));
        Page::of(request.query(query).send().await.unwrap()).await
    };
    ada().await;
    let page = logout(&[]).await;
    assert!(page.html.contains("You have signed out"));
    assert!(
        setup
            .authorize(&mcp_client_query())
            .await
            .is_account_picker()
    );

    ada().await;
    let page = logout(&[
        (
            "post_logout_redirect_uri",
            "http://127.0.0.1:7071/.auth/logout/complete",
        ),
        ("state", "my state"),
    ])
    .await;
    assert_eq!(
        page.location.unwrap().as_str(),
        "http://127.0.0.1:7071/.auth/logout/complete?state=my+state"
    );
    let page = logout(&[("post_logout_redirect_uri", "https://evil.example/")]).await;
    assert_eq!((page.location, page.status), (None, StatusCode::OK));
}

#[tokio::test]
async fn microsofts_libraries_find_client_info_where_they_ask_for_it() {
    let setup = Setup::new().await;
    let query = with(mcp_client_query(), "client_info", "1");
    let picker = setup.authorize(&query).await;
    let callback = setup.choose(&picker, "ada").await.callback();
    let form = redemption(&MCP_CLIENT, CALLBACK, callback["code"].clone());
    let body = setup.issued(&with(form, "client_info", "1")).await;
    assert_eq!(body["client_info"], callback["client_info"]);
    let info = URL_SAFE_NO_PAD.decode(&callback["client_info"]).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info["uid"], claims(&body["id_token"])["oid"]);
    assert_eq!(info["utid"], TENANT_ID);
}

#[tokio::test]
async fn entra_is_the_same_on_https_under_its_own_name() {
    let setup = Setup::with(CloudOptions {
        tls: true,
        ..options()
    })
    .await;
    let authority = setup.cloud.tls_authority().unwrap();
    assert!(authority.starts_with("https://localhost:"));
    let pem = setup.cloud.ca_certificate_pem().unwrap();
    let trusted = Certificate::from_pem(pem.as_bytes()).unwrap();
    let issuer = format!("{authority}/{TENANT_ID}/v2.0");
    let url = format!("{issuer}/.well-known/openid-configuration");
    setup.browser.get(&url).send().await.unwrap_err();

    let secure = Client::builder().tls_certs_only([trusted]);
    let secure = secure.no_proxy().cookie_store(true);
    let secure = secure.redirect(redirect::Policy::none()).build().unwrap();
    let metadata = json_of(secure.get(&url).send().await.unwrap()).await;
    assert_eq!(metadata["issuer"], issuer);
    for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert!(
            text(&metadata[endpoint]).starts_with(authority),
            "{endpoint}"
        );
    }

    let url = text(&metadata["authorization_endpoint"]);
    let response = secure.get(url).query(&mcp_client_query()).send().await;
    let response = response.unwrap();
    assert!(
        response.headers()[SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Secure")
    );
    let picker = Page::of(response).await;
    let form = [
        ("flow", picker.field("flow")),
        ("account", "ada".to_owned()),
    ];
    let response = secure.post(picker.action()).form(&form).send().await;
    let code = Page::of(response.unwrap()).await.callback()["code"].clone();
    let url = text(&metadata["token_endpoint"]);
    let form = redemption(&MCP_CLIENT, CALLBACK, code);
    let body = json_of(secure.post(url).form(&form).send().await.unwrap()).await;

    let token = text(&body["access_token"]);
    let verified = setup.cloud.verify_access_token(&token).unwrap();
    assert_eq!(verified.get("iss"), Some(issuer.as_str()));
    assert_eq!(claims(&body["id_token"])["iss"], issuer);
    let me = setup.me(&token).await;
    assert_eq!(me.status(), StatusCode::UNAUTHORIZED, "not for Graph");

    // The token is valid at the other address too, where access tokens have the same issuer: the handler knows one.
    let form = refresh(&MCP_CLIENT, &body["refresh_token"]);
    let renewed = setup.issued(&form).await;
    assert_eq!(claims(&renewed["access_token"])["iss"], issuer);
    assert_eq!(claims(&renewed["id_token"])["iss"], setup.entra("v2.0"));
}
