//! Finds out what an executable needs from the machine that runs it.
//!
//! Source: System V ABI, AMD64 supplement; Linux Standard Base, "Symbol Versioning".

use std::fmt;

use object::{
    Endianness,
    elf::{EM_X86_64, FileHeader64},
    read::elf::{FileHeader, ProgramHeader, SectionTable},
};

use super::target::GlibcVersion;

/// The newest glibc that an executable may need. Microsoft does not document the version on Azure's instances; this one
/// is from 2018.
pub const NEWEST_GLIBC: GlibcVersion = GlibcVersion {
    major: 2,
    minor: 28,
};

type Header = FileHeader64<Endianness>;

/// Where an executable finds the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CLibrary {
    /// Statically linked.
    Static,
    /// Loaded from the system: glibc of this version or later.
    Glibc(GlibcVersion),
}

impl fmt::Display for CLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static => f.write_str("statically linked"),
            Self::Glibc(version) => write!(f, "needs glibc {version}"),
        }
    }
}

/// Reads where an executable for Linux on x86-64 finds the C library.
///
/// # Errors
/// Says why Azure Functions could not run it.
pub fn c_library(executable: &[u8]) -> Result<CLibrary, String> {
    let header =
        Header::parse(executable).map_err(|_| "is not an executable for 64-bit Linux (ELF)")?;
    let unreadable = |error: object::Error| format!("is damaged: {error}");
    let endian = header.endian().map_err(unreadable)?;
    if header.e_machine(endian) != EM_X86_64 {
        return Err("is for another processor than x86-64".into());
    }

    let loader = header
        .program_headers(endian, executable)
        .map_err(unreadable)?
        .iter()
        .find_map(|segment| segment.interpreter(endian, executable).transpose())
        .transpose()
        .map_err(unreadable)?;
    let Some(loader) = loader else {
        return Ok(CLibrary::Static);
    };
    let sections = header.sections(endian, executable).map_err(unreadable)?;
    match newest_glibc(&sections, endian, executable).map_err(unreadable)? {
        Some(version) if version <= NEWEST_GLIBC => Ok(CLibrary::Glibc(version)),
        Some(version) => Err(format!(
            "needs glibc {version}, and Azure may have {NEWEST_GLIBC} only: \
             leave --target out, or make it x86_64-unknown-linux-gnu.{NEWEST_GLIBC}"
        )),
        None => Err(format!(
            "needs {}, which Azure may not have: leave --target out",
            String::from_utf8_lossy(loader)
        )),
    }
}

/// The newest `GLIBC_` version among the symbols that an executable imports.
fn newest_glibc(
    sections: &SectionTable<'_, Header>,
    endian: Endianness,
    executable: &[u8],
) -> object::Result<Option<GlibcVersion>> {
    let Some((mut libraries, strings)) = sections.gnu_verneed(endian, executable)? else {
        return Ok(None);
    };
    let strings = sections.strings(endian, executable, strings)?;
    let mut newest = None;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            let version = std::str::from_utf8(version.name(endian, strings)?)
                .ok()
                .and_then(|name| name.strip_prefix("GLIBC_")?.parse().ok());
            newest = newest.max(version);
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::stand_in;

    #[test]
    fn an_executable_that_loads_nothing_is_static() {
        assert_eq!(c_library(&stand_in::executable()), Ok(CLibrary::Static));
    }

    #[test]
    fn what_is_no_executable_for_x86_64_linux_is_refused() {
        let mut arm = stand_in::executable();
        arm[18] = 183; // e_machine: EM_AARCH64
        let windows = b"MZ\x90\0".as_slice();
        let script = b"#!/bin/sh\n".as_slice();
        for (executable, reason) in [
            (arm.as_slice(), "another processor"),
            (windows, "not an executable"),
            (script, "not an executable"),
            (&[], "not an executable"),
        ] {
            let problem = c_library(executable).unwrap_err();
            assert!(problem.contains(reason), "{problem}");
        }
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    fn this_test_tells_which_glibc_it_needs() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let header = Header::parse(this.as_slice()).unwrap();
        let endian = header.endian().unwrap();
        let sections = header.sections(endian, this.as_slice()).unwrap();
        let version = newest_glibc(&sections, endian, &this).unwrap().unwrap();
        assert!(version > "2.2".parse().unwrap(), "{version}");
        match c_library(&this) {
            Ok(found) => assert_eq!(found, CLibrary::Glibc(version)),
            Err(problem) => assert!(problem.contains(&version.to_string()), "{problem}"),
        }
    }
}
