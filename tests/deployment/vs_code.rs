//! `.vscode/mcp.json`, by which VS Code connects to the server.

use std::collections::BTreeSet;

use serde_json::{Value, json};

fn mcp_json() -> Value {
    serde_json::from_str(&crate::read(".vscode/mcp.json")).unwrap()
}

#[test]
fn there_is_a_remote_and_a_local_server() {
    let servers = &mcp_json()["servers"];
    assert_eq!(
        servers["remote-mcp-function"],
        json!({
            "type": "http",
            "url": "https://${input:functionapp-host}/runtime/webhooks/mcp",
            "headers": { "x-functions-key": "${input:functions-mcp-extension-system-key}" }
        })
    );
    assert_eq!(
        servers["local-mcp-function"],
        json!({ "type": "http", "url": "http://localhost:7071/runtime/webhooks/mcp" })
    );
    assert_eq!(servers.as_object().unwrap().len(), 2);
}

#[test]
fn vs_code_asks_for_each_input_and_hides_the_key() {
    let mcp_json = mcp_json();
    let servers = mcp_json["servers"].to_string();
    let used: BTreeSet<_> = servers
        .split("${input:")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        .collect();
    let inputs = mcp_json["inputs"].as_array().unwrap();
    let asked: BTreeSet<_> = inputs
        .iter()
        .map(|input| input["id"].as_str().unwrap())
        .collect();
    assert_eq!(asked, used);
    for input in inputs {
        assert_eq!(input["type"], "promptString");
        assert!(input["description"].is_string());
        let is_key = input["id"].as_str().unwrap().ends_with("key");
        assert_eq!(input["password"] == true, is_key, "{input}");
    }
}
