//! The ids of clients' sessions. The server keeps no state for a session.
//!
//! Source: recordings `session`, `core-tools-session`, `plain-state-session`.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{Rng as _, distributions::Alphanumeric};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Bytes in front of the encrypted part, so that an id is as long as the extension's.
const PADDING: usize = 32;

/// The form of ids.
pub(super) enum ClientState {
    /// Encrypted, as in Azure: clients can neither read nor forge them.
    Encrypted(Box<LessSafeKey>),
    /// Plain, under Core Tools or where host.json says so.
    Plain,
    /// Impossible: they should be encrypted, but the environment has no key.
    Keyless,
}

/// A session: the client's own part, and that of the server's instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub client: String,
    pub instance: String,
}

/// Why an id is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It can be read, but does not have two parts.
    Parts,
    /// It was not encrypted by this server, or not with the present key.
    Foreign,
}

impl ClientState {
    /// Encryption with a new key.
    pub(super) fn encrypted() -> Self {
        match UnboundKey::new(&AES_256_GCM, &rand::random::<[u8; 32]>()) {
            Ok(key) => Self::Encrypted(Box::new(LessSafeKey::new(key))),
            Err(_) => Self::Keyless,
        }
    }

    /// The id of a session; `None` where it cannot be written.
    pub(super) fn format(&self, session: &Session) -> Option<String> {
        let plain = format!("{}|{}", session.client, session.instance);
        match self {
            Self::Plain => Some(plain),
            Self::Keyless => None,
            Self::Encrypted(key) => {
                let padding: [u8; PADDING] = rand::random();
                let nonce: [u8; NONCE_LEN] = rand::random();
                let mut sealed = plain.into_bytes();
                key.seal_in_place_append_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::empty(),
                    &mut sealed,
                )
                .ok()?;
                let id = [padding.as_slice(), &nonce, &sealed].concat();
                Some(BASE64_URL_SAFE_NO_PAD.encode(id))
            }
        }
    }

    /// The session of an id.
    pub(super) fn parse(&self, id: &str) -> Result<Session, Refusal> {
        let plain = match self {
            Self::Plain => id.to_owned(),
            Self::Keyless => return Err(Refusal::Foreign),
            Self::Encrypted(key) => open(key, id).ok_or(Refusal::Foreign)?,
        };
        let mut parts = plain.split('|').filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (Some(client), Some(instance), None) => Ok(Session {
                client: client.to_owned(),
                instance: instance.to_owned(),
            }),
            _ => Err(Refusal::Parts),
        }
    }
}

fn open(key: &LessSafeKey, id: &str) -> Option<String> {
    let id = BASE64_URL_SAFE_NO_PAD.decode(id).ok()?;
    let (nonce, sealed) = id.get(PADDING..)?.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}

impl Session {
    /// A new session of this instance.
    pub(super) fn new(instance: &str) -> Self {
        Self {
            client: random_part(),
            instance: instance.to_owned(),
        }
    }
}

/// 16 unguessable characters.
pub(super) fn random_part() -> String {
    rand::thread_rng()
        .sample_iter(Alphanumeric)
        .take(16)
        .map(|character| char::from(character).to_ascii_lowercase())
        .collect()
}

impl fmt::Debug for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientState")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_id_is_opaque_and_valid_for_its_own_server_only() {
        let (own, other) = (ClientState::encrypted(), ClientState::encrypted());
        let session = Session::new("instance12345678");
        let id = own.format(&session).unwrap();
        assert_eq!(id.len(), 124);
        assert_eq!(own.parse(&id), Ok(session));
        assert_eq!(other.parse(&id), Err(Refusal::Foreign));
        for id in ["", "###", "invented", "abcdefgh12345678|ijklmnop12345678"] {
            assert_eq!(own.parse(id), Err(Refusal::Foreign), "{id}");
        }
    }

    #[test]
    fn a_plain_id_has_two_parts() {
        let state = ClientState::Plain;
        let session = state.parse("||abc|def|").unwrap();
        assert_eq!(state.format(&session).unwrap(), "abc|def");
        for id in ["", "abc", "abc|", "a|b|c"] {
            assert_eq!(state.parse(id), Err(Refusal::Parts), "{id}");
        }
    }
}
