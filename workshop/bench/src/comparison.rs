//! Measures the programs in turn, round by round, so that other load on the machine affects all of them.

use std::{io, time::Duration};

use reqwest::Client;
use sandbox::{ledger::LedgerSnapshot, loopback};

use crate::{
    deployment,
    load::{self, Sample, Until, load},
    process::Process,
    program::{Checkout, Program},
    results::{Burst, Cost, FirstCall, Memory, ProgramResults, Requests, Spread, Start, Warm},
    world::{Envelope, World},
};

/// The concurrency in the measurements of cost.
const CONCURRENCY: usize = 16;

/// The concurrencies of the measurements of latency.
const CONCURRENCIES: [usize; 3] = [1, CONCURRENCY, 128];

/// The sizes of a request's headers, in KiB.
const HEADER_SIZES: [usize; 3] = [2, 8, 32];

/// The number of users in the measurements of warm calls.
const WARM_USERS: usize = 16;

/// The extent of the measurements.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of starts of each program.
    pub starts: usize,
    /// The number of rounds of all other measurements.
    pub rounds: usize,
    /// The duration of a load.
    pub load: Duration,
    /// The number of new users in each round.
    pub first_calls: usize,
    /// The number of concurrent first calls.
    pub burst: usize,
    /// The number of users in the largest measurements.
    pub most_users: usize,
}

impl Plan {
    /// The measurements of the report.
    pub const WHOLE: Self = Self {
        starts: 15,
        rounds: 5,
        load: Duration::from_secs(2),
        first_calls: 20,
        burst: 200,
        most_users: 10_000,
    };

    /// A short run that shows that everything works.
    pub const QUICK: Self = Self {
        starts: 2,
        rounds: 1,
        load: Duration::from_millis(200),
        first_calls: 3,
        burst: 20,
        most_users: 200,
    };

    /// The number of users in all measurements of a program.
    fn users(self) -> usize {
        self.most_users + 2 + self.rounds * (self.first_calls + self.burst + 1)
    }
}

/// Measures the programs.
///
/// # Errors
/// When a program does not start, or answers anything but a greeting.
pub async fn compare(
    checkout: &Checkout,
    world: &World,
    plan: Plan,
    programs: &[Program],
) -> io::Result<Vec<ProgramResults>> {
    let client = loopback::client()?;
    eprintln!("signing the tokens of {} users", plan.users());
    let users = world.envelopes(0..plan.users()).await?;
    let (users, new_users) = users.split_at(plan.most_users);

    let mut starts: Vec<Starts> = programs.iter().map(|_| Starts::default()).collect();
    for round in 1..=plan.starts {
        eprintln!("starts, {round} of {}", plan.starts);
        for (program, starts) in programs.iter().zip(&mut starts) {
            starts.measure(checkout, world, *program, &users[0]).await?;
        }
    }

    let mut subjects = Vec::new();
    for program in programs {
        let process = start(checkout, world, *program)?;
        let mut subject = Subject::new(*program, process, &client, new_users);
        subject.count_requests(world).await?;
        subjects.push(subject);
    }
    for round in 1..=plan.rounds {
        eprintln!("calls, round {round} of {}", plan.rounds);
        for subject in &mut subjects {
            subject.measure_warm(&users[..WARM_USERS], plan).await?;
            subject.measure_first_calls(plan).await?;
            subject.measure_burst(world, plan).await?;
            subject.measure_headers(world, plan).await?;
        }
    }
    for subject in &mut subjects {
        if subject.program.remembers_users() {
            eprintln!("{} users: {}", plan.most_users, subject.program.name());
            subject.restart(checkout, world)?;
            subject.measure_memory(users).await?;
        }
    }
    for round in 1..=plan.rounds {
        eprintln!("growth, round {round} of {}", plan.rounds);
        for subject in &mut subjects {
            if subject.program.remembers_users() {
                subject.measure_growth(users, plan).await?;
            }
        }
    }
    subjects
        .into_iter()
        .zip(starts)
        .map(|(subject, starts)| subject.into_results(checkout, starts, plan))
        .collect()
}

fn start(checkout: &Checkout, world: &World, program: Program) -> io::Result<Process> {
    Process::spawn(checkout.command(program), &world.variables(program)?)
}

/// The measurements of one program's start.
#[derive(Default)]
struct Starts {
    ready_ms: Vec<f64>,
    greeting_ms: Vec<f64>,
}

