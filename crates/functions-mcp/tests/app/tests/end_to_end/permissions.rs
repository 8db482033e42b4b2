//! Permissions that a user consents to later.

use sandbox::faults::{Effect, Endpoint, Fault};

use crate::support::App;

#[tokio::test]
async fn a_token_that_graph_forbids_is_not_kept_so_that_consent_counts_at_once() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    app.hello_from(&ada).await;
    let forbidden = Effect::Status {
        code: 403,
        retry_after: None,
    };
    app.add(
        Fault::new(Endpoint::Graph, forbidden)
            .person("ada")
            .times(1),
    );
    app.sandbox.cloud().ledger().reset();

    assert!(app.hello_from(&ada).await.is_error);
    assert_eq!(app.requests().token.total, 0);
    assert!(!app.hello_from(&ada).await.is_error);
    assert_eq!(app.requests().token.total, 1);
}
