//! Writes and reads the zip file. The same entries always give the same bytes.

use std::io::{Cursor, Read, Write};

use zip::{
    CompressionMethod, DateTime, HasZipMetadata as _, System, ZipArchive, ZipWriter,
    result::ZipResult, write::SimpleFileOptions,
};

/// The permissions of an executable.
pub const EXECUTABLE: u32 = 0o755;
/// The permissions of any other file.
pub const FILE: u32 = 0o644;

/// A file in the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, with `/` between folders.
    pub name: String,
    /// Its permissions; `None` if the zip file has none for Linux, like those that some programs on Windows write.
    pub mode: Option<u32>,
    /// Its content.
    pub content: Vec<u8>,
}

impl Entry {
    /// A file to pack.
    pub fn new(name: impl Into<String>, mode: u32, content: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            mode: Some(mode),
            content,
        }
    }
}

/// Packs the entries, sorted by name.
///
/// # Errors
/// When two have the same name.
pub fn write(mut entries: Vec<Entry>) -> ZipResult<Vec<u8>> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        // Azure mounts the package read-only: what is not executable in it cannot become executable.
        let options = SimpleFileOptions::default()
            .system(System::Unix)
            .unix_permissions(entry.mode.unwrap_or(FILE))
            .last_modified_time(DateTime::DEFAULT)
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9));
        zip.start_file(entry.name, options)?;
        zip.write_all(&entry.content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Unpacks all files.
///
/// # Errors
/// When it is not a zip file, or damaged.
pub fn read(zip: &[u8]) -> ZipResult<Vec<Entry>> {
    let mut zip = ZipArchive::new(Cursor::new(zip))?;
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index)?;
        if file.is_dir() {
            continue;
        }
        let is_unix = file.get_metadata().system == System::Unix;
        let mode = file.unix_mode().filter(|_| is_unix);
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        entries.push(Entry {
            name: file.name()?.into_owned(),
            mode: mode.map(|mode| mode & 0o777),
            content,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::new("host.json", FILE, b"{}".to_vec()),
            Entry::new("handler", EXECUTABLE, vec![0x7f; 100_000]),
            Entry::new("HelloTool/function.json", FILE, b"{}".to_vec()),
        ]
    }

    #[test]
    fn the_same_files_give_the_same_bytes_in_whatever_order_they_come() {
        let mut reversed = entries();
        reversed.reverse();
        let first = write(entries()).unwrap();
        assert_eq!(first, write(entries()).unwrap());
        assert_eq!(first, write(reversed).unwrap());
    }

    #[test]
    fn files_come_back_sorted_with_their_permissions() {
        let unpacked = read(&write(entries()).unwrap()).unwrap();
        let summary: Vec<_> = unpacked
            .iter()
            .map(|entry| (entry.name.as_str(), entry.mode))
            .collect();
        assert_eq!(
            summary,
            [
                ("HelloTool/function.json", Some(0o644)),
                ("handler", Some(0o755)),
                ("host.json", Some(0o644)),
            ]
        );
        assert_eq!(unpacked[1].content, vec![0x7f; 100_000]);
    }

    #[test]
    fn no_entry_tells_when_or_on_what_system_it_was_packed() {
        let packed = write(entries()).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(packed)).unwrap();
        for index in 0..zip.len() {
            let file = zip.by_index(index).unwrap();
            assert_eq!(file.last_modified(), Some(DateTime::DEFAULT));
            assert_eq!(file.get_metadata().system, System::Unix);
            assert_eq!(file.extra_data(), None);
        }
    }
}
