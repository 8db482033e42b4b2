//! Servers that are set up wrongly, each in one way.

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{StatusCode, header},
    web,
};
use sandbox::loopback;
use serde_json::{Value, json};

use super::*;
use crate::doctor::finding::{Verdict, assert_found};

/// A server's answers. `{origin}` stands for the server's origin.
#[derive(Clone)]
struct SetUp {
    /// The answer to a call without a token.
    unauthenticated: (StatusCode, Option<&'static str>),
    /// The answer to a call with a token, but without the system key.
    without_key: (StatusCode, Option<&'static str>),
    /// The answer to a call with both.
    with_key: (StatusCode, Option<&'static str>),
    /// The answer to a request for the home page with a token.
    home_page: StatusCode,
    /// The body of every refusal of the endpoint.
    refusal: &'static str,
    resource_metadata: Value,
    authorization_server: Value,
    /// The redirection of the sign-in page.
    sign_in: Option<&'static str>,
    tools: Value,
    hello: Value,
}

const CHALLENGE: &str =
    r#"Bearer realm="r", resource_metadata="{origin}.well-known/oauth-protected-resource""#;

impl SetUp {
    /// A correct set-up.
    fn right() -> Self {
        Self {
            unauthenticated: (StatusCode::UNAUTHORIZED, Some(CHALLENGE)),
            without_key: (StatusCode::FORBIDDEN, None),
            with_key: (StatusCode::OK, None),
            home_page: StatusCode::OK,
            refusal: "",
            resource_metadata: json!({
                "resource": "{origin}runtime/webhooks/mcp",
                "authorization_servers": ["{origin}tenant/v2.0"],
                "scopes_supported": ["api://tenant/app/user_impersonation"],
            }),
            authorization_server: json!({
                "issuer": "{origin}tenant/v2.0",
                "authorization_endpoint": "{origin}tenant/oauth2/v2.0/authorize",
            }),
            sign_in: Some(
                "{origin}tenant/oauth2/v2.0/authorize?redirect_uri={origin}.auth/login/aad/callback&scope=openid+User.Read",
            ),
            tools: json!({ "tools": [{ "name": "HelloTool" }] }),
            hello: json!({ "content": [{ "type": "text", "text": "Hello, Ada!" }] }),
        }
    }

    fn answer(&self, request: &HttpRequest, body: &[u8], origin: &str) -> HttpResponse {
        let refusal = |(status, challenge): (StatusCode, Option<&str>)| {
            let mut response = HttpResponse::build(status);
            if let Some(challenge) = challenge {
                response.insert_header((
                    header::WWW_AUTHENTICATE,
                    challenge.replace("{origin}", origin),
                ));
            }
            response.body(self.refusal)
        };
        let result = |result: &Value| {
            let message = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
            HttpResponse::Ok()
                .content_type("text/event-stream")
                .body(format!("event: message\ndata: {message}\n\n"))
        };
        let document = |document: &Value| {
            HttpResponse::Ok().body(document.to_string().replace("{origin}", origin))
        };
        match request.path() {
            "/.well-known/oauth-protected-resource" => document(&self.resource_metadata),
            "/tenant/v2.0/.well-known/openid-configuration" => document(&self.authorization_server),
            "/.auth/login/aad" => match self.sign_in {
                Some(page) => HttpResponse::Found()
                    .insert_header((header::LOCATION, page.replace("{origin}", origin)))
                    .finish(),
                None => HttpResponse::NotFound().finish(),
            },
            MCP_PATH if !request.headers().contains_key(header::AUTHORIZATION) => {
                refusal(self.unauthenticated)
            }
            MCP_PATH
                if !request.headers().contains_key("x-functions-key")
                    && self.without_key.0 != StatusCode::OK =>
            {
                refusal(self.without_key)
            }
            MCP_PATH if self.with_key.0 != StatusCode::OK => refusal(self.with_key),
            "/" if request.headers().contains_key(header::AUTHORIZATION) => {
                HttpResponse::build(self.home_page).finish()
            }
            MCP_PATH if String::from_utf8_lossy(body).contains("tools/call") => result(&self.hello),
            MCP_PATH => result(&self.tools),
            _ => HttpResponse::NotFound().finish(),
        }
    }

    fn start(self) -> (ServerHandle, Server) {
        let listener = loopback::listen(0).unwrap();
        let origin = format!("http://{}/", listener.local_addr().unwrap());
        let server = origin.parse().unwrap();
        let running = HttpServer::new(move || {
            let (set_up, origin) = (self.clone(), origin.clone());
            App::new().default_service(web::to(move |request: HttpRequest, body: web::Bytes| {
                let response = set_up.answer(&request, &body, &origin);
                async { response }
            }))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = running.handle();
        tokio::spawn(running);
        (handle, server)
    }

    async fn findings(self, scope: Option<&str>) -> Vec<Finding> {
        let (handle, server) = self.start();
        let findings = server.check(&credentials("token", "key"), scope).await;
        handle.stop(false).await;
        findings
    }
}

fn credentials(token: &str, key: &str) -> Credentials {
    Credentials {
        access_token: Some(token.into()),
        system_key: Some(key.into()),
    }
}

/// Asserts that exactly one check fails, and that its text and its remedy contain these words.
#[track_caller]
fn assert_one_fault(findings: &[Finding], text: &str, remedy: &str) {
    let faults = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Fail);
    assert_eq!(faults.count(), 1, "{findings:#?}");
    assert_found(findings, Verdict::Fail, text, remedy);
}

/// Asserts the same for a correct server after `change`.
async fn assert_fault(change: impl FnOnce(&mut SetUp), text: &str, remedy: &str) {
    let mut set_up = SetUp::right();
    change(&mut set_up);
    assert_one_fault(&set_up.findings(None).await, text, remedy);
}

#[tokio::test]
async fn a_right_set_up_is_all_green() {
    let scope = "api://tenant/app/user_impersonation";
    let findings = SetUp::right().findings(Some(scope)).await;
    assert!(
        findings
            .iter()
            .all(|finding| finding.verdict == Verdict::Ok),
        "{findings:#?}"
    );
    assert_eq!(findings.len(), 8);
}

#[tokio::test]
async fn without_credentials_the_rest_is_said_to_be_unseen() {
    let (handle, server) = SetUp::right().start();
    let findings = server.check(&Credentials::default(), None).await;
    handle.stop(false).await;
    let last = findings.last().unwrap();
    assert_eq!(last.verdict, Verdict::Warn);
    assert!(
        last.to_string()
            .contains("set MCP_ACCESS_TOKEN and MCP_SYSTEM_KEY"),
        "{last}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_found() {
    let (handle, server) = SetUp::right().start();
    handle.stop(false).await;
    let findings = server.check(&Credentials::default(), None).await;
    assert_one_fault(
        &findings,
        "does not answer: no connection",
        "SERVICE_MCP_DEFAULT_HOSTNAME",
    );
}

#[tokio::test]
async fn an_open_server_is_found() {
    assert_fault(
        |it| it.unauthenticated = (StatusCode::OK, None),
        "are let in",
        "azd provision",
    )
    .await;
}

#[tokio::test]
async fn a_redirection_instead_of_a_refusal_is_found() {
    assert_fault(
        |it| it.unauthenticated = (StatusCode::FOUND, None),
        "sent to another page",
        "Return401",
    )
    .await;
}

#[tokio::test]
async fn a_stopped_app_is_found() {
    assert_fault(
        |it| it.unauthenticated = (StatusCode::FORBIDDEN, None),
        "refused with 403",
        "start the function app",
    )
    .await;
}

#[tokio::test]
async fn an_app_that_was_not_deployed_is_found() {
    assert_fault(
        |it| it.unauthenticated = (StatusCode::NOT_FOUND, None),
        "nothing at /runtime",
        "azd deploy",
    )
    .await;
}

#[tokio::test]
async fn an_app_that_crashes_is_found() {
    assert_fault(
        |it| it.unauthenticated = (StatusCode::BAD_GATEWAY, None),
        "does not run",
        "log stream",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_only_the_system_key_guards_is_found() {
    for challenge in [None, Some("Bearer")] {
        assert_fault(
            |it| it.unauthenticated = (StatusCode::UNAUTHORIZED, challenge),
            "not by App Service Authentication",
            "azd provision --no-state",
        )
        .await;
    }
}

#[tokio::test]
async fn a_host_that_cannot_start_is_found() {
    assert_fault(
        |it| {
            it.unauthenticated = (StatusCode::SERVICE_UNAVAILABLE, None);
            it.refusal = "Function host is not running.";
        },
        "Function host is not running.",
        "log stream",
    )
    .await;
    assert_fault(
        |it| {
            it.with_key = (StatusCode::SERVICE_UNAVAILABLE, None);
            it.refusal = "Function host is not running.";
        },
        "Function host is not running.",
        "log stream",
    )
    .await;
}

#[tokio::test]
async fn a_challenge_without_metadata_is_found() {
    let challenge = Some(r#"Bearer realm="r""#);
    assert_fault(
        |it| it.unauthenticated.1 = challenge,
        "not told where",
        "WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES",
    )
    .await;
}

#[tokio::test]
async fn metadata_elsewhere_is_found() {
    let challenge = Some(r#"Bearer resource_metadata="https://elsewhere.example/prm""#);
    assert_fault(
        |it| it.unauthenticated.1 = challenge,
        "elsewhere.example",
        "host name",
    )
    .await;
}

#[tokio::test]
async fn unreadable_metadata_is_found() {
    assert_fault(
        |it| it.resource_metadata = json!("none"),
        "there is no protected resource metadata",
        "WEBSITE_AUTH",
    )
    .await;
}

#[tokio::test]
async fn metadata_of_another_server_is_found() {
    let other = json!("https://other.example/runtime/webhooks/mcp");
    assert_fault(
        |it| it.resource_metadata["resource"] = other,
        "about another server",
        "host name",
    )
    .await;
}

#[tokio::test]
async fn a_missing_scope_is_found() {
    assert_fault(
        |it| it.resource_metadata["scopes_supported"] = json!([]),
        "which scope",
        "identifier URI",
    )
    .await;
}

#[tokio::test]
async fn a_scope_without_its_api_is_found() {
    let bare = json!(["user_impersonation"]);
    assert_fault(
        |it| it.resource_metadata["scopes_supported"] = bare,
        "names no API",
        "<identifier URI>/",
    )
    .await;
}

#[tokio::test]
async fn a_scope_that_the_registration_does_not_have_is_found() {
    let findings = SetUp::right()
        .findings(Some("api://tenant/other/user_impersonation"))
        .await;
    assert_one_fault(
        &findings,
        "but the registration has api://tenant/other",
        "azd provision",
    );
}

#[tokio::test]
async fn an_authority_of_many_tenants_is_found() {
    let common = json!(["https://login.microsoftonline.com/common/v2.0"]);
    assert_fault(
        |it| it.resource_metadata["authorization_servers"] = common,
        "one tenant",
        "openIdIssuer",
    )
    .await;
}

#[tokio::test]
async fn an_authorization_server_without_metadata_is_found() {
    let nowhere = json!(["{origin}nowhere/v2.0"]);
    assert_fault(
        |it| it.resource_metadata["authorization_servers"] = nowhere,
        "404 Not Found",
        "openIdIssuer",
    )
    .await;
}

#[tokio::test]
async fn an_issuer_of_another_name_is_found() {
    assert_fault(
        |it| it.authorization_server["issuer"] = json!("{origin}tenant/v2.0/"),
        "calls itself",
        "openIdIssuer",
    )
    .await;
}

#[tokio::test]
async fn a_missing_sign_in_page_is_found() {
    assert_fault(
        |it| it.sign_in = None,
        "cannot sign in and consent",
        "azureActiveDirectory",
    )
    .await;
}

#[tokio::test]
async fn a_sign_in_page_of_another_authority_is_found() {
    let other = Some("https://login.example/authorize");
    assert_fault(
        |it| it.sign_in = other,
        "leads to https://login.example",
        "openIdIssuer",
    )
    .await;
}

#[tokio::test]
async fn a_sign_in_that_does_not_come_back_is_found() {
    let other = Some(
        "{origin}tenant/oauth2/v2.0/authorize?redirect_uri=https://other.example/.auth&scope=User.Read",
    );
    assert_fault(
        |it| it.sign_in = other,
        "https://other.example/.auth",
        "host name",
    )
    .await;
}

#[tokio::test]
async fn a_sign_in_page_that_asks_for_no_consent_is_told() {
    let mut set_up = SetUp::right();
    set_up.sign_in = Some(
        "{origin}tenant/oauth2/v2.0/authorize?redirect_uri={origin}.auth/login/aad/callback&scope=openid+email",
    );
    let findings = set_up.findings(None).await;
    let warning = findings
        .iter()
        .find(|finding| finding.verdict == Verdict::Warn)
        .unwrap();
    assert!(
        warning.to_string().contains("DELEGATED_PERMISSIONS"),
        "{warning}"
    );
}

#[tokio::test]
async fn a_refused_token_is_found() {
    assert_fault(
        |it| it.with_key = (StatusCode::UNAUTHORIZED, Some(CHALLENGE)),
        "MCP_ACCESS_TOKEN is not accepted",
        "get a new one",
    )
    .await;
}

#[tokio::test]
async fn a_client_that_may_not_call_is_told_from_a_wrong_key() {
    // App Service Authentication refuses it, whatever it asks for, with a key or without.
    assert_fault(
        |it| {
            it.with_key = (StatusCode::FORBIDDEN, None);
            it.home_page = StatusCode::FORBIDDEN;
        },
        "may not call",
        "PRE_AUTHORIZED_CLIENT_IDS",
    )
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_told_from_a_client_that_may_not_call() {
    // The host refuses it, and shows its home page all the same. Some apps have that turned off.
    for home_page in [
        StatusCode::OK,
        StatusCode::NO_CONTENT,
        StatusCode::NOT_FOUND,
    ] {
        assert_fault(
            |it| {
                it.with_key = (StatusCode::FORBIDDEN, None);
                it.home_page = home_page;
            },
            "MCP_SYSTEM_KEY is not accepted",
            "az functionapp keys list",
        )
        .await;
    }
}

#[tokio::test]
async fn a_host_that_is_not_told_who_signed_in_is_found() {
    // Behind sign-in it answers 403; with 401 it knows of no user.
    for challenge in [None, Some("Bearer")] {
        assert_fault(
            |it| it.with_key = (StatusCode::UNAUTHORIZED, challenge),
            "does not learn who has signed in",
            "App Service Authentication",
        )
        .await;
    }
}

#[tokio::test]
async fn an_empty_500_is_found() {
    assert_fault(
        |it| it.with_key = (StatusCode::INTERNAL_SERVER_ERROR, None),
        "500 and an empty body",
        "azure-functions-mcp-extension/issues/",
    )
    .await;
}

/// The findings without a key.
async fn findings_without_key(set_up: SetUp) -> Vec<Finding> {
    let (handle, server) = set_up.start();
    let credentials = Credentials {
        access_token: Some("token".into()),
        system_key: None,
    };
    let findings = server.check(&credentials, None).await;
    handle.stop(false).await;
    findings
}

#[tokio::test]
async fn a_missing_key_is_told() {
    let findings = findings_without_key(SetUp::right()).await;
    let last = findings.last().unwrap();
    assert_eq!(last.verdict, Verdict::Warn);
    assert!(last.to_string().contains("set MCP_SYSTEM_KEY"), "{last}");
}

#[tokio::test]
async fn a_client_that_may_not_call_is_found_without_a_key() {
    let mut set_up = SetUp::right();
    set_up.home_page = StatusCode::FORBIDDEN;
    let findings = findings_without_key(set_up).await;
    assert_one_fault(&findings, "may not call", "PRE_AUTHORIZED_CLIENT_IDS");
}

#[tokio::test]
async fn a_server_without_a_key_gate_is_told() {
    let mut set_up = SetUp::right();
    set_up.without_key.0 = StatusCode::OK;
    for findings in [
        set_up.clone().findings(None).await,
        findings_without_key(set_up).await,
    ] {
        assert_found(
            &findings,
            Verdict::Warn,
            "without the system key are accepted",
            "ANONYMOUS_WEBHOOK",
        );
    }
}

#[tokio::test]
async fn a_key_gate_that_neither_refuses_nor_lets_in_is_found() {
    for status in [
        StatusCode::UNAUTHORIZED,
        StatusCode::NOT_FOUND,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::BAD_GATEWAY,
    ] {
        let text = format!("are answered with {status}, not 403");
        assert_fault(|it| it.without_key.0 = status, &text, "log stream").await;
    }
}

#[tokio::test]
async fn a_server_without_tools_is_found() {
    assert_fault(
        |it| it.tools = json!({ "tools": [] }),
        "no tools",
        "cargo xtask package --check",
    )
    .await;
}

#[tokio::test]
async fn a_tool_that_asks_for_consent_is_found() {
    let answer = json!({
        "content": [{ "type": "text", "text": "Open https://app/.auth/login/aad and accept." }],
        "isError": true,
    });
    assert_fault(
        |it| it.hello = answer,
        "Open https://app/.auth/login/aad",
        "do what it says",
    )
    .await;
}

#[tokio::test]
async fn what_was_not_called_is_told() {
    let mut set_up = SetUp::right();
    set_up.tools = json!({ "tools": [{ "name": "AnotherTool" }] });
    let findings = set_up.findings(None).await;
    assert_found(
        &findings,
        Verdict::Warn,
        "whether the handler runs",
        "call one of your tools",
    );
}

#[tokio::test]
async fn credentials_are_never_shown() {
    let mut set_up = SetUp::right();
    set_up.with_key.0 = StatusCode::FORBIDDEN;
    let (handle, server) = set_up.start();
    for credentials in [
        credentials("secret-token", "secret-key"),
        credentials("secret\ntoken", "secret\nkey"),
    ] {
        let findings = server.check(&credentials, None).await;
        assert!(
            findings
                .iter()
                .all(|finding| !finding.to_string().contains("secret")),
            "{findings:#?}"
        );
    }
    handle.stop(false).await;
}

#[test]
fn a_server_is_named_by_its_root_or_its_endpoint() {
    for url in [
        "https://app.example",
        "https://app.example/",
        "https://app.example/runtime/webhooks/mcp",
    ] {
        assert_eq!(
            url.parse::<Server>().unwrap().at(MCP_PATH).as_str(),
            "https://app.example/runtime/webhooks/mcp"
        );
    }
    for url in [
        "app.example",
        "http://app.example",
        "https://app.example/other",
        "https://app.example/?code=key",
        "",
    ] {
        assert!(url.parse::<Server>().is_err(), "{url}");
    }
}
