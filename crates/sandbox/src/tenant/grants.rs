//! The grants of people to clients: authorization codes and refresh tokens. They are kept as long as the cloud runs, so
//! that a used one can be distinguished from an unknown one.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::{error::EntraError, pkce::CodeChallenge, scope::Scopes};
use crate::directory::{Application, Person};

/// Entra's documentation says "about 10 minutes".
const CODE_LIFETIME: i64 = 10 * 60;

/// How long a refresh token of Entra may stay unused.
const REFRESH_TOKEN_LIFETIME: i64 = 90 * 24 * 60 * 60;

/// The permissions that a person grants to a client.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client: &'static Application,
    pub(crate) person: Person,
    /// The scopes of the authorization request.
    pub(crate) scopes: Scopes,
}

/// The grant behind an authorization code, and the conditions for its redemption.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationCode {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<CodeChallenge>,
    pub(crate) nonce: Option<String>,
    /// In seconds since the epoch.
    pub(crate) issued_at: i64,
}

/// The parameters with which a client redeems a code.
pub(crate) struct Redemption<'a> {
    pub(crate) code: &'a str,
    pub(crate) client: &'a Application,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: Option<&'a str>,
}

/// The codes and refresh tokens that were issued.
#[derive(Default)]
pub(crate) struct Grants {
    codes: Mutex<HashMap<String, CodeState>>,
    refresh_tokens: Mutex<HashMap<String, RefreshToken>>,
}

struct CodeState {
    code: AuthorizationCode,
    is_redeemed: bool,
}

struct RefreshToken {
    grant: Grant,
    issued_at: i64,
}

impl Grants {
    pub(crate) fn keep_code(&self, name: String, code: AuthorizationCode) {
        let state = CodeState {
            code,
            is_redeemed: false,
        };
        self.codes.lock().insert(name, state);
    }

    /// Accepts a code once, from the client that it was issued to.
    pub(crate) fn redeem(
        &self,
        redemption: &Redemption<'_>,
        now: i64,
    ) -> Result<AuthorizationCode, EntraError> {
        let mut codes = self.codes.lock();
        let state = codes
            .get_mut(redemption.code)
            .filter(|state| state.code.grant.client == redemption.client)
            .ok_or(EntraError::GRANT_INVALID)?;
        if state.is_redeemed {
            return Err(EntraError::CODE_REDEEMED);
        }
        if now - state.code.issued_at >= CODE_LIFETIME {
            return Err(EntraError::CODE_EXPIRED);
        }
        if state.code.redirect_uri != redemption.redirect_uri {
            return Err(EntraError::CODE_REDIRECT_URI);
        }
        if let Some(challenge) = &state.code.challenge {
            let verifier = redemption
                .verifier
                .ok_or(EntraError::CODE_VERIFIER_MISSING)?;
            if !challenge.is_met_by(verifier) {
                return Err(EntraError::CODE_VERIFIER);
            }
        }
        state.is_redeemed = true;
        Ok(state.code.clone())
    }

    pub(crate) fn keep_refresh_token(&self, name: String, grant: Grant, now: i64) {
        let token = RefreshToken {
            grant,
            issued_at: now,
        };
        self.refresh_tokens.lock().insert(name, token);
    }

    /// Accepts a refresh token of the client. As in Entra, it stays valid when a newer one is issued for it.
    pub(crate) fn refresh(
        &self,
        name: &str,
        client: &Application,
        now: i64,
    ) -> Result<Grant, EntraError> {
        let tokens = self.refresh_tokens.lock();
        let token = tokens
            .get(name)
            .filter(|token| token.grant.client == client)
            .ok_or(EntraError::GRANT_INVALID)?;
        if now - token.issued_at >= REFRESH_TOKEN_LIFETIME {
            return Err(EntraError::REFRESH_TOKEN_EXPIRED);
        }
        Ok(token.grant.clone())
    }

