//! Calls a program as the Functions host does, with a fixed number of concurrent invocations.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{future::try_join_all, stream};
use hdrhistogram::Histogram;
use reqwest::{Body, Client};

use crate::{process::Process, world::Envelope};

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this many calls.
    Calls(usize),
    /// After this time.
    Elapsed(Duration),
}

/// The measurements of a load. Every call was answered with a greeting.
pub struct Sample {
    /// The latency of each call, in microseconds.
    pub latency: Histogram<u64>,
    /// The time from the first call to the last answer.
    pub elapsed: Duration,
    /// The program's processor time.
    pub cpu: Duration,
}

impl Sample {
    /// The number of calls.
    pub fn calls(&self) -> u64 {
        self.latency.len()
    }

    /// Processor time of the program per call, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.calls() as f64
    }

    /// Calls per second.
    pub fn calls_per_second(&self) -> f64 {
        self.calls() as f64 / self.elapsed.as_secs_f64()
    }
}

/// The distance between two successive envelopes, so that a load that ends before every user has called is still a
/// sample of all users. It is prime, so that every envelope is used once before any is used again.
const STRIDE: usize = 7919;

/// Calls the program with each of the envelopes in turn, `concurrency` at a time.
///
/// # Errors
/// When an answer is anything but a greeting.
pub async fn load(
    client: &Client,
    process: &Process,
    envelopes: &[Envelope],
    concurrency: usize,
    until: Until,
) -> io::Result<Sample> {
    let url: Arc<str> = process.url("HelloTool").into();
    let envelopes: Arc<[Envelope]> = envelopes.into();
    let next = Arc::new(AtomicUsize::new(0));
    let cpu_before = process.cpu_time()?;
    let started = Instant::now();
    let callers = (0..concurrency).map(|_| {
        let (client, url, envelopes, next) =
            (client.clone(), url.clone(), envelopes.clone(), next.clone());
        tokio::spawn(async move {
            let mut latency = new_histogram();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let is_over = match until {
                    Until::Calls(calls) => number >= calls,
                    Until::Elapsed(time) => started.elapsed() >= time,
                };
                if is_over {
                    return io::Result::Ok(latency);
                }
                let call_started = Instant::now();
                call(&client, &url, &envelopes[number * STRIDE % envelopes.len()]).await?;
                latency.saturating_record(call_started.elapsed().as_micros() as u64);
            }
        })
    });
    let mut latency = new_histogram();
    for caller in try_join_all(callers).await? {
        latency += caller?;
    }
    Ok(Sample {
        latency,
        elapsed: started.elapsed(),
        cpu: process.cpu_time()?.saturating_sub(cpu_before),
    })
}

/// Makes one call as the host on Flex Consumption does, with a chunked body.
///
/// # Errors
/// When the answer is anything but a greeting.
pub async fn call(client: &Client, url: &str, envelope: &Envelope) -> io::Result<()> {
    let body = Body::wrap_stream(stream::iter([io::Result::Ok(envelope.to_string())]));
    let response = client
        .post(url)
        .header("Content-Type", "application/json")
        .header(
            "X-Azure-Functions-InvocationId",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
        )
        .body(body)
        .send()
        .await
        .map_err(io::Error::other)?;
    let status = response.status();
    let answer = response.text().await.map_err(io::Error::other)?;
    if status.is_success() && answer.contains("Hello, ") {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "not a greeting: {status} {answer}"
        )))
    }
}

/// A histogram of microseconds with three significant digits.
fn new_histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_max(3_600_000_000, 3)
        .unwrap_or_else(|error| unreachable!("three digits are allowed: {error}"));
    histogram.auto(true);
    histogram
}
