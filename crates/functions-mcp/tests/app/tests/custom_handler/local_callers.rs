//! A local run acts as its developer, so it accepts calls from the developer's machine only.

use serde_json::{Value, json};

use crate::support::{Server, error_text, invocation_over, transport};

async fn echo_with(headers: &Value) -> Value {
    let transport = transport("http-streamable", headers);
    let body = invocation_over(&transport, "Echo", &json!({ "greeting": "hi", "n": 1 }));
    Server::start().await.post("Echo", body).await
}

#[tokio::test]
async fn clients_and_web_pages_of_this_machine_are_served_and_so_is_a_host_that_the_developer_named()
 {
    for headers in [
        json!({ "Host": "localhost:7071" }),
        json!({ "Host": "127.0.0.1:7071", "Origin": "http://localhost:6274" }),
        json!({ "Host": "myapp.azurewebsites.net" }),
    ] {
        let result = echo_with(&headers).await;
        assert_eq!(result["isError"], false, "{headers}: {result}");
    }
}

#[tokio::test]
async fn a_name_that_a_web_page_has_pointed_at_this_machine_is_refused_with_the_setting_that_admits_it()
 {
    for headers in [
        json!({ "Host": "rebound.example:7071" }),
        json!({ "Host": "rebound.example:7071", "Origin": "http://rebound.example:7071" }),
        json!({}),
    ] {
        let result = echo_with(&headers).await;
        let text = error_text(&result);
        assert!(
            text.contains("add the host name to DEVELOPMENT_ALLOWED_HOSTS"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_foreign_web_page_is_refused() {
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
    ] {
        let headers = json!({ "Host": "localhost:7071", "Origin": origin });
        let result = echo_with(&headers).await;
        let text = error_text(&result);
        assert!(
            text.contains(&format!("comes from a web page of {origin:?}")),
            "{text}"
        );
    }
}
