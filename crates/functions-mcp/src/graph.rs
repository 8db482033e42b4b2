//! Microsoft Graph as the signed-in user.
//!
//! Source: <https://learn.microsoft.com/graph/errors>,
//! <https://learn.microsoft.com/entra/identity-platform/claims-challenge>.

use std::{sync::Arc, time::Duration};

use azure_core::credentials::AccessToken;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use reqwest::{
    Method, Request, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    credential::{CallCredential, Error as CredentialError},
    endpoint::Origin,
    failure::{Failure, busy_message, sanitized},
    http::{Http, Reply, SendError},
};

/// Microsoft Graph's name in messages to users.
const SERVICE: &str = "Microsoft Graph";

/// Base64 with or without padding: Microsoft's services differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Microsoft Graph for one tool call.
#[derive(Debug)]
pub struct Graph {
    origin: Origin,
    credential: Arc<CallCredential>,
    http: Http,
}

/// A user, as `GET /me` gives it. Source: <https://learn.microsoft.com/graph/api/resources/user>.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The name to show.
    pub display_name: Option<String>,
    /// The email address; users without a mailbox and guests may have none.
    pub mail: Option<String>,
    /// The sign-in name.
    pub user_principal_name: Option<String>,
}

impl User {
    /// The email address, or else the sign-in name.
    pub fn email(&self) -> Option<&str> {
        [&self.mail, &self.user_principal_name]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|address| !address.is_empty())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: ErrorObject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorObject {
    code: String,
}

impl Graph {
    pub(crate) fn new(origin: Origin, credential: Arc<CallCredential>, http: Http) -> Self {
        Self {
            origin,
            credential,
            http,
        }
    }

    /// The signed-in user. Needs the delegated permission `User.Read`.
    pub async fn me(&self) -> Result<User, Failure> {
        let fields = ("$select", "displayName,mail,userPrincipalName");
        self.get(&["v1.0", "me"], &[fields]).await
    }

    /// Reads a resource, such as `&["v1.0", "me", "messages"]` with `&[("$top", "5")]`.
    ///
    /// Segments and values may come from a model: they are encoded, so none of them leads elsewhere, and a segment that
    /// names nothing (`.`, `..` or nothing at all) is refused. Words that Microsoft Graph reserves, such as `$count`,
    /// `$value` and `delta`, are names like others. For text within a `$filter`, see
    /// [`string_literal`](Self::string_literal).
    ///
    /// When Microsoft Graph does not accept the token, perhaps any more (continuous access evaluation), it is exchanged
    /// once more. When Microsoft Graph has asked the user to wait, it is not called before.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let url = resource_url(&self.origin, path, query)?;
        let scope = format!("{}/.default", self.origin);
        if let Some(wait) = self.credential.remaining_wait(SERVICE).await {
            return Err(
                unavailable(Some(wait)).with_detail("Microsoft Graph: has asked this user to wait")
            );
        }
        let token = self.credential.token(&[&scope]).await?;
        let mut reply = self.send(url.clone(), &token).await?;
        if reply.status == StatusCode::UNAUTHORIZED {
            let claims = claims_challenge(&reply);
            let token = self
                .credential
                .token_in_place_of(&token, &[&scope], claims.as_deref())
                .await?;
            reply = self.send(url, &token).await?;
            if claims_challenge(&reply).is_some() {
                return Err(
                    CredentialError::interaction_required("continuous access evaluation").into(),
                );
            }
        }
        if reply.status == StatusCode::FORBIDDEN {
            // The user may consent to the missing permission before the next call.
            self.credential.forget(&[&scope]).await;
        }
        if reply.status != StatusCode::OK {
            if let Some(wait) = reply.throttled_for() {
                self.credential.note_wait(SERVICE, wait).await;
            }
            return Err(read_failure(&reply));
        }
        serde_json::from_slice(&reply.body).map_err(|_| unreadable(&reply))
    }

