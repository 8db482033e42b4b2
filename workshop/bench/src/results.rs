//! What a run found out, as it is written to `results.json` and told in `docs/performance.md`.

use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    /// Under which conditions.
    pub conditions: Conditions,
    /// Each program, the handler first and the floor last.
    pub programs: Vec<ProgramResults>,
}

/// What the figures depend on.
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
    /// What was measured, each with its version: compiler, runtimes and libraries.
    pub versions: Vec<(String, String)>,
    /// How often each program was started.
    pub starts: usize,
    /// How often every other measurement was repeated.
    pub rounds: usize,
    /// How many users the largest measurements had.
    pub most_users: usize,
}

/// A program, and what it costs.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProgramResults {
    /// Its name, such as `Node, a credential per user`.
    pub name: String,
    /// From nothing to an answer.
    pub start: Start,
    /// Calls of users it knows, at each concurrency.
    pub warm: Vec<Warm>,
    /// The first call of each of many users, one after the other.
    pub first_call: FirstCall,
    /// Many users call for the first time, all at once.
    pub burst: Burst,
    /// Resident memory.
    pub memory: Memory,
    /// Cost of a warm call at each number of users it knows. Empty where nothing is kept per user.
    pub users: Vec<Cost>,
    /// Cost of a warm call at each size of the request's headers, in KiB.
    pub headers: Vec<Cost>,
    /// What a deployment uploads.
    pub size: Size,
    /// Requests to others.
    pub requests: Requests,
}

/// Several measurements of one thing: the middle one and the extremes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of these measurements; there must be one.
    pub fn of(mut measurements: Vec<f64>) -> Self {
        measurements.sort_by(f64::total_cmp);
        Self {
            min: measurements[0],
            median: measurements[measurements.len() / 2],
            max: measurements[measurements.len() - 1],
        }
    }
}

/// From spawning the process.
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
    /// How many calls were always under way.
    pub concurrency: usize,
    /// How many calls were measured, all rounds together.
    pub calls: u64,
    /// Latency, in milliseconds, of all rounds together.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub p999_ms: f64,
    /// Processor time of the program per call, in microseconds.
    pub cpu_us: Spread,
    /// Calls per second, as far as client and sandbox let it.
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

/// Many first calls at once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Burst {
    /// How many users.
    pub users: usize,
    /// Until the last was answered, in milliseconds.
    pub all_users_ms: Spread,
    /// How many exchanges it took when it was one user, that many times at once.
    pub exchanges_of_one_user: u64,
}

/// Resident memory, in MiB.
#[derive(Debug, Serialize, Deserialize)]
pub struct Memory {
    /// After the first `GET /`.
    pub idle_mib: f64,
    /// After that many users have called once, and how many.
    pub after_users: Option<(usize, f64)>,
    /// The most at any time.
    pub peak_mib: f64,
}

/// What a warm call costs under some condition.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The number of users, or of KiB.
    pub at: usize,
    /// Processor time per call, in microseconds.
    pub cpu_us: Spread,
}

/// What a deployment uploads, in bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Size {
    /// The program with all that it needs beyond its runtime.
    pub files: u64,
    /// The same as a zip.
    pub zip: u64,
}

/// Requests that a call takes, to Entra ID and the managed identity endpoint.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Requests {
    /// The first call of the process: for keys and metadata, for the app's proof, for the exchange.
    pub first_of_process: [u64; 3],
    /// The first call of another user: the same.
    pub first_of_user: [u64; 3],
    /// Another call of that user: the same.
    pub warm: [u64; 3],
}
