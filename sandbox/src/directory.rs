//! The tenant: its people, its applications, the managed identity and who consented to what.

use std::collections::HashSet;
use std::fmt;

use parking_lot::RwLock;

/// The tenant's id.
pub const TENANT_ID: &str = "5c9f2b1e-7d34-4e8a-9a61-0b8d3f6c2e15";

/// The MCP server's app registration: the audience of the user's token and the client of the on-behalf-of exchange.
pub const MCP_SERVER: Application = Application {
    display_name: "Functions MCP server",
    client_id: "8e4d1c72-3b5f-4a09-b6e7-91c2d0a85f34",
};

/// The identifier URI of [`MCP_SERVER`]: `api://` and its client id.
pub const IDENTIFIER_URI: &str = "api://8e4d1c72-3b5f-4a09-b6e7-91c2d0a85f34";

/// The delegated permission that [`MCP_SERVER`] exposes.
pub const SCOPE: &str = "user_impersonation";

/// Visual Studio Code, pre-authorised for [`MCP_SERVER`].
pub const VISUAL_STUDIO_CODE: Application = Application {
    display_name: "Visual Studio Code",
    client_id: "aebc6443-996d-45c2-90f0-388ff96faa56",
};

/// The Azure CLI, with which a developer signs in.
pub const AZURE_CLI: Application = Application {
    display_name: "Microsoft Azure CLI",
    client_id: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
};

/// Another API of the tenant. Its tokens are genuine, and none of the MCP server's business.
pub const OTHER_API: Application = Application {
    display_name: "Payroll",
    client_id: "d7a3e590-64bc-4f1d-8c27-3e95b1f0a648",
};

/// The user-assigned managed identity of the function app.
pub const MANAGED_IDENTITY: ManagedIdentity = ManagedIdentity {
    client_id: "1b6f8d03-95ea-4c7b-a2d4-6e0c87f3b951",
    principal_id: "c42e7a98-0d1f-4b63-8f5a-b97d3e16c280",
};

/// The federated credential of [`MCP_SERVER`]: tokens of [`MANAGED_IDENTITY`] prove that it is the server.
/// Its issuer is the tenant's own.
pub const FEDERATED_CREDENTIAL: FederatedCredential = FederatedCredential {
    subject: MANAGED_IDENTITY.principal_id,
    audience: "api://AzureADTokenExchange",
};

/// An app registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Application {
    /// What consent pages and the portal call it.
    pub display_name: &'static str,
    /// Its client id, also called application id.
    pub client_id: &'static str,
}

/// A user-assigned managed identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// By which the app asks for it.
    pub client_id: &'static str,
    /// Its object id: the subject of its tokens.
    pub principal_id: &'static str,
}

/// What a token must say to stand for an application's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FederatedCredential {
    /// The required `sub`.
    pub subject: &'static str,
    /// The required `aud`.
    pub audience: &'static str,
}

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The short name by which the sandbox knows the person: `ada`.
    pub name: String,
    /// The directory's id of the person: `oid` in tokens.
    pub object_id: String,
    /// Given name and surname.
    pub display_name: String,
    /// The address of the mailbox; many people have none.
    pub mail: Option<String>,
    /// The name the person signs in with.
    pub user_principal_name: String,
}

/// There is nobody of that name in the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPerson(
    /// The name that was asked for.
    pub String,
);

impl fmt::Display for UnknownPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nobody in the sandbox is called `{}`; there are ",
            self.0
        )?;
        for (name, ..) in NAMED {
            write!(f, "{name}, ")?;
        }
        f.write_str("and user0, user1, … for load")
    }
}

impl std::error::Error for UnknownPerson {}

/// Name, object id, display name, has a mailbox, has consented at the start.
const NAMED: [(&str, &str, &str, bool, bool); 3] = [
    (
        "ada",
        "a1da0000-1815-4c10-8d12-000000000001",
        "Ada Lovelace",
        true,
        true,
    ),
    (
        "grace",
        "94ace000-1906-4c09-8d12-000000000002",
        "Grace Hopper",
        false,
        true,
    ),
    (
        "alan",
        "a1a00000-1912-4c06-8d23-000000000003",
        "Alan Turing",
        true,
        false,
    ),
];

/// The object id of `userN` is this and `N` as twelve hexadecimal digits.
const GENERATED_OBJECT_ID: &str = "105ad000-0000-4000-8000-";

/// The tenant's people and their consents.
#[derive(Debug)]
pub struct Directory {
    /// Object ids of those who have not consented that the MCP server reads their Graph profile.
    without_consent: RwLock<HashSet<String>>,
}

