//! Benchmarks of the parts of a warm call: `cargo bench -p bench`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant, SystemTime},
};

use azure_core::credentials::AccessToken;
use bench::{
    program::{Checkout, Program},
    world::World,
};
use criterion::{Criterion, criterion_group, criterion_main};
use functions_mcp::{
    Settings,
    internals::{
        CredentialSource, Expiring, HttpClients, RefreshingCache, ToolInvocation, TriggerValue,
    },
};
use tokio::runtime::Runtime;

const KIB: usize = 1024;

fn warm_call(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let world = runtime
        .block_on(World::start(Checkout::own().root(), false))
        .unwrap();
    let mut variables = world.variables(Program::Handler).unwrap();
    variables.push(("FUNCTIONS_CUSTOMHANDLER_PORT", "1".to_owned()));
    let settings = Settings::from_lookup(|wanted| {
        let variable = variables.iter().find(|(name, _)| *name == wanted);
        variable.map(|(_, value)| value.clone())
    })
    .unwrap();

    for size in [2, 8, 32] {
        let body = world.envelope_with_headers(size * KIB).unwrap();
        criterion.bench_function(
            &format!("decode an envelope, {size} KiB of headers"),
            |bencher| {
                bencher.iter(|| {
                    let value = TriggerValue::from_body(body.as_bytes()).unwrap();
                    black_box(value.read::<ToolInvocation>().unwrap());
                });
            },
        );
    }

    let body = world.envelope_with_headers(2 * KIB).unwrap();
    let value = TriggerValue::from_body(body.as_bytes()).unwrap();
    let invocation: ToolInvocation = value.read().unwrap();
    let headers = invocation.headers();
    criterion.bench_function("find a header", |bencher| {
        bencher.iter(|| headers.get("X-MS-CLIENT-PRINCIPAL").unwrap());
    });

    let credentials = CredentialSource::new(&settings.identity);
    // All calls share this budget.
    let http = HttpClients::lazy().for_call(Duration::from_secs(3600));
    runtime
        .block_on(credentials.for_call(headers, &http))
        .unwrap();
    criterion.bench_function("recognise a verified caller", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(credentials.for_call(headers, &http))
                .unwrap()
        });
    });

    let tokens = RefreshingCache::new(20_000);
    let next_day = SystemTime::now() + Duration::from_secs(24 * 3600);
    let token = AccessToken::new("t".repeat(2 * KIB), next_day.into());
    let fetched = async move { Ok(Expiring::until(token, next_day)) };
    runtime.block_on(tokens.get([0; 32], || fetched)).unwrap();
    criterion.bench_function("get a token from the cache", |bencher| {
        let absent = || async { unreachable!("the token is cached") };
        bencher.iter(|| runtime.block_on(tokens.get([0; 32], absent)).unwrap());
    });

    // Each of these callers is new to a credential source that has the signing keys.
    let bodies = runtime.block_on(world.envelopes(0..500)).unwrap();
    let values: Vec<TriggerValue> = bodies
        .iter()
        .map(|body| TriggerValue::from_body(body.as_bytes()).unwrap())
        .collect();
    let invocations: Vec<ToolInvocation> =
        values.iter().map(|value| value.read().unwrap()).collect();
    criterion.bench_function("verify a caller", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            let mut left = usize::try_from(iterations).unwrap();
            while left > 0 {
                let credentials = CredentialSource::new(&settings.identity);
                runtime
                    .block_on(credentials.for_call(headers, &http))
                    .unwrap();
                let batch = &invocations[..left.min(invocations.len())];
                let started = Instant::now();
                for invocation in batch {
                    runtime
                        .block_on(credentials.for_call(invocation.headers(), &http))
                        .unwrap();
                }
                elapsed += started.elapsed();
                left -= batch.len();
            }
            elapsed
        });
    });
}

criterion_group!(benches, warm_call);
criterion_main!(benches);