    /// `text` as a string in an expression such as `$filter`: between single quotes, those in it doubled. So text of a
    /// model's stays text, and does not become a part of the expression.
    ///
    /// Source: <https://learn.microsoft.com/graph/query-parameters#escaping-single-quotes>.
    ///
    /// ```
    /// # use functions_mcp::Graph;
    /// let filter = format!("startswith(displayName,{})", Graph::string_literal("O'Neil"));
    /// assert_eq!(filter, "startswith(displayName,'O''Neil')");
    /// ```
    pub fn string_literal(text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    async fn send(&self, url: Url, token: &AccessToken) -> Result<Reply, Failure> {
        let mut request = Request::new(Method::GET, url);
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.token.secret()))
            .map_err(|_| CredentialError::unexpected("the token is not a header value"))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        self.http.send(request).await.map_err(|error| match error {
            SendError::Insecure => CredentialError::not_sent("Microsoft Graph", error).into(),
            _ => unavailable(None).with_detail(format_args!("Microsoft Graph: {error}")),
        })
    }
}

/// The claims that a 401 demands of a new token: base64 of JSON in the bearer challenge.
fn claims_challenge(reply: &Reply) -> Option<String> {
    if reply.status != StatusCode::UNAUTHORIZED {
        return None;
    }
    let challenges = reply.headers.get_all(WWW_AUTHENTICATE);
    challenges.into_iter().find_map(|challenge| {
        let challenge = challenge.to_str().ok()?;
        if !challenge.contains("insufficient_claims") {
            return None;
        }
        let (_, claims) = challenge.split_once("claims=\"")?;
        let (claims, _) = claims.split_once('"')?;
        String::from_utf8(BASE64.decode(claims).ok()?).ok()
    })
}

fn read_failure(reply: &Reply) -> Failure {
    let code = serde_json::from_slice::<ErrorBody>(&reply.body)
        .unwrap_or_default()
        .error
        .code;
    let failure = match reply.status {
        _ if reply.is_unavailable() => unavailable(reply.retry_after()),
        StatusCode::UNAUTHORIZED => Failure::operator(
            "graph_unauthorized",
            "Microsoft Graph did not accept the app's token. Please tell whoever runs this server.",
        )
        .with_action("check that MICROSOFT_GRAPH_ENDPOINT, AZURE_AUTHORITY_HOST and AZURE_CLOUD name the same cloud"),
        StatusCode::FORBIDDEN => Failure::operator(
            "graph_forbidden",
            "Microsoft Graph refuses this to the app or to you. Please tell whoever runs this server which tool you called.",
        )
        .with_action("grant the app registration the delegated permission that this request needs, and consent to it"),
        StatusCode::NOT_FOUND => Failure::user(
            "graph_not_found",
            "Microsoft Graph has nothing there for you.",
        ),
        _ => Failure::operator(
            "graph_error",
            "Microsoft Graph did not understand the app's request. Please tell whoever runs this server.",
        )
        .with_action("check the path that the tool asks for"),
    };
    failure.with_detail(format_args!(
        "Microsoft Graph: status {}, code {}, request-id {}",
        reply.status.as_u16(),
        sanitized(&code),
        request_id(&reply.headers),
    ))
}

fn unavailable(retry_after: Option<Duration>) -> Failure {
    Failure::wait("graph_unavailable", busy_message(SERVICE, retry_after))
}

fn unreadable(reply: &Reply) -> Failure {
    Failure::wait(
        "graph_unreadable",
        "Microsoft Graph answered with something unreadable. Please try again.",
    )
    .with_detail(format_args!(
        "Microsoft Graph: {} bytes, request-id {}",
        reply.body.len(),
        request_id(&reply.headers)
    ))
}

