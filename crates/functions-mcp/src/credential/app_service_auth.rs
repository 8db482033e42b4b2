//! App Service Authentication: the headers that describe the caller, and the page where users consent.
//!
//! The headers are claims, not proof: a program that reaches the handler another way can forge them.
//! [`super::user_assertion`] verifies the token; only the tenant is taken from here, and compared with the token's.
//!
//! Source: <https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities>.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Error, Kind};
use crate::{
    endpoint::Origin,
    headers::{DuplicateHeader, Headers},
    identity::TenantId,
};

/// The largest principal that is read, in bytes of base64.
const MAX_PRINCIPAL: usize = 64 * 1024;
/// The names of the tenant's claim: in tokens, and as .NET maps it.
const TENANT_CLAIMS: [&str; 2] = [
    "tid",
    "http://schemas.microsoft.com/identity/claims/tenantid",
];

/// The header that a token was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenSource {
    /// `Authorization`: the MCP client's own token.
    Authorization,
    /// `X-MS-TOKEN-AAD-ACCESS-TOKEN`: from the token store.
    AccessToken,
    /// `X-MS-TOKEN-AAD-ID-TOKEN`: from the token store.
    IdToken,
}

/// The page where a user of the app at `origin` signs in with a browser and consents.
pub fn consent_link(origin: &Origin) -> String {
    format!("{origin}/.auth/login/aad?post_login_redirect_uri=/.auth/login/done")
}

/// The caller, as the headers describe them.
pub struct Principal<'a> {
    /// The caller's tenant.
    pub tenant: TenantId,
    /// Tokens that may be the caller's for this app, the likeliest first.
    pub tokens: Vec<(TokenSource, &'a str)>,
}

#[derive(Deserialize)]
struct ClientPrincipal<'a> {
    #[serde(borrow, default)]
    claims: Vec<Claim<'a>>,
}

#[derive(Deserialize)]
struct Claim<'a> {
    #[serde(borrow)]
    typ: Cow<'a, str>,
    /// It is read for the tenant's claim only; others may be of any type.
    #[serde(borrow)]
    val: Option<&'a RawValue>,
}

impl From<DuplicateHeader> for Error {
    fn from(DuplicateHeader(name): DuplicateHeader) -> Self {
        Self::new(
            Kind::TokenRefused,
            format!("the header {name} occurs more than once"),
        )
    }
}

impl<'a> Principal<'a> {
    /// Reads the headers of the MCP client's request.
    pub fn from_headers(headers: &'a Headers<'_>) -> Result<Self, Error> {
        let authorization = headers.get("Authorization")?.and_then(bearer_token);
        let access_token = headers.get("X-MS-TOKEN-AAD-ACCESS-TOKEN")?;
        let id_token = headers.get("X-MS-TOKEN-AAD-ID-TOKEN")?;
        let tokens: Vec<_> = [
            (TokenSource::Authorization, authorization),
            (TokenSource::AccessToken, access_token),
            (TokenSource::IdToken, id_token),
        ]
        .into_iter()
        .filter_map(|(source, token)| Some((source, token?.trim())))
        .filter(|(_, token)| !token.is_empty())
        .collect();
        if tokens.is_empty() {
            return Err(not_signed_in("no token in the request's headers"));
        }
        let principal = headers
            .get("X-MS-CLIENT-PRINCIPAL")?
            .ok_or_else(|| not_signed_in("no header X-MS-CLIENT-PRINCIPAL"))?;
        Ok(Self {
            tenant: read_tenant(principal)?,
            tokens,
        })
    }
}

