//! Requests to the managed identity endpoint.

use super::message::{Answer, Request, Words};
use crate::events::Party;

pub(super) fn describe(asked: &Request<'_>, answer: &Answer) -> Words {
    let resource = asked.parameter("resource").unwrap_or("no resource");
    let is_app_service_auth =
        asked.user_agent.as_deref() == Some(Party::APP_SERVICE_AUTH_USER_AGENT);
    Words {
        from: Some(if is_app_service_auth {
            Party::AppServiceAuth
        } else {
            Party::Handler
        }),
        asks: format!("token for {resource}"),
        gets: if answer.has("/access_token") {
            "the client assertion that the app presents instead of a secret".to_owned()
        } else {
            answer.reason("/message").to_owned()
        },
    }
}
