//! Requests to Microsoft Graph.

use super::message::{Answer, Request, Words, user};
use crate::events::Party;

pub(super) fn describe(asked: &Request<'_>, answer: &Answer) -> Words {
    let caller = match &asked.bearer {
        Some(claims) => format!("as {}", user(claims).unwrap_or("an unknown user")),
        None => "anonymous".to_owned(),
    };
    Words {
        from: Some(Party::Handler),
        asks: format!("{} {} {caller}", asked.method, asked.path),
        gets: match (answer.text("/displayName"), answer.text("/error/code")) {
            (Some(name), _) => format!("the profile of {name}"),
            (None, Some(code)) => format!("{code}: {}", answer.reason("/error/message")),
            (None, None) => answer.reason("/error/message").to_owned(),
        },
    }
}
