//! Faults to inject: what fails, at which endpoint, for which person and how often.

use std::{
    fmt, io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    web::Bytes,
};
use futures_util::stream;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::ledger::Endpoint;
use crate::{ledger::Ledger, tenant::EntraError};

/// What the caller gets instead of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Entra refuses with the error of this `AADSTS` code. Token endpoint only.
    EntraError {
        /// The code after `AADSTS`: one that the stand-in for Entra knows.
        code: u32,
    },
    /// An HTTP status with the endpoint's usual error body.
    Status {
        /// The status code, 400 to 599.
        code: u16,
        /// Seconds to announce in `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The answer is delayed. Combines with the next fault that applies.
    Delay {
        /// The length of the delay.
        milliseconds: u64,
    },
    /// The connection is dropped without a response.
    Reset,
    /// 200 and truncated JSON.
    Malformed,
    /// 200 and an empty body.
    Empty,
    /// 502 and the HTML error page of a proxy.
    Html,
    /// 200 and two megabytes of JSON, without `Content-Length`.
    Oversized,
    /// 401 with a claims challenge of continuous access evaluation, until the call carries a token that was issued
    /// with the claims of this challenge. Graph only.
    ClaimsChallenge,
    /// A successful answer whose `expires_on` is a number, as other hosts of the protocol send it, and not the string
    /// that App Service sends. Managed identity only.
    NumericExpiry,
}

/// A fault to inject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The endpoint that fails.
    pub at: Endpoint,
    /// The short name of the only person it applies to; all people if absent. Requests for metadata, keys and the
    /// managed identity have no person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// What the caller gets.
    pub effect: Effect,
    /// How often it happens; always if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The probability, 0 to 1, that it happens to a request it applies to.
    #[serde(default = "default_chance")]
    pub chance: f64,
}

fn default_chance() -> f64 {
    1.0
}

impl Fault {
    /// A fault that always happens, for all people.
    pub fn new(at: Endpoint, effect: Effect) -> Self {
        Self {
            at,
            person: None,
            effect,
            times: None,
            chance: default_chance(),
        }
    }

    /// Limits the fault to one person, by short name.
    pub fn person(self, name: impl Into<String>) -> Self {
        Self {
            person: Some(name.into()),
            ..self
        }
    }

    /// Limits how often the fault happens.
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Sets the probability, 0 to 1, that the fault happens to a request it applies to.
    pub fn chance(self, chance: f64) -> Self {
        Self { chance, ..self }
    }

    fn validate(&self) -> Result<(), InvalidFault> {
        if !(0.0..=1.0).contains(&self.chance) {
            return Err(InvalidFault::Chance);
        }
        if self.times == Some(0) {
            return Err(InvalidFault::Times);
        }
        if self.person.is_some() && !matches!(self.at, Endpoint::Token | Endpoint::Graph) {
            return Err(InvalidFault::Person);
        }
        match self.effect {
            Effect::EntraError { .. } if self.at != Endpoint::Token => {
                Err(InvalidFault::EntraErrorElsewhere)
            }
            Effect::EntraError { code } if EntraError::from_code(code).is_none() => {
                Err(InvalidFault::UnknownEntraError(code))
            }
            Effect::Status { code, .. } if !(400..600).contains(&code) => {
                Err(InvalidFault::Status(code))
            }
            Effect::ClaimsChallenge if self.at != Endpoint::Graph => {
                Err(InvalidFault::ClaimsChallengeElsewhere)
            }
            Effect::NumericExpiry if self.at != Endpoint::ManagedIdentity => {
                Err(InvalidFault::NumericExpiryElsewhere)
            }
            _ => Ok(()),
        }
    }
}

/// Why a fault is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidFault {
    /// The chance is not between 0 and 1.
    Chance,
    /// The number of times is zero.
    Times,
    /// Requests to the endpoint have no person.
    Person,
    /// Only the token endpoint answers with Entra's errors.
    EntraErrorElsewhere,
    /// The stand-in for Entra does not know the error of this code.
    UnknownEntraError(u32),
    /// The status is not that of an error.
    Status(u16),
    /// Only Graph sends claims challenges.
    ClaimsChallengeElsewhere,
    /// Only the managed identity endpoint sends `expires_on`.
    NumericExpiryElsewhere,
}

