//! The memory for concurrent large calls is bounded.

#![cfg(target_os = "linux")]

use std::{convert::Infallible, fs, time::Duration};

use actix_web::web::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use serde_json::json;

use crate::process::{Process, invocation};

const MIB: usize = 1024 * 1024;
const CALLS: usize = 32;
/// The limit of the process's peak memory: the smallest instance has 512 MiB.
const LIMIT_MIB: usize = 200;

/// The peak resident memory of the process so far.
fn peak_mib(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib: usize = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap()
        .parse()
        .unwrap();
    kib / 1024
}

fn in_chunks(mut bytes: Bytes) -> reqwest::Body {
    let chunks = std::iter::from_fn(move || {
        let next = bytes.split_to(bytes.len().min(64 * 1024));
        (!next.is_empty()).then_some(next)
    });
    reqwest::Body::wrap_stream(stream::iter(chunks.map(Ok::<_, Infallible>)))
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_calls_of_fifteen_mebibytes_stay_under_two_hundred() {
    let plain = json!("x".repeat(14 * MIB));
    let escaped = json!({ "text": "é\"".repeat(14 * MIB / 10) });
    for (chunked, arguments) in [(false, plain), (true, escaped)] {
        let process = Process::start().await;
        let idle = peak_mib(process.child.id());
        let body = Bytes::from(invocation(&arguments));
        assert!((13 * MIB..16 * MIB).contains(&body.len()), "{}", body.len());
        let send = || match chunked {
            false => reqwest::Body::from(body.clone()),
            true => in_chunks(body.clone()),
        };
        let calls = (0..CALLS).map(|_| process.call(send()));
        let answers = join_all(calls).await;

        let peak = peak_mib(process.child.id());
        assert!(peak < LIMIT_MIB, "{peak} MiB, and {idle} MiB before");
        let is_served = |answer: &&String| {
            answer.starts_with("No developer tool is signed in.")
                || answer.starts_with("The arguments of HelloTool do not fit its schema")
        };
        let served = answers.iter().filter(is_served).count();
        let told_to_come_again = answers
            .iter()
            .filter(|answer| answer.starts_with("This server is busy with other large calls."))
            .count();
        assert_eq!(served + told_to_come_again, CALLS, "{answers:?}");
        println!("{served} of {CALLS} served, {idle} MiB before, {peak} MiB at the peak");
        assert!(served > 0);
        // The waiting calls are gone, and the memory that they had reserved is free again.
        let one_more = process.call(send()).await;
        assert!(is_served(&&one_more), "{one_more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_calls_do_not_wait_for_large_ones() {
    let process = Process::start().await;
    // These two calls reserve all of the memory, and never send the rest of their bodies.
    let unfinished = || {
        let first = stream::iter([Ok::<_, Infallible>(vec![b' '; MIB])]);
        reqwest::Body::wrap_stream(first.chain(stream::pending()))
    };
    let large = async {
        tokio::join!(process.call(unfinished()), process.call(unfinished()));
    };
    let ordinary = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..20 {
            let answer = process.call(invocation(&json!({}))).await;
            assert!(answer.starts_with("No developer tool"), "{answer}");
        }
    };
    tokio::select! {
        () = large => panic!("a body without an end was read"),
        () = ordinary => {}
    }
}
