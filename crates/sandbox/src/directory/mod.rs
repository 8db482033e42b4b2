//! The tenant's directory: its people, its applications, the managed identity and the consents.

mod applications;
mod consents;
mod people;
mod permissions;

use parking_lot::RwLock;

use self::consents::Consents;
pub use self::{
    applications::{
        AZURE_CLI, Application, ClientType, IDENTIFIER_URI, MCP_CLIENT, MCP_SERVER, OTHER_API,
        PRE_AUTHORIZED_CLIENTS, SCOPE, VISUAL_STUDIO_CODE,
    },
    consents::Consent,
    people::{Person, UnknownPerson},
    permissions::{Api, Permission},
};

/// The tenant's id.
pub const TENANT_ID: &str = "5c9f2b1e-7d34-4e8a-9a61-0b8d3f6c2e15";

/// The user-assigned managed identity of the function app.
pub const MANAGED_IDENTITY: ManagedIdentity = ManagedIdentity {
    client_id: "1b6f8d03-95ea-4c7b-a2d4-6e0c87f3b951",
    principal_id: "c42e7a98-0d1f-4b63-8f5a-b97d3e16c280",
    resource_id: "/subscriptions/6f1c9d35-2a84-4be0-97c3-d05b8e41a7f2/resourceGroups/mcp\
                  /providers/Microsoft.ManagedIdentity/userAssignedIdentities/mcp",
};

/// The federated credential of [`MCP_SERVER`]: tokens of [`MANAGED_IDENTITY`] prove that it is the server.
/// Its issuer is the tenant's own.
pub const FEDERATED_CREDENTIAL: FederatedCredential = FederatedCredential {
    subject: MANAGED_IDENTITY.principal_id,
    audience: "api://AzureADTokenExchange",
};

/// The client id of the API that [`FEDERATED_CREDENTIAL`]'s audience is an identifier URI of, the same in every tenant:
/// it is the `aud` of the tokens that Entra issues for that audience. From public sources.
pub const TOKEN_EXCHANGE_CLIENT_ID: &str = "fb60f99c-7a34-4190-8149-302f77469936";

/// A user-assigned managed identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// The client id, by which the app selects the identity.
    pub client_id: &'static str,
    /// Its object id: the subject of its tokens.
    pub principal_id: &'static str,
    /// Its Azure resource id.
    pub resource_id: &'static str,
}

/// The claims that a token must have to replace an application's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FederatedCredential {
    /// The required `sub`.
    pub subject: &'static str,
    /// The required `aud`, or the identifier URI of the API whose client id that is.
    pub audience: &'static str,
}

impl FederatedCredential {
    /// Whether a token of this `aud` is for the credential's audience.
    pub(crate) fn is_audience(&self, aud: &str) -> bool {
        aud == self.audience || aud == audience_of(self.audience)
    }
}

/// The `aud` of the tokens that Entra issues for a resource.
pub(crate) fn audience_of(resource: &str) -> &str {
    if resource == FEDERATED_CREDENTIAL.audience {
        TOKEN_EXCHANGE_CLIENT_ID
    } else {
        resource
    }
}

/// The tenant's people, their consents, and the parts of the MCP server's registration that depend on its deployment.
#[derive(Debug)]
pub struct Directory {
    identifier_uris: Vec<String>,
    consents: RwLock<Consents>,
    server_redirect_uris: RwLock<Vec<String>>,
}

impl Default for Directory {
    /// A directory whose [`MCP_SERVER`] has [`IDENTIFIER_URI`] only.
    fn default() -> Self {
        Self::new([])
    }
}

impl Directory {
    /// A directory whose [`MCP_SERVER`] has these identifier URIs before [`IDENTIFIER_URI`].
    pub(crate) fn new(identifier_uris: impl IntoIterator<Item = String>) -> Self {
        Self {
            identifier_uris: identifier_uris
                .into_iter()
                .chain([IDENTIFIER_URI.to_owned()])
                .collect(),
            consents: RwLock::default(),
            server_redirect_uris: RwLock::default(),
        }
    }

    /// The identifier URIs of [`MCP_SERVER`] (`identifierUris` of its registration): its names in scopes and in
    /// `resource`.
    pub fn identifier_uris(&self) -> &[String] {
        &self.identifier_uris
    }

    /// The scope that clients request to call [`MCP_SERVER`]: its first identifier URI and [`SCOPE`].
    pub fn server_scope(&self) -> String {
        let uri = self
            .identifier_uris
            .first()
            .map_or(IDENTIFIER_URI, |uri| uri);
        format!("{uri}/{SCOPE}")
    }

    /// The audiences of tokens for [`MCP_SERVER`]: its client id, as in v2 tokens, and its identifier URIs.
    pub(crate) fn server_audiences(&self) -> Vec<&str> {
        let identifier_uris = self.identifier_uris.iter().map(String::as_str);
        std::iter::once(MCP_SERVER.client_id)
            .chain(identifier_uris)
            .collect()
    }

