//! The consents that people have given to applications.

use std::collections::HashSet;

use serde::Serialize;

use super::{
    applications::{Application, CLIENTS, MCP_SERVER, PRE_AUTHORIZED_CLIENTS},
    people::{ALAN, Person},
    permissions::Permission,
};

/// A permission that a person has granted to an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consent {
    /// The application's display name.
    pub application: &'static str,
    /// The application's client id.
    pub client_id: &'static str,
    /// The permission's name: `User.Read`.
    pub permission: &'static str,
}

/// The consents of all people.
#[derive(Debug)]
pub(super) struct Consents {
    recorded: HashSet<Recorded>,
    /// The object ids of people without the consent that the others have at the start.
    without_initial: HashSet<String>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Recorded {
    object_id: String,
    client_id: &'static str,
    permission: Permission,
}

impl Recorded {
    fn new(person: &Person, client: &Application, permission: Permission) -> Self {
        Self {
            object_id: person.object_id.clone(),
            client_id: client.client_id,
            permission,
        }
    }
}

impl Default for Consents {
    fn default() -> Self {
        Self {
            recorded: HashSet::new(),
            without_initial: HashSet::from([ALAN.to_owned()]),
        }
    }
}

impl Consents {
    pub(super) fn contains(
        &self,
        person: &Person,
        client: &Application,
        permission: Permission,
    ) -> bool {
        self.recorded
            .contains(&Recorded::new(person, client, permission))
            || (is_initial(client, permission) && !self.without_initial.contains(&person.object_id))
    }

    /// Records the permissions, and those for sign-in.
    pub(super) fn record(
        &mut self,
        person: &Person,
        client: &Application,
        permissions: impl IntoIterator<Item = Permission>,
    ) {
        self.recorded.extend(
            permissions
                .into_iter()
                .chain(Permission::FOR_SIGN_IN)
                .map(|permission| Recorded::new(person, client, permission)),
        );
    }

    pub(super) fn revoke(&mut self, person: &Person) {
        self.recorded
            .retain(|recorded| recorded.object_id != person.object_id);
        self.without_initial.insert(person.object_id.clone());
    }

    pub(super) fn of(&self, person: &Person) -> Vec<Consent> {
        CLIENTS
            .iter()
            .flat_map(|client| Permission::ALL.map(|permission| (client, permission)))
            .filter(|(client, permission)| self.contains(person, client, *permission))
            .map(|(client, permission)| Consent {
                application: client.display_name,
                client_id: client.client_id,
                permission: permission.value(),
            })
            .collect()
    }
}

/// Whether people have given this consent at the start: that the MCP server reads the profile.
fn is_initial(client: &Application, permission: Permission) -> bool {
    *client == MCP_SERVER && (permission == Permission::UserRead || permission.is_for_sign_in())
}

/// Whether the permission needs no consent: the MCP server's own, and for pre-authorised clients those for sign-in.
pub(super) fn is_pre_authorized(client: &Application, permission: Permission) -> bool {
    if *client == MCP_SERVER {
        permission == Permission::UserImpersonation
    } else {
        PRE_AUTHORIZED_CLIENTS.contains(client)
            && (permission == Permission::UserImpersonation || permission.is_for_sign_in())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{AZURE_CLI, Directory};

    #[test]
    fn consent_is_kept_per_person_application_and_permission() {
        let directory = Directory::default();
        let [ada, alan] = ["ada", "alan"].map(|name| directory.person(name).unwrap());
        directory.grant(&alan, &AZURE_CLI, [Permission::MailRead]);

        assert!(directory.is_granted(&alan, &AZURE_CLI, Permission::MailRead));
        assert!(!directory.is_granted(&ada, &AZURE_CLI, Permission::MailRead));
        assert!(!directory.is_granted(&alan, &MCP_SERVER, Permission::MailRead));
        assert!(!directory.is_granted(&alan, &AZURE_CLI, Permission::UserRead));
    }

    #[test]
    fn a_persons_consents_are_listed_and_all_revoked() {
        let directory = Directory::default();
        let ada = directory.person("ada").unwrap();
        let listed = || -> Vec<_> {
            directory
                .consents(&ada)
                .iter()
                .map(|consent| (consent.client_id, consent.permission))
                .collect()
        };
        assert!(listed().contains(&(MCP_SERVER.client_id, "User.Read")));

        directory.grant(&ada, &AZURE_CLI, [Permission::MailRead]);
        assert!(listed().contains(&(AZURE_CLI.client_id, "Mail.Read")));
        assert!(listed().contains(&(AZURE_CLI.client_id, "openid")));

        directory.revoke_consent(&ada);
        assert_eq!(listed(), []);
    }
}
