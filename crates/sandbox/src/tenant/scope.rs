//! Scopes: the permissions that a request asks for, each behind the name of its API.
//!
//! Source: "Scopes and permissions in the Microsoft identity platform".

use super::{addresses::GraphOrigins, error::EntraError};
use crate::directory::{Api, Directory, MCP_SERVER, Permission};

/// The scopes of a request, in its own spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<Scope>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    /// The name of the API and a slash; empty where Graph is implied.
    prefix: String,
    permission: Permission,
    is_default: bool,
}

impl Scopes {
    /// Reads the `scope` parameter: scopes separated by blanks.
    ///
    /// # Errors
    /// When it names no permission, or one that does not exist, or `.default` besides others.
    pub(crate) fn parse(names: ApiNames<'_>, text: &str) -> Result<Self, EntraError> {
        let scopes = text
            .split_ascii_whitespace()
            .map(|scope| Scope::parse(names, scope))
            .collect::<Result<Vec<_>, _>>()?;
        if scopes.is_empty() {
            return Err(EntraError::INVALID_SCOPE.because("It names no permission."));
        }
        let (default, named): (Vec<_>, Vec<_>) = scopes
            .iter()
            .filter(|scope| !scope.permission.is_for_sign_in())
            .partition(|scope| scope.is_default);
        if !default.is_empty() && !named.is_empty() {
            return Err(
                EntraError::INVALID_SCOPE.because("`.default` goes with no other permission.")
            );
        }
        Ok(Self(scopes))
    }

    pub(crate) fn permissions(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().map(|scope| scope.permission)
    }

    pub(crate) fn contains(&self, permission: Permission) -> bool {
        self.permissions().any(|asked| asked == permission)
    }

    /// The requested APIs, each once. The permissions for sign-in go with any API; alone, they are Graph's.
    pub(crate) fn apis(&self) -> Vec<Api> {
        let apis: Vec<_> = [Api::McpServer, Api::Graph]
            .into_iter()
            .filter(|api| self.asked_of(*api).next().is_some())
            .collect();
        if apis.is_empty() {
            vec![Api::Graph]
        } else {
            apis
        }
    }

    /// The `scp` of an access token for the API.
    pub(crate) fn claim(&self, api: Api) -> String {
        let mut values = sign_in_values(api).to_vec();
        values.extend(self.asked_of(api).map(|scope| scope.permission.value()));
        values.sort_unstable();
        values.dedup();
        values.join(" ")
    }

    /// The `scope` of the response that holds an access token for the API: what is granted, spelt as it was asked for.
    pub(crate) fn granted(&self, api: Api) -> String {
        let mut granted: Vec<_> = sign_in_values(api)
            .iter()
            .map(ToString::to_string)
            .collect();
        for Scope {
            prefix,
            permission,
            is_default,
        } in self.asked_of(api)
        {
            granted.push(format!("{prefix}{}", permission.value()));
            if *is_default {
                granted.push(format!("{prefix}{DEFAULT}"));
            }
        }
        granted.join(" ")
    }

    fn asked_of(&self, api: Api) -> impl Iterator<Item = &Scope> {
        self.0.iter().filter(move |Scope { permission, .. }| {
            permission.api() == api && !permission.is_for_sign_in()
        })
    }
}

const DEFAULT: &str = ".default";

/// The permissions that every token for the API grants besides the requested ones.
fn sign_in_values(api: Api) -> &'static [&'static str] {
    match api {
        Api::McpServer => &[],
        Api::Graph => &["email", "openid", "profile"],
    }
}

impl Scope {
    fn parse(names: ApiNames<'_>, scope: &str) -> Result<Self, EntraError> {
        let (prefix, api, value) = match scope.rsplit_once('/') {
            None => ("", Api::Graph, scope),
            Some((resource, value)) => {
                let api = names.find(resource).ok_or_else(|| {
                    EntraError::RESOURCE_NOT_FOUND.because(format!("It was `{resource}`."))
                })?;
                (&scope[..=resource.len()], api, value)
            }
        };
        let is_default = value == DEFAULT && !prefix.is_empty();
        let permission = if is_default {
            Permission::default_of(api)
        } else {
            Permission::find(api, value).ok_or_else(|| {
                EntraError::SCOPE_UNKNOWN.because(format!("It asked for `{scope}`."))
            })?
        };
        Ok(Self {
            prefix: prefix.to_owned(),
            permission,
            is_default,
        })
    }
}

