//! The events of the steps to a token, as far as the cloud takes part in them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, Mutex};

use reqwest::{Client, Url, header::LOCATION, redirect};
use sandbox::{
    cloud::{Cloud, CloudOptions},
    directory::{IDENTIFIER_URI, MANAGED_IDENTITY, MCP_CLIENT, TENANT_ID},
    events::{Event, Events, Exchange, Party},
    faults::{Effect, Endpoint, Fault},
    loopback,
};
use serde_json::Value;

const REDIRECT_URI: &str = "http://localhost:3334/oauth/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

/// A cloud, a client of it, and the events.
struct Setup {
    cloud: Cloud,
    client: Client,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Setup {
    async fn new() -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let listener = events.clone();
        let cloud = Cloud::start(CloudOptions {
            events: Events::to(move |event| listener.lock().unwrap().push(event)),
            ..CloudOptions::default()
        });
        let cloud = cloud.await.unwrap();
        // Installs the TLS provider.
        loopback::client().unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .cookie_store(true)
            .redirect(redirect::Policy::none());
        Self {
            cloud,
            client: client.build().unwrap(),
            events,
        }
    }

    fn entra(&self, path: &str) -> Url {
        let url = format!("{}/{TENANT_ID}/{path}", self.cloud.authority());
        Url::parse(&url).unwrap()
    }

