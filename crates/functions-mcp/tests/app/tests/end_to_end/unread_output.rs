//! The handler works even if nothing reads its log.

use std::{io::Read, thread};

use serde_json::json;

use crate::process::{Process, invocation};

/// More lines than fit in a pipe and the handler's queue.
const CALLS: usize = 6000;

#[tokio::test]
async fn calls_are_answered_while_nobody_reads_standard_output_and_the_log_says_what_it_lost() {
    let mut process = Process::start().await;
    let body = invocation(&json!("no arguments"));
    for _ in 0..CALLS {
        let answer = process.call(body.clone()).await;
        assert!(answer.starts_with("The arguments of HelloTool"), "{answer}");
    }
    let mut stdout = process.child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let mut log = String::new();
        stdout.read_to_string(&mut log).unwrap();
        log
    });
    // The queue is written as soon as something reads, and before a requested end.
    #[cfg(unix)]
    {
        process.signal("TERM");
        assert_eq!(process.wait().await.code(), Some(200));
    }
    #[cfg(not(unix))]
    {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        process.child.kill().unwrap();
    }
    let log = reader.join().unwrap();
    let calls = log.lines().filter(|line| line.contains("tool call failed"));
    let dropped = log
        .lines()
        .filter_map(|line| line.split_once(" dropped="))
        .map(|(_, count)| count.parse::<usize>().unwrap());
    let (written, dropped) = (calls.count(), dropped.sum::<usize>());
    assert!(dropped > 0, "{written} lines fit");
    assert_eq!(written + dropped, CALLS);
}

#[cfg(unix)]
#[tokio::test]
async fn the_handler_ends_also_when_nobody_ever_reads() {
    let mut process = Process::start().await;
    let body = invocation(&json!("no arguments"));
    for _ in 0..CALLS {
        process.call(body.clone()).await;
    }
    process.signal("TERM");
    assert_eq!(process.wait().await.code(), Some(200));
}
