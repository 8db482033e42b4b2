//! The target of a build: Linux on x86-64, statically linked or with a version of glibc.

use std::{fmt, str::FromStr};

const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "x86_64-unknown-linux-gnu";

/// A target of `cargo zigbuild` that Azure Functions can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Statically linked.
    Musl,
    /// Dynamically linked: with this version of glibc or later, or with the one that zig chooses.
    Gnu(Option<GlibcVersion>),
}

impl Target {
    /// Rust's name of the target.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Musl => MUSL,
            Self::Gnu(_) => GNU,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.triple())?;
        match self {
            Self::Gnu(Some(version)) => write!(f, ".{version}"),
            Self::Gnu(None) | Self::Musl => Ok(()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let with_version = |text: &str| {
            let version = text.strip_prefix(GNU)?.strip_prefix('.')?;
            Some(Self::Gnu(Some(version.parse().ok()?)))
        };
        match text {
            MUSL => Some(Self::Musl),
            GNU => Some(Self::Gnu(None)),
            _ => with_version(text),
        }
        .ok_or_else(|| format!("Azure Functions run {MUSL}, {GNU} and {GNU}.<glibc version>"))
    }
}

/// A version of glibc, such as 2.28.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GlibcVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for GlibcVersion {
    type Err = String;

    /// Ignores a third number: no symbol that programs use today has one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(format!("{text:?} is not a version of glibc")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_as_it_is_written() {
        for text in [
            "x86_64-unknown-linux-musl",
            "x86_64-unknown-linux-gnu",
            "x86_64-unknown-linux-gnu.2.28",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_azure_does_not_run_is_refused() {
        for text in [
            "aarch64-unknown-linux-musl",
            "x86_64-pc-windows-msvc",
            "x86_64-unknown-linux-gnux32",
            "x86_64-unknown-linux-gnu.",
            "x86_64-unknown-linux-gnu.new",
            "x86_64-unknown-linux-musl.1.2",
            "",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn glibc_versions_compare_by_number() {
        let version = |text: &str| text.parse::<GlibcVersion>().unwrap();
        assert!(version("2.4") < version("2.28"));
        assert_eq!(version("2.2.5"), version("2.2"));
    }
}
