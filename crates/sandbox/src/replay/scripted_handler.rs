//! A custom handler that gives scripted answers, byte for byte, and keeps its requests.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// A request that reached the handler.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What the handler does with a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Sends a response.
    Response {
        status: u16,
        headers: Vec<String>,
        body: Vec<u8>,
    },
    /// Gives the answer after some time.
    Later(Duration, Box<Answer>),
    /// Never answers.
    None,
    /// Closes the connection.
    Close,
}

impl Answer {
    /// An answer with this return value.
    pub(super) fn returning(value: &str) -> Self {
        Self::Response {
            status: 200,
            headers: vec!["Content-Type: application/json".into()],
            body: serde_json::json!({ "ReturnValue": value })
                .to_string()
                .into_bytes(),
        }
    }
}

/// The handler. Dropping it ends it.
#[derive(Debug)]
pub(super) struct ScriptedHandler {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<Answer>,
    received: Vec<Request>,
    /// The answers of functions for which the script has no answer.
    defaults: Vec<(String, Answer)>,
}

impl ScriptedHandler {
    /// Listens on a free port.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let script = Arc::new(Mutex::new(Script::default()));
        let served = script.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = served.clone();
                tokio::spawn(async move {
                    let _ = serve(stream, &script).await;
                });
            }
        });
        Ok(Self {
            address,
            script,
            task,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives these answers to the next requests, the last of them to all that follow.
    pub(super) fn answer_with(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut script = self.script.lock();
        script.answers = answers.into_iter().collect();
        script.received.clear();
    }

    /// Sets the answer of a function for when no other answer is due.
    pub(super) fn set_default_answer(&self, function: &str, answer: Answer) {
        self.script
            .lock()
            .defaults
            .push((function.to_owned(), answer));
    }

    /// The requests since the answers were set.
    pub(super) fn received(&self) -> Vec<Request> {
        self.script.lock().received.clone()
    }
}

impl Drop for ScriptedHandler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, script: &Mutex<Script>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await? {
        let answer = {
            let mut script = script.lock();
            let answer = match script.answers.len() {
                0 => find_default_answer(&script.defaults, &request.line),
                1 => script.answers[0].clone(),
                _ => script.answers.pop_front().unwrap_or(Answer::Close),
            };
            script.received.push(request);
            answer
        };
        let answer = match answer {
            Answer::Later(delay, answer) => {
                sleep(delay).await;
                *answer
            }
            answer => answer,
        };
        match answer {
            Answer::Close | Answer::Later(..) => return Ok(()),
            Answer::None => std::future::pending().await,
            Answer::Response {
                status,
                headers,
                body,
            } => {
                let mut head = format!("HTTP/1.1 {status} Recorded\r\n");
                for line in headers {
                    head.push_str(&line);
                    head.push_str("\r\n");
                }
                if status != 204 {
                    head.push_str(&format!("Content-Length: {}\r\n", body.len()));
                }
                head.push_str("\r\n");
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&body).await?;
            }
        }
    }
    Ok(())
}

fn find_default_answer(defaults: &[(String, Answer)], line: &str) -> Answer {
    defaults
        .iter()
        .find(|(function, _)| line.starts_with(&format!("POST /{function} ")))
        .map_or_else(
            || Answer::returning("default"),
            |(_, answer)| answer.clone(),
        )
}

/// Reads a request with its body; `None` at the end of the connection.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let Some(request) = read_head(stream, buffer).await? else {
        return Ok(None);
    };
    let body = if request.header("transfer-encoding").is_some() {
        read_chunks(stream, buffer).await?
    } else {
        let length = request.header("content-length");
        let length = length.and_then(|length| length.parse().ok());
        read_body(stream, buffer, length.unwrap_or_default()).await?
    };
    Ok(body.map(|body| Request { body, ..request }))
}

/// Reads a request up to its body.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let invalid = |error: httparse::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(length) = head.parse(buffer).map_err(invalid)? {
            let line = format!(
                "{} {} HTTP/1.1",
                head.method.unwrap_or_default(),
                head.path.unwrap_or_default()
            );
            let headers = head.headers.iter().map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_owned(), value)
            });
            let request = Request {
                line,
                headers: headers.collect(),
                body: Vec::new(),
            };
            buffer.drain(..length);
            return Ok(Some(request));
        }
        if !fill(stream, buffer).await? {
            return Ok(None);
        }
    }
}

/// Reads a body of chunks up to the empty one.
async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(buffer) {
            Ok(httparse::Status::Complete((start, size))) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                let end = start.saturating_add(size).saturating_add(2);
                if !fill_up_to(end, stream, buffer).await? {
                    return Ok(None);
                }
                body.extend_from_slice(&buffer[start..start + size]);
                buffer.drain(..end);
                if size == 0 {
                    return Ok(Some(body));
                }
            }
            Ok(httparse::Status::Partial) => {
                if !fill(stream, buffer).await? {
                    return Ok(None);
                }
            }
            Err(error) => return Err(io::Error::other(error.to_string())),
        }
    }
}

/// Reads a body of this length.
async fn read_body(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    length: usize,
) -> io::Result<Option<Vec<u8>>> {
    let is_complete = fill_up_to(length, stream, buffer).await?;
    Ok(is_complete.then(|| buffer.drain(..length).collect()))
}

/// Receives until the buffer has this length; false if the connection ends before.
async fn fill_up_to(
    length: usize,
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<bool> {
    while buffer.len() < length {
        if !fill(stream, buffer).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Receives once; false at the end of the connection.
async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut received = vec![0; 256 * 1024];
    let count = stream.read(&mut received).await?;
    buffer.extend_from_slice(&received[..count]);
    Ok(count > 0)
}
