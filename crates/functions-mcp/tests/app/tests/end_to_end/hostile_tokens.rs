//! An attacker reaches the handler past App Service Authentication and forges its headers. The handler verifies the
//! token itself, and refuses without an outbound request whatever it can.

use base64::{Engine, prelude::BASE64_STANDARD};
use sandbox::{
    directory::{MCP_CLIENT, OTHER_API, TENANT_ID, VISUAL_STUDIO_CODE},
    tenant::{Signer, TokenSpec},
};
use serde_json::json;

use crate::support::{Answer, App};

async fn start_unguarded() -> App {
    start_unguarded_with(&[]).await
}

async fn start_unguarded_with(settings: &[(&str, &str)]) -> App {
    let app = App::start_with(|options| {
        options.app_service_auth = false;
        let settings = settings.iter();
        options
            .extra_env
            .extend(settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    })
    .await;
    // The first call fetches the tenant's signing keys.
    let token = app.sandbox.cloud().access_token("user0").unwrap();
    assert!(
        !call(
            &app,
            &[("authorization", &format!("Bearer {token}"))],
            TENANT_ID
        )
        .await
        .is_error
    );
    app.sandbox.cloud().ledger().reset();
    app
}

async fn call(app: &App, headers: &[(&str, &str)], tenant: &str) -> Answer {
    let principal = json!({ "auth_typ": "aad", "claims": [{ "typ": "tid", "val": tenant }] });
    let principal = BASE64_STANDARD.encode(principal.to_string());
    let headers: Vec<_> = headers
        .iter()
        .copied()
        .chain([("x-ms-client-principal", principal.as_str())])
        .collect();
    app.hello_from(&app.client_with(&headers).await).await
}

/// Forges a token from Ada's.
type Forgery = fn(TokenSpec) -> TokenSpec;

/// Forgeries, each with the outcome in the log.
fn forgeries() -> Vec<(&'static str, Forgery)> {
    vec![
        ("token_refused", |token| token.signed_by(Signer::Nobody)),
        ("token_refused", |token| {
            token.signed_by(Signer::PublicKeyAsSecret)
        }),
        ("token_refused", |token| token.signed_by(Signer::Stranger)),
        ("token_refused", |token| token.header("typ", "at+jwt")),
        ("token_refused", |token| token.header("alg", "RS512")),
        ("token_refused", |token| {
            token.header("crit", json!(["exp"]))
        }),
        ("token_refused", |token| {
            token.claim("iss", "https://sts.windows.net/x/")
        }),
        ("token_refused", |token| token.claim("tid", "common")),
        ("token_refused", |token| token.claim("tid", "../../common")),
        ("tenant_not_allowed", |token| {
            token.claim("tid", "99999999-7d34-4e8a-9a61-0b8d3f6c2e15")
        }),
        ("token_refused", |token| {
            token.claim("nbf", 99_999_999_999_u64)
        }),
        ("token_refused", |token| token.claim("scp", "other_scope")),
        ("token_refused", |token| token.claim("exp", u64::MAX)),
        ("token_expired", |token| token.expires_in(-120)),
        ("wrong_audience", |token| {
            token.claim("aud", OTHER_API.client_id)
        }),
        ("token_refused", |token| {
            token.claim("aud", json!(["a", "b"]))
        }),
        ("app_only_caller", |token| token.app_only()),
        ("app_only_caller", |token| token.without("scp")),
    ]
}

#[tokio::test]
async fn forged_and_unfit_tokens_are_refused_without_a_request() {
    let app = start_unguarded().await;
    let cloud = app.sandbox.cloud();
    for (index, (class, forge)) in forgeries().into_iter().enumerate() {
        let token = cloud.sign(forge(cloud.access_token_spec("ada").unwrap()));
        let headers = [("authorization", format!("Bearer {token}"))];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        assert!(
            call(&app, &headers, TENANT_ID).await.is_error,
            "forgery {index}"
        );
        app.log_line(class).await;
    }
    assert_eq!(app.requests().total(), 0);
}

#[tokio::test]
async fn headers_that_lie_or_contradict_are_refused_without_a_request() {
    let app = start_unguarded().await;
    let token = app.sandbox.cloud().access_token("ada").unwrap();
    let bearer = format!("Bearer {token}");
    let twice = format!("Bearer {token},Bearer {token}");
    let other_tenant = "99999999-7d34-4e8a-9a61-0b8d3f6c2e15";
    for (headers, tenant) in [
        (&[("authorization", bearer.as_str())][..], other_tenant),
        (&[("authorization", &bearer)], "common/oauth2/v2.0/token?"),
        (&[("authorization", &twice)], TENANT_ID),
        (&[("authorization", "Bearer ..")], TENANT_ID),
        (&[("authorization", "Basic dTpw")], TENANT_ID),
        (&[], TENANT_ID),
    ] {
        assert!(call(&app, headers, tenant).await.is_error, "{tenant}");
    }
    assert_eq!(app.requests().total(), 0);
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_looked_up_once_and_then_refused_without_a_request() {
    let app = start_unguarded().await;
    let cloud = app.sandbox.cloud();
    for attempt in 0..20 {
        let token = cloud
            .access_token_spec("ada")
            .unwrap()
            .header("kid", format!("unknown{attempt}"));
        let bearer = format!("Bearer {}", cloud.sign(token));
        assert!(
            call(&app, &[("authorization", &bearer)], TENANT_ID)
                .await
                .is_error
        );
    }
    let asked = app.requests();
    assert_eq!(
        (asked.keys.total, asked.token.total, asked.graph.total),
        (1, 0, 0)
    );
}

#[tokio::test]
async fn the_first_token_for_this_app_counts_and_others_are_passed_over() {
    let app = start_unguarded().await;
    let cloud = app.sandbox.cloud();
    let sign = |token: TokenSpec| cloud.sign(token);
    let ada = sign(cloud.access_token_spec("ada").unwrap());
    let grace = sign(cloud.access_token_spec("grace").unwrap());
    let for_another_app = sign(
        cloud
            .access_token_spec("grace")
            .unwrap()
            .claim("aud", OTHER_API.client_id),
    );
    for other in [&for_another_app, "opaque"] {
        let other = format!("Bearer {other}");
        let headers = [
            ("authorization", other.as_str()),
            ("x-ms-token-aad-access-token", &ada),
        ];
        assert!(
            call(&app, &headers, TENANT_ID)
                .await
                .text
                .contains("Ada Lovelace")
        );
    }
    let bearer = format!("bearer {ada}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-ms-token-aad-access-token", &grace),
    ];
    assert!(
        call(&app, &headers, TENANT_ID)
            .await
            .text
            .contains("Ada Lovelace")
    );
    // A genuine second token does not make up for a forged first one.
    let forged = sign(
        cloud
            .access_token_spec("ada")
            .unwrap()
            .signed_by(Signer::Stranger),
    );
    let forged = format!("Bearer {forged}");
    let headers = [
        ("authorization", forged.as_str()),
        ("x-ms-token-aad-access-token", &grace),
    ];
    assert!(call(&app, &headers, TENANT_ID).await.is_error);
}

#[tokio::test]
async fn an_id_token_counts_where_a_setting_says_so_and_app_service_puts_it_and_nowhere_else() {
    let app = start_unguarded_with(&[("ACCEPT_ID_TOKENS", "true")]).await;
    let cloud = app.sandbox.cloud();
    let spec = || cloud.access_token_spec("ada").unwrap();
    let id_token = cloud.sign(spec().without("scp").without("azp"));
    // The sandbox's Entra ID exchanges access tokens only: this token passes the handler's checks and is refused there.
    let headers = [("x-ms-token-aad-id-token", id_token.as_str())];
    assert!(call(&app, &headers, TENANT_ID).await.is_error);
    assert_eq!(app.requests().token.total, 1);

    let bearer = format!("Bearer {id_token}");
    assert!(
        call(&app, &[("authorization", &bearer)], TENANT_ID)
            .await
            .is_error
    );
    let of_an_app = cloud.sign(spec().without("scp"));
    let headers = [("x-ms-token-aad-id-token", of_an_app.as_str())];
    assert!(call(&app, &headers, TENANT_ID).await.is_error);
    assert_eq!(app.requests().token.total, 1);
}

#[tokio::test]
async fn an_id_token_is_no_proof_unless_a_setting_says_so() {
    let app = start_unguarded().await;
    let cloud = app.sandbox.cloud();
    let ada = cloud.access_token_spec("ada").unwrap();
    let id_token = cloud.sign(ada.without("scp").without("azp"));
    let headers = [("x-ms-token-aad-id-token", id_token.as_str())];
    assert!(call(&app, &headers, TENANT_ID).await.is_error);
    app.log_line("not_signed_in").await;
    assert_eq!(app.requests().total(), 0);
}

#[tokio::test]
async fn a_client_that_is_not_on_the_list_is_refused_without_a_request() {
    let clients = format!("{}, {}", OTHER_API.client_id, VISUAL_STUDIO_CODE.client_id);
    let app = start_unguarded_with(&[("ALLOWED_CLIENT_APPLICATIONS", &clients)]).await;
    let cloud = app.sandbox.cloud();
    let of = |client: &str| {
        let ada = cloud.access_token_spec("ada").unwrap();
        format!("Bearer {}", cloud.sign(ada.claim("azp", client)))
    };
    let stranger = of(MCP_CLIENT.client_id);
    let refused = call(&app, &[("authorization", &stranger)], TENANT_ID).await;
    assert_eq!(
        refused.text,
        "Your MCP client may not use this server. Use another client, or ask whoever runs this server to admit it."
    );
    app.log_line("client_not_allowed").await;
    assert_eq!(app.requests().total(), 0);
    let known = of(VISUAL_STUDIO_CODE.client_id);
    assert!(
        !call(&app, &[("authorization", &known)], TENANT_ID)
            .await
            .is_error
    );
}

#[tokio::test]
async fn a_token_for_the_endpoint_is_for_this_app() {
    let app = start_unguarded().await;
    let cloud = app.sandbox.cloud();
    let endpoint = app.sandbox.mcp_url().to_owned();
    let origin = endpoint.replace("/runtime/webhooks/mcp", "");
    for (index, audience) in [endpoint, origin].into_iter().enumerate() {
        let token = cloud
            .access_token_spec("ada")
            .unwrap()
            .claim("aud", audience);
        let bearer = format!("Bearer {}", cloud.sign(token));
        call(&app, &[("authorization", &bearer)], TENANT_ID).await;
        // The handler accepts the token, and Entra ID decides about the exchange.
        assert_eq!(app.requests().token.total, index as u64 + 1);
    }
}
