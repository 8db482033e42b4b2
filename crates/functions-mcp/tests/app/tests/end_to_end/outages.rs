//! Entra ID rotates its signing keys, or is down for a while.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use sandbox::faults::{Effect, Endpoint};

use crate::support::{App, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_while_the_signing_keys_rotate() {
    const CALLERS: usize = 8;
    let app = App::start().await;
    let rotated = AtomicBool::new(false);
    // Each caller calls as one new user after another, so that every call verifies a new token.
    let caller = async |caller: usize| {
        let mut calls_after = 0;
        for user in (caller..).step_by(CALLERS) {
            let after = rotated.load(Ordering::Relaxed);
            let answer = app.hello(&format!("user{user}")).await;
            assert!(!answer.is_error, "user{user}: {}", answer.text);
            calls_after += usize::from(after);
            if calls_after == 5 {
                break;
            }
        }
    };
    let rotation = async {
        wait_until(async || app.requests().graph.total > 20).await;
        app.sandbox.cloud().rotate_keys();
        rotated.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all((0..CALLERS).map(caller)), rotation);
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
    let app = App::start_with(|options| {
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

#[tokio::test]
async fn what_takes_longer_to_fetch_than_a_call_may_last_is_there_for_the_next() {
    let app = App::start_with(|options| {
        options
            .extra_env
            .push(("TOOL_CALL_TIME_BUDGET_SECONDS".into(), "1".into()));
    })
    .await;
    for at in [
        Endpoint::Metadata,
        Endpoint::ManagedIdentity,
        Endpoint::Token,
    ] {
        app.fail(at, Effect::Delay { milliseconds: 1500 });
    }
    let ada = app.client("ada").await;
    let first = app.hello_from(&ada).await;
    assert!(first.text.contains("try again"), "{}", first.text);
    wait_until(async || !app.hello_from(&ada).await.is_error).await;
    let asked = app.requests();
    let once = [
        &asked.metadata,
        &asked.keys,
        &asked.managed_identity,
        &asked.token,
    ];
    assert_eq!(once.map(|requests| requests.total), [1; 4]);
}
