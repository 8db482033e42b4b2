//! Recordings of the real Functions host, held against the sandbox.

mod app_folder;
mod key_gate;
mod options;

use std::io;
use std::path::Path;

pub use self::options::scripted_handler;

/// What came of one recorded case.
#[derive(Debug)]
pub struct Outcome {
    /// The case's name.
    pub case: String,
    /// In what the sandbox's answer is another; nothing, if it is the same.
    pub differences: Vec<String>,
}

/// Replays the recordings in `folder`, those whose case begins with `group`.
///
/// # Errors
/// When a file cannot be read, or a case in it is not understood.
pub async fn replay(folder: &Path, group: Option<&str>) -> io::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let file = folder.join("key-gate.json");
    if file.is_file() {
        outcomes.extend(key_gate::replay(&file, group).await?);
    }
    let file = folder.join("options.json");
    if file.is_file() {
        outcomes.extend(options::replay(&file, group).await?);
    }
    Ok(outcomes)
}