impl Starts {
    async fn measure(
        &mut self,
        checkout: &Checkout,
        world: &World,
        program: Program,
        envelope: &Envelope,
    ) -> io::Result<()> {
        // A new client for each start: the time to connect is part of the measurement.
        let client = loopback::client()?;
        let mut process = start(checkout, world, program)?;
        let ready = process.wait_until_ready()?;
        load::call(&client, &process.url("HelloTool"), envelope).await?;
        self.ready_ms.push(milliseconds(ready));
        self.greeting_ms.push(milliseconds(process.age()));
        Ok(())
    }
}

/// A running program and its measurements so far.
struct Subject<'a> {
    program: Program,
    process: Process,
    client: &'a Client,
    /// Users who have not called it yet.
    new_users: &'a [Envelope],
    idle_mib: f64,
    requests: Requests,
    warm: [Vec<Sample>; CONCURRENCIES.len()],
    first_calls: Vec<Sample>,
    burst_ms: Vec<f64>,
    exchanges_of_one_user: u64,
    headers: [Vec<f64>; HEADER_SIZES.len()],
    after_users_mib: Option<f64>,
    peak_mib: f64,
    growth: Vec<(usize, Vec<f64>)>,
}

impl<'a> Subject<'a> {
    fn new(
        program: Program,
        process: Process,
        client: &'a Client,
        new_users: &'a [Envelope],
    ) -> Self {
        Self {
            program,
            process,
            client,
            new_users,
            idle_mib: 0.0,
            requests: Requests::default(),
            warm: Default::default(),
            first_calls: Vec::new(),
            burst_ms: Vec::new(),
            exchanges_of_one_user: 0,
            headers: Default::default(),
            after_users_mib: None,
            peak_mib: 0.0,
            growth: Vec::new(),
        }
    }

    /// Waits until the program is ready, and counts the requests of its first calls.
    async fn count_requests(&mut self, world: &World) -> io::Result<()> {
        self.process.wait_until_ready()?;
        self.idle_mib = self.process.memory_mib()?;
        let [first, second] = [self.take_new_users(1), self.take_new_users(1)];
        self.requests = Requests {
            first_of_process: self.count_requests_of_call(world, first).await?,
            first_of_user: self.count_requests_of_call(world, second).await?,
            warm: self.count_requests_of_call(world, second).await?,
        };
        Ok(())
    }

    async fn count_requests_of_call(
        &self,
        world: &World,
        envelopes: &[Envelope],
    ) -> io::Result<[u64; 3]> {
        world.cloud().ledger().reset();
        self.load(envelopes, 1, Until::Calls(1)).await?;
        let LedgerSnapshot {
            token,
            metadata,
            keys,
            managed_identity,
            ..
        } = world.cloud().ledger().snapshot();
        Ok([
            metadata.total + keys.total,
            managed_identity.total,
            token.total,
        ])
    }

    /// Measures calls of known users.
    async fn measure_warm(&mut self, users: &[Envelope], plan: Plan) -> io::Result<()> {
        for (index, concurrency) in CONCURRENCIES.into_iter().enumerate() {
            // Opens the connections.
            self.load(users, concurrency, Until::Calls(4 * concurrency))
                .await?;
            let sample = self
                .load(users, concurrency, Until::Elapsed(plan.load))
                .await?;
            self.warm[index].push(sample);
        }
        Ok(())
    }

    async fn measure_first_calls(&mut self, plan: Plan) -> io::Result<()> {
        let users = self.take_new_users(plan.first_calls);
        let sample = self.load(users, 1, Until::Calls(users.len())).await?;
        self.first_calls.push(sample);
        Ok(())
    }

    /// Measures concurrent first calls: of many users, then as many of one user.
    async fn measure_burst(&mut self, world: &World, plan: Plan) -> io::Result<()> {
        let users = self.take_new_users(plan.burst);
        let sample = self
            .load(users, plan.burst, Until::Calls(plan.burst))
            .await?;
        self.burst_ms.push(milliseconds(sample.elapsed));

        let user = self.take_new_users(1);
        world.cloud().ledger().reset();
        self.load(user, plan.burst, Until::Calls(plan.burst))
            .await?;
        let exchanges = world.cloud().ledger().snapshot().token.total;
        self.exchanges_of_one_user = self.exchanges_of_one_user.max(exchanges);
        Ok(())
    }

    async fn measure_headers(&mut self, world: &World, plan: Plan) -> io::Result<()> {
        for (index, kib) in HEADER_SIZES.into_iter().enumerate() {
            let envelope = [world.envelope_with_headers(kib * 1024)?];
            self.load(&envelope, 1, Until::Calls(1)).await?;
            let sample = self
                .load(&envelope, CONCURRENCY, Until::Elapsed(plan.load))
                .await?;
            self.headers[index].push(sample.cpu_us());
        }
        Ok(())
    }

