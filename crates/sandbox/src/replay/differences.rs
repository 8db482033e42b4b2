//! Where the sandbox differs from the real host on purpose, and why.

use std::path::Path;

use serde::Deserialize;

use super::{Outcome, Report};

/// The known differences, from a JSON file: a list of `{"cases", "differs", "because"}`.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Differences(Vec<Difference>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Names of cases; `*` at the end stands for any rest.
    cases: Vec<String>,
    /// How each line of the difference begins.
    differs: Vec<String>,
    /// Why this is so.
    because: String,
}

impl Differences {
    /// The differences that the project itself lists.
    ///
    /// # Errors
    /// When the file is not of the expected form.
    pub fn own() -> std::io::Result<Self> {
        serde_json::from_str(include_str!("../../recordings/differences.json"))
            .map_err(std::io::Error::other)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not of the expected form.
    pub fn read(file: &Path) -> std::io::Result<Self> {
        super::read(file)
    }

    /// Sorts outcomes. If `is_whole`, all cases were replayed, and an entry that explains nothing is stale.
    pub(super) fn explain(&self, outcomes: Vec<Outcome>, is_whole: bool) -> Report {
        let mut report = Report::default();
        let mut used = vec![false; self.0.len()];
        for outcome in outcomes {
            if outcome.differences.is_empty() {
                report.same += 1;
                continue;
            }
            let entry = self
                .0
                .iter()
                .position(|difference| difference.explains(&outcome));
            match entry {
                Some(index) => {
                    used[index] = true;
                    let because = self.0[index].because.clone();
                    report.explained.push((outcome, because));
                }
                None => report.unexplained.push(outcome),
            }
        }
        if is_whole {
            let unused = self.0.iter().zip(used).filter(|(_, used)| !used);
            report.stale = unused
                .map(|(difference, _)| difference.cases.join(", "))
                .collect();
        }
        report
    }
}

impl Difference {
    fn explains(&self, outcome: &Outcome) -> bool {
        let names = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => outcome.case.starts_with(start),
            None => outcome.case == *pattern,
        };
        self.cases.iter().any(names)
            && outcome
                .differences
                .iter()
                .all(|line| self.differs.iter().any(|start| line.starts_with(start)))
    }
}
