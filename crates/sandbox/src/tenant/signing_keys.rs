//! The tenant's RSA keys: made at start, rotated on request, published as a JSON Web Key Set (RFC 7517).

use std::sync::{Arc, OnceLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use parking_lot::RwLock;
use rsa::{
    RsaPrivateKey, RsaPublicKey, pkcs1v15,
    pkcs8::{EncodePublicKey, LineEnding},
    sha2::{Digest, Sha256},
    signature::{SignatureEncoding, Signer},
    traits::PublicKeyParts,
};
use serde_json::{Value, json};

/// An RSA key of 2048 bits.
pub(crate) struct SigningKey {
    /// Names the key in token headers and in the key set.
    pub(crate) id: String,
    pub(crate) verifying: DecodingKey,
    signing: pkcs1v15::SigningKey<Sha256>,
    public: RsaPublicKey,
}

impl SigningKey {
    #[allow(
        clippy::expect_used,
        reason = "key generation fails for impossible sizes only"
    )]
    fn generate() -> Self {
        let private = RsaPrivateKey::new(&mut rand::thread_rng(), 2048)
            .expect("2048 bits are a possible key size");
        let public = private.to_public_key();
        let modulus = public.n().to_bytes_be();
        let mut id = URL_SAFE_NO_PAD.encode(Sha256::digest(&modulus));
        // Entra's are thumbprints of 27 characters too.
        id.truncate(27);
        Self {
            id,
            verifying: DecodingKey::from_rsa_raw_components(&modulus, &public.e().to_bytes_be()),
            signing: pkcs1v15::SigningKey::new(private),
            public,
        }
    }

    /// The RS256 signature of the message.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.signing.sign(message).to_vec()
    }

    /// The public key in PEM: the "secret" of a key confusion attack.
    pub(crate) fn public_pem(&self) -> String {
        self.public
            .to_public_key_pem(LineEnding::LF)
            .unwrap_or_default()
    }

    fn json_web_key(&self, issuer: &str) -> Value {
        json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.id,
            "x5t": self.id,
            "n": URL_SAFE_NO_PAD.encode(self.public.n().to_bytes_be()),
            "e": URL_SAFE_NO_PAD.encode(self.public.e().to_bytes_be()),
            "issuer": issuer,
        })
    }
}

/// The published keys. The newest signs; the previous ones stay published, since their tokens are still valid.
pub(crate) struct SigningKeys {
    published: RwLock<Published>,
    stranger: OnceLock<SigningKey>,
}

struct Published {
    newest: Arc<SigningKey>,
    former: Vec<Arc<SigningKey>>,
}

impl Published {
    fn iter(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        std::iter::once(&self.newest).chain(&self.former)
    }
}

impl SigningKeys {
    /// Makes the first key. Takes a good part of a second.
    pub(crate) fn generate() -> Self {
        let published = Published {
            newest: Arc::new(SigningKey::generate()),
            former: Vec::new(),
        };
        Self {
            published: RwLock::new(published),
            stranger: OnceLock::new(),
        }
    }

    /// The key that signs.
    pub(crate) fn newest(&self) -> Arc<SigningKey> {
        self.published.read().newest.clone()
    }

    /// A key that is not published.
    pub(crate) fn stranger(&self) -> &SigningKey {
        self.stranger.get_or_init(SigningKey::generate)
    }

    /// The published key of this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<SigningKey>> {
        self.published
            .read()
            .iter()
            .find(|key| key.id == id)
            .cloned()
    }

    /// Signs with a new key from now on. Takes a good part of a second.
    pub(crate) fn rotate(&self) {
        let new = Arc::new(SigningKey::generate());
        let mut published = self.published.write();
        let former = std::mem::replace(&mut published.newest, new);
        published.former.push(former);
    }

    /// The JSON Web Key Set.
    pub(crate) fn json_web_key_set(&self, issuer: &str) -> Value {
        let keys: Vec<_> = self
            .published
            .read()
            .iter()
            .map(|key| key.json_web_key(issuer))
            .collect();
        json!({ "keys": keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_adds_a_key_and_keeps_the_former() {
        let keys = SigningKeys::generate();
        let former = keys.newest().id.clone();
        keys.rotate();
        let newest = keys.newest().id.clone();
        assert_ne!(former, newest);
        assert!(keys.find(&former).is_some() && keys.find(&newest).is_some());

        let set = keys.json_web_key_set("https://issuer.example");
        let ids: Vec<_> = set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].clone())
            .collect();
        assert_eq!(ids, [newest, former]);
    }

    #[test]
    fn the_strangers_key_is_not_published() {
        let keys = SigningKeys::generate();
        assert!(keys.find(&keys.stranger().id).is_none());
    }
}
