//! The certificate of the sandbox's own authority as a file, for clients of its https.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file. Dropping it removes it.
pub struct CaCertificate(PathBuf);

impl CaCertificate {
    /// Writes the certificate to a temporary file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(pem: &str) -> io::Result<Self> {
        let name = format!("sandbox-ca-{}.pem", uuid::Uuid::new_v4().simple());
        let file = Self(std::env::temp_dir().join(name));
        fs::write(&file.0, pem)?;
        Ok(file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CaCertificate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
