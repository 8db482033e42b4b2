//! After a signal, the handler finishes its calls and ends, and the host starts it again.

#![cfg(unix)]

use std::time::Duration;

use sandbox::faults::{Effect, Endpoint};

use crate::{
    process::{Process, signal},
    support::{App, wait_until},
};

#[tokio::test]
async fn after_a_signal_the_host_starts_the_handler_again_and_calls_are_answered() {
    for name in ["TERM", "INT"] {
        let app = App::start().await;
        // More often than the host tolerates failures.
        for _ in 0..4 {
            let pid = app.sandbox.handler().pid().unwrap();
            signal(pid, name);
            wait_until(async || {
                let handler = app.sandbox.handler();
                handler.pid().is_some_and(|now| now != pid) && handler.ready().await.is_ok()
            })
            .await;
            let answer = app.hello("ada").await;
            assert_eq!(answer.text, "Hello, Ada Lovelace (ada@contoso.example)!");
        }
    }
}

#[tokio::test]
async fn a_call_in_flight_is_finished_first() {
    let app = App::start().await;
    app.fail(Endpoint::Graph, Effect::Delay { milliseconds: 2000 });
    let pid = app.sandbox.handler().pid().unwrap();
    let end_it = async {
        wait_until(async || app.requests().graph.total > 0).await;
        signal(pid, "TERM");
    };
    let (answer, ()) = tokio::join!(app.hello("ada"), end_it);
    assert!(!answer.is_error, "{}", answer.text);
    wait_until(async || app.sandbox.handler().pid().is_some_and(|now| now != pid)).await;
}

#[tokio::test]
async fn the_exit_code_asks_for_a_new_start() {
    for name in ["TERM", "INT"] {
        let mut process = Process::start().await;
        // The host's idle connections must not delay the end.
        let _idle = tokio::net::TcpStream::connect(("127.0.0.1", process.port))
            .await
            .unwrap();
        process.signal(name);
        let ended = tokio::time::timeout(Duration::from_secs(30), process.wait()).await;
        assert_eq!(ended.unwrap().code(), Some(200), "SIG{name}");
    }
}
