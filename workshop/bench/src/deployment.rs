//! The size of a deployment.

use std::{
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::results::Size;

/// The parts of a virtual environment that a deployment does not need.
const TOOLS: [&str; 5] = [
    "pip",
    "setuptools",
    "_distutils_hack",
    "pkg_resources",
    "__pycache__",
];

/// The size of files and folders, plain and zipped.
///
/// # Errors
/// When they cannot be read.
pub fn size(paths: &[PathBuf]) -> io::Result<Size> {
    let mut zip = ZipWriter::new(tempfile::tempfile()?);
    let mut files = 0;
    for path in paths {
        let parent = path.parent().unwrap_or(path);
        files += add(&mut zip, parent, path)?;
    }
    let mut written = zip.finish().map_err(io::Error::other)?;
    Ok(Size {
        files,
        zip: written.stream_position()?,
    })
}

/// Adds a file or the files of a folder. Returns their size.
fn add<W: Write + Seek>(zip: &mut ZipWriter<W>, root: &Path, path: &Path) -> io::Result<u64> {
    if path.is_dir() {
        let mut size = 0;
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_tool = TOOLS
                .iter()
                .any(|tool| name == *tool || name.starts_with(&format!("{tool}-")));
            if !is_tool {
                size += add(zip, root, &entry.path())?;
            }
        }
        return Ok(size);
    }
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
    zip.start_file(name, SimpleFileOptions::default())
        .map_err(io::Error::other)?;
    io::copy(&mut File::open(path)?, zip)
}