fn resource_url(origin: &Origin, path: &[&str], query: &[(&str, &str)]) -> Result<Url, Failure> {
    // URLs hold neither tabs nor line ends: what is left without them is what leads somewhere.
    let path: Vec<String> = path
        .iter()
        .map(|segment| segment.replace(['\t', '\n', '\r'], ""))
        .collect();
    if let Some(segment) = path
        .iter()
        .find(|segment| matches!(segment.as_str(), "" | "." | ".."))
    {
        return Err(names_nothing(segment));
    }
    let mut url = origin.url("/");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

fn names_nothing(segment: &str) -> Failure {
    let message = format!(
        "An argument that names something in Microsoft Graph must not be {segment:?}: that names nothing."
    );
    Failure::user("invalid_arguments", message)
}

fn request_id(headers: &HeaderMap) -> String {
    let id = headers.get("request-id").and_then(|id| id.to_str().ok());
    sanitized(id.unwrap_or("unknown"))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Remedy;

    fn unauthorized(challenge: &str) -> Reply {
        Reply {
            status: StatusCode::UNAUTHORIZED,
            headers: HeaderMap::from_iter([(WWW_AUTHENTICATE, challenge.parse().unwrap())]),
            body: Vec::new(),
        }
    }

    #[test]
    fn a_claims_challenge_is_read_from_the_bearer_challenge() {
        let challenge = r#"Bearer realm="", authorization_uri="https://login.example/", error="insufficient_claims", claims="eyJhIjoxfQ==""#;
        assert_eq!(
            claims_challenge(&unauthorized(challenge)).as_deref(),
            Some(r#"{"a":1}"#)
        );
    }

    #[test]
    fn any_other_challenge_is_none() {
        for challenge in [
            r#"Bearer realm="""#,
            r#"Bearer error="insufficient_claims""#,
            r#"Bearer error="insufficient_claims", claims="?""#,
            r#"Bearer error="invalid_token", claims="eyJhIjoxfQ==""#,
        ] {
            assert_eq!(
                claims_challenge(&unauthorized(challenge)),
                None,
                "{challenge}"
            );
        }
    }

    #[test]
    fn a_segment_or_value_leads_nowhere_else() {
        let root = "https://graph.microsoft.com/".parse().unwrap();
        for (segment, url) in [
            ("a b", "https://graph.microsoft.com/v1.0/me/a%20b"),
            (
                "../users/x",
                "https://graph.microsoft.com/v1.0/me/..%2Fusers%2Fx",
            ),
            ("a\tb\r\n", "https://graph.microsoft.com/v1.0/me/ab"),
            ("%2e%2e", "https://graph.microsoft.com/v1.0/me/%252e%252e"),
            ("?a=b#c", "https://graph.microsoft.com/v1.0/me/%3Fa=b%23c"),
        ] {
            let path = ["v1.0", "me", segment];
            assert_eq!(resource_url(&root, &path, &[]).unwrap().as_str(), url);
        }
        let url = resource_url(&root, &["v1.0"], &[("$select", "a&$top=1")]).unwrap();
        assert_eq!(
            url.as_str(),
            "https://graph.microsoft.com/v1.0?%24select=a%26%24top%3D1"
        );
    }

    #[test]
    fn a_segment_that_names_nothing_is_the_arguments_fault() {
        let root = "https://graph.microsoft.com/".parse().unwrap();
        for segment in ["", ".", "..", "\t..\n", "\r\n", ".\t."] {
            for path in [
                &["v1.0", "users", segment, "messages"],
                &["v1.0", "me", "messages", segment],
            ] {
                let failure = resource_url(&root, path, &[]).unwrap_err();
                assert_eq!(failure.class(), "invalid_arguments", "{segment:?}");
                assert_eq!(failure.remedy(), Remedy::User);
            }
        }
    }

    #[test]
    fn a_string_literal_stays_one_whatever_is_in_it() {
        for (text, literal) in [
            ("Ada", "'Ada'"),
            ("O'Neil", "'O''Neil'"),
            ("' or 1 eq 1 or '", "''' or 1 eq 1 or '''"),
            ("", "''"),
        ] {
            assert_eq!(Graph::string_literal(text), literal);
        }
    }

    #[test]
    fn the_sign_in_name_stands_in_for_a_missing_mail_address() {
        let user: User =
            serde_json::from_str(r#"{"mail":null,"userPrincipalName":"grace@contoso.example"}"#)
                .unwrap();
        assert_eq!(user.email(), Some("grace@contoso.example"));
    }
}
