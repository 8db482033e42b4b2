//! The header `Retry-After`.

use functions_mcp::internals::Reply;
use proptest::{collection::vec, prelude::*};
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
};

fn retry_after(value: &[u8]) -> Option<u64> {
    let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_bytes(value).ok()?)]);
    let reply = Reply {
        status: StatusCode::TOO_MANY_REQUESTS,
        headers,
        body: Vec::new(),
    };
    reply.retry_after().map(|wait| wait.as_secs())
}

proptest! {
    #[test]
    fn a_wait_is_read_in_seconds(seconds: u64) {
        prop_assert_eq!(retry_after(seconds.to_string().as_bytes()), Some(seconds));
    }

    #[test]
    fn a_wait_of_any_other_form_is_survived(value in vec(any::<u8>(), 0..100)) {
        let _ = retry_after(&value);
    }
}
