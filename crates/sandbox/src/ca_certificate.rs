//! The certificate of the sandbox's own authority as a file, for clients of its https and for the handler.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file. Dropping it removes it.
pub(crate) struct CaCertificate(PathBuf);

impl CaCertificate {
    /// Writes the certificate to a temporary file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(pem: &str) -> io::Result<Self> {
        let name = format!("sandbox-ca-{}.pem", uuid::Uuid::new_v4().simple());
        let file = Self(std::env::temp_dir().join(name));
        fs::write(&file.0, pem).map_err(|error| {
            let path = file.0.display();
            io::Error::new(error.kind(), format!("{path} cannot be written: {error}"))
        })?;
        Ok(file)
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The name and value of the variable with which OpenSSL and rustls-native-certs trust the certificate.
    pub(crate) fn variable(&self) -> (String, String) {
        ("SSL_CERT_FILE".to_owned(), self.0.display().to_string())
    }
}

impl Drop for CaCertificate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
