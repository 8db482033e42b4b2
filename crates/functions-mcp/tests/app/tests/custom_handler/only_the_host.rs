//! The handler's port answers only the Functions host: no web page, and no request for another host name.

use serde_json::json;

use crate::support::{Server, invocation};

const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

/// The statuses of a call and of a probe with these headers.
async fn statuses(server: &Server, headers: &str) -> [String; 2] {
    let body = invocation("Echo", &json!({ "greeting": "hi", "n": 1 }));
    let call = format!("POST /Echo HTTP/1.1\r\n{headers}");
    let probe = format!("GET / HTTP/1.1\r\n{headers}");
    let answers = [
        server.send(&call, &body).await,
        server.send(&probe, "").await,
    ];
    answers.map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn what_the_host_sends_is_answered() {
    let server = Server::start().await;
    let host = format!("Host: {}\r\n", server.address());
    for headers in [
        format!("{host}{JSON}"),
        format!("{host}content-type: application/JSON\r\n"),
        format!(
            "{host}{JSON}User-Agent: Azure-Functions-Host/4.1037.0.0\r\ntraceparent: 00-0-0-00\r\n"
        ),
    ] {
        assert_eq!(
            statuses(&server, &headers).await,
            ["200", "200"],
            "{headers}"
        );
    }
}

#[tokio::test]
async fn another_name_is_refused_and_so_is_whatever_a_browser_sends() {
    let server = Server::start().await;
    let address = server.address();
    let port = address.split(':').next_back().unwrap();
    for headers in [
        "Host: 127.0.0.1\r\n".to_owned(),
        format!("Host: localhost:{port}\r\n"),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: {address}.evil.example\r\n"),
        format!("Host: evil.example\r\nX-Forwarded-Host: {address}\r\n"),
        format!("Host: {address}\r\nOrigin: http://{address}\r\n"),
        format!("Host: {address}\r\nOrigin: null\r\n"),
        format!("Host: {address}\r\nSec-Fetch-Site: same-origin\r\n"),
        format!("Host: {address}\r\nSec-Fetch-Site: none\r\n"),
    ] {
        let answers = statuses(&server, &format!("{headers}{JSON}")).await;
        assert_eq!(answers, ["403", "403"], "{headers}");
    }
}

#[tokio::test]
async fn a_call_that_is_not_json_is_refused() {
    let server = Server::start().await;
    let host = format!("Host: {}\r\n", server.address());
    for content_type in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: text/plain; application/json\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=b\r\n",
        "Content-Type: application/jsonp\r\n",
    ] {
        let answers = statuses(&server, &format!("{host}{content_type}")).await;
        assert_eq!(answers, ["415", "200"], "{content_type}");
    }
}
