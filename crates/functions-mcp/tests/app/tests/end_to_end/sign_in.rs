//! A client that is given only the server's URL, its key and a client id signs a user in and calls a tool.

use reqwest::{Certificate, ClientBuilder, Url};
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use sandbox::{
    IdentifierUri,
    directory::{MCP_CLIENT, TENANT_ID},
};
use serde_json::Value;

use crate::support::App;

/// Nothing listens there: the test reads the code from the redirect.
const REDIRECT_URI: &str = "http://127.0.0.1:1/callback";

#[tokio::test]
async fn a_client_without_a_token_signs_a_user_in_and_is_answered() {
    let app = App::start().await;
    let mut state = authorization(&app).await;
    let url = state.get_authorization_url().await.unwrap();
    let callback = sign_in(ClientBuilder::new(), &url, "grace").await;
    state.handle_callback_url(&callback).await.unwrap();

    let manager = state.into_authorization_manager().unwrap();
    let client = app
        .client_over(AuthClient::new(reqwest::Client::new(), manager), &[])
        .await;
    assert_eq!(
        app.hello_from(&client).await.text,
        "Hello, Grace Hopper (grace@contoso.example)!"
    );
}

/// The client always sends the endpoint's URL as `resource`.
#[tokio::test]
async fn a_client_is_refused_when_the_app_is_registered_as_api_alone() {
    let app = App::start_with(|options| options.identifier_uri = IdentifierUri::Api).await;
    let state = authorization(&app).await;
    let url = state.get_authorization_url().await.unwrap();
    let callback = sign_in(ClientBuilder::new(), &url, "grace").await;
    assert!(callback.contains("error=invalid_target"), "{callback}");
    assert!(callback.contains("AADSTS9010010"), "{callback}");
    app.hello("grace").await;
}

/// As with MSAL, which requires https.
#[tokio::test]
async fn a_token_that_entra_issues_over_https_is_good_for_the_tools() {
    let app = App::start_with(|options| options.cloud.tls = true).await;
    let cloud = app.sandbox.cloud();
    let certificate = cloud.ca_certificate_pem().unwrap();
    let client = || {
        let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
        ClientBuilder::new().tls_certs_only([certificate])
    };
    let authority = cloud.tls_authority().unwrap();
    let entra = |path: &str, parameters: &[(&str, &str)]| {
        let url = format!("{authority}/{TENANT_ID}/oauth2/v2.0/{path}");
        let common = [
            ("client_id", MCP_CLIENT.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", &cloud.directory().server_scope()),
        ];
        Url::parse_with_params(&url, common.iter().chain(parameters)).unwrap()
    };

    let authorize = entra("authorize", &[("response_type", "code")]);
    let callback = sign_in(client(), authorize.as_str(), "ada").await;
    let callback = Url::parse(&callback).unwrap();
    let (_, code) = callback
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap();
    let grant = [("grant_type", "authorization_code"), ("code", &code)];
    let token = entra("token", &grant);
    let form = token.query().unwrap().to_owned();
    let tokens = client().build().unwrap().post(token);
    let tokens = tokens
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send();
    let tokens = tokens.await.unwrap().text().await.unwrap();
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());

    let client = app.client_with(&[("authorization", &bearer)]).await;
    let answer = app.hello_from(&client).await;
    assert_eq!(answer.text, "Hello, Ada Lovelace (ada@contoso.example)!");
}

/// A client that is about to send a user to Entra.
async fn authorization(app: &App) -> OAuthState {
    let mut state = OAuthState::new(app.sandbox.mcp_url(), None).await.unwrap();
    let request =
        AuthorizationRequest::new(REDIRECT_URI).with_preregistered_client(MCP_CLIENT.client_id);
    state.start_authorization(request).await.unwrap();
    state
}

/// Completes the pages at `url` as a person does in a browser. Returns the URL of the last redirect.
async fn sign_in(browser: ClientBuilder, url: &str, person: &str) -> String {
    let is_callback = |url: &str| url.starts_with(REDIRECT_URI);
    let stop_at_the_callback = reqwest::redirect::Policy::custom(move |attempt| {
        if is_callback(attempt.url().as_str()) {
            attempt.stop()
        } else {
            attempt.follow()
        }
    });
    let browser = browser
        .cookie_store(true)
        .redirect(stop_at_the_callback)
        .build()
        .unwrap();
    let mut response = browser.get(url).send().await.unwrap();
    loop {
        if let Some(location) = response.headers().get("location") {
            return location.to_str().unwrap().to_owned();
        }
        let page_url = response.url().clone();
        let page = response.text().await.unwrap();
        let flow = value_of(&page, "flow");
        let form = if page.contains("name=\"decision\"") {
            format!("flow={flow}&decision=accept")
        } else {
            format!("flow={flow}&account={person}")
        };
        let action = page_url
            .join(&attribute_after(&page, "<form", "action"))
            .unwrap();
        response = browser
            .post(action)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
    }
}

/// The value of the hidden field `name`.
fn value_of(page: &str, name: &str) -> String {
    attribute_after(page, &format!("name=\"{name}\""), "value")
}

fn attribute_after(page: &str, mark: &str, attribute: &str) -> String {
    let (_, rest) = page.split_once(mark).unwrap();
    let (_, rest) = rest.split_once(&format!("{attribute}=\"")).unwrap();
    rest.split('"').next().unwrap().replace("&amp;", "&")
}
