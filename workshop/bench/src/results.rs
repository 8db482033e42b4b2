//! The results of a run, as stored in `bench-results.json`.

use serde::{Deserialize, Serialize};

/// The results of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    /// The conditions of the run.
    pub conditions: Conditions,
    /// Each program, the handler first and the floor last.
    pub programs: Vec<ProgramResults>,
}

/// The conditions that the figures depend on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Conditions {
    /// The command that was run.
    pub command: String,
    /// The day, `2026-11-22`.
    pub date: String,
    /// The processor's name, and how many cores there are.
    pub machine: String,
    /// Operating system and kernel.
    pub system: String,
    /// The names and versions of compiler, runtimes and libraries.
    pub versions: Vec<(String, String)>,
    /// The number of starts of each program.
    pub starts: usize,
    /// The number of rounds of all other measurements.
    pub rounds: usize,
    /// The number of users in the largest measurements.
    pub most_users: usize,
}

/// The measurements of a program.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProgramResults {
    /// Its name, such as `Node, a credential per user`.
    pub name: String,
    /// Start times.
    pub start: Start,
    /// Warm calls, at each concurrency.
    pub warm: Vec<Warm>,
    /// The first call of each of many users, one after the other.
    pub first_call: FirstCall,
    /// Concurrent first calls of many users.
    pub burst: Burst,
    /// Resident memory.
    pub memory: Memory,
    /// Cost of a warm call at each number of known users. Empty if nothing is kept per user.
    pub users: Vec<Cost>,
    /// Cost of a warm call at each size of the request's headers, in KiB.
    pub headers: Vec<Cost>,
    /// The size of a deployment.
    pub size: Size,
    /// Requests to identity services.
    pub requests: Requests,
}

/// The median and the extremes of repeated measurements.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of these measurements, of which there must be at least one.
    pub fn of(mut measurements: Vec<f64>) -> Self {
        measurements.sort_by(f64::total_cmp);
        Self {
            min: measurements[0],
            median: measurements[measurements.len() / 2],
            max: measurements[measurements.len() - 1],
        }
    }
}

/// The times from spawning the process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    /// To the first `GET /` answered, in milliseconds.
    pub ready_ms: Spread,
    /// To the first greeting, in milliseconds.
    pub greeting_ms: Spread,
}

/// Warm calls at one concurrency.
#[derive(Debug, Serialize, Deserialize)]
pub struct Warm {
    /// The number of concurrent calls.
    pub concurrency: usize,
    /// The number of calls in all rounds.
    pub calls: u64,
    /// The median of the latency in all rounds, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The 99.9th percentile.
    pub p999_ms: f64,
    /// Processor time of the program per call, in microseconds.
    pub cpu_us: Spread,
    /// Calls per second, bounded by client and sandbox.
    pub calls_per_second: Spread,
}

/// The first call of a user to a program that has served others.
#[derive(Debug, Serialize, Deserialize)]
pub struct FirstCall {
    /// Latency, in milliseconds.
    pub latency_ms: Spread,
    /// Processor time per call, in microseconds.
    pub cpu_us: f64,
}

/// Concurrent first calls.
#[derive(Debug, Serialize, Deserialize)]
pub struct Burst {
    /// The number of users.
    pub users: usize,
    /// The time until the last answer, in milliseconds.
    pub all_users_ms: Spread,
    /// The number of exchanges for as many concurrent calls of one user.
    pub exchanges_of_one_user: u64,
}

/// Resident memory, in MiB.
#[derive(Debug, Serialize, Deserialize)]
pub struct Memory {
    /// After the first `GET /`.
    pub idle_mib: f64,
    /// The number of users, and the memory after each of them has called once.
    pub after_users: Option<(usize, f64)>,
    /// At its peak.
    pub peak_mib: f64,
}

/// The cost of a warm call under a condition.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The condition: the number of users, or of KiB.
    pub at: usize,
    /// Processor time per call, in microseconds.
    pub cpu_us: Spread,
}

/// The size of a deployment, in bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Size {
    /// The program with its libraries, without its runtime.
    pub files: u64,
    /// The same, zipped.
    pub zip: u64,
}

/// The requests of a call to identity services: for metadata and keys, for the app's proof, for the exchange.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Requests {
    /// The first call of the process.
    pub first_of_process: [u64; 3],
    /// The first call of another user.
    pub first_of_user: [u64; 3],
    /// Another call of that user.
    pub warm: [u64; 3],
}
