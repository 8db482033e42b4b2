//! The sessions of browsers at Entra and the sign-ins under way in them.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::authorization_request::AuthorizationRequest;
use crate::directory::Person;

/// The sessions and the pending questions. Kept as long as the cloud runs.
#[derive(Default)]
pub(crate) struct SignIns {
    /// The person who is signed in, by the id of the session.
    sessions: Mutex<HashMap<String, Option<Person>>>,
    /// The sign-ins that wait for an answer, by the id in the form.
    pending: Mutex<HashMap<String, Pending>>,
}

/// A sign-in that waits for an answer.
pub(super) struct Pending {
    pub(super) session: String,
    pub(super) request: AuthorizationRequest,
    pub(super) question: Question,
}

/// The question of a page.
pub(super) enum Question {
    /// For the account.
    Account,
    /// For this person's consent.
    Consent(Person),
}

impl SignIns {
    pub(super) fn knows(&self, session: &str) -> bool {
        self.sessions.lock().contains_key(session)
    }

    pub(super) fn person(&self, session: &str) -> Option<Person> {
        self.sessions.lock().get(session)?.clone()
    }

    pub(super) fn sign_in(&self, session: &str, person: &Person) {
        self.sessions
            .lock()
            .insert(session.to_owned(), Some(person.clone()));
    }

    pub(super) fn sign_out(&self, session: &str) {
        self.sessions.lock().remove(session);
    }

    pub(super) fn ask(&self, flow: String, pending: Pending) {
        self.sessions
            .lock()
            .entry(pending.session.clone())
            .or_default();
        self.pending.lock().insert(flow, pending);
    }

    /// Removes and returns the pending sign-in of an answer, if it belongs to this session.
    pub(super) fn take_answered(
        &self,
        session: &str,
        flow: &str,
    ) -> Option<(AuthorizationRequest, Question)> {
        let mut pending = self.pending.lock();
        pending.get(flow).filter(|asked| asked.session == session)?;
        let Pending {
            request, question, ..
        } = pending.remove(flow)?;
        Some((request, question))
    }
}
