//! Outbound HTTP: the rules for every request to Entra ID, Microsoft Graph and the managed identity endpoint.
//!
//! - https, or plain http to this machine itself and to the [`IdentityEndpoint`]; no redirects; bodies up to
//!   [`MAX_BODY`].
//! - Only https goes through the proxy that the environment names: a proxy would read plain http.
//! - A request may take [`HOP_TIMEOUT`] and never longer than what its tool call has left. What a fetch gets is for
//!   other calls too, so it has [`SHARED_FETCH_TIME`], whatever the call that started it has left.
//! - One retry after a broken connection or a 500, 502, 503 or 504, after a short random pause; after a `Retry-After`
//!   (also of a 429) when that fits into what is left.
//!
//! Every request sent through here must be safe to repeat.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{
    Client, Request, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    redirect,
};

use crate::endpoint::{IdentityEndpoint, is_confidential};

/// The largest body that is read, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// How long one request may take.
pub const HOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a fetch may take that several calls wait for.
pub const SHARED_FETCH_TIME: Duration = HOP_TIMEOUT.saturating_mul(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time that must be left for a retry.
const LEAST_TIME_FOR_A_RETRY: Duration = Duration::from_millis(500);
const RETRY_PAUSE_MS: std::ops::Range<u64> = 50..250;

/// The process's HTTP clients. Clones share connections.
#[derive(Clone, Debug)]
pub struct HttpClients(Arc<LazyLock<Option<Clients>>>);

#[derive(Debug)]
struct Clients {
    https: Client,
    /// It uses no proxy and no certificates.
    plain_http: Client,
}

impl HttpClients {
    /// Clients that are made on first use, since reading the system's root certificates takes longer than anything else
    /// at the start.
    pub fn lazy() -> Self {
        Self(Arc::new(LazyLock::new(|| {
            let provider = rustls::crypto::ring::default_provider();
            // It fails only when a default provider is installed already.
            let _ = provider.install_default();
            Clients::new()
                .inspect_err(|error| {
                    tracing::error!(%error, "no outbound requests are possible: check the system's root certificates");
                })
                .ok()
        })))
    }

    /// Makes the clients now instead of in the first call.
    pub fn warm_up(&self) {
        LazyLock::force(&self.0);
    }

    /// HTTP for a tool call that may take `time` from now.
    pub fn for_call(&self, time: Duration) -> Http {
        Http {
            clients: self.clone(),
            budget: Arc::new(Budget::new(time)),
        }
    }
}

impl Clients {
    fn new() -> reqwest::Result<Self> {
        let client = || {
            Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .redirect(redirect::Policy::none())
        };
        Ok(Self {
            https: client().https_only(true).build()?,
            plain_http: client().no_proxy().tls_certs_only([]).build()?,
        })
    }
}

/// HTTP for one tool call, or for one fetch that several of them wait for: the clients, and what the call may spend.
///
/// Clones spend the same time, and count the same requests.
#[derive(Clone, Debug)]
pub struct Http {
    clients: HttpClients,
    budget: Arc<Budget>,
}

/// The time that a call may take, and the requests that it has sent.
#[derive(Debug)]
struct Budget {
    deadline: Instant,
    requests: AtomicU32,
    /// For a fetch: the call that started it.
    started_by: Option<Arc<Budget>>,
}

impl Budget {
    fn new(time: Duration) -> Self {
        Self {
            deadline: Instant::now() + time,
            requests: AtomicU32::new(0),
            started_by: None,
        }
    }

    fn count_request(&self) {
        match &self.started_by {
            Some(call) => call.count_request(),
            None => {
                self.requests.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// An answer, read to its end.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The wait that the server asks for, when it is given in seconds
    /// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        seconds.trim().parse().ok().map(Duration::from_secs)
    }

    /// The wait that a 429 asks of this user; the server answers others meanwhile.
    pub fn throttled_for(&self) -> Option<Duration> {
        self.retry_after()
            .filter(|_| self.status == StatusCode::TOO_MANY_REQUESTS)
    }

    /// Whether the server is overloaded or broken, rather than refusing the request.
    pub fn is_unavailable(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    fn retry_pause(&self) -> Option<Duration> {
        match self.status.as_u16() {
            429 => self.retry_after(),
            500 | 502 | 503 | 504 => Some(self.retry_after().unwrap_or_else(short_pause)),
            _ => None,
        }
    }
}

/// Why no answer came. Holds no URL: a query may be confidential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The URL is plain http to a host for which it is not allowed.
    #[error("refused to send over plain http")]
    Insecure,
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

impl Http {
    /// HTTP, from now, for a fetch that this call starts and others may wait for.
    pub fn for_shared_fetch(&self) -> Self {
        Self {
            clients: self.clients.clone(),
            budget: Arc::new(Budget {
                started_by: Some(self.budget.clone()),
                ..Budget::new(SHARED_FETCH_TIME)
            }),
        }
    }

    /// The time that is left.
    pub fn remaining(&self) -> Duration {
        self.budget
            .deadline
            .saturating_duration_since(Instant::now())
    }

    /// Requests sent so far, retries included: those of the call itself, and of the fetches that it started. What
    /// other calls fetch, and this one waits for, counts for them.
    pub fn requests(&self) -> u32 {
        self.budget.requests.load(Ordering::Relaxed)
    }

    /// Sends `request`, which must be safe to repeat, by the rules of this module.
    pub async fn send(&self, request: Request) -> Result<Reply, SendError> {
        if !is_confidential(request.url()) {
            return Err(SendError::Insecure);
        }
        self.send_unchecked(request).await
    }

    /// As [`send`](Self::send), to `endpoint` and nowhere else.
    pub async fn send_to_identity_endpoint(
        &self,
        endpoint: &IdentityEndpoint,
        request: Request,
    ) -> Result<Reply, SendError> {
        if !endpoint.is_at(request.url()) {
            return Err(SendError::Insecure);
        }
        self.send_unchecked(request).await
    }

    async fn send_unchecked(&self, request: Request) -> Result<Reply, SendError> {
        let clients = (**self.clients.0).as_ref().ok_or(SendError::Unreachable)?;
        let client = match request.url().scheme() {
            "https" => &clients.https,
            _ => &clients.plain_http,
        };
        let repetition = request.try_clone();
        let outcome = self.send_once(client, request).await;
        let pause = match &outcome {
            Ok(reply) => reply.retry_pause(),
            Err(SendError::Unreachable | SendError::Broken) => Some(short_pause()),
            Err(_) => None,
        };
        match (repetition, pause) {
            (Some(request), Some(pause))
                if pause.saturating_add(LEAST_TIME_FOR_A_RETRY) <= self.remaining() =>
            {
                tokio::time::sleep(pause).await;
                self.send_once(client, request).await
            }
            _ => outcome,
        }
    }

    async fn send_once(&self, client: &Client, mut request: Request) -> Result<Reply, SendError> {
        let timeout = self.remaining().min(HOP_TIMEOUT);
        if timeout.is_zero() {
            return Err(SendError::TimedOut);
        }
        *request.timeout_mut() = Some(timeout);
        self.budget.count_request();
        let mut response = client.execute(request).await.map_err(SendError::from)?;
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

fn short_pause() -> Duration {
    Duration::from_millis(fastrand::u64(RETRY_PAUSE_MS))
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    /// Sends a request to a server that answers one connection after the other with `answers`, and then no more.
    async fn sent_to(answers: &[&str], http: &Http) -> Result<Reply, SendError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answers: Vec<_> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let server = tokio::spawn(async move {
            for answer in answers {
                let (mut connection, _) = listener.accept().await.unwrap();
                let _ = connection.read(&mut [0; 4096]).await;
                let _ = connection.write_all(answer.as_bytes()).await;
            }
            std::future::pending::<()>().await;
        });
        let reply = http
            .send(Request::new(Method::GET, url.parse().unwrap()))
            .await;
        server.abort();
        reply
    }

    fn http(time: Duration) -> Http {
        HttpClients::lazy().for_call(time)
    }

    fn http_with_time() -> Http {
        http(Duration::from_secs(20))
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let http = http_with_time();
        let elsewhere = "HTTP/1.1 307 Elsewhere\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
        let reply = sent_to(&[elsewhere, OK], &http).await.unwrap();
        assert_eq!((reply.status.as_u16(), http.requests()), (307, 1));
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_limit_is_not_read() {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            MAX_BODY + 1
        );
        let answer = head + &" ".repeat(MAX_BODY + 1);
        assert_eq!(
            sent_to(&[&answer], &http_with_time()).await.err(),
            Some(SendError::TooLarge)
        );
    }

    #[tokio::test]
    async fn a_broken_connection_and_a_busy_server_are_tried_once_more() {
        for first in ["", BUSY] {
            let http = http_with_time();
            let reply = sent_to(&[first, OK], &http).await.unwrap();
            assert_eq!((reply.body.as_slice(), http.requests()), (&b"ok"[..], 2));

            let reply = sent_to(&[BUSY, BUSY, OK], &http).await.unwrap();
            assert_eq!((reply.status.as_u16(), http.requests()), (503, 4));
        }
    }

    #[tokio::test]
    async fn nothing_is_repeated_when_no_time_is_left_for_it() {
        let http = http(LEAST_TIME_FOR_A_RETRY);
        let reply = sent_to(&[BUSY, OK], &http).await.unwrap();
        assert_eq!((reply.status.as_u16(), http.requests()), (503, 1));

        for seconds in [60, u64::MAX] {
            let http = http_with_time();
            let head =
                format!("HTTP/1.1 429 Slow\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n");
            let reply = sent_to(&[&head, OK], &http).await.unwrap();
            assert_eq!(reply.retry_after(), Some(Duration::from_secs(seconds)));
            assert_eq!(http.requests(), 1);
        }
    }

    #[tokio::test]
    async fn a_server_that_never_answers_takes_no_longer_than_the_call_has_left() {
        let http = http(Duration::from_millis(300));
        assert_eq!(sent_to(&[], &http).await.err(), Some(SendError::TimedOut));
        assert_eq!(sent_to(&[OK], &http).await.err(), Some(SendError::TimedOut));
        assert_eq!(http.requests(), 1);
    }

    #[tokio::test]
    async fn a_shared_fetch_has_its_own_time_and_counts_for_the_call_that_started_it() {
        let call = http(Duration::ZERO);
        let fetch = call.for_shared_fetch();
        let nested = fetch.for_shared_fetch();
        for http in [&fetch, &nested] {
            let reply = sent_to(&[OK], http).await.unwrap();
            assert_eq!(reply.status, StatusCode::OK);
        }
        assert_eq!(call.requests(), 2);
    }

    #[tokio::test]
    async fn plain_http_goes_to_a_link_local_address_for_the_identity_endpoint_alone() {
        // Nothing is sent: a call without time has no request to spend.
        let http = http(Duration::ZERO);
        let endpoint: IdentityEndpoint = "http://169.254.255.2:8081/msi/token".parse().unwrap();
        let request = |url: &str| Request::new(Method::GET, url.parse().unwrap());
        for (url, outcome) in [
            (
                "http://169.254.255.2:8081/msi/token?resource=a",
                SendError::TimedOut,
            ),
            ("http://169.254.255.2:8081/msi/", SendError::Insecure),
            ("http://169.254.255.2/msi/token", SendError::Insecure),
            ("http://169.254.169.254/msi/token", SendError::Insecure),
            ("https://169.254.255.2:8081/msi/token", SendError::Insecure),
        ] {
            let reply = http
                .send_to_identity_endpoint(&endpoint, request(url))
                .await;
            assert_eq!(reply.err(), Some(outcome), "{url}");
            if url.starts_with("http:") {
                let reply = http.send(request(url)).await;
                assert_eq!(reply.err(), Some(SendError::Insecure), "{url}");
            }
        }
    }
}
