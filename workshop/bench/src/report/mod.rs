//! The report of a run: `docs/performance.md` with its plots, and the summary for README.

use std::{fs, io, path::Path};

use crate::results::{ProgramResults, Results, Warm};

mod budgets;
mod document;
mod figures;
mod headline;
mod plots;
#[cfg(test)]
mod sample;

pub use headline::headline;

/// The start of the handler's name.
const HANDLER: &str = "This handler";
/// The start of the names of the Node peer's modes.
const NODE: &str = "Node";
/// The start of the names of the Python peer's modes.
const PYTHON: &str = "Python";
/// The start of the floor's name.
const FLOOR: &str = "Floor";

/// The concurrency at which programs are compared: the machine is busy, but not overloaded.
const COMPARED_CONCURRENCY: usize = 16;
/// The number of users in the budgets.
const MANY_USERS: usize = 10_000;

/// Writes `performance.md` and `performance/*.svg` to the folder.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write(results: &Results, folder: &Path) -> io::Result<()> {
    let pictures = folder.join("performance");
    fs::create_dir_all(&pictures)?;
    for plot in plots::all(results).map_err(io::Error::other)? {
        fs::write(pictures.join(plot.file), plot.svg)?;
    }
    fs::write(folder.join("performance.md"), document::markdown(results))
}

/// The smallest value of a figure among the programs whose names start with `name`: a peer's better mode counts.
fn best(
    results: &Results,
    name: &str,
    figure: impl Fn(&ProgramResults) -> Option<f64>,
) -> Option<f64> {
    results
        .programs
        .iter()
        .filter(|program| program.name.starts_with(name))
        .filter_map(figure)
        .min_by(f64::total_cmp)
}

/// The warm calls by which programs are compared.
fn compared(program: &ProgramResults) -> Option<&Warm> {
    program
        .warm
        .iter()
        .find(|warm| warm.concurrency == COMPARED_CONCURRENCY)
}

/// Processor time of a warm call, in microseconds.
fn warm_cpu(program: &ProgramResults) -> Option<f64> {
    compared(program).map(|warm| warm.cpu_us.median)
}

/// The time from spawning the process to its first answer, in milliseconds.
fn ready(program: &ProgramResults) -> Option<f64> {
    Some(program.start.ready_ms.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_shows_every_picture_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        write(&sample::results(), folder.path()).unwrap();

        let document = fs::read_to_string(folder.path().join("performance.md")).unwrap();
        let pictures: Vec<_> = fs::read_dir(folder.path().join("performance"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(!pictures.is_empty());
        assert_eq!(document.matches(".svg)").count(), pictures.len());
        for picture in pictures {
            assert!(
                document.contains(&format!("](performance/{picture})")),
                "{picture}"
            );
        }
    }

    #[test]
    fn a_peer_is_taken_at_its_best() {
        let results = sample::results();
        let figures: Vec<_> = results
            .programs
            .iter()
            .filter(|program| program.name.starts_with(NODE))
            .filter_map(warm_cpu)
            .collect();
        assert_eq!(
            best(&results, NODE, warm_cpu),
            figures.into_iter().reduce(f64::min)
        );
    }
}
