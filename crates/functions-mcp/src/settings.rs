//! Every environment variable that the handler reads, parsed once.
//!
//! The Functions host, App Service and the deployment set them; nothing else configures the handler.
//! A required variable that is missing, or one that cannot be parsed, ends the start with an error that names it.

use std::{fmt, str::FromStr, time::Duration};

use tracing::Level;

use crate::{
    cloud::Cloud,
    endpoint::Origin,
    identity::{CallerIdentity, Identity},
    loopback::{address, host_name, is_loopback},
};

/// The names of the environment variables.
pub mod names {
    /// The port to listen on, chosen by the Functions host.
    pub const PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
    /// `Development` under Core Tools; unset, `Production` or `Staging` in Azure.
    pub const ENVIRONMENT: &str = "AZURE_FUNCTIONS_ENVIRONMENT";
    /// Client id of the app registration; set by App Service Authentication.
    pub const CLIENT_ID: &str = "WEBSITE_AUTH_CLIENT_ID";
    /// Client id of the user-assigned managed identity that proves the app's identity.
    pub const MANAGED_IDENTITY_CLIENT_ID: &str = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID";
    /// Comma-separated ids of the tenants whose users may call.
    pub const ALLOWED_TENANTS: &str = "WEBSITE_AUTH_AAD_ALLOWED_TENANTS";
    /// Comma-separated client ids of the MCP clients that may call. Optional: any that App Service Authentication lets
    /// in.
    ///
    /// App Service has a list of its own, `allowedApplications`, in the authentication settings, which the app cannot
    /// read.
    pub const ALLOWED_CLIENTS: &str = "ALLOWED_CLIENT_APPLICATIONS";
    /// `true` if a browser session's id token (`X-MS-TOKEN-AAD-ID-TOKEN`) proves the caller like an access token.
    /// Optional: `false`, since id tokens are not meant for APIs.
    pub const ACCEPT_ID_TOKENS: &str = "ACCEPT_ID_TOKENS";
    /// `<identifier URI>/<scope>`: what MCP clients ask a token for. Optional: `api://<client id>/user_impersonation`.
    ///
    /// Such as `api://<client id>/user_impersonation` or, for an identifier URI that is the endpoint's own,
    /// `https://<host>/runtime/webhooks/mcp/user_impersonation`. Of several, the first is what a caller's token must
    /// hold; those of the same scope under other identifier URIs add these to the audiences.
    pub const DEFAULT_SCOPES: &str = "WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES";
    /// Audience of the managed identity's assertion. Optional: the cloud's.
    pub const TOKEN_EXCHANGE_AUDIENCE: &str = "TokenExchangeAudience";
    /// Public host name of the app, for the consent link and as an audience; set by the platform.
    pub const HOSTNAME: &str = "WEBSITE_HOSTNAME";
    /// Managed identity endpoint, set by the platform; its presence means "in Azure". `azure_identity` reads it too.
    pub const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
    /// The cloud: `AzureCloud` (default), `AzureUSGovernment`, `AzureUSGovernmentDoD`, `AzureChinaCloud`.
    pub const CLOUD: &str = "AZURE_CLOUD";
    /// Entra ID's root. Optional: the cloud's.
    pub const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
    /// Microsoft Graph's root. Optional: the cloud's.
    pub const GRAPH_ENDPOINT: &str = "MICROSOFT_GRAPH_ENDPOINT";
    /// The developer's tenant, for local runs. Optional: the tool's default tenant.
    pub const DEVELOPER_TENANT: &str = "AZURE_TENANT_ID";
    /// Comma-separated hosts, besides this machine's own, under which a local run may be called. Optional.
    pub const DEVELOPMENT_ALLOWED_HOSTS: &str = "DEVELOPMENT_ALLOWED_HOSTS";
    /// How long one tool call may take, in seconds. Optional: 20.
    pub const CALL_BUDGET: &str = "TOOL_CALL_TIME_BUDGET_SECONDS";
    /// What this program logs: `error`, `warn`, `info` (default), `debug`, `trace`.
    pub const LOG_LEVEL: &str = "RUST_LOG";

    /// All names.
    pub const ALL: [&str; 18] = [
        PORT,
        ENVIRONMENT,
        CLIENT_ID,
        MANAGED_IDENTITY_CLIENT_ID,
        ALLOWED_TENANTS,
        ALLOWED_CLIENTS,
        ACCEPT_ID_TOKENS,
        DEFAULT_SCOPES,
        TOKEN_EXCHANGE_AUDIENCE,
        HOSTNAME,
        IDENTITY_ENDPOINT,
        CLOUD,
        AUTHORITY_HOST,
        GRAPH_ENDPOINT,
        DEVELOPER_TENANT,
        DEVELOPMENT_ALLOWED_HOSTS,
        CALL_BUDGET,
        LOG_LEVEL,
    ];
}

