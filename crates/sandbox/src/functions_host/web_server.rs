//! Kestrel, the host's web server, where clients and handlers can distinguish it from actix-web: it keeps the spelling
//! and the order of headers, and has limits of its own.
//!
//! Source: recordings `headers`; measured limits of the front end.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage as _, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, HOST},
    },
    middleware::Next,
    rt::net::{ActixStream, Ready, TcpStream},
    web::{self, Bytes},
};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::headers::Headers;
use crate::loopback;

/// The most bytes that all headers of a request may have.
const MAX_HEADERS_SIZE: usize = 32 * 1024;

/// The most headers that a request may have.
const MAX_HEADERS: usize = 100;

/// The largest body that a request may have, in bytes.
pub(super) const MAX_BODY: usize = 100 * 1024 * 1024;

/// More than any head that actix-web reads.
const MAX_HEAD: usize = 256 * 1024;

/// The head of a request as the client wrote it.
#[derive(Clone, Debug, Default)]
struct Head {
    /// Bytes of all header lines.
    size: usize,
    headers: Vec<(String, Vec<u8>)>,
}

/// The heads that were received on a connection and not yet taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads(Arc<Mutex<VecDeque<Head>>>);

/// Whether requests for any host name are answered, as in Azure. Otherwise only those for this machine's own names are
/// answered, which keeps out web pages whose name was rebound to this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswersAnyHost(pub bool);

/// Refuses what Kestrel refuses before the request is handled, and foreign host names.
pub(super) async fn limit(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let head = request
        .conn_data::<Heads>()
        .and_then(|heads| heads.0.lock().pop_front())
        .unwrap_or_default();
    let refused = if head.size > MAX_HEADERS_SIZE || head.headers.len() > MAX_HEADERS {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else if head
        .headers
        .iter()
        .any(|(_, value)| std::str::from_utf8(value).is_err())
    {
        Some(StatusCode::BAD_REQUEST)
    } else if is_foreign(&request) {
        Some(StatusCode::FORBIDDEN)
    } else {
        None
    };
    if let Some(status) = refused {
        let response = HttpResponse::build(status).force_close().finish();
        return Ok(request.into_response(response));
    }
    request.extensions_mut().insert(head);
    match read_body(&mut request).await {
        Some(body) => request.set_payload(Payload::from(body)),
        None => {
            let response = HttpResponse::InternalServerError().force_close().finish();
            return Ok(request.into_response(response));
        }
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Reads the whole body before the request is handled, since actix-web closes the connection of a request with an
/// unread body, and Kestrel does not. `None` stands for a body that is too large or incomplete.
async fn read_body(request: &mut ServiceRequest) -> Option<Bytes> {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return None;
    }
    let payload = request.extract::<web::Payload>().await.ok()?;
    payload.to_bytes_limited(MAX_BODY).await.ok()?.ok()
}

fn is_foreign(request: &ServiceRequest) -> bool {
    let answers_any = request
        .app_data::<AnswersAnyHost>()
        .is_some_and(|AnswersAnyHost(answers_any)| *answers_any);
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    !answers_any && !loopback::is_loopback_host(host)
}

/// The headers of a request: the client's in its order and spelling, then those that the platform
/// has set since.
pub(super) fn client_headers(request: &HttpRequest) -> Headers {
    let extensions = request.extensions();
    let sent = extensions.get::<Head>();
    let sent = sent.map(|head| head.headers.as_slice()).unwrap_or_default();
    let is_current = |name: &str, value: &[u8]| {
        request
            .headers()
            .get_all(name)
            .any(|current| current.as_bytes() == value)
    };
    let clients: Vec<_> = sent
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .filter(|(name, value)| is_current(name, value))
        .collect();
    let platforms: Vec<_> = request
        .headers()
        .iter()
        .filter(|(name, _)| {
            !clients
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(name.as_str()))
        })
        .map(|(name, value)| (name.as_str().to_ascii_uppercase(), value.as_bytes()))
        .collect();
    let platforms = platforms
        .iter()
        .map(|(name, value)| (name.as_str(), *value));
    Headers::new(clients.iter().copied().chain(platforms))
}

/// A connection that records the heads of its requests, since actix-web keeps the names of headers in lower case and in
/// no order.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    reader: HeadReader,
    heads: Heads,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            reader: HeadReader::default(),
            heads: Heads::default(),
        }
    }

    pub(super) fn heads(&self) -> Heads {
        self.heads.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = &outcome {
            this.reader.read(&buffer.filled()[before..], &this.heads);
        }
        outcome
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl ActixStream for Connection {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.stream, context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.stream, context)
    }
}

