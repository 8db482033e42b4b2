//! `local.settings.json`: settings of the app on a developer's machine. Azure never reads it.

use std::{collections::BTreeMap, path::Path};

use crate::{
    error::AppFilesError,
    section::{Section, read_object},
};

const FILE: &str = "local.settings.json";

/// `Values` of the file, if there is one.
pub(crate) fn read(root: &Path) -> Result<BTreeMap<String, String>, AppFilesError> {
    if !root.join(FILE).exists() {
        return Ok(BTreeMap::new());
    }
    let file = read_object(root, FILE)?;
    let file = Section::of_file(&file, FILE);
    if file.flag("IsEncrypted")? == Some(true) {
        return Err(file.refuse("IsEncrypted", "encrypted settings cannot be read here"));
    }
    let values = file
        .section("Values")?
        .ok_or_else(|| file.refuse("Values", "is missing"))?;
    if values.text("FUNCTIONS_WORKER_RUNTIME")?.as_deref() != Some("custom") {
        return Err(values.refuse(
            "FUNCTIONS_WORKER_RUNTIME",
            "must be \"custom\" for a custom handler",
        ));
    }
    if values
        .text("AzureWebJobsStorage")?
        .unwrap_or_default()
        .is_empty()
    {
        return Err(values.refuse(
            "AzureWebJobsStorage",
            "is missing: the MCP extension needs a storage account \
            (\"UseDevelopmentStorage=true\" for Azurite)",
        ));
    }
    values
        .names()
        .map(|name| Ok((name.clone(), values.text(name)?.unwrap_or_default())))
        .collect()
}
