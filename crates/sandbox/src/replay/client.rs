//! HTTP over a socket, byte for byte, so that a request goes out as it was recorded.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::case::SseEvent;

/// The limit of an exchange. It is generous: the longest case is a body of 100 MiB on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A response, read to its end or as far as needed.
#[derive(Debug)]
pub(super) struct Received {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A connection with a request on it.
pub(super) struct Connection {
    stream: TcpStream,
    /// The bytes that were read and not yet used.
    buffer: Vec<u8>,
}

/// Sends a request and reads the whole response.
pub(super) async fn exchange(
    address: SocketAddr,
    head: &[u8],
    body: &[u8],
    method: &str,
) -> io::Result<Received> {
    let whole = async {
        let mut connection = Connection::open(address, head, body).await?;
        connection.read_response(method == "HEAD").await
    };
    timeout(PATIENCE, whole).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no response in two minutes",
        ))
    })
}

impl Connection {
    /// Connects and sends a request. The response of a server that refuses a large body early is read all the same.
    pub(super) async fn open(address: SocketAddr, head: &[u8], body: &[u8]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(head).await?;
        let mut buffer = Vec::new();
        let (mut reader, mut writer) = stream.split();
        let mut received = [0; 4096];
        tokio::select! {
            sent = writer.write_all(body) => { let _ = sent; }
            count = reader.read(&mut received), if !body.is_empty() => {
                buffer.extend_from_slice(&received[..count?]);
            }
        }
        Ok(Self { stream, buffer })
    }

    async fn fill(&mut self) -> io::Result<bool> {
        let mut received = vec![0; 64 * 1024];
        let count = self.stream.read(&mut received).await?;
        self.buffer.extend_from_slice(&received[..count]);
        Ok(count > 0)
    }

    /// Reads the status line and the headers.
    pub(super) async fn read_head(&mut self) -> io::Result<Received> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response
                .parse(&self.buffer)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if let httparse::Status::Complete(length) = parsed {
                let received = Received {
                    status: response.code.unwrap_or_default(),
                    headers: response
                        .headers
                        .iter()
                        .map(|header| {
                            let value = String::from_utf8_lossy(header.value).into_owned();
                            (header.name.to_owned(), value)
                        })
                        .collect(),
                    body: Vec::new(),
                };
                self.buffer.drain(..length);
                if received.status == 100 {
                    continue;
                }
                return Ok(received);
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn read_response(&mut self, has_no_body: bool) -> io::Result<Received> {
        let mut received = self.read_head().await?;
        if has_no_body {
            return Ok(received);
        }
        let is_chunked = received
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let length = received
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        if is_chunked {
            while let Some(chunk) = self.read_chunk().await? {
                received.body.extend_from_slice(&chunk);
            }
        } else {
            while self.buffer.len() < length.unwrap_or(usize::MAX) {
                if !self.fill().await? {
                    break;
                }
            }
            received.body = std::mem::take(&mut self.buffer);
        }
        Ok(received)
    }

    async fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Ok(httparse::Status::Complete((start, size))) =
                httparse::parse_chunk_size(&self.buffer)
            {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                let end = start.saturating_add(size).saturating_add(2);
                if self.buffer.len() >= end {
                    let chunk = self.buffer[start..start + size].to_vec();
                    self.buffer.drain(..end);
                    return Ok((size > 0).then_some(chunk));
                }
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads one event of a stream, which comes in a chunk of its own.
    pub(super) async fn read_event(&mut self) -> io::Result<SseEvent> {
        let chunk = timeout(PATIENCE, self.read_chunk())
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no event in two minutes"))??
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut events = parse_events(&String::from_utf8_lossy(&chunk));
        events
            .pop()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an event"))
    }
}

/// The events of a stream's text.
pub(super) fn parse_events(text: &str) -> Vec<SseEvent> {
    let event = |block: &str| {
        let mut event = SseEvent {
            event: String::new(),
            data: String::new(),
        };
        for line in block.lines() {
            if let Some(name) = line.strip_prefix("event: ") {
                event.event = name.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data.push_str(data);
            }
        }
        event
    };
    text.split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(event)
        .collect()
}