/// The names of the tenant's APIs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiNames<'a> {
    pub(crate) graph: &'a GraphOrigins,
    pub(crate) directory: &'a Directory,
}

impl ApiNames<'_> {
    /// The API that a scope means: by one of its identifier URIs or its client id.
    pub(crate) fn find(self, name: &str) -> Option<Api> {
        if name.eq_ignore_ascii_case(MCP_SERVER.client_id) {
            Some(Api::McpServer)
        } else {
            self.find_identifier_uri(name)
        }
    }

    /// The API that has exactly this identifier URI.
    pub(crate) fn find_identifier_uri(self, uri: &str) -> Option<Api> {
        let Self { graph, directory } = self;
        if graph.contains(uri) {
            Some(Api::Graph)
        } else if directory.identifier_uris().iter().any(|ours| ours == uri) {
            Some(Api::McpServer)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::IDENTIFIER_URI;

    const GRAPH: &str = "http://127.0.0.1:7073";
    const ENDPOINT: &str = "http://127.0.0.1:7071/runtime/webhooks/mcp";

    fn with_names<T>(body: impl FnOnce(ApiNames<'_>) -> T) -> T {
        let graph = GraphOrigins {
            http: GRAPH.to_owned(),
            https: None,
        };
        let directory = Directory::new([ENDPOINT.to_owned()]);
        body(ApiNames {
            graph: &graph,
            directory: &directory,
        })
    }

    fn parse(text: &str) -> Result<Scopes, u32> {
        with_names(|names| Scopes::parse(names, text).map_err(|error| error.code()))
    }

    #[test]
    fn a_resource_is_exactly_an_identifier_uri() {
        with_names(|names| {
            for uri in [ENDPOINT, IDENTIFIER_URI] {
                assert_eq!(names.find_identifier_uri(uri), Some(Api::McpServer));
                assert_eq!(names.find_identifier_uri(&format!("{uri}/")), None);
                assert_eq!(names.find_identifier_uri(&uri.to_ascii_uppercase()), None);
            }
            assert_eq!(names.find_identifier_uri(GRAPH), Some(Api::Graph));
            assert_eq!(names.find_identifier_uri(MCP_SERVER.client_id), None);
            assert_eq!(names.find_identifier_uri("http://127.0.0.1:7071"), None);
        });
    }

    #[test]
    fn an_api_is_named_by_an_identifier_uri_or_its_client_id() {
        for resource in [ENDPOINT, IDENTIFIER_URI, MCP_SERVER.client_id] {
            let scopes = parse(&format!("openid {resource}/user_impersonation")).unwrap();
            assert_eq!(scopes.apis(), [Api::McpServer]);
            assert_eq!(scopes.claim(Api::McpServer), "user_impersonation");
            assert_eq!(
                scopes.granted(Api::McpServer),
                format!("{resource}/user_impersonation")
            );
        }
    }

    #[test]
    fn graph_is_implied_where_no_api_is_named() {
        let scopes = parse("openid offline_access User.Read").unwrap();
        assert_eq!(scopes.apis(), [Api::Graph]);
        assert_eq!(scopes.claim(Api::Graph), "User.Read email openid profile");
        assert_eq!(scopes.granted(Api::Graph), "email openid profile User.Read");
        assert_eq!(parse("openid").unwrap().apis(), [Api::Graph]);
    }

    #[test]
    fn a_default_is_spelt_out() {
        let scopes = parse(&format!("{GRAPH}/.default")).unwrap();
        assert!(scopes.contains(Permission::UserRead));
        assert_eq!(
            scopes.granted(Api::Graph),
            format!("email openid profile {GRAPH}/User.Read {GRAPH}/.default")
        );
    }

    #[test]
    fn several_apis_are_distinguished() {
        let scopes = parse(&format!("{IDENTIFIER_URI}/.default {GRAPH}/.default")).unwrap();
        assert_eq!(scopes.apis(), [Api::McpServer, Api::Graph]);
    }

    #[test]
    fn a_scope_that_cannot_be_granted_is_refused() {
        assert_eq!(parse(""), Err(70011));
        assert_eq!(parse("https://graph.microsoft.com/User.Read"), Err(500011));
        assert_eq!(parse("mcp.read"), Err(650053));
        assert_eq!(parse(".default"), Err(650053));
        assert_eq!(parse(&format!("{IDENTIFIER_URI}/User.Read")), Err(650053));
        assert_eq!(parse(&format!("User.Read {GRAPH}/.default")), Err(70011));
        assert!(parse(&format!("offline_access {GRAPH}/.default")).is_ok());
    }
}