    /// The one exchange since the last call, in words.
    fn last_exchange(&self) -> (Option<Party>, Party, String, u16, String) {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let [
            Event::Exchange(Exchange {
                from,
                to,
                request,
                status,
                answer,
            }),
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        (*from, *to, request.clone(), *status, answer.clone())
    }

    /// Asks to sign a person in for an MCP client.
    async fn authorize(&self, change: impl Fn(&str) -> Option<&'static str>) -> String {
        let scope = format!("{IDENTIFIER_URI}/user_impersonation offline_access");
        let query = [
            ("client_id", MCP_CLIENT.client_id),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", &scope),
            ("code_challenge", VERIFIER),
            ("code_challenge_method", "plain"),
        ]
        .map(|(name, value)| (name, change(name).unwrap_or(value)));
        let page = self
            .client
            .get(self.entra("oauth2/v2.0/authorize"))
            .query(&query);
        page.send().await.unwrap().text().await.unwrap()
    }

    async fn token(&self, form: &[(&str, &str)]) -> Value {
        let request = self.client.post(self.entra("oauth2/v2.0/token")).form(form);
        request.send().await.unwrap().json().await.unwrap()
    }
}

#[actix_web::test]
async fn the_log_has_each_step_of_a_client_to_its_tokens() {
    let setup = Setup::new().await;
    let well_known = "/.well-known/oauth-authorization-server";
    let url = format!("{}{well_known}", setup.cloud.authority());
    setup.client.get(url).send().await.unwrap();
    let (from, to, request, status, answer) = setup.last_exchange();
    assert_eq!((from, to, status), (None, Party::Entra, 404));
    assert_eq!(request, format!("GET {well_known}"));
    assert_eq!(
        answer,
        "Entra has its metadata below the issuer's path only"
    );

    let metadata = setup.entra("v2.0/.well-known/openid-configuration");
    setup.client.get(metadata).send().await.unwrap();
    let (_, _, request, status, _) = setup.last_exchange();
    assert_eq!((request.as_str(), status), ("OpenID metadata", 200));

    let page = setup.authorize(|_| None).await;
    let (from, _, request, status, answer) = setup.last_exchange();
    assert_eq!((from, status), (Some(Party::Browser), 200));
    assert_eq!(
        request,
        "authorize MCP client for user_impersonation of Functions MCP server, offline_access, PKCE plain"
    );
    assert_eq!(answer, "page \"Choose an account\"");

    let (_, flow) = page.split_once("name=\"flow\" value=\"").unwrap();
    let form = [
        ("flow", flow.split('"').next().unwrap()),
        ("account", "ada"),
    ];
    let request = setup.client.post(setup.entra("account")).form(&form);
    let response = request.send().await.unwrap();
    let (_, _, request, _, answer) = setup.last_exchange();
    assert_eq!(request, "sign in as ada");
    assert_eq!(
        answer,
        format!("a code, through the browser to {REDIRECT_URI}")
    );

    let location = Url::parse(response.headers()[LOCATION].to_str().unwrap()).unwrap();
    let (_, code) = location
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap();
    let tokens = setup
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", MCP_CLIENT.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ])
        .await;
    let (from, _, request, status, answer) = setup.last_exchange();
    assert_eq!((from, status), (Some(Party::Client), 200));
    assert_eq!(
        request,
        "token: MCP client with a code and its PKCE verifier"
    );
    assert_eq!(
        answer,
        "access token for Functions MCP server (user_impersonation) as ada@contoso.example, refresh token"
    );

    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", MCP_CLIENT.client_id),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    setup.token(&refresh).await;
    let (_, _, request, _, _) = setup.last_exchange();
    assert_eq!(request, "token: MCP client with a refresh token");

    let foreign = [("resource", "http://127.0.0.1:7071/runtime/webhooks/mcp")];
    setup.token(&[&refresh[..], &foreign].concat()).await;
    let (_, _, request, status, answer) = setup.last_exchange();
    assert!(request.ends_with(", resource http://127.0.0.1:7071/runtime/webhooks/mcp"));
    assert_eq!(status, 400);
    assert!(answer.starts_with("AADSTS9010010: "), "{answer}");
}

#[actix_web::test]
async fn the_log_has_the_code_of_an_error_of_entra() {
    let setup = Setup::new().await;
    setup
        .authorize(|name| (name == "redirect_uri").then_some("https://evil.example/"))
        .await;
    let (_, _, _, status, answer) = setup.last_exchange();
    assert_eq!(status, 400);
    assert!(
        answer.starts_with("page \"Sign-in failed\": AADSTS50011: "),
        "{answer}"
    );

    setup
        .authorize(|name| (name == "scope").then_some("mcp.read"))
        .await;
    let (_, _, _, status, answer) = setup.last_exchange();
    assert_eq!(status, 302);
    assert!(
        answer.starts_with(&format!(
            "invalid_client, through the browser to {REDIRECT_URI}: AADSTS650053: "
        )),
        "{answer}"
    );
}

#[actix_web::test]
async fn the_log_has_each_step_of_the_handler_to_graph() {
    let setup = Setup::new().await;
    let identity = setup
        .client
        .get(setup.cloud.identity_endpoint())
        .query(&[
            ("api-version", "2019-08-01"),
            ("resource", "api://AzureADTokenExchange"),
            ("client_id", MANAGED_IDENTITY.client_id),
        ])
        .header("X-IDENTITY-HEADER", "wrong");
    identity.send().await.unwrap();
    let (from, to, request, status, answer) = setup.last_exchange();
    assert_eq!(
        (from, to, status),
        (Some(Party::Handler), Party::ManagedIdentity, 401)
    );
    assert_eq!(request, "token for api://AzureADTokenExchange");
    assert!(answer.starts_with("X-IDENTITY-HEADER"), "{answer}");

    setup
        .client
        .get(setup.entra("discovery/v2.0/keys"))
        .send()
        .await
        .unwrap();
    let (from, _, request, _, _) = setup.last_exchange();
    assert_eq!(
        (from, request.as_str()),
        (Some(Party::Handler), "signing keys")
    );

    let assertion = setup.cloud.access_token("alan").unwrap();
    let scope = format!("{}/.default", setup.cloud.graph());
    setup
        .token(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("client_id", sandbox::directory::MCP_SERVER.client_id),
            ("client_assertion", "nonsense"),
            ("assertion", &assertion),
            ("scope", &scope),
        ])
        .await;
    let (from, _, request, status, answer) = setup.last_exchange();
    assert_eq!((from, status), (Some(Party::Handler), 400));
    assert_eq!(
        request,
        "token: Functions MCP server on behalf of alan@contoso.example for .default of Microsoft Graph, \
         authenticated by its managed identity"
    );
    assert!(answer.starts_with("AADSTS"), "{answer}");

    let token = setup.cloud.graph_token("ada").unwrap().access_token;
    let me = || {
        let me = format!("{}/v1.0/me", setup.cloud.graph());
        setup.client.get(me).bearer_auth(&token).send()
    };
    me().await.unwrap();
    let (_, _, request, status, answer) = setup.last_exchange();
    assert_eq!(request, "GET /v1.0/me as ada@contoso.example");
    assert_eq!(
        (status, answer.as_str()),
        (200, "the profile of Ada Lovelace")
    );

    for (effect, expected) in [
        (Effect::Html, (502, "Bad Gateway")),
        (Effect::Malformed, (200, "an answer that cannot be read")),
    ] {
        let fault = Fault::new(Endpoint::Graph, effect).times(1);
        setup.cloud.faults().add(fault).unwrap();
        me().await.unwrap();
        let (_, _, _, status, answer) = setup.last_exchange();
        assert_eq!((status, answer.as_str()), expected);
    }
}

#[actix_web::test]
async fn the_log_does_not_have_calls_to_the_control_api() {
    let setup = Setup::new().await;
    let url = format!("{}/token/ada", setup.cloud.control_url());
    setup.client.get(url).send().await.unwrap();
    assert!(setup.events.lock().unwrap().is_empty());
}
