//! The app of a recording, in a temporary folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uuid::Uuid;

/// A function app in a temporary folder, which goes with it.
pub(super) struct AppFolder(PathBuf);

impl AppFolder {
    /// An app with a tool and nothing else, whose host.json has this `customHandler`.
    pub(super) fn new(custom_handler: &Value) -> io::Result<Self> {
        let name = format!("sandbox-replay-{}", Uuid::new_v4().simple());
        let folder = Self(std::env::temp_dir().join(name));
        folder.write(
            "host.json",
            &json!({
                "version": "2.0",
                "extensionBundle": {
                    "id": "Microsoft.Azure.Functions.ExtensionBundle",
                    "version": "[4.36.0, 5.0.0)",
                },
                "customHandler": custom_handler,
            })
            .to_string(),
        )?;
        folder.write(
            "Echo/function.json",
            &json!({ "bindings": [{
                "type": "mcpToolTrigger",
                "direction": "in",
                "name": "mcpTrigger",
                "toolName": "Echo",
                "description": "Answers.",
            }] })
            .to_string(),
        )?;
        Ok(folder)
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