const DEFAULT_CALL_BUDGET: Duration = Duration::from_secs(20);
const DEFAULT_SCOPE: &str = "user_impersonation";
/// The path of the Functions host's MCP endpoint.
const MCP_ENDPOINT: &str = "/runtime/webhooks/mcp";

/// The handler's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The loopback port to listen on.
    pub port: u16,
    /// The identity that tools act as.
    pub identity: Identity,
    /// Microsoft Graph.
    pub graph: Origin,
    /// How long one tool call may take.
    pub call_budget: Duration,
    /// The least severe level to log.
    pub log_level: Level,
}

/// An environment variable that is missing or cannot be parsed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct SettingsError {
    name: &'static str,
    problem: String,
}

impl Settings {
    /// Reads the process environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads from `lookup`, which gives a variable's value by its name. Empty values count as unset.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variables = Variables(lookup);
        let port = variables.parsed(names::PORT)?.ok_or(SettingsError {
            name: names::PORT,
            problem: "is not set: the Functions host sets it when it starts this program. \
                      Run `func start`, or `cargo run -p sandbox` to try it without Azure."
                .into(),
        })?;
        let cloud: Cloud = variables.parsed(names::CLOUD)?.unwrap_or_default();
        Ok(Self {
            port,
            identity: variables.identity(cloud)?,
            graph: variables.origin(names::GRAPH_ENDPOINT, cloud.graph())?,
            call_budget: variables.call_budget()?,
            log_level: variables.parsed(names::LOG_LEVEL)?.unwrap_or(Level::INFO),
        })
    }
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn text(&self, name: &'static str) -> Option<String> {
        (self.0)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str, who_sets_it: &str) -> Result<String, SettingsError> {
        self.text(name).ok_or_else(|| SettingsError {
            name,
            problem: format!("is not set: {who_sets_it}"),
        })
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, SettingsError> {
        self.text(name).map(|text| parse(name, &text)).transpose()
    }

    fn identity(&self, cloud: Cloud) -> Result<Identity, SettingsError> {
        match self.text(names::ENVIRONMENT).as_deref() {
            Some("Development") => match self.sign_of_azure() {
                Some(sign) => Err(SettingsError {
                    name: names::ENVIRONMENT,
                    problem: format!(
                        "must not be Development where {sign}: in Azure, tools act as the calling user only"
                    ),
                }),
                None => Ok(Identity::Developer {
                    tenant: self.parsed(names::DEVELOPER_TENANT)?,
                    further_hosts: self
                        .parsed(names::DEVELOPMENT_ALLOWED_HOSTS)?
                        .unwrap_or_default(),
                }),
            },
            None | Some("Production" | "Staging") => {
                Ok(Identity::Caller(Box::new(self.caller_identity(cloud)?)))
            }
            Some(other) => Err(SettingsError {
                name: names::ENVIRONMENT,
                problem: format!(
                    "is {other:?}: it must be Development, Production or Staging, or unset"
                ),
            }),
        }
    }

    /// A sign that this is not a developer's machine.
    fn sign_of_azure(&self) -> Option<String> {
        let set = [names::IDENTITY_ENDPOINT, names::CLIENT_ID]
            .into_iter()
            .find(|name| self.text(name).is_some())
            .map(|name| format!("{name} is set"));
        set.or_else(|| {
            let hostname = self.text(names::HOSTNAME)?;
            let host = host_name(&hostname);
            // Core Tools set the address that they listen on, which may be 0.0.0.0.
            let is_local = is_loopback(host) || address(host).is_some_and(|ip| ip.is_unspecified());
            (!is_local).then(|| format!("{} is {hostname:?}", names::HOSTNAME))
        })
    }

    fn caller_identity(&self, cloud: Cloud) -> Result<CallerIdentity, SettingsError> {
        let identity_endpoint = self
            .required(
                names::IDENTITY_ENDPOINT,
                "give the function app its user-assigned managed identity",
            )?
            .parse()
            .map_err(|problem: &str| SettingsError {
                name: names::IDENTITY_ENDPOINT,
                problem: problem.into(),
            })?;
        let client_id = self.required(names::CLIENT_ID, "turn App Service Authentication on")?;
        let allowed_tenants = self
            .required(
                names::ALLOWED_TENANTS,
                "list the tenants whose users may call",
            )?
            .split(',')
            .map(|tenant| parse(names::ALLOWED_TENANTS, tenant.trim()))
            .collect::<Result<_, _>>()?;
        let (identifier_uris, scope) = self.identifier_uris_and_scope()?;
        let mut audiences = vec![client_id.clone(), format!("api://{client_id}")];
        audiences.extend(identifier_uris);
        let origin = self.public_origin()?;
        if let Some(origin) = &origin {
            audiences.extend([format!("{origin}{MCP_ENDPOINT}"), origin.to_string()]);
        }
        Ok(CallerIdentity {
            audiences,
            client_id,
            scope,
            allowed_tenants,
            allowed_clients: self.allowed_clients()?,
            accepts_id_tokens: self.parsed(names::ACCEPT_ID_TOKENS)?.unwrap_or(false),
            managed_identity_client_id: self.required(
                names::MANAGED_IDENTITY_CLIENT_ID,
                "name the managed identity whose federated credential the app registration trusts",
            )?,
            identity_endpoint,
            token_exchange_audience: self
                .text(names::TOKEN_EXCHANGE_AUDIENCE)
                .unwrap_or_else(|| cloud.token_exchange_audience().into()),
            authority: self.origin(names::AUTHORITY_HOST, cloud.authority())?,
            origin,
        })
    }

    /// A list that is set must have an entry: an empty list would allow every client.
    fn allowed_clients(&self) -> Result<Vec<String>, SettingsError> {
        let list = self.text(names::ALLOWED_CLIENTS).unwrap_or_default();
        let entries = list.split(',').map(|entry| entry.trim().to_owned());
        let clients: Vec<_> = entries.filter(|entry| !entry.is_empty()).collect();
        if clients.is_empty() && !list.is_empty() {
            return Err(SettingsError {
                name: names::ALLOWED_CLIENTS,
                problem: "names no client: list client ids, or remove it to admit any client"
                    .into(),
            });
        }
        Ok(clients)
    }

    /// Splits `api://<id>/user_impersonation`. The first scope counts; of the others, those that are the same scope
    /// under another identifier URI, and not those of other APIs.
    fn identifier_uris_and_scope(&self) -> Result<(Vec<String>, String), SettingsError> {
        let Some(scopes) = self.text(names::DEFAULT_SCOPES) else {
            return Ok((Vec::new(), DEFAULT_SCOPE.into()));
        };
        let mut scopes = scopes.split([' ', ',']).map(|scope| {
            scope
                .rsplit_once('/')
                .filter(|(uri, scope)| !uri.is_empty() && !scope.is_empty())
        });
        let (identifier_uri, scope) = scopes.next().flatten().ok_or_else(|| SettingsError {
            name: names::DEFAULT_SCOPES,
            problem:
                "must be <identifier URI>/<scope>, such as api://<client id>/user_impersonation"
                    .into(),
        })?;
        let others = scopes.flatten().filter(|(_, other)| *other == scope);
        let identifier_uris = std::iter::once(identifier_uri).chain(others.map(|(uri, _)| uri));
        Ok((
            identifier_uris.map(str::to_owned).collect(),
            scope.to_owned(),
        ))
    }

    /// The app's public origin: https, or http for this machine's own hosts.
    fn public_origin(&self) -> Result<Option<Origin>, SettingsError> {
        let Some(hostname) = self.text(names::HOSTNAME) else {
            return Ok(None);
        };
        let scheme = if is_loopback(host_name(&hostname)) {
            "http"
        } else {
            "https"
        };
        let origin = format!("{scheme}://{hostname}").parse();
        origin.map(Some).map_err(|_| SettingsError {
            name: names::HOSTNAME,
            problem: format!("is {hostname:?}: it must be a host name, with or without a port"),
        })
    }

    fn origin(&self, name: &'static str, default: &str) -> Result<Origin, SettingsError> {
        let text = self.text(name);
        let origin = text.as_deref().unwrap_or(default).parse();
        origin.map_err(|problem: &str| SettingsError {
            name,
            problem: problem.into(),
        })
    }

    fn call_budget(&self) -> Result<Duration, SettingsError> {
        match self.parsed::<u64>(names::CALL_BUDGET)? {
            None => Ok(DEFAULT_CALL_BUDGET),
            Some(seconds @ 1..=230) => Ok(Duration::from_secs(seconds)),
            Some(_) => Err(SettingsError {
                name: names::CALL_BUDGET,
                problem:
                    "must be from 1 to 230: Azure's load balancer drops a call after 230 seconds"
                        .into(),
            }),
        }
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(
    name: &'static str,
    text: &str,
) -> Result<T, SettingsError> {
    text.parse().map_err(|problem: T::Err| SettingsError {
        name,
        problem: format!("is {text:?}: {problem}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";
    const AZURE: &[(&str, &str)] = &[
        (names::PORT, "40000"),
        (names::IDENTITY_ENDPOINT, "http://127.0.0.1:41/msi/token"),
        (names::CLIENT_ID, "app"),
        (names::MANAGED_IDENTITY_CLIENT_ID, "identity"),
        (names::ALLOWED_TENANTS, TENANT),
    ];

    fn settings(base: &[(&str, &str)], changes: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::from_lookup(|name| {
            let given = changes.iter().chain(base).find(|(key, _)| *key == name);
            given.map(|(_, value)| (*value).to_owned())
        })
        .map_err(|error| error.to_string())
    }

    fn caller(changes: &[(&str, &str)]) -> CallerIdentity {
        match settings(AZURE, changes).unwrap().identity {
            Identity::Caller(caller) => *caller,
            Identity::Developer { .. } => panic!("developer credentials in Azure"),
        }
    }

    #[test]
    fn azure_needs_nothing_beyond_what_the_platform_and_the_deployment_set() {
        let caller = caller(&[]);
        assert_eq!(caller.audiences, ["app", "api://app"]);
        assert_eq!(caller.scope, "user_impersonation");
        assert_eq!(
            caller.authority.to_string(),
            "https://login.microsoftonline.com"
        );
        assert_eq!(caller.token_exchange_audience, "api://AzureADTokenExchange");
    }

    #[test]
    fn every_name_is_among_all_names() {
        let source = include_str!("settings.rs");
        let (_, source) = source.split_once("pub mod names {").unwrap();
        let (source, _) = source.split_once("pub const ALL:").unwrap();
        let constants = source.lines().filter(|line| line.contains("pub const "));
        let named: Vec<_> = constants
            .filter_map(|line| line.split('"').nth(1))
            .collect();
        assert_eq!(named, names::ALL);
    }

    #[test]
    fn a_missing_variable_is_named() {
        for (name, _) in AZURE {
            let error = settings(AZURE, &[(name, "")]).unwrap_err();
            assert!(
                error.starts_with(&format!("{name} is not set: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_malformed_variable_is_named() {
        for (name, value) in [
            (names::PORT, "port"),
            (names::ENVIRONMENT, "Test"),
            (names::ALLOWED_TENANTS, "../common"),
            (
                names::ALLOWED_TENANTS,
                "11111111-2222-3333-4444-555555555555,",
            ),
            (names::DEFAULT_SCOPES, "user_impersonation"),
            (names::ALLOWED_CLIENTS, ", ,"),
            (names::ACCEPT_ID_TOKENS, "perhaps"),
            (names::CLOUD, "Mars"),
            (names::AUTHORITY_HOST, "http://login.example"),
            (names::AUTHORITY_HOST, "https://login.example/path"),
            (names::GRAPH_ENDPOINT, "https://user:password@graph.example"),
            (names::GRAPH_ENDPOINT, "http://169.254.255.2"),
            (names::AUTHORITY_HOST, "http://169.254.255.2"),
            (
                names::IDENTITY_ENDPOINT,
                "http://identity.example/msi/token",
            ),
            (names::IDENTITY_ENDPOINT, "http://10.0.0.4:8081/msi/token"),
            (names::IDENTITY_ENDPOINT, "169.254.255.2:8081"),
            (names::CALL_BUDGET, "0"),
            (names::CALL_BUDGET, "231"),
            (names::LOG_LEVEL, "loud"),
        ] {
            let error = settings(AZURE, &[(name, value)]).unwrap_err();
            assert!(error.starts_with(name), "{value:?}: {error}");
        }
    }

    #[test]
    fn the_identity_endpoint_may_be_link_local() {
        for endpoint in [
            "http://169.254.255.2:8081/msi/token",
            "http://[fe80::1]:8081/msi/token",
        ] {
            let caller = caller(&[(names::IDENTITY_ENDPOINT, endpoint)]);
            assert_eq!(caller.identity_endpoint, endpoint.parse().unwrap());
        }
    }

    #[test]
    fn developer_credentials_are_out_of_reach_in_azure() {
        let laptop = [
            (names::PORT, "1"),
            (names::ENVIRONMENT, "Development"),
            (names::HOSTNAME, "localhost:7071"),
        ];
        for (name, value) in [
            (names::IDENTITY_ENDPOINT, "http://127.0.0.1:41/msi/token"),
            (names::CLIENT_ID, "app"),
            (names::HOSTNAME, "app.azurewebsites.net"),
            (names::HOSTNAME, "10.0.0.4:80"),
            (names::HOSTNAME, "localhost.example"),
        ] {
            let error = settings(&laptop, &[(name, value)]).unwrap_err();
            let named = format!(
                "{} must not be Development where {name} is ",
                names::ENVIRONMENT
            );
            assert!(error.starts_with(&named), "{error}");
        }
    }

    #[test]
    fn core_tools_run_as_the_developer() {
        for hostname in [
            "",
            "localhost:7071",
            "127.0.0.1:7071",
            "[::1]:7071",
            "0.0.0.0:7071",
        ] {
            let laptop = [
                (names::PORT, "1"),
                (names::ENVIRONMENT, "Development"),
                (names::HOSTNAME, hostname),
            ];
            let identity = settings(&laptop, &[]).unwrap().identity;
            assert!(matches!(identity, Identity::Developer { tenant: None, .. }));
        }
        let laptop = [(names::PORT, "1"), (names::ENVIRONMENT, "Development")];
        let wrong = [(names::DEVELOPMENT_ALLOWED_HOSTS, "https://box.example")];
        let error = settings(&laptop, &wrong).unwrap_err();
        assert!(
            error.starts_with(names::DEVELOPMENT_ALLOWED_HOSTS),
            "{error}"
        );
    }

    #[test]
    fn one_setting_chooses_the_cloud_and_each_endpoint_can_be_overridden() {
        let gov = caller(&[(names::CLOUD, "AzureUSGovernment")]);
        assert_eq!(
            gov.authority.to_string(),
            "https://login.microsoftonline.us"
        );
        assert_eq!(
            gov.token_exchange_audience,
            "api://AzureADTokenExchangeUSGov"
        );
        let dod = settings(AZURE, &[(names::CLOUD, "AzureUSGovernmentDoD")]).unwrap();
        assert_eq!(dod.graph.to_string(), "https://dod-graph.microsoft.us");
        let china = caller(&[
            (names::CLOUD, "AzureChinaCloud"),
            (names::AUTHORITY_HOST, "http://127.0.0.1:9"),
            (names::TOKEN_EXCHANGE_AUDIENCE, "api://Other"),
        ]);
        assert_eq!(china.authority.to_string(), "http://127.0.0.1:9");
        assert_eq!(china.token_exchange_audience, "api://Other");
    }

    #[test]
    fn the_identifier_uri_and_the_scope_come_from_the_scope_that_clients_ask_for() {
        let contoso = caller(&[(names::DEFAULT_SCOPES, "api://contoso/mcp/use other")]);
        assert_eq!(contoso.audiences, ["app", "api://app", "api://contoso/mcp"]);
        assert_eq!(contoso.scope, "use");

        let several = "https://mcp.contoso.example/runtime/webhooks/mcp/use,api://contoso/mcp/use \
                       https://graph.microsoft.com/User.Read";
        let several = caller(&[(names::DEFAULT_SCOPES, several)]);
        let audiences = [
            "app",
            "api://app",
            "https://mcp.contoso.example/runtime/webhooks/mcp",
            "api://contoso/mcp",
        ];
        assert_eq!(several.audiences, audiences);
        assert_eq!(several.scope, "use");
    }

    #[test]
    fn the_endpoint_and_its_origin_are_audiences_where_the_host_is_known() {
        let deployed = caller(&[(names::HOSTNAME, "app.azurewebsites.net")]);
        let audiences = [
            "app",
            "api://app",
            "https://app.azurewebsites.net/runtime/webhooks/mcp",
            "https://app.azurewebsites.net",
        ];
        assert_eq!(deployed.audiences, audiences);
    }

    #[test]
    fn the_app_is_reached_over_https_but_on_this_machine() {
        for (hostname, origin) in [
            ("app.azurewebsites.net", "https://app.azurewebsites.net"),
            ("127.0.0.1:7071", "http://127.0.0.1:7071"),
            ("localhost:7071", "http://localhost:7071"),
            ("[::1]:7071", "http://[::1]:7071"),
        ] {
            let caller = caller(&[(names::HOSTNAME, hostname)]);
            let reached_at = caller.origin.map(|origin| origin.to_string());
            assert_eq!(reached_at.as_deref(), Some(origin));
        }
    }

    #[test]
    fn clients_and_id_tokens_are_as_the_settings_say() {
        let unset = caller(&[]);
        assert!(unset.allowed_clients.is_empty() && !unset.accepts_id_tokens);
        let set = caller(&[
            (names::ALLOWED_CLIENTS, "editor, inspector,"),
            (names::ACCEPT_ID_TOKENS, "true"),
        ]);
        assert_eq!(set.allowed_clients, ["editor", "inspector"]);
        assert!(set.accepts_id_tokens);
    }
}
