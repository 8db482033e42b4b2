//! Many calls at once.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::support::{App, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_first_calls_of_one_user_make_one_exchange() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    for answer in join_all((0..200).map(|_| app.hello_from(&ada))).await {
        assert_eq!(answer.text, "Hello, Ada Lovelace (ada@contoso.example)!");
    }
    let asked = app.requests();
    assert_eq!((asked.managed_identity.total, asked.token.total), (1, 1));
    assert_eq!((asked.metadata.total, asked.keys.total), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_users_make_fifty_exchanges_and_nobody_is_greeted_as_another() {
    let app = App::start().await;
    let clients = join_all((0..50).map(|user| {
        let app = &app;
        async move { (user, app.client(&format!("user{user}")).await) }
    }))
    .await;
    let calls = (0..20).flat_map(|_| &clients).map(|(user, client)| {
        let app = &app;
        async move { (user, app.hello_from(client).await) }
    });
    for (user, answer) in join_all(calls).await {
        assert_eq!(
            answer.text,
            format!("Hello, User {user} (user{user}@contoso.example)!")
        );
    }
    assert_eq!(app.requests().token.total, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_that_go_away_leave_nobody_waiting() {
    let app = Arc::new(App::start().await);
    let slow = sandbox::faults::Effect::Delay { milliseconds: 500 };
    app.fail(sandbox::faults::Endpoint::Token, slow);
    let ada = Arc::new(app.client("ada").await);
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let (app, ada) = (app.clone(), ada.clone());
            tokio::spawn(async move { app.hello_from(&ada).await })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    for call in calls {
        call.abort();
    }
    let answer = tokio::time::timeout(PATIENCE, app.hello("ada"))
        .await
        .unwrap();
    assert!(!answer.is_error);
}
