//! A client that knows nothing but the server's URL, its key and a client id signs a user in, and calls.

use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use sandbox::directory::MCP_CLIENT;

use crate::support::App;

/// Nobody listens there: the test reads the code off the redirect.
const REDIRECT_URI: &str = "http://127.0.0.1:1/callback";

#[tokio::test]
async fn a_client_without_a_token_signs_a_user_in_and_is_answered() {
    let app = App::start().await;
    let mut state = OAuthState::new(app.sandbox.mcp_url(), None).await.unwrap();
    let request =
        AuthorizationRequest::new(REDIRECT_URI).with_preregistered_client(MCP_CLIENT.client_id);
    state.start_authorization(request).await.unwrap();
    let callback = sign_in(&state.get_authorization_url().await.unwrap(), "grace").await;
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

/// Does with the pages at `url` what a person does with a browser; gives where the person is sent in the end.
async fn sign_in(url: &str, person: &str) -> String {
    let is_callback = |url: &str| url.starts_with(REDIRECT_URI);
    let stop_at_the_callback = reqwest::redirect::Policy::custom(move |attempt| {
        if is_callback(attempt.url().as_str()) {
            attempt.stop()
        } else {
            attempt.follow()
        }
    });
    let browser = reqwest::Client::builder()
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
