//! The people of the tenant.

use std::fmt;

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The short name by which the sandbox knows the person: `ada`.
    pub name: String,
    /// The directory's id of the person: `oid` in tokens.
    pub object_id: String,
    /// Given name and surname.
    pub display_name: String,
    /// The address of the mailbox, if the person has one.
    pub mail: Option<String>,
    /// The name the person signs in with.
    pub user_principal_name: String,
}

/// The tenant has no person of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPerson(
    /// The name that was asked for.
    pub String,
);

impl fmt::Display for UnknownPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox has no person `{}`; it has ", self.0)?;
        for (name, ..) in NAMED {
            write!(f, "{name}, ")?;
        }
        f.write_str("and user0, user1, … for load")
    }
}

impl std::error::Error for UnknownPerson {}

/// Name, object id, display name, has a mailbox.
const NAMED: [(&str, &str, &str, bool); 3] = [
    (
        "ada",
        "a1da0000-1815-4c10-8d12-000000000001",
        "Ada Lovelace",
        true,
    ),
    (
        "grace",
        "94ace000-1906-4c09-8d12-000000000002",
        "Grace Hopper",
        false,
    ),
    ("alan", ALAN, "Alan Turing", true),
];

/// The object id of Alan, who has consented to nothing at the start.
pub(super) const ALAN: &str = "a1a00000-1912-4c06-8d23-000000000003";

/// The object id of `userN` is this and `N` as twelve hexadecimal digits.
const GENERATED_OBJECT_ID: &str = "105ad000-0000-4000-8000-";

const DOMAIN: &str = "contoso.example";

pub(super) fn named() -> impl Iterator<Item = Person> {
    NAMED
        .iter()
        .map(|(name, object_id, display_name, mailbox)| {
            let address = format!("{name}@{DOMAIN}");
            Person {
                name: (*name).to_owned(),
                object_id: (*object_id).to_owned(),
                display_name: (*display_name).to_owned(),
                mail: mailbox.then(|| address.clone()),
                user_principal_name: address,
            }
        })
}

pub(super) fn by_name(name: &str) -> Result<Person, UnknownPerson> {
    named()
        .find(|person| person.name == name)
        .or_else(|| name.strip_prefix("user")?.parse().ok().map(generated))
        // One spelling only: not `user01`, not `user+1`.
        .filter(|person| person.name == name)
        .ok_or_else(|| UnknownPerson(name.to_owned()))
}

pub(super) fn by_object_id(object_id: &str) -> Option<Person> {
    named()
        .find(|person| person.object_id == object_id)
        .or_else(|| {
            let number = object_id.strip_prefix(GENERATED_OBJECT_ID)?;
            u32::from_str_radix(number, 16).ok().map(generated)
        })
}

pub(super) fn by_user_principal_name(name: &str) -> Option<Person> {
    let (name, domain) = name.split_once('@')?;
    if !domain.eq_ignore_ascii_case(DOMAIN) {
        return None;
    }
    by_name(&name.to_ascii_lowercase()).ok()
}

fn generated(number: u32) -> Person {
    let address = format!("user{number}@{DOMAIN}");
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
    fn people_are_found_by_each_of_their_names() {
        for name in ["ada", "grace", "alan", "user0", "user4294967295"] {
            let person = by_name(name).unwrap();
            assert_eq!(person.name, name);
            assert_eq!(by_object_id(&person.object_id), Some(person.clone()));
            let principal_name = person.user_principal_name.to_ascii_uppercase();
            assert_eq!(by_user_principal_name(&principal_name), Some(person));
        }
    }

    #[test]
    fn a_name_has_one_spelling() {
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
            assert_eq!(by_name(name), Err(UnknownPerson(name.to_owned())));
        }
    }

    #[test]
    fn a_principal_name_of_another_domain_is_unknown() {
        for name in ["ada", "ada@fabrikam.example", "@contoso.example", ""] {
            assert_eq!(by_user_principal_name(name), None, "{name}");
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
}
