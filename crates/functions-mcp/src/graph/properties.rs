//! Properties that hold for any input.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

use super::*;

fn unauthorized(challenge: &[u8]) -> Option<Reply> {
    let challenge = HeaderValue::from_bytes(challenge).ok()?;
    Some(Reply {
        status: StatusCode::UNAUTHORIZED,
        headers: HeaderMap::from_iter([(WWW_AUTHENTICATE, challenge)]),
        body: Vec::new(),
    })
}

/// What may stand in a challenge, in no order.
fn challenge() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Bearer ".to_owned()),
        Just("insufficient_claims".to_owned()),
        Just("claims=\"".to_owned()),
        Just("\"".to_owned()),
        Just(", ".to_owned()),
        "[A-Za-z0-9+/=]{0,40}",
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A segment of a path, made of what means something in URLs.
fn segment() -> impl Strategy<Value = String> {
    const SPECIAL: [&str; 10] = ["a", ".", "..", "/", "\\", "%2e", "?", "#", "\t", "\n"];
    prop_oneof![
        vec(select(&SPECIAL[..]), 0..4).prop_map(|pieces| pieces.concat()),
        vec(any::<char>(), 0..20).prop_map(String::from_iter),
    ]
}

proptest! {
    #[test]
    fn a_challenge_of_any_bytes_is_survived(challenge in vec(any::<u8>(), 0..200)) {
        let _ = unauthorized(&challenge).map(|reply| claims_challenge(&reply));
    }

    #[test]
    fn a_challenge_of_any_form_is_survived(challenge in challenge()) {
        let _ = unauthorized(challenge.as_bytes()).map(|reply| claims_challenge(&reply));
    }

    #[test]
    fn claims_are_read_as_they_were_sent(claims in "\\PC{0,200}", realm in "[ -!#-~]{0,20}") {
        for encoded in [BASE64.encode(&claims), BASE64.encode(&claims).replace('=', "")] {
            let challenge =
                format!("Bearer realm=\"{realm}\", error=\"insufficient_claims\", claims=\"{encoded}\"");
            let read = unauthorized(challenge.as_bytes()).and_then(|reply| claims_challenge(&reply));
            prop_assert_eq!(read.as_deref(), Some(claims.as_str()));
        }
    }

    #[test]
    fn a_segment_and_a_value_of_any_text_stay_what_they_are(
        segments in vec(segment(), 0..4),
        key in "\\PC{1,10}",
        value in vec(any::<char>(), 0..20).prop_map(String::from_iter),
    ) {
        let root = "https://graph.microsoft.com/".parse().unwrap();
        let mut path = vec!["v1.0", "users"];
        path.extend(segments.iter().map(String::as_str));
        let is_name = |segment: &&str| {
            !matches!(segment.replace(['\t', '\n', '\r'], "").as_str(), "" | "." | "..")
        };
        let all_are_names = path.iter().all(is_name);
        let url = match resource_url(&root, &path, &[(&key, &value)]) {
            Ok(url) => url,
            Err(failure) => {
                prop_assert!(!all_are_names, "{:?}: {}", path, failure);
                return Ok(());
            }
        };

        prop_assert!(all_are_names, "{:?}: {}", path, url);
        prop_assert_eq!(url.origin(), root.url("/").origin());
        prop_assert!(url.path().starts_with("/v1.0/users"), "{}", url);
        prop_assert!(url.fragment().is_none(), "{}", url);
        prop_assert_eq!(url.path_segments().map(Iterator::count), Some(path.len()), "{}", url);
        prop_assert_eq!(Vec::from_iter(url.query_pairs()), [(key.into(), value.into())]);
    }

    #[test]
    fn an_error_body_of_any_bytes_is_one_short_line_in_the_log(
        status in 400..600_u16,
        code in vec(any::<char>(), 0..200),
        body in vec(any::<u8>(), 0..200),
    ) {
        let code = Value::from(String::from_iter(code));
        for body in [body, format!("{{\"error\":{{\"code\":{code}}}}}").into_bytes()] {
            let status = StatusCode::from_u16(status)?;
            let failure = read_failure(&Reply { status, headers: HeaderMap::new(), body });
            let detail = failure.detail().unwrap_or_default();
            prop_assert!(detail.len() < 2048 && !detail.contains(char::is_control), "{}", detail);
        }
    }
}
