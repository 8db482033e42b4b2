//! Requests to Microsoft Graph.

use super::message::{Answer, Request, Words, user};
use crate::events::Party;

pub(super) fn describe(asked: &Request<'_>, answer: &Answer) -> Words {
    let user = match &asked.bearer {
        Some(claims) => user(claims).unwrap_or("nobody"),
        None => "nobody",
    };
    Words {
        from: Some(Party::Handler),
        asks: format!("{} {} as {user}", asked.method, asked.path),
        gets: match (answer.text("/displayName"), answer.text("/error/code")) {
            (Some(name), _) => format!("the profile of {name}"),
            (None, Some(code)) => format!("{code}: {}", answer.reason("/error/message")),
            (None, None) => answer.reason("/error/message").to_owned(),
        },
    }
}
