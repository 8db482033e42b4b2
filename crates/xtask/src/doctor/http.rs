//! The requests of the doctor.
//!
//! - https, or plain http to this machine itself; no redirects; bodies up to [`MAX_BODY`].
//! - Only https goes through the proxy that the environment names: a proxy would read plain http.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Request, StatusCode, Url, header::HeaderMap, redirect};

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// How long an answer may take: an app that sleeps must wake up first.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Why no answer came. Holds no URL: a query may be confidential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The URL is plain http to another machine.
    #[error("refused to send over plain http")]
    Insecure,
    /// The client cannot be made: it finds no certificates to trust.
    #[error("this machine's root certificates cannot be read")]
    NoClient,
    /// No connection could be made.
    #[error("no connection")]
    Unreachable,
    /// The connection broke before the answer's end.
    #[error("connection broken")]
    Broken,
    /// The answer did not come in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer's body is larger than [`MAX_BODY`].
    #[error("answer too large")]
    TooLarge,
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Broken
        }
    }
}

/// Whether a token may be sent to `url`: over https, or to this machine itself.
pub fn is_confidential(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(is_loopback),
        _ => false,
    }
}

/// Whether the host of a URL is this machine itself. URLs have IPv6 addresses in brackets.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Sends `request` by the rules of this module.
pub async fn send(request: Request) -> Result<Reply, SendError> {
    if !is_confidential(request.url()) {
        return Err(SendError::Insecure);
    }
    let client = client(request.url()).map_err(|_| SendError::NoClient)?;
    let mut response = client.execute(request).await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(SendError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

/// The client for requests to `url`.
fn client(url: &Url) -> reqwest::Result<Client> {
    // It fails only when a default was installed before, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none());
    match url.scheme() {
        "https" => client.https_only(true).build(),
        _ => client.no_proxy().tls_certs_only([]).build(),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn get(url: &str) -> Result<Reply, SendError> {
        send(Request::new(Method::GET, url.parse().unwrap())).await
    }

    /// What comes of a request to a server that writes `answer` to each connection and closes it.
    async fn sent_to(answer: String) -> Result<Reply, SendError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let _ = connection.read(&mut [0; 4096]).await;
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        });
        let reply = get(&url).await;
        server.abort();
        reply
    }

    fn answer(status: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nlocation: /\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    }

    #[tokio::test]
    async fn an_answer_is_given_as_it_came() {
        let reply = sent_to(answer("404 Not Found", "nothing")).await.unwrap();
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(reply.headers["location"], "/");
        assert_eq!(reply.body, b"nothing");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let reply = sent_to(answer("307 Elsewhere", "")).await.unwrap();
        assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_limit_is_not_read() {
        let largest = sent_to(answer("200 OK", &" ".repeat(MAX_BODY))).await;
        assert_eq!(largest.unwrap().body.len(), MAX_BODY);
        let larger = sent_to(answer("200 OK", &" ".repeat(MAX_BODY + 1))).await;
        assert_eq!(larger.err(), Some(SendError::TooLarge));
    }

    #[tokio::test]
    async fn it_is_told_why_no_answer_came() {
        assert_eq!(sent_to(String::new()).await.err(), Some(SendError::Broken));
        let port = sandbox::loopback::free_port().unwrap();
        let nobody = get(&format!("http://127.0.0.1:{port}/?code=secret")).await;
        assert_eq!(nobody.err(), Some(SendError::Unreachable));
        let insecure = get("http://mcp.example/?code=secret").await;
        assert_eq!(insecure.err(), Some(SendError::Insecure));
    }

    #[test]
    fn tokens_go_over_https_or_stay_on_this_machine() {
        for (url, confidential) in [
            ("https://func-mcp.azurewebsites.net/", true),
            ("http://127.0.0.1:7071/", true),
            ("http://127.8.9.1/", true),
            ("http://[::1]:7071/", true),
            ("http://LocalHost:7071/", true),
            ("http://func-mcp.azurewebsites.net/", false),
            ("http://127.0.0.1.example/", false),
            ("http://localhost.example/", false),
            ("http://169.254.169.254/", false),
            ("ftp://127.0.0.1/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(is_confidential(&url), confidential, "{url}");
        }
    }
}
