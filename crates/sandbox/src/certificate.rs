//! The cloud's certificate for https, and the authority that signs it. Both are generated at each start.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};

/// The TLS configuration of `https://localhost`, and the authority behind it.
pub(crate) struct Certificate {
    /// The certificate of the authority, for clients to trust.
    pub(crate) authority_pem: String,
    pub(crate) server: ServerConfig,
}

impl Certificate {
    /// Generates the authority and a certificate for `localhost` and `127.0.0.1`.
    pub(crate) fn generate() -> io::Result<Self> {
        let authority_key = KeyPair::generate().map_err(io::Error::other)?;
        let authority = authority().map_err(io::Error::other)?;
        let authority_pem = authority
            .self_signed(&authority_key)
            .map_err(io::Error::other)?
            .pem();

        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = server()
            .and_then(|server| server.signed_by(&key, &Issuer::new(authority, &authority_key)))
            .map_err(io::Error::other)?;
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .map_err(io::Error::other)?;
        Ok(Self {
            authority_pem,
            server,
        })
    }
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = named("Sandbox certificate authority", [])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn server() -> Result<CertificateParams, rcgen::Error> {
    let mut params = named(
        "localhost",
        ["localhost".to_owned(), "127.0.0.1".to_owned()],
    )?;
    // Python requires it.
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn named<const N: usize>(
    common_name: &str,
    hosts: [String; N],
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    Ok(params)
}
