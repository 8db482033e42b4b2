//! Properties that hold for any input.

use proptest::{collection::vec, prelude::*};
use reqwest::header::HeaderMap;

use super::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn read(body: Vec<u8>) -> Result<Expiring<AccessToken>, Error> {
    let reply = Reply {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body,
    };
    read_token(&reply, SystemTime::now())
}

/// A number of seconds in any form in which JSON may have one, and some in which it may not.
fn seconds() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(|seconds| json!(seconds)),
        any::<u64>().prop_map(|seconds| json!(seconds.to_string())),
        any::<i64>().prop_map(|seconds| json!(seconds)),
        any::<f64>().prop_map(|seconds| json!(seconds)),
        "\\PC{0,10}".prop_map(|text| json!(text)),
        Just(Value::Null),
    ]
}

proptest! {
    #[test]
    fn a_token_response_of_any_bytes_is_survived(body in vec(any::<u8>(), 0..1000)) {
        prop_assert!(read(body).is_err());
    }

    #[test]
    fn a_token_is_renewed_before_it_expires_and_expires_within_a_year(
        expires_in in seconds(),
        refresh_in in seconds(),
    ) {
        let body = json!({ "access_token": "t", "expires_in": expires_in, "refresh_in": refresh_in });
        if let Ok(token) = read(body.to_string().into_bytes()) {
            let expires_on = SystemTime::from(token.value.expires_on);
            prop_assert!(token.refresh_on.unwrap() <= expires_on && token.expires_on <= expires_on);
            prop_assert!(expires_on <= SystemTime::now() + YEAR);
        }
    }

    #[test]
    fn a_claims_challenge_of_any_text_is_refused_or_asks_for_our_capabilities(
        challenge in prop_oneof![
            "\\PC{0,100}",
            r#"[\[\]{}":,a-z0-9]{0,20}"#,
            r#"[{]"access_token":[^}]{0,9}[}]{1,2}"#,
        ],
    ) {
        if let Ok(claims) = answer_to_challenge(&challenge) {
            let claims: Value = serde_json::from_str(&claims)?;
            prop_assert_eq!(&claims["access_token"]["xms_cc"]["values"], &json!(["cp1"]));
        }
    }
}
