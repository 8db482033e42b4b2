//! Continuous access evaluation: Microsoft Graph revokes a token, and says which claims a new one needs.

use sandbox::faults::{Effect, Endpoint, Fault};

use crate::support::App;

#[tokio::test]
async fn a_revoked_token_is_exchanged_once_more_with_the_claims_that_graph_demands() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    app.hello_from(&ada).await;
    app.add(Fault::new(Endpoint::Graph, Effect::ClaimsChallenge).person("ada"));
    app.sandbox.cloud().ledger().reset();

    assert!(!app.hello_from(&ada).await.is_error);
    let asked = app.requests();
    assert_eq!((asked.token.total, asked.graph.total), (1, 2));

    // The new token is kept.
    assert!(!app.hello_from(&ada).await.is_error);
    let asked = app.requests();
    assert_eq!((asked.token.total, asked.graph.total), (1, 3));
}

#[tokio::test]
async fn a_user_who_must_act_for_a_new_token_is_told_so() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    app.hello_from(&ada).await;
    app.add(Fault::new(Endpoint::Graph, Effect::ClaimsChallenge).person("ada"));
    app.add(Fault::new(Endpoint::Token, Effect::EntraError { code: 50076 }).person("ada"));

    let answer = app.hello_from(&ada).await;
    assert!(answer.text.contains("sign in again"), "{}", answer.text);
    assert!(!app.hello("grace").await.is_error);
}

#[tokio::test]
async fn concurrent_calls_with_a_revoked_token_share_one_new_exchange() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    app.hello_from(&ada).await;
    app.add(Fault::new(Endpoint::Graph, Effect::ClaimsChallenge).person("ada"));
    app.sandbox.cloud().ledger().reset();

    let calls = (0..50).map(|_| app.hello_from(&ada));
    for answer in futures_util::future::join_all(calls).await {
        assert!(!answer.is_error, "{answer:?}");
    }
    assert_eq!(app.requests().token.total, 1);
}
