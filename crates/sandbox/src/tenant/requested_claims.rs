//! The `claims` parameter of a token request (OpenID Connect Core, section 5.5).

use serde_json::{Map, Value};

use super::error::EntraError;

/// The requested claims that have an effect on the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestedClaims {
    /// The client can handle claims challenges (`xms_cc` with `cp1`).
    pub(crate) client_capabilities: Option<Value>,
    /// The value of the claims challenge that is being answered.
    pub(crate) challenge: Option<String>,
}

impl RequestedClaims {
    /// Reads the parameter.
    ///
    /// # Errors
    /// When it is not a JSON object.
    pub(crate) fn parse(claims: Option<&str>) -> Result<Self, EntraError> {
        let Some(claims) = claims.filter(|claims| !claims.is_empty()) else {
            return Ok(Self::default());
        };
        let claims: Map<String, Value> = serde_json::from_str(claims).map_err(|_| {
            EntraError::MALFORMED_REQUEST.because("`claims` must be a JSON object.")
        })?;
        let access_token = claims.get("access_token");
        Ok(Self {
            client_capabilities: access_token
                .and_then(|claims| claims.pointer("/xms_cc/values"))
                .cloned(),
            challenge: access_token
                .and_then(|claims| claims.pointer("/nbf/value"))
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_must_be_an_object() {
        for claims in ["[]", "1", "{", "access_token"] {
            assert_eq!(
                RequestedClaims::parse(Some(claims)).unwrap_err().code(),
                9002313,
                "{claims}"
            );
        }
        assert_eq!(
            RequestedClaims::parse(Some("{}")),
            Ok(RequestedClaims::default())
        );
        assert_eq!(RequestedClaims::parse(None), Ok(RequestedClaims::default()));
    }

    #[test]
    fn the_values_of_continuous_access_evaluation_are_read() {
        let claims = json!({"access_token": {
            "nbf": {"essential": true, "value": "1604106651"},
            "xms_cc": {"values": ["cp1"]},
        }});
        let requested = RequestedClaims::parse(Some(&claims.to_string())).unwrap();
        assert_eq!(requested.challenge.as_deref(), Some("1604106651"));
        assert_eq!(requested.client_capabilities, Some(json!(["cp1"])));
    }
}