impl Default for Directory {
    fn default() -> Self {
        let without_consent = NAMED
            .iter()
            .filter(|(.., consented)| !consented)
            .map(|(_, object_id, ..)| (*object_id).to_owned())
            .collect();
        Self {
            without_consent: RwLock::new(without_consent),
        }
    }
}

impl Directory {
    /// The people who have a name of their own. Besides them, every `userN` exists.
    pub fn people(&self) -> Vec<Person> {
        NAMED
            .iter()
            .map(|(name, object_id, display_name, mailbox, _)| {
                let address = format!("{name}@contoso.example");
                Person {
                    name: (*name).to_owned(),
                    object_id: (*object_id).to_owned(),
                    display_name: (*display_name).to_owned(),
                    mail: mailbox.then(|| address.clone()),
                    user_principal_name: address,
                }
            })
            .collect()
    }

    /// Finds a person by the short name: `ada`, `user42`.
    ///
    /// # Errors
    /// [`UnknownPerson`] when nobody has that name.
    pub fn person(&self, name: &str) -> Result<Person, UnknownPerson> {
        self.people()
            .into_iter()
            .find(|person| person.name == name)
            .or_else(|| {
                name.strip_prefix("user")?
                    .parse()
                    .ok()
                    .map(generated_person)
            })
            // One spelling only: not `user01`, not `user+1`.
            .filter(|person| person.name == name)
            .ok_or_else(|| UnknownPerson(name.to_owned()))
    }

    /// Finds a person by the `oid` of a token.
    pub fn person_by_object_id(&self, object_id: &str) -> Option<Person> {
        self.people()
            .into_iter()
            .find(|person| person.object_id == object_id)
            .or_else(|| {
                let number = object_id.strip_prefix(GENERATED_OBJECT_ID)?;
                u32::from_str_radix(number, 16).ok().map(generated_person)
            })
    }

    /// Whether the person allowed the MCP server to read the profile (Graph `User.Read`).
    pub fn has_consented(&self, person: &Person) -> bool {
        !self.without_consent.read().contains(&person.object_id)
    }

    /// Records that the person allows the MCP server to read the profile.
    pub fn record_consent(&self, person: &Person) {
        self.without_consent.write().remove(&person.object_id);
    }

    /// Takes the person's consent back.
    pub fn revoke_consent(&self, person: &Person) {
        self.without_consent
            .write()
            .insert(person.object_id.clone());
    }
}

fn generated_person(number: u32) -> Person {
    let address = format!("user{number}@contoso.example");
    Person {
        name: format!("user{number}"),
        object_id: format!("{GENERATED_OBJECT_ID}{number:012x}"),
        display_name: format!("User {number}"),
        mail: Some(address.clone()),
        user_principal_name: address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_by_name_and_by_object_id() {
        let directory = Directory::default();
        for name in ["ada", "grace", "alan", "user0", "user4294967295"] {
            let person = directory.person(name).unwrap();
            assert_eq!(person.name, name);
            assert_eq!(
                directory.person_by_object_id(&person.object_id),
                Some(person)
            );
        }
    }

    #[test]
    fn a_name_has_one_spelling() {
        let directory = Directory::default();
        for name in [
            "",
            "Ada",
            "user",
            "user01",
            "user+1",
            "user-1",
            "user4294967296",
            "eve",
        ] {
            assert_eq!(directory.person(name), Err(UnknownPerson(name.to_owned())));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let message = UnknownPerson("eve".to_owned()).to_string();
        assert!(
            message.contains("`eve`") && message.contains("ada, grace, alan, "),
            "{message}"
        );
    }

    #[test]
    fn everybody_but_alan_has_consented_at_the_start() {
        let directory = Directory::default();
        let consented = |name: &str| directory.has_consented(&directory.person(name).unwrap());
        assert!(consented("ada") && consented("grace") && consented("user7"));
        assert!(!consented("alan"));
    }

    #[test]
    fn consent_can_be_given_and_taken_back() {
        let directory = Directory::default();
        let alan = directory.person("alan").unwrap();
        directory.record_consent(&alan);
        assert!(directory.has_consented(&alan));
        directory.revoke_consent(&alan);
        assert!(!directory.has_consented(&alan));
    }

    #[test]
    fn the_identifier_uri_names_the_server() {
        assert_eq!(IDENTIFIER_URI, format!("api://{}", MCP_SERVER.client_id));
    }
}