/// The token of a bearer credential; the case of its scheme does not matter
/// ([RFC 9110, section 11.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.1)).
fn bearer_token(credential: &str) -> Option<&str> {
    let (scheme, token) = credential.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

fn read_tenant(principal: &str) -> Result<TenantId, Error> {
    let refused = |problem: &str| {
        Error::new(
            Kind::TokenRefused,
            format!("X-MS-CLIENT-PRINCIPAL {problem}"),
        )
    };
    if principal.len() > MAX_PRINCIPAL {
        return Err(refused("is too large"));
    }
    let json = BASE64_STANDARD
        .decode(principal)
        .map_err(|_| refused("is not base64"))?;
    let principal: ClientPrincipal =
        serde_json::from_slice(&json).map_err(|_| refused("is not a client principal"))?;
    let mut tenants = principal
        .claims
        .iter()
        .filter(|claim| TENANT_CLAIMS.contains(&&*claim.typ))
        .filter_map(|claim| claim.val)
        .map(|val| {
            let text: Cow<'_, str> = serde_json::from_str(val.get()).map_err(|_| ())?;
            text.parse::<TenantId>().map_err(|_| ())
        });
    let tenant = tenants
        .next()
        .ok_or_else(|| refused("names no tenant"))?
        .map_err(|_| refused("names a tenant that is not a GUID"))?;
    if tenants.any(|other| other.as_ref() != Ok(&tenant)) {
        return Err(refused("names several tenants"));
    }
    Ok(tenant)
}

fn not_signed_in(detail: &str) -> Error {
    Error::new(Kind::NotSignedIn, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn principal(claims: &[(&str, &str)]) -> String {
        let claims: Vec<_> = claims
            .iter()
            .map(|(typ, val)| serde_json::json!({ "typ": typ, "val": val }))
            .collect();
        BASE64_STANDARD
            .encode(serde_json::json!({ "auth_typ": "aad", "claims": claims }).to_string())
    }

    fn refusal(principal: &str) -> Kind {
        let headers = Headers::from_iter([
            ("Authorization", "Bearer t"),
            ("X-MS-CLIENT-PRINCIPAL", principal),
        ]);
        match Principal::from_headers(&headers) {
            Ok(_) => panic!("{principal} was accepted"),
            Err(error) => error.kind().clone(),
        }
    }

    #[test]
    fn tokens_come_in_the_order_in_which_they_are_likely_to_be_right() {
        let principal = principal(&[("tid", TENANT)]);
        let headers = Headers::from_iter([
            ("x-ms-token-aad-id-token", "id"),
            ("x-ms-token-aad-access-token", "access"),
            ("authorization", "bEARER mcp"),
            ("x-ms-client-principal", &principal),
        ]);
        let principal = Principal::from_headers(&headers).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            principal.tokens,
            [
                (TokenSource::Authorization, "mcp"),
                (TokenSource::AccessToken, "access"),
                (TokenSource::IdToken, "id")
            ]
        );
    }

    #[test]
    fn the_tenant_is_read_under_its_raw_and_its_mapped_name() {
        for name in TENANT_CLAIMS {
            assert_eq!(
                read_tenant(&principal(&[(name, TENANT)])).unwrap().as_str(),
                TENANT
            );
        }
    }

    #[test]
    fn a_claim_without_a_text_does_not_refuse_the_user() {
        for value in ["null", "1", "[]", r#"{"a":"b"}"#] {
            let json = format!(
                r#"{{"claims":[{{"typ":"email","val":{value}}},{{"typ":"name"}},{{"typ":"tid","val":null}},{{"typ":"tid","val":"{TENANT}"}}]}}"#
            );
            let principal = BASE64_STANDARD.encode(json);
            assert_eq!(read_tenant(&principal).unwrap().as_str(), TENANT, "{value}");
        }
    }

    #[test]
    fn a_principal_without_one_clear_tenant_is_refused() {
        let other = "99999999-2222-3333-4444-555555555555";
        for principal in [
            "%".to_owned(),
            BASE64_STANDARD.encode("[]"),
            principal(&[]),
            principal(&[("tid", "common")]),
            principal(&[("tid", "../../common/oauth2/v2.0/token?")]),
            principal(&[(TENANT_CLAIMS[0], TENANT), (TENANT_CLAIMS[1], other)]),
            "A".repeat(MAX_PRINCIPAL + 1),
        ] {
            assert_eq!(refusal(&principal), Kind::TokenRefused);
        }
    }

    #[test]
    fn a_request_without_a_token_or_a_principal_is_not_signed_in() {
        for headers in [
            Headers::default(),
            Headers::from_iter([("Authorization", "Basic dTpw")]),
            Headers::from_iter([("Authorization", "Bearer t")]),
        ] {
            let error = Principal::from_headers(&headers).err().unwrap();
            assert_eq!(error.kind(), &Kind::NotSignedIn);
        }
    }

    #[test]
    fn the_consent_link_is_a_sign_in_at_the_app() {
        assert_eq!(
            consent_link(&"https://app.azurewebsites.net".parse().unwrap()),
            "https://app.azurewebsites.net/.auth/login/aad?post_login_redirect_uri=/.auth/login/done"
        );
    }
}
