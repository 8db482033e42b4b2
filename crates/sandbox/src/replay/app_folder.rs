//! The app of a recording, in a temporary folder.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use uuid::Uuid;

/// A function app in a temporary folder. Dropping it removes the folder.
pub(super) struct AppFolder(PathBuf);

/// The system key of every replayed request.
pub(super) const KEY: &str = "replayed-system-key";

impl AppFolder {
    /// An app of these files, by their paths.
    pub(super) fn with(files: &BTreeMap<String, Value>) -> io::Result<Self> {
        let name = format!("sandbox-replay-{}", Uuid::new_v4().simple());
        let folder = Self(std::env::temp_dir().join(name));
        for (path, content) in files {
            folder.write(path, &content.to_string())?;
        }
        Ok(folder)
    }

    /// An app with a single tool, whose host.json has this `customHandler`.
    pub(super) fn new(custom_handler: &Value) -> io::Result<Self> {
        let host = json!({
            "version": "2.0",
            "extensionBundle": {
                "id": "Microsoft.Azure.Functions.ExtensionBundle",
                "version": "[4.36.0, 5.0.0)",
            },
            "customHandler": custom_handler,
        });
        let function = json!({ "bindings": [{
            "type": "mcpToolTrigger",
            "direction": "in",
            "name": "mcpTrigger",
            "toolName": "Echo",
            "description": "Answers.",
        }] });
        Self::with(&BTreeMap::from([
            ("host.json".to_owned(), host),
            ("Echo/function.json".to_owned(), function),
        ]))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file of the app.
    pub(super) fn write(&self, file: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for AppFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
