//! Fuzzes the headers of a call, one a line: without a signature, every call is refused without an outbound request.

#![no_main]

use std::sync::LazyLock;

use fuzz::{
    MAX_DETAIL,
    forger::{Forger, principal},
};
use libfuzzer_sys::fuzz_target;

static FORGER: LazyLock<Forger> = LazyLock::new(Forger::start);

fuzz_target!(|headers: &str| {
    let headers: Vec<_> = headers
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| match value.strip_prefix("base64 ") {
            // A fuzzer hardly finds valid base64.
            Some(json) => (name, principal(json)),
            None => (name, value.to_owned()),
        })
        .collect();
    let (error, requests) = FORGER.refusal(&headers);
    assert!(error.detail().len() < MAX_DETAIL, "{error}");
    assert_eq!(requests, 0);
});
