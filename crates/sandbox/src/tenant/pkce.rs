//! Proof Key for Code Exchange (RFC 7636).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rsa::sha2::{Digest, Sha256};

use super::error::EntraError;

/// The challenge that the verifier of an authorization code has to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CodeChallenge {
    /// The verifier itself. Entra accepts this, and it is the default.
    Plain(String),
    /// The verifier's SHA-256.
    S256(String),
}

impl CodeChallenge {
    /// Reads `code_challenge` and `code_challenge_method`.
    ///
    /// # Errors
    /// When the method is unknown, or the challenge missing or not of a possible size.
    pub(crate) fn parse(
        challenge: Option<String>,
        method: Option<&str>,
    ) -> Result<Option<Self>, EntraError> {
        let Some(challenge) = challenge else {
            return match method {
                Some(_) => Err(EntraError::CODE_CHALLENGE_MISSING),
                None => Ok(None),
            };
        };
        if !(43..=128).contains(&challenge.len()) {
            return Err(EntraError::CODE_CHALLENGE_SIZE);
        }
        match method {
            Some("S256") => Ok(Some(Self::S256(challenge))),
            Some("plain") | None => Ok(Some(Self::Plain(challenge))),
            Some(_) => Err(EntraError::CODE_CHALLENGE_METHOD),
        }
    }

    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        match self {
            Self::Plain(challenge) => challenge == verifier,
            Self::S256(challenge) => *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Option<CodeChallenge>, u32> {
        CodeChallenge::parse(challenge.map(str::to_owned), method).map_err(|error| error.code())
    }

    #[test]
    fn a_verifier_meets_its_challenge_only() {
        let challenge = parse(Some(CHALLENGE), Some("S256")).unwrap().unwrap();
        assert!(challenge.is_met_by(VERIFIER));
        assert!(!challenge.is_met_by(CHALLENGE));

        let plain = parse(Some(VERIFIER), None).unwrap().unwrap();
        assert!(plain.is_met_by(VERIFIER));
        assert!(!plain.is_met_by(CHALLENGE));
    }

    #[test]
    fn a_challenge_is_optional_but_must_be_sound() {
        assert_eq!(parse(None, None), Ok(None));
        assert_eq!(parse(None, Some("S256")), Err(50147));
        assert_eq!(parse(Some(CHALLENGE), Some("S512")), Err(50149));
        assert_eq!(parse(Some("short"), Some("S256")), Err(501491));
        assert_eq!(parse(Some(&"a".repeat(129)), Some("S256")), Err(501491));
    }
}