impl fmt::Display for InvalidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chance => f.write_str("`chance` must be between 0 and 1"),
            Self::Times => f.write_str("`times` must be at least 1"),
            Self::Person => f.write_str("`person` is for `token` and `graph` only"),
            Self::EntraErrorElsewhere => f.write_str("`entra_error` is for `token` only"),
            Self::UnknownEntraError(code) => {
                write!(f, "the sandbox does not know AADSTS{code}; it knows")?;
                EntraError::ALL
                    .iter()
                    .try_for_each(|error| write!(f, " {}", error.code()))
            }
            Self::Status(code) => write!(f, "the status must be between 400 and 599, not {code}"),
            Self::ClaimsChallengeElsewhere => f.write_str("`claims_challenge` is for `graph` only"),
            Self::NumericExpiryElsewhere => {
                f.write_str("`numeric_expiry` is for `managed_identity` only")
            }
        }
    }
}

impl std::error::Error for InvalidFault {}

/// The parts of a request by which faults are selected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) at: Endpoint,
    pub(crate) person: Option<&'a str>,
    /// The claims challenge that the call's token was issued for.
    pub(crate) challenge: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A request to an endpoint without claims challenges.
    pub(crate) fn new(at: Endpoint, person: Option<&'a str>) -> Self {
        Self {
            at,
            person,
            challenge: None,
        }
    }
}

/// The fault that replaces the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InjectedFault {
    /// A claims challenge of this value.
    Challenge(String),
    /// Any other effect.
    Effect(Effect),
}

impl InjectedFault {
    /// The effect, at an endpoint that has no claims challenges.
    pub(crate) fn into_effect(self) -> Effect {
        match self {
            Self::Challenge(_) => Effect::ClaimsChallenge,
            Self::Effect(effect) => effect,
        }
    }
}

struct ActiveFault {
    fault: Fault,
    /// The value of this fault's claims challenge, different from those of others.
    challenge: String,
}

impl ActiveFault {
    fn applies_to(&self, call: Call<'_>) -> bool {
        let Fault {
            at,
            person,
            effect,
            chance,
            ..
        } = &self.fault;
        *at == call.at
            && person
                .as_deref()
                .is_none_or(|person| call.person == Some(person))
            && !(*effect == Effect::ClaimsChallenge && call.challenge == Some(&self.challenge))
            && rand::random::<f64>() < *chance
    }
}

/// The faults in force. They are tried in the order in which they were added.
#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    active: Vec<ActiveFault>,
    last_challenge: u64,
}

impl Faults {
    /// Adds a fault after those in force.
    ///
    /// # Errors
    /// [`InvalidFault`] when its parts do not fit together.
    pub fn add(&self, fault: Fault) -> Result<(), InvalidFault> {
        fault.validate()?;
        let mut state = self.state.lock();
        // A time in epoch seconds, as in Entra, but different for each fault.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        state.last_challenge = now.max(state.last_challenge + 1);
        let challenge = state.last_challenge.to_string();
        state.active.push(ActiveFault { fault, challenge });
        Ok(())
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.state.lock().active.clear();
    }

    /// The faults in force, `times` counted down.
    pub fn list(&self) -> Vec<Fault> {
        self.state
            .lock()
            .active
            .iter()
            .map(|active| active.fault.clone())
            .collect()
    }

    /// Counts the call, and answers it with `fail` if a fault applies, otherwise with `succeed`.
    pub(crate) async fn answer(
        &self,
        ledger: &Ledger,
        call: Call<'_>,
        fail: impl FnOnce(InjectedFault) -> HttpResponse,
        succeed: impl FnOnce() -> HttpResponse,
    ) -> HttpResponse {
        let Call { at, person, .. } = call;
        ledger.record(at, person);
        let (delay, injected) = self.draw(call);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match injected {
            Some(injected) => {
                tracing::debug!(?at, person, ?injected, "fault");
                fail(injected)
            }
            None => succeed(),
        }
    }

    fn draw(&self, call: Call<'_>) -> (Duration, Option<InjectedFault>) {
        let active = &mut self.state.lock().active;
        let mut delay = Duration::ZERO;
        let mut injected = None;
        for candidate in active.iter_mut() {
            if !candidate.applies_to(call) {
                continue;
            }
            if let Some(times) = &mut candidate.fault.times {
                *times -= 1;
            }
            match &candidate.fault.effect {
                Effect::Delay { milliseconds } => {
                    delay += Duration::from_millis(*milliseconds);
                    continue;
                }
                Effect::ClaimsChallenge => {
                    injected = Some(InjectedFault::Challenge(candidate.challenge.clone()))
                }
                effect => injected = Some(InjectedFault::Effect(effect.clone())),
            }
            break;
        }
        active.retain(|candidate| candidate.fault.times != Some(0));
        (delay, injected)
    }
}

