//! A connection without a complete request head is closed after a while; a slow host's is kept long enough.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::process::Process;

/// How long the host keeps an idle connection.
const IDLE_CONNECTION_OF_THE_HOST: Duration = Duration::from_secs(67);

#[tokio::test]
#[ignore = "takes two minutes"]
async fn a_head_that_never_ends_is_timed_out_but_not_before_the_host_would_give_up() {
    let process = Process::start().await;
    let started = Instant::now();
    let connections = [
        "",
        "GET / HTTP/1.1\r\nHost: 127",
        "POST /HelloTool HTTP/1.1\r\n",
    ];
    let closed = connections.map(async |beginning| {
        let mut connection = TcpStream::connect(("127.0.0.1", process.port))
            .await
            .unwrap();
        connection.write_all(beginning.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
    });
    let all_closed = tokio::time::timeout(Duration::from_secs(600), join_all(closed)).await;
    assert!(all_closed.is_ok(), "connections are still open");
    assert!(started.elapsed() > IDLE_CONNECTION_OF_THE_HOST);
    assert_eq!(process.probe().await, Some(200));
}