/// Finds heads in the bytes of a connection, and the ends of the bodies between them.
#[derive(Debug, Default)]
struct HeadReader {
    part: Part,
    /// The part of a head or of a chunk's first line that was received.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    /// The remaining bytes of a body.
    Body(u64),
    /// The line before a chunk, which says how long it is.
    ChunkSize,
    /// The remaining bytes of a chunk and its line end.
    Chunk(u64),
    /// Lines after the last chunk, up to an empty one.
    Trailer,
    /// Input that actix-web does not understand either.
    Lost,
}

impl HeadReader {
    fn read(&mut self, mut bytes: &[u8], heads: &Heads) {
        while !bytes.is_empty() {
            match self.part {
                Part::Head => {
                    let end = self.take_until(b"\r\n\r\n", &mut bytes);
                    if end {
                        self.finish_head(heads);
                    } else if self.line.len() > MAX_HEAD {
                        self.part = Part::Lost;
                    }
                }
                Part::Body(left) | Part::Chunk(left) => {
                    let here = left.min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(here).unwrap_or(bytes.len())..];
                    self.part = match (self.part, left - here) {
                        (Part::Body(_), 0) => Part::Head,
                        (Part::Body(_), left) => Part::Body(left),
                        (_, 0) => Part::ChunkSize,
                        (_, left) => Part::Chunk(left),
                    };
                }
                Part::ChunkSize => {
                    if self.take_until(b"\r\n", &mut bytes) {
                        let line = std::mem::take(&mut self.line);
                        self.part = match parse_chunk_size(&line) {
                            Some(0) => Part::Trailer,
                            // The chunk is followed by a line end.
                            Some(size) => Part::Chunk(size.saturating_add(2)),
                            None => Part::Lost,
                        };
                    }
                }
                Part::Trailer => {
                    if self.take_until(b"\r\n", &mut bytes) {
                        let is_last = self.line == b"\r\n";
                        self.line.clear();
                        if is_last {
                            self.part = Part::Head;
                        }
                    }
                }
                Part::Lost => return,
            }
        }
    }

    /// Moves bytes up to and including `end` to the line; returns whether `end` was found.
    fn take_until(&mut self, end: &[u8], bytes: &mut &[u8]) -> bool {
        let start = self.line.len().saturating_sub(end.len() - 1);
        let former = self.line.len();
        self.line.extend_from_slice(bytes);
        let found = self.line[start..]
            .windows(end.len())
            .position(|window| window == end);
        match found {
            Some(position) => {
                let length = start + position + end.len();
                self.line.truncate(length);
                *bytes = &bytes[length - former..];
                true
            }
            None => {
                *bytes = &[];
                false
            }
        }
    }

    fn finish_head(&mut self, heads: &Heads) {
        let bytes = std::mem::take(&mut self.line);
        let mut headers = [httparse::EMPTY_HEADER; 256];
        let mut request = httparse::Request::new(&mut headers);
        if request.parse(&bytes).is_err() {
            self.part = Part::Lost;
            return;
        }
        let value = |name: &str| {
            request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let is_chunked = value("transfer-encoding")
            .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
        let length = value("content-length").and_then(|length| length.trim().parse().ok());
        self.part = match length {
            _ if is_chunked => Part::ChunkSize,
            None | Some(0) => Part::Head,
            Some(length) => Part::Body(length),
        };
        let line = bytes
            .windows(2)
            .position(|window| window == b"\r\n")
            .unwrap_or_default();
        heads.0.lock().push_back(Head {
            size: bytes.len() - line - 4,
            headers: request
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), header.value.to_vec()))
                .collect(),
        });
    }
}

fn parse_chunk_size(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let digits = line.split(';').next()?.trim();
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: &str = "POST /a HTTP/1.1\r\nHost: x\r\nX-First: 1\r\ncontent-length: 3\r\n\r\nabc\
        POST /b HTTP/1.1\r\nx-SECOND: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
        4;x=y\r\nGET \r\n0\r\nTrailer: t\r\n\r\n\
        GET /c HTTP/1.1\r\nThird:\r\n\r\n";

    fn heads(bytes: &[u8], step: usize) -> Vec<Vec<String>> {
        let (mut reader, heads) = (HeadReader::default(), Heads::default());
        for part in bytes.chunks(step) {
            reader.read(part, &heads);
        }
        let heads = heads.0.lock();
        heads
            .iter()
            .map(|head| head.headers.iter().map(|(name, _)| name.clone()).collect())
            .collect()
    }

    #[test]
    fn every_head_is_found_however_its_bytes_come() {
        for step in [1, 2, 3, 7, 50, REQUESTS.len()] {
            assert_eq!(
                heads(REQUESTS.as_bytes(), step),
                [
                    vec!["Host", "X-First", "content-length"],
                    vec!["x-SECOND", "Transfer-Encoding"],
                    vec!["Third"],
                ],
                "{step}"
            );
        }
    }

    #[test]
    fn what_is_not_http_ends_the_search() {
        assert!(heads(b"hello\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n", 5).is_empty());
    }
}
