//! Counts the instructions of a warm call with callgrind, independently of other load on the machine.

use std::{fs, io, process::Command};

use sandbox::loopback;

use crate::{
    load::{Until, load},
    process::Process,
    program::{Checkout, Program},
    world::World,
};

/// The number of calls that are counted, and of those before them that are not.
const CALLS: usize = 400;
const CALLS_BEFORE: usize = 100;

/// The limit of the handler's instructions per call, relative to the floor's.
const LIMIT: f64 = 1.3;

/// Compares the handler with the floor, and prints the result.
///
/// # Errors
/// When callgrind cannot count, or the handler exceeds its limit.
pub async fn check(checkout: &Checkout, world: &World) -> io::Result<()> {
    let handler = count_per_call(checkout, world, Program::Handler).await?;
    let floor = count_per_call(checkout, world, Program::Floor).await?;
    let ratio = handler / floor;
    println!(
        "instructions per warm call: handler {handler:.0}, floor {floor:.0}, ratio {ratio:.2} (limit {LIMIT})"
    );
    if ratio <= LIMIT {
        Ok(())
    } else {
        Err(io::Error::other("a call takes too many instructions"))
    }
}

/// Counts the instructions per call: the difference between a long and a short run, without those of the start.
async fn count_per_call(checkout: &Checkout, world: &World, program: Program) -> io::Result<f64> {
    let short = count_total(checkout, world, program, CALLS_BEFORE).await?;
    let long = count_total(checkout, world, program, CALLS_BEFORE + CALLS).await?;
    Ok((long as f64 - short as f64) / CALLS as f64)
}

async fn count_total(
    checkout: &Checkout,
    world: &World,
    program: Program,
    calls: usize,
) -> io::Result<u64> {
    let profile = tempfile::NamedTempFile::new()?;
    let own = checkout.command(program);
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", profile.path().display()))
        .arg(own.get_program());

    let client = loopback::client()?;
    let envelopes = world.envelopes(0..1).await?;
    let mut process = Process::spawn(command, &world.variables(program)?)?;
    process.wait_until_ready()?;
    load(&client, &process, &envelopes, 1, Until::Calls(calls)).await?;
    process.terminate()?;

    let profile = fs::read_to_string(profile.path())?;
    profile
        .lines()
        .find_map(|line| line.strip_prefix("summary:")?.trim().parse().ok())
        .ok_or_else(|| io::Error::other("callgrind counted nothing"))
}
