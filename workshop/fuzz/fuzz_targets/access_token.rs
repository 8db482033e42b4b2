//! Fuzzes the JOSE header and the claims of a token, on a line each: without a signature, every token is refused.

#![no_main]

use std::sync::LazyLock;

use fuzz::{
    MAX_DETAIL,
    forger::{Forger, jwt},
};
use libfuzzer_sys::fuzz_target;

static FORGER: LazyLock<Forger> = LazyLock::new(Forger::start);

fuzz_target!(|token: &str| {
    let (header, claims) = token.split_once('\n').unwrap_or((token, ""));
    // The issuer's port differs from run to run.
    let issuer = &FORGER.claims()["iss"];
    let claims = claims.replace("\"ISSUER\"", &issuer.to_string());
    let (error, _) = FORGER.refusal(&FORGER.headers(&jwt(header, &claims)));
    assert!(error.detail().len() < MAX_DETAIL, "{error}");
});