    /// The person of a code.
    pub(crate) fn person_of_code(&self, name: &str) -> Option<Person> {
        Some(self.codes.lock().get(name)?.code.grant.person.clone())
    }

    /// The person of a refresh token.
    pub(crate) fn person_of_refresh_token(&self, name: &str) -> Option<Person> {
        Some(self.refresh_tokens.lock().get(name)?.grant.person.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{AZURE_CLI, Directory, MCP_CLIENT, VISUAL_STUDIO_CODE},
        tenant::{addresses::GraphOrigins, scope::ApiNames},
    };

    const REDIRECT_URI: &str = "http://localhost:3000/callback";

    fn openid() -> Scopes {
        let names = ApiNames {
            graph: &GraphOrigins::default(),
            directory: &Directory::default(),
        };
        Scopes::parse(names, "openid").unwrap()
    }

    fn grant() -> Grant {
        Grant {
            client: Application::find_client(MCP_CLIENT.client_id).unwrap(),
            person: Directory::default().person("ada").unwrap(),
            scopes: openid(),
        }
    }

    fn grants() -> Grants {
        let grants = Grants::default();
        let code = AuthorizationCode {
            grant: grant(),
            redirect_uri: REDIRECT_URI.to_owned(),
            challenge: Some(CodeChallenge::Plain("verifier".to_owned())),
            nonce: None,
            issued_at: 0,
        };
        grants.keep_code("code".to_owned(), code);
        grants.keep_refresh_token("token".to_owned(), grant(), 0);
        grants
    }

    fn valid_redemption() -> Redemption<'static> {
        Redemption {
            code: "code",
            client: &MCP_CLIENT,
            redirect_uri: REDIRECT_URI,
            verifier: Some("verifier"),
        }
    }

    #[test]
    fn a_code_is_valid_once() {
        let grants = grants();
        assert!(
            grants
                .redeem(&valid_redemption(), CODE_LIFETIME - 1)
                .is_ok()
        );
        assert_eq!(
            grants.redeem(&valid_redemption(), 1).unwrap_err(),
            EntraError::CODE_REDEEMED
        );
    }

    #[test]
    fn a_wrong_redemption_is_refused_and_leaves_the_code_valid() {
        let grants = grants();
        for (redemption, now, expected) in [
            (
                Redemption {
                    code: "other",
                    ..valid_redemption()
                },
                0,
                EntraError::GRANT_INVALID,
            ),
            (
                Redemption {
                    client: &VISUAL_STUDIO_CODE,
                    ..valid_redemption()
                },
                0,
                EntraError::GRANT_INVALID,
            ),
            (
                Redemption {
                    redirect_uri: "http://localhost:3001/callback",
                    ..valid_redemption()
                },
                0,
                EntraError::CODE_REDIRECT_URI,
            ),
            (
                Redemption {
                    verifier: None,
                    ..valid_redemption()
                },
                0,
                EntraError::CODE_VERIFIER_MISSING,
            ),
            (
                Redemption {
                    verifier: Some("other"),
                    ..valid_redemption()
                },
                0,
                EntraError::CODE_VERIFIER,
            ),
            (valid_redemption(), CODE_LIFETIME, EntraError::CODE_EXPIRED),
        ] {
            assert_eq!(grants.redeem(&redemption, now).unwrap_err(), expected);
        }
        assert!(grants.redeem(&valid_redemption(), 0).is_ok());
    }

    #[test]
    fn a_refresh_token_is_the_clients_own_until_it_expires() {
        let grants = grants();
        let refresh = |client, now| grants.refresh("token", client, now).map(|_| ());
        assert_eq!(refresh(&MCP_CLIENT, REFRESH_TOKEN_LIFETIME - 1), Ok(()));
        assert_eq!(refresh(&AZURE_CLI, 0), Err(EntraError::GRANT_INVALID));
        assert_eq!(
            refresh(&MCP_CLIENT, REFRESH_TOKEN_LIFETIME),
            Err(EntraError::REFRESH_TOKEN_EXPIRED)
        );
    }
}
