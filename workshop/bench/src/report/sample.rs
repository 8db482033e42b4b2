//! Invented results of a run, for tests.

use super::{FLOOR, HANDLER};
use crate::results::{
    Burst, Conditions, Cost, FirstCall, Memory, ProgramResults, Requests, Results, Size, Spread,
    Start, Warm,
};

/// A run of all programs.
pub(super) fn results() -> Results {
    Results {
        conditions: Conditions {
            command: "cargo run --release -p bench".to_owned(),
            date: "2026-11-22".to_owned(),
            machine: "Example Processor, 2 cores".to_owned(),
            system: "Example Linux 6.1".to_owned(),
            versions: vec![
                ("rustc".to_owned(), "1.95.0".to_owned()),
                ("Node".to_owned(), "20.19.2".to_owned()),
                ("@azure/identity".to_owned(), "4.13.0".to_owned()),
            ],
            starts: 15,
            rounds: 5,
            most_users: 10_000,
        },
        programs: vec![
            program("This handler", 60.0, 5.0, 1.0),
            program("Node, a credential per call", 4_100.0, 310.0, 9.0),
            program("Node, a credential per user", 870.0, 305.0, 11.0),
            program("Python, a credential per call", 9_300.0, 1_210.0, 8.0),
            program("Python, a credential per user", 2_300.0, 1_220.0, 12.0),
            program("Floor", 47.0, 3.1, 0.7),
        ],
    }
}

/// A program that takes `cpu` microseconds for a warm call, `ready` milliseconds to start, and `size` times the
/// handler's memory.
fn program(name: &str, cpu: f64, ready: f64, size: f64) -> ProgramResults {
    let per_call = name.ends_with("per call");
    let by_users = if per_call || name == FLOOR {
        Vec::new()
    } else {
        vec![(1, 1.0), (100, 1.07), (10_000, 1.31)]
    };
    let exchanges = u64::from(name != FLOOR);
    ProgramResults {
        name: name.to_owned(),
        start: Start {
            ready_ms: around(ready),
            greeting_ms: around(ready * 1.4 + cpu / 50.0),
        },
        warm: [(1, 1.0), (16, 9.0), (128, 70.0)]
            .map(|(concurrency, crowd)| Warm {
                concurrency,
                calls: 5 * 2_000,
                p50_ms: 0.2 + crowd * cpu / 1_500.0,
                p99_ms: 0.5 + crowd * cpu / 600.0,
                p999_ms: 0.9 + crowd * cpu / 350.0,
                cpu_us: around(cpu * (1.0 + 0.2 / crowd)),
                calls_per_second: around(1e6 / (cpu + 90.0)),
            })
            .into(),
        first_call: FirstCall {
            latency_ms: around(1.0 + cpu / 400.0),
            cpu_us: cpu * 4.0,
        },
        burst: Burst {
            users: 200,
            all_users_ms: around(40.0 + cpu / 2.0),
            exchanges_of_one_user: if name == HANDLER { 1 } else { 200 * exchanges },
        },
        memory: Memory {
            idle_mib: 7.6 * size,
            after_users: (!by_users.is_empty()).then_some((10_000, 29.4 * size)),
            peak_mib: 33.0 * size,
        },
        users: by_users
            .into_iter()
            .map(|(at, factor)| cost(at, cpu * factor))
            .collect(),
        headers: [(2, 1.0), (8, 1.1), (32, 1.4)]
            .map(|(at, factor)| cost(at, cpu * factor))
            .into(),
        size: Size {
            files: (6.5e6 * size) as u64,
            zip: (2.9e6 * size) as u64,
        },
        requests: Requests {
            first_of_process: [2 * exchanges, exchanges, exchanges],
            first_of_user: [0, 0, exchanges],
            warm: [0, 0, u64::from(per_call)],
        },
    }
}

fn cost(at: usize, cpu: f64) -> Cost {
    Cost {
        at,
        cpu_us: around(cpu),
    }
}

fn around(median: f64) -> Spread {
    Spread {
        min: median * 0.94,
        median,
        max: median * 1.08,
    }
}
