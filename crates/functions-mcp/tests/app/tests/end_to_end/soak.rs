//! Two minutes of calls of many users, while all services around the handler fail at random.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sandbox::{
    cloud::CloudOptions,
    faults::{Effect, Endpoint, Fault},
};

use crate::support::App;

const DURATION: Duration = Duration::from_secs(120);
const USERS: usize = 200;
const CALLERS: usize = 16;
/// The share of outbound requests that fail.
const FAULTS: f64 = 0.05;

fn every_fault() -> Vec<Fault> {
    let wire = [
        Effect::Status {
            code: 429,
            retry_after: Some(1),
        },
        Effect::Status {
            code: 429,
            retry_after: None,
        },
        Effect::Status {
            code: 500,
            retry_after: None,
        },
        Effect::Status {
            code: 503,
            retry_after: Some(60),
        },
        Effect::Delay { milliseconds: 1500 },
        Effect::Reset,
        Effect::Malformed,
        Effect::Empty,
        Effect::Html,
        Effect::Oversized,
    ];
    let codes = [
        65001, 50076, 53003, 500133, 50013, 7000114, 700213, 700016, 50196,
    ];
    let entra = codes.map(|code| Effect::EntraError { code });
    let endpoints = [
        Endpoint::Token,
        Endpoint::Metadata,
        Endpoint::Keys,
        Endpoint::ManagedIdentity,
        Endpoint::Graph,
    ];
    let mut faults = Vec::new();
    for at in endpoints {
        let own: &[Effect] = match at {
            Endpoint::Token => &entra,
            Endpoint::Graph => &[Effect::ClaimsChallenge],
            _ => &[],
        };
        let effects = || wire.iter().chain(own).cloned();
        let chance = FAULTS / effects().count() as f64;
        faults.extend(effects().map(|effect| Fault::new(at, effect).chance(chance)));
    }
    faults
}

/// Resident memory of a process in MiB.
#[cfg(target_os = "linux")]
fn resident_mib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes"]
async fn two_minutes_of_faults_give_no_wrong_answer_no_crash_and_no_growth() {
    let app = App::start_with(|options| {
        options
            .extra_env
            .push(("TOOL_CALL_TIME_BUDGET_SECONDS".into(), "5".into()));
        options.cloud = CloudOptions {
            // Tokens are used for ten seconds only, so that exchanges continue throughout.
            graph_token_lifetime: Duration::from_secs(310),
            refresh_in: Some(Duration::from_secs(5)),
            ..options.cloud.clone()
        };
    })
    .await;
    let clients = join_all((0..USERS).map(|user| {
        let app = &app;
        async move { app.client(&format!("user{user}")).await }
    }))
    .await;
    every_fault().into_iter().for_each(|fault| app.add(fault));

    let pid = app.sandbox.handler().pid().unwrap();
    let (greeted, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let started = Instant::now();
    let caller = async |caller: usize| {
        let mut user = caller;
        while started.elapsed() < DURATION {
            let answer = app.hello_from(&clients[user]).await;
            if answer.is_error {
                assert_ne!(answer.text, "An error occurred invoking 'HelloTool'.");
                failed.fetch_add(1, Ordering::Relaxed);
            } else {
                assert_eq!(
                    answer.text,
                    format!("Hello, User {user} (user{user}@contoso.example)!")
                );
                greeted.fetch_add(1, Ordering::Relaxed);
            }
            user = (user + CALLERS + 1) % USERS;
        }
    };
    let memory = async {
        tokio::time::sleep(DURATION / 4).await;
        let early = resident_mib(pid);
        tokio::time::sleep(DURATION / 2).await;
        (early, resident_mib(pid))
    };
    let (_, (early, late)) = tokio::join!(join_all((0..CALLERS).map(caller)), memory);

    let (greeted, failed) = (greeted.into_inner(), failed.into_inner());
    println!(
        "{greeted} greetings, {failed} failures, {early} MiB after a quarter, {late} MiB after three"
    );
    assert!(greeted > failed, "{greeted} greetings, {failed} failures");
    assert!(failed > 0);
    assert_eq!(app.sandbox.handler().restarts(), 0);
    assert_eq!(app.sandbox.handler().pid(), Some(pid));
    assert!(
        late <= early + early / 4 + 8,
        "memory grew from {early} to {late} MiB"
    );
}