    /// The people who have a name of their own. Besides them, every `userN` exists.
    pub fn people(&self) -> Vec<Person> {
        people::named().collect()
    }

    /// Finds a person by the short name: `ada`, `user42`.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn person(&self, name: &str) -> Result<Person, UnknownPerson> {
        people::by_name(name)
    }

    /// Finds a person by the `oid` of a token.
    pub fn person_by_object_id(&self, object_id: &str) -> Option<Person> {
        people::by_object_id(object_id)
    }

    /// Finds a person by the sign-in name: `ada@contoso.example`, in any case.
    pub fn person_by_user_principal_name(&self, name: &str) -> Option<Person> {
        people::by_user_principal_name(name)
    }

    /// Whether the person allowed the MCP server to read the profile (Graph `User.Read`).
    pub fn has_consented(&self, person: &Person) -> bool {
        self.is_granted(person, &MCP_SERVER, Permission::UserRead)
    }

    /// Records that the person allows the MCP server to read the profile.
    pub fn record_consent(&self, person: &Person) {
        self.grant(person, &MCP_SERVER, [Permission::UserRead]);
    }

    /// Revokes all consents of the person, for every application.
    pub fn revoke_consent(&self, person: &Person) {
        self.consents.write().revoke(person);
    }

    /// The person's consents.
    pub fn consents(&self, person: &Person) -> Vec<Consent> {
        self.consents.read().of(person)
    }

    /// Whether the client has the permission for the person: by consent, or because it is pre-authorised.
    pub fn is_granted(
        &self,
        person: &Person,
        client: &Application,
        permission: Permission,
    ) -> bool {
        consents::is_pre_authorized(client, permission)
            || self.consents.read().contains(person, client, permission)
    }

    /// Records the person's consent to the client's permissions. Those for sign-in are included, as they are whenever
    /// Entra asks for consent.
    pub fn grant(
        &self,
        person: &Person,
        client: &Application,
        permissions: impl IntoIterator<Item = Permission>,
    ) {
        self.consents.write().record(person, client, permissions);
    }

    /// Registers a redirect URI of [`MCP_SERVER`]: `{origin}/.auth/login/aad/callback`. The origin is known only once
    /// the server runs.
    pub fn register_redirect_uri(&self, uri: impl Into<String>) {
        self.server_redirect_uris.write().push(uri.into());
    }

    /// The redirect URIs registered for an application.
    pub fn redirect_uris(&self, client: &Application) -> Vec<String> {
        if *client == MCP_SERVER {
            self.server_redirect_uris.read().clone()
        } else {
            client
                .redirect_uris
                .iter()
                .copied()
                .map(str::to_owned)
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_but_alan_has_consented_at_the_start() {
        let directory = Directory::default();
        let consented = |name: &str| directory.has_consented(&directory.person(name).unwrap());
        assert!(consented("ada") && consented("grace") && consented("user7"));
        assert!(!consented("alan"));
    }

    #[test]
    fn consent_can_be_given_and_revoked() {
        let directory = Directory::default();
        let alan = directory.person("alan").unwrap();
        directory.record_consent(&alan);
        assert!(directory.has_consented(&alan));
        directory.revoke_consent(&alan);
        assert!(!directory.has_consented(&alan));
    }

    #[test]
    fn pre_authorisation_covers_the_server_and_not_graph() {
        let directory = Directory::default();
        let alan = directory.person("alan").unwrap();
        for client in &PRE_AUTHORIZED_CLIENTS {
            assert!(directory.is_granted(&alan, client, Permission::UserImpersonation));
            assert!(directory.is_granted(&alan, client, Permission::OfflineAccess));
            assert!(!directory.is_granted(&alan, client, Permission::UserRead));
        }
        assert!(!directory.is_granted(&alan, &AZURE_CLI, Permission::UserImpersonation));
    }

    #[test]
    fn scopes_are_written_in_the_form_of_the_first_identifier_uri() {
        let endpoint = "http://127.0.0.1:7071/runtime/webhooks/mcp";
        let directory = Directory::new([endpoint.to_owned()]);
        assert_eq!(
            directory.server_scope(),
            format!("{endpoint}/user_impersonation")
        );
        assert_eq!(directory.identifier_uris(), [endpoint, IDENTIFIER_URI]);
        assert_eq!(
            Directory::default().server_scope(),
            format!("{IDENTIFIER_URI}/user_impersonation")
        );
    }

    #[test]
    fn the_servers_redirect_uris_are_registered_at_run_time() {
        let directory = Directory::default();
        assert!(directory.redirect_uris(&MCP_SERVER).is_empty());
        directory.register_redirect_uri("http://127.0.0.1:7071/.auth/login/aad/callback");
        assert_eq!(
            directory.redirect_uris(&MCP_SERVER),
            ["http://127.0.0.1:7071/.auth/login/aad/callback"]
        );
        assert_eq!(directory.redirect_uris(&AZURE_CLI), AZURE_CLI.redirect_uris);
    }
}
