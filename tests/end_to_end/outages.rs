//! Entra ID changes its keys, or is away for a while.

use sandbox::faults::{Effect, Endpoint};

use crate::support::App;

#[tokio::test]
async fn calls_go_on_while_the_signing_keys_rotate() {
    let app = App::start().await;
    app.hello("user0").await;
    for user in 1..=30 {
        if user == 10 {
            app.sandbox.cloud().rotate_keys();
        }
        assert!(
            !app.hello(&format!("user{user}")).await.is_error,
            "user{user}"
        );
    }
    assert_eq!(app.requests().keys.total, 2);
}

#[tokio::test]
async fn users_with_a_token_keep_working_while_entra_id_is_down() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    app.hello_from(&ada).await;
    for at in [
        Endpoint::Token,
        Endpoint::Metadata,
        Endpoint::Keys,
        Endpoint::ManagedIdentity,
    ] {
        app.fail(at, Effect::Reset);
    }
    assert!(!app.hello_from(&ada).await.is_error);
    let grace = app.hello("grace").await;
    assert_eq!(
        grace.text,
        "Entra ID is not answering. Please try again in a minute."
    );

    app.sandbox.cloud().faults().clear();
    assert!(!app.hello("grace").await.is_error);
}

#[tokio::test]
async fn a_caller_whose_token_cannot_be_verified_now_is_told_to_wait_and_not_that_it_is_false() {
    for (at, effect) in [
        (Endpoint::Metadata, Effect::Reset),
        (Endpoint::Metadata, Effect::Html),
        (Endpoint::Keys, Effect::Malformed),
        (
            Endpoint::Keys,
            Effect::Status {
                code: 503,
                retry_after: None,
            },
        ),
    ] {
        let app = App::start().await;
        app.fail(at, effect);
        let answer = app.hello("ada").await;
        assert_eq!(
            answer.text,
            "Entra ID is not answering. Please try again in a minute."
        );
        app.sandbox.cloud().faults().clear();
        assert!(!app.hello("ada").await.is_error);
    }
}

#[tokio::test]
async fn a_slow_entra_id_ends_within_the_calls_budget() {
    let app = App::with(|options| {
        options
            .extra_env
            .push(("TOOL_CALL_TIME_BUDGET_SECONDS".into(), "2".into()));
    })
    .await;
    app.fail(
        Endpoint::Token,
        Effect::Delay {
            milliseconds: 30_000,
        },
    );
    let started = std::time::Instant::now();
    let answer = app.hello("ada").await;
    assert!(
        answer.is_error && answer.text.contains("try again"),
        "{}",
        answer.text
    );
    assert!(started.elapsed().as_secs() < 25, "{:?}", started.elapsed());
}