    /// Replaces the process by a new one.
    fn restart(&mut self, checkout: &Checkout, world: &World) -> io::Result<()> {
        self.peak_mib = self.process.peak_memory_mib()?;
        self.process = start(checkout, world, self.program)?;
        self.process.wait_until_ready()?;
        Ok(())
    }

    /// Measures the memory after one call of each user.
    async fn measure_memory(&mut self, users: &[Envelope]) -> io::Result<()> {
        self.load(users, CONCURRENCY, Until::Calls(users.len()))
            .await?;
        self.after_users_mib = Some(self.process.memory_mib()?);
        self.growth = [1, users.len() / 100, users.len()]
            .map(|users| (users, Vec::new()))
            .into();
        Ok(())
    }

    /// Measures calls of few and of many known users.
    async fn measure_growth(&mut self, users: &[Envelope], plan: Plan) -> io::Result<()> {
        for index in 0..self.growth.len() {
            let users = &users[..self.growth[index].0];
            let sample = self
                .load(users, CONCURRENCY, Until::Elapsed(plan.load))
                .await?;
            self.growth[index].1.push(sample.cpu_us());
        }
        Ok(())
    }

    fn into_results(
        self,
        checkout: &Checkout,
        starts: Starts,
        plan: Plan,
    ) -> io::Result<ProgramResults> {
        Ok(ProgramResults {
            name: self.program.name().to_owned(),
            start: Start {
                ready_ms: Spread::of(starts.ready_ms),
                greeting_ms: Spread::of(starts.greeting_ms),
            },
            warm: CONCURRENCIES
                .into_iter()
                .zip(&self.warm)
                .map(|(concurrency, samples)| summarize_warm(concurrency, samples))
                .collect(),
            first_call: FirstCall {
                latency_ms: Spread::of(
                    self.first_calls
                        .iter()
                        .flat_map(|sample| sample.latency.iter_recorded())
                        .flat_map(|value| {
                            let times = usize::try_from(value.count_since_last_iteration());
                            std::iter::repeat_n(
                                value.value_iterated_to() as f64 / 1000.0,
                                times.unwrap_or(1),
                            )
                        })
                        .collect(),
                ),
                cpu_us: first_calls_cpu_us(&self.first_calls),
            },
            burst: Burst {
                users: plan.burst,
                all_users_ms: Spread::of(self.burst_ms),
                exchanges_of_one_user: self.exchanges_of_one_user,
            },
            memory: Memory {
                idle_mib: self.idle_mib,
                after_users: self.after_users_mib.map(|mib| (plan.most_users, mib)),
                peak_mib: self.peak_mib.max(self.process.peak_memory_mib()?),
            },
            users: costs(self.growth),
            headers: costs(HEADER_SIZES.into_iter().zip(self.headers)),
            size: deployment::size(&checkout.deployed(self.program))?,
            requests: self.requests,
        })
    }

    fn take_new_users(&mut self, number: usize) -> &'a [Envelope] {
        let (taken, rest) = self.new_users.split_at(number);
        self.new_users = rest;
        taken
    }

    async fn load(
        &self,
        envelopes: &[Envelope],
        concurrency: usize,
        until: Until,
    ) -> io::Result<Sample> {
        load(self.client, &self.process, envelopes, concurrency, until)
            .await
            .map_err(|error| io::Error::other(format!("{}: {error}", self.program.name())))
    }
}

fn summarize_warm(concurrency: usize, samples: &[Sample]) -> Warm {
    let mut latency = samples[0].latency.clone();
    for sample in &samples[1..] {
        latency += &sample.latency;
    }
    let quantile = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
    Warm {
        concurrency,
        calls: latency.len(),
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        p999_ms: quantile(0.999),
        cpu_us: Spread::of(samples.iter().map(Sample::cpu_us).collect()),
        calls_per_second: Spread::of(samples.iter().map(Sample::calls_per_second).collect()),
    }
}

/// The processor time per first call over all rounds: one round is too short for the resolution of the accounting.
fn first_calls_cpu_us(samples: &[Sample]) -> f64 {
    let cpu: Duration = samples.iter().map(|sample| sample.cpu).sum();
    let calls: u64 = samples.iter().map(Sample::calls).sum();
    cpu.as_secs_f64() * 1e6 / calls as f64
}

fn costs(measurements: impl IntoIterator<Item = (usize, Vec<f64>)>) -> Vec<Cost> {
    measurements
        .into_iter()
        .map(|(at, cpu_us)| Cost {
            at,
            cpu_us: Spread::of(cpu_us),
        })
        .collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
