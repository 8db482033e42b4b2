//! Forged tokens and principals are refused without a request, and the refusal does not quote them.

use functions_mcp::{Failure, Remedy, internals::Kind};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    forger::{Forger, jwt, principal, quotes},
    openid_provider,
    support::{damaged, json, text},
};

const TOKEN_HEADERS: [&str; 3] = [
    "Authorization",
    "X-MS-TOKEN-AAD-ACCESS-TOKEN",
    "X-MS-TOKEN-AAD-ID-TOKEN",
];

/// The claims that the handler reads, and those that id token parsers interpret.
const CLAIMS: &str = "aud iss tid exp nbf scp idtyp azp appid iat sub nonce auth_time acr amr at_hash c_hash \
                      name name#de locale picture email_verified address updated_at";

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        3 => select(&TOKEN_HEADERS[..]).prop_map(str::to_owned),
        3 => Just("X-MS-CLIENT-PRINCIPAL".to_owned()),
        1 => text(),
    ];
    let value = prop_oneof![
        text(),
        text().prop_map(|token| format!("Bearer {token}")),
        "Bearer [A-Za-z0-9_-]{0,20}[.][A-Za-z0-9_-]{0,20}[.][A-Za-z0-9_-]{0,20}",
        (json(), json()).prop_map(|(header, claims)| jwt(&header.to_string(), &claims.to_string())),
        json().prop_map(|json| principal(&json.to_string())),
        json().prop_map(|claim| principal(&json!({ "claims": [claim] }).to_string())),
    ];
    vec((name, value), 0..6)
}

/// The headers of a call with `token` in the header `place`.
fn headers_with(forger: &Forger, place: &'static str, token: &str) -> [(&'static str, String); 2] {
    let [(authorization, bearer), principal] = forger.headers(token);
    let value = if place == authorization {
        bearer
    } else {
        token.to_owned()
    };
    [(place, value), principal]
}

#[test]
fn headers_of_any_kind_are_refused_without_a_request() {
    let forger = Forger::start();
    proptest!(|(headers in headers())| {
        let (_, requests) = forger.discreet_refusal(&headers);
        prop_assert_eq!(requests, 0);
    });
}

#[test]
fn a_principal_of_any_kind_does_not_make_up_for_a_wrong_signature() {
    let forger = Forger::start();
    let [token, (name, good)] = forger.headers(&forger.token());
    let claim = (select(&["tid", "oid", ""][..]), text())
        .prop_map(|(name, value)| json!({ "typ": name, "val": value }));
    let forged = prop_oneof![
        damaged(&good),
        text(),
        json().prop_map(|json| principal(&json.to_string())),
        vec(claim, 0..4).prop_map(|claims| principal(&json!({ "claims": claims }).to_string())),
    ];
    proptest!(|(forged in forged)| {
        let (_, requests) = forger.discreet_refusal(&[token.clone(), (name, forged)]);
        prop_assert_eq!(requests, 0);
    });
}

#[test]
fn a_damaged_token_is_refused_wherever_it_stands() {
    let forger = Forger::start();
    let good = forger.token();
    let jose_header = |token: &str| token.split('.').next().map(str::to_owned);
    proptest!(|(token in damaged(&good), place in select(&TOKEN_HEADERS[..]))| {
        let (_, requests) = forger.discreet_refusal(&headers_with(&forger, place, &token));
        // Only an unknown key id may cause a request.
        prop_assert!(requests == 0 || jose_header(&token) != jose_header(&good));
    });
}

#[test]
fn claims_of_any_value_are_refused_without_a_request() {
    let forger = Forger::start();
    let names: Vec<_> = CLAIMS.split(' ').collect();
    let changes = vec((select(names), json()), 1..4);
    proptest!(|(changes in changes, place in select(&TOKEN_HEADERS[..]))| {
        let mut claims = forger.claims();
        for (name, value) in &changes {
            claims[*name] = value.clone();
        }
        let token = jwt(&forger.jose_header().to_string(), &claims.to_string());
        let (error, requests) = forger.discreet_refusal(&headers_with(&forger, place, &token));
        prop_assert_eq!(requests, 0);
        for (_, value) in &changes {
            prop_assert!(!quotes(&error.to_string(), &value.to_string()), "{}", error);
        }
    });
}

#[test]
fn a_token_of_impossible_times_is_refused() {
    let forger = Forger::start();
    for name in ["exp", "nbf", "iat", "auth_time", "updated_at"] {
        for time in [
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(f64::MAX),
            json!("0"),
        ] {
            let mut claims = forger.claims();
            claims[name] = time;
            let token = jwt(&forger.jose_header().to_string(), &claims.to_string());
            forger.discreet_refusal(&forger.headers(&token));
        }
    }
}

#[test]
fn a_jose_header_of_any_content_is_refused() {
    let forger = Forger::start();
    let names = vec![
        "alg", "kid", "typ", "cty", "crit", "jku", "jwk", "x5c", "enc", "zip",
    ];
    let algorithm = select(&["none", "HS256", "HS512", "RS384", "PS256", "ES256", "EdDSA"][..]);
    let value = prop_oneof![json(), algorithm.prop_map(Value::from)];
    proptest!(|(name in select(names), value in value)| {
        let mut header = forger.jose_header();
        header[name] = value;
        let token = jwt(&header.to_string(), &forger.claims().to_string());
        let (_, requests) = forger.discreet_refusal(&forger.headers(&token));
        prop_assert!(requests == 0 || name == "kid");
    });
}

#[test]
fn keys_are_not_fetched_over_plain_http_from_elsewhere_and_the_operator_is_told() {
    for elsewhere in [
        "http://keys.example/",
        "http://169.254.255.2:8081/msi/token",
    ] {
        let authority = openid_provider::start_with_keys_at(Some(elsewhere));
        let forger = Forger::before(authority);
        let (error, _) = forger.refusal(&forger.headers(&forger.token()));
        assert_eq!(error.kind(), &Kind::Insecure, "{error}");
        let failure = Failure::from(error);
        assert_eq!(failure.remedy(), Remedy::Operator);
        assert!(
            failure
                .action()
                .is_some_and(|action| action.contains("AZURE_AUTHORITY_HOST"))
        );
    }
}
