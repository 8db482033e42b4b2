//! The envelope of a call, in every form that the host may send.

use serde_json::json;

use crate::support::{Server, transport};

const EXAMPLE_A: &str = include_str!("../fixtures/envelope-a.json");
const EXAMPLE_B: &str = include_str!("../fixtures/envelope-b.json");

#[tokio::test]
async fn the_hosts_own_envelopes_are_read() {
    let server = Server::start().await;
    let place = server.post("WhereAmI", EXAMPLE_A).await;
    assert_eq!(place["structuredContent"]["session"], "Q29uc2lkZXI_ZmFrZQ");

    let echo = server.post("Echo", EXAMPLE_B).await;
    let arguments = json!({ "greeting": "hi", "n": 3, "nested": { "a": [1] } });
    assert_eq!(echo["structuredContent"], arguments);
}

#[tokio::test]
async fn a_chunked_body_is_read_like_one_with_a_length() {
    let server = Server::start().await;
    let chunks = EXAMPLE_B
        .as_bytes()
        .chunks(100)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks.collect::<Vec<_>>()));
    let echo = server.post("Echo", body).await;
    assert_eq!(echo["content"][0]["text"], "hihihi");
}

#[tokio::test]
async fn the_payload_may_be_encoded_not_at_all_once_or_twice() {
    let server = Server::start().await;
    let transport = transport("http-streamable", &json!({ "Host": "localhost" }));
    let payload = json!({ "name": "WhereAmI", "sessionid": "s", "transport": transport });
    let once = json!(payload.to_string());
    let twice = json!(once.to_string());
    for value in [payload, once, twice] {
        let body = json!({ "Data": { "mcpTrigger": value, "other": "binding" } }).to_string();
        let place = server.post("WhereAmI", body).await;
        assert_eq!(place["structuredContent"]["session"], "s");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_the_end_of_its_first_data() {
    let server = Server::start().await;
    let transport = transport("http-streamable", &json!({ "Host": "localhost" }));
    let call = json!({ "name": "WhereAmI", "sessionid": "s", "transport": transport });
    let data = format!("\"Data\":{{\"mcpTrigger\":{call}}}");
    for body in [
        format!("{{{data}"),
        format!("{{{data},\"Metadata\":]"),
        format!("{{{data},\"Data\":{{}}}}"),
        format!("{{{data}}}\""),
        format!("{{\"Metadata\":{{\"Data\":{{}}}},{data}}}"),
    ] {
        let place = server.post("WhereAmI", body).await;
        assert_eq!(place["structuredContent"]["session"], "s");
    }
}

#[tokio::test]
async fn a_call_may_have_megabytes_of_arguments() {
    let server = Server::start().await;
    let echo = server
        .call("Echo", json!({ "greeting": "x".repeat(3_000_000), "n": 1 }))
        .await;
    assert_eq!(
        echo["content"][0]["text"].as_str().unwrap().len(),
        3_000_000
    );
}
