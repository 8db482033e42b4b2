//! The counts of the cloud's requests, per endpoint and person, and the secrets that it issued.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// A part of the cloud that can be made to fail. Its requests are counted by the [`Ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Entra's token endpoint.
    Token,
    /// Entra's OpenID metadata.
    Metadata,
    /// Entra's signing keys.
    Keys,
    /// The managed identity endpoint of App Service.
    ManagedIdentity,
    /// Microsoft Graph.
    Graph,
}

/// The requests of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// All requests, including those that were refused or that failed by a fault.
    pub total: u64,
    /// The part of `total` that was made for a known person, by the person's name.
    pub people: BTreeMap<String, u64>,
}

/// The counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerSnapshot {
    /// Requests to Entra's token endpoint.
    pub token: Requests,
    /// Requests for Entra's OpenID metadata.
    pub metadata: Requests,
    /// Requests for Entra's signing keys.
    pub keys: Requests,
    /// Requests to the managed identity endpoint.
    pub managed_identity: Requests,
    /// Requests to Microsoft Graph.
    pub graph: Requests,
}

impl LedgerSnapshot {
    /// The number of requests to all endpoints.
    pub fn total(&self) -> u64 {
        [
            &self.token,
            &self.metadata,
            &self.keys,
            &self.managed_identity,
            &self.graph,
        ]
        .iter()
        .map(|requests| requests.total)
        .sum()
    }

    fn of(&mut self, endpoint: Endpoint) -> &mut Requests {
        match endpoint {
            Endpoint::Token => &mut self.token,
            Endpoint::Metadata => &mut self.metadata,
            Endpoint::Keys => &mut self.keys,
            Endpoint::ManagedIdentity => &mut self.managed_identity,
            Endpoint::Graph => &mut self.graph,
        }
    }
}

/// Counts requests and, when asked to, keeps every secret.
pub struct Ledger {
    counts: Mutex<LedgerSnapshot>,
    secrets: Option<Mutex<Vec<String>>>,
}

impl Ledger {
    pub(crate) fn new(record_secrets: bool) -> Self {
        Self {
            counts: Mutex::default(),
            secrets: record_secrets.then(Mutex::default),
        }
    }

    pub(crate) fn record(&self, endpoint: Endpoint, person: Option<&str>) {
        let mut counts = self.counts.lock();
        let requests = counts.of(endpoint);
        requests.total += 1;
        if let Some(person) = person {
            *requests.people.entry(person.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn record_secret(&self, secret: &str) {
        if let Some(secrets) = &self.secrets {
            secrets.lock().push(secret.to_owned());
        }
    }

    /// The counts now.
    pub fn snapshot(&self) -> LedgerSnapshot {
        self.counts.lock().clone()
    }

    /// Resets the counts to zero. Secrets are kept.
    pub fn reset(&self) {
        *self.counts.lock() = LedgerSnapshot::default();
    }

    /// Every token and identity header issued so far; empty unless
    /// [`record_secrets`](crate::cloud::CloudOptions::record_secrets) is set.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets
            .as_ref()
            .map(|secrets| secrets.lock().clone())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_per_endpoint_and_person() {
        let ledger = Ledger::new(false);
        ledger.record(Endpoint::Token, Some("ada"));
        ledger.record(Endpoint::Token, Some("ada"));
        ledger.record(Endpoint::Token, None);
        ledger.record(Endpoint::Graph, Some("grace"));

        let snapshot = ledger.snapshot();
        assert_eq!(snapshot.token.total, 3);
        assert_eq!(snapshot.token.people["ada"], 2);
        assert_eq!(snapshot.graph.people["grace"], 1);
        assert_eq!(snapshot.total(), 4);
    }

    #[test]
    fn a_reset_clears_counts_but_not_secrets() {
        let ledger = Ledger::new(true);
        ledger.record(Endpoint::Keys, None);
        ledger.record_secret("hush");
        ledger.reset();
        assert_eq!(ledger.snapshot(), LedgerSnapshot::default());
        assert_eq!(ledger.secrets(), ["hush"]);
    }

    #[test]
    fn secrets_are_kept_only_on_request() {
        let ledger = Ledger::new(false);
        ledger.record_secret("hush");
        assert!(ledger.secrets().is_empty());
    }
}
