//! The tools act as the user who calls: each user is greeted by name.

use serde_json::json;

use crate::support::{App, greeting};

#[tokio::test]
async fn each_user_is_greeted_by_name_and_email() {
    let app = App::start().await;
    let ada = json!({ "name": "Ada Lovelace", "email": "ada@contoso.example" });
    let grace = json!({ "name": "Grace Hopper", "email": "grace@contoso.example" });
    assert_eq!(
        app.hello("ada").await,
        greeting("Hello, Ada Lovelace (ada@contoso.example)!", ada)
    );
    assert_eq!(
        app.hello("grace").await,
        greeting("Hello, Grace Hopper (grace@contoso.example)!", grace)
    );
}

#[tokio::test]
async fn a_users_first_call_takes_one_exchange_and_the_next_none() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    app.hello_from(&ada).await;
    let first = app.requests();
    assert_eq!(
        (
            first.managed_identity.total,
            first.token.total,
            first.graph.total
        ),
        (1, 1, 1)
    );
    assert_eq!((first.metadata.total, first.keys.total), (1, 1));

    app.hello_from(&ada).await;
    app.hello("grace").await;
    let then = app.requests();
    assert_eq!(
        (
            then.managed_identity.total,
            then.token.total,
            then.graph.total
        ),
        (1, 2, 3)
    );
    assert_eq!((then.metadata.total, then.keys.total), (1, 1));
}

#[tokio::test]
async fn the_tool_is_listed_with_its_schemas() {
    let app = App::start().await;
    let tools = app.client("ada").await.list_all_tools().await.unwrap();
    let hello = tools.iter().find(|tool| tool.name == "HelloTool").unwrap();
    let tool = serde_json::to_value(hello).unwrap();
    assert_eq!(
        tool["inputSchema"],
        json!({ "type": "object", "properties": {}, "required": [] })
    );
    assert_eq!(tool["outputSchema"]["required"], json!(["name"]));
}
