//! Why an app's files cannot be used.

use std::{fmt, io, path::Path};

/// A file of the app that the host would not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFilesError {
    /// The file, relative to the app's folder.
    pub file: String,
    /// The property at fault, if the file could be read.
    pub property: Option<String>,
    /// What is wrong with it.
    pub problem: String,
}

impl AppFilesError {
    pub(crate) fn reading(path: &Path, error: &io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => {
                "does not exist; is this the folder of the function app?".to_owned()
            }
            _ => format!("cannot be read: {error}"),
        };
        Self {
            file: path.display().to_string(),
            property: None,
            problem,
        }
    }
}

impl fmt::Display for AppFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.property {
            Some(property) => write!(f, "{}: {property}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for AppFilesError {}
