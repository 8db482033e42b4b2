//! Objects in the app's files, read as the host reads them.

use std::{fs, path::Path, time::Duration};

use serde_json::{Map, Value};

use crate::error::AppFilesError;

/// An object in one of the files, and where it is, for messages. Names are found without regard to
/// case, and texts stand for numbers and flags, as in .NET's configuration.
pub(crate) struct Section<'a> {
    file: &'a str,
    path: String,
    object: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    pub(crate) fn of_file(object: &'a Map<String, Value>, file: &'a str) -> Self {
        Self {
            file,
            path: String::new(),
            object,
        }
    }

    pub(crate) fn child(&self, name: &str, object: &'a Map<String, Value>) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        Self {
            file: self.file,
            path: format!("{}{separator}{name}", self.path),
            object,
        }
    }

    pub(crate) fn refuse(&self, property: &str, problem: &str) -> AppFilesError {
        let separator = if self.path.is_empty() { "" } else { "." };
        AppFilesError {
            file: self.file.to_owned(),
            property: Some(format!("{}{separator}{property}", self.path)),
            problem: problem.to_owned(),
        }
    }

    /// The names of all properties.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a String> {
        self.object.keys()
    }

    /// The property's value; JSON's `null` is as good as none.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        find(self.object, name).filter(|value| !value.is_null())
    }

    pub(crate) fn section(&self, name: &str) -> Result<Option<Section<'a>>, AppFilesError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(self.child(name, object))),
            Some(_) => Err(self.refuse(name, "must be an object")),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, AppFilesError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(_) => Err(self.refuse(name, "must be a text")),
        }
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<String, AppFilesError> {
        match self.text(name)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.refuse(name, "is required and must be a text that is not empty")),
        }
    }

    /// A list of texts; also as a JSON list within a text, which is how a setting can give it.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, AppFilesError> {
        let refused = || self.refuse(name, "must be a list of texts");
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| refused()),
            Some(value) => serde_json::from_value(value.clone()).map_err(|_| refused()),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, AppFilesError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if same(&text, "true") => Ok(Some(true)),
            Some(text) if same(&text, "false") => Ok(Some(false)),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    /// A .NET `TimeSpan`: `hh:mm:ss`, or `-1` for no limit.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, AppFilesError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        if text == "-1" {
            return Ok(Some(Duration::MAX));
        }
        let parts: Option<Vec<f64>> = text.split(':').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some([hours, minutes, seconds]) => {
                Duration::try_from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds)
                    .ok()
                    .map(Some)
            }
            _ => None,
        }
        .ok_or_else(|| self.refuse(name, "must be a time such as \"00:05:00\""))
    }
}

/// The JSON object that a file of the app holds.
pub(crate) fn read_object(root: &Path, file: &str) -> Result<Map<String, Value>, AppFilesError> {
    let text = fs::read_to_string(root.join(file))
        .map_err(|error| AppFilesError::reading(&root.join(file), &error))?;
    // Editors on Windows may put a byte order mark in front.
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| AppFilesError {
        file: file.to_owned(),
        property: None,
        problem: format!("is not a JSON object: {error}"),
    })
}

fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(key, _)| same(key, name))
        .map(|(_, value)| value)
}

/// Whether two names are one to the host.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}