impl Effect {
    /// The response of an effect that is the same at every endpoint; `error_body` is the endpoint's body for
    /// [`Effect::Status`].
    pub(crate) fn respond(&self, error_body: Value) -> HttpResponse {
        const JSON: (actix_web::http::header::HeaderName, &str) =
            (CONTENT_TYPE, "application/json; charset=utf-8");
        match self {
            Self::Status { code, retry_after } => {
                let mut response = error_response(*code);
                if let Some(seconds) = retry_after {
                    response.insert_header((RETRY_AFTER, seconds.to_string()));
                }
                response.json(error_body)
            }
            // The server drops a connection whose body fails before the head is flushed.
            Self::Reset => HttpResponse::Ok()
                .streaming(stream::iter([Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))])),
            Self::Malformed => HttpResponse::Ok().insert_header(JSON).body(r#"{"token_type":"Bearer","access_tok"#),
            Self::Html => HttpResponse::BadGateway()
                .insert_header((CONTENT_TYPE, "text/html"))
                .body("<html><head><title>502 Bad Gateway</title></head><body>The proxy got no valid response.</body></html>"),
            Self::Oversized => {
                const CHUNK: &[u8] = &[b' '; 64 * 1024];
                let spaces = std::iter::repeat_n(Bytes::from_static(CHUNK), 32);
                let body = [Bytes::from_static(b"{")].into_iter().chain(spaces).chain([Bytes::from_static(b"}")]);
                HttpResponse::Ok().insert_header(JSON).streaming(stream::iter(body.map(Ok::<_, io::Error>)))
            }
            Self::Empty
            | Self::EntraError { .. }
            | Self::Delay { .. }
            | Self::ClaimsChallenge
            | Self::NumericExpiry => HttpResponse::Ok().finish(),
        }
    }
}

fn error_response(code: u16) -> HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(at: Endpoint) -> Call<'static> {
        Call {
            at,
            person: Some("ada"),
            challenge: None,
        }
    }

    fn draw_fault(faults: &Faults, call: Call<'_>) -> Option<InjectedFault> {
        faults.draw(call).1
    }

    const RESET: Option<InjectedFault> = Some(InjectedFault::Effect(Effect::Reset));

    #[test]
    fn a_fault_happens_at_its_endpoint_only() {
        let faults = Faults::default();
        faults
            .add(Fault::new(Endpoint::Graph, Effect::Reset))
            .unwrap();
        assert_eq!(draw_fault(&faults, call(Endpoint::Token)), None);
        assert_eq!(draw_fault(&faults, call(Endpoint::Graph)), RESET);
    }

    #[test]
    fn a_fault_of_one_person_spares_the_others() {
        let faults = Faults::default();
        faults
            .add(Fault::new(Endpoint::Graph, Effect::Reset).person("grace"))
            .unwrap();
        assert_eq!(draw_fault(&faults, call(Endpoint::Graph)), None);
        assert_eq!(
            draw_fault(
                &faults,
                Call {
                    person: None,
                    ..call(Endpoint::Graph)
                }
            ),
            None
        );
        assert_eq!(
            draw_fault(
                &faults,
                Call {
                    person: Some("grace"),
                    ..call(Endpoint::Graph)
                }
            ),
            RESET
        );
    }

    #[test]
    fn a_fault_with_a_number_of_times_is_used_up() {
        let faults = Faults::default();
        faults
            .add(Fault::new(Endpoint::Graph, Effect::Reset).times(2))
            .unwrap();
        assert_eq!(draw_fault(&faults, call(Endpoint::Graph)), RESET);
        assert_eq!(draw_fault(&faults, call(Endpoint::Graph)), RESET);
        assert_eq!(draw_fault(&faults, call(Endpoint::Graph)), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_fault_that_should_never_happen_never_does() {
        let faults = Faults::default();
        faults
            .add(Fault::new(Endpoint::Graph, Effect::Reset).chance(0.0))
            .unwrap();
        assert!((0..100).all(|_| draw_fault(&faults, call(Endpoint::Graph)).is_none()));
    }

    #[test]
    fn a_chance_hits_roughly_its_share() {
        let faults = Faults::default();
        faults
            .add(Fault::new(Endpoint::Graph, Effect::Reset).chance(0.5))
            .unwrap();
        let hits = (0..1000)
            .filter(|_| draw_fault(&faults, call(Endpoint::Graph)).is_some())
            .count();
        assert!((350..650).contains(&hits), "{hits}");
    }

    #[test]
    fn delays_add_up_and_go_with_the_next_fault() {
        let faults = Faults::default();
        faults
            .add(Fault::new(
                Endpoint::Graph,
                Effect::Delay { milliseconds: 30 },
            ))
            .unwrap();
        faults
            .add(Fault::new(
                Endpoint::Graph,
                Effect::Delay { milliseconds: 12 },
            ))
            .unwrap();
        faults
            .add(Fault::new(Endpoint::Graph, Effect::Reset).times(1))
            .unwrap();
        assert_eq!(
            faults.draw(call(Endpoint::Graph)),
            (Duration::from_millis(42), RESET)
        );
        assert_eq!(
            faults.draw(call(Endpoint::Graph)),
            (Duration::from_millis(42), None)
        );
    }

    #[test]
    fn a_claims_challenge_lets_a_token_pass_that_was_issued_for_it() {
        let faults = Faults::default();
        faults
            .add(Fault::new(Endpoint::Graph, Effect::ClaimsChallenge))
            .unwrap();
        let Some(InjectedFault::Challenge(first)) = draw_fault(&faults, call(Endpoint::Graph))
        else {
            panic!("no challenge")
        };
        let answered = Call {
            challenge: Some(&first),
            ..call(Endpoint::Graph)
        };
        assert_eq!(draw_fault(&faults, answered), None);

        faults
            .add(Fault::new(Endpoint::Graph, Effect::ClaimsChallenge))
            .unwrap();
        let Some(InjectedFault::Challenge(second)) = draw_fault(&faults, answered) else {
            panic!("no second challenge")
        };
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn every_call_is_counted_and_meets_a_fault_or_is_answered() {
        let faults = Faults::default();
        let ledger = Ledger::new(false);
        let status = async || {
            let call = call(Endpoint::Graph);
            let failed = |injected: InjectedFault| injected.into_effect().respond(Value::Null);
            let answered = || HttpResponse::NoContent().finish();
            faults
                .answer(&ledger, call, failed, answered)
                .await
                .status()
        };
        assert_eq!(status().await, StatusCode::NO_CONTENT);
        let fault = Fault::new(Endpoint::Graph, Effect::Html).times(1);
        faults.add(fault).unwrap();
        assert_eq!(status().await, StatusCode::BAD_GATEWAY);
        assert_eq!(status().await, StatusCode::NO_CONTENT);
        assert_eq!(ledger.snapshot().graph.people["ada"], 3);
    }

    #[test]
    fn invalid_faults_are_refused() {
        let refused = |fault: Fault| Faults::default().add(fault).unwrap_err();
        assert_eq!(
            refused(Fault::new(
                Endpoint::Graph,
                Effect::EntraError { code: 65001 }
            )),
            InvalidFault::EntraErrorElsewhere
        );
        assert_eq!(
            refused(Fault::new(Endpoint::Token, Effect::EntraError { code: 1 })),
            InvalidFault::UnknownEntraError(1)
        );
        assert_eq!(
            refused(Fault::new(
                Endpoint::Token,
                Effect::Status {
                    code: 200,
                    retry_after: None
                }
            )),
            InvalidFault::Status(200)
        );
        assert_eq!(
            refused(Fault::new(Endpoint::Token, Effect::ClaimsChallenge)),
            InvalidFault::ClaimsChallengeElsewhere
        );
        assert_eq!(
            refused(Fault::new(Endpoint::Token, Effect::NumericExpiry)),
            InvalidFault::NumericExpiryElsewhere
        );
        assert_eq!(
            refused(Fault::new(Endpoint::Token, Effect::Reset).times(0)),
            InvalidFault::Times
        );
        assert_eq!(
            refused(Fault::new(Endpoint::Keys, Effect::Reset).person("ada")),
            InvalidFault::Person
        );
        assert_eq!(
            refused(Fault::new(Endpoint::Token, Effect::Reset).chance(1.5)),
            InvalidFault::Chance
        );
        assert_eq!(
            refused(Fault::new(Endpoint::Token, Effect::Reset).chance(f64::NAN)),
            InvalidFault::Chance
        );
    }

    #[test]
    fn faults_are_written_as_json() {
        let fault: Fault = serde_json::from_value(json!({
            "at": "token", "person": "ada", "effect": {"entra_error": {"code": 65001}}, "times": 1,
        }))
        .unwrap();
        let expected = Fault::new(Endpoint::Token, Effect::EntraError { code: 65001 })
            .person("ada")
            .times(1);
        assert_eq!(fault, expected);

        let fault: Fault =
            serde_json::from_value(json!({"at": "managed_identity", "effect": "reset"})).unwrap();
        assert_eq!(fault, Fault::new(Endpoint::ManagedIdentity, Effect::Reset));
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        let misspelt = json!({"at": "token", "effect": "reset", "persn": "ada"});
        assert!(serde_json::from_value::<Fault>(misspelt).is_err());
    }
}
