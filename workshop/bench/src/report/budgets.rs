//! The budgets, and whether they are met.

use super::{
    FLOOR, HANDLER, MANY_USERS, NODE, PYTHON, best,
    figures::{figure, mib},
    ready, warm_cpu,
};
use crate::results::{Cost, ProgramResults, Results};

/// A limit that the handler must keep.
pub(super) struct Budget {
    /// What is measured.
    pub(super) what: &'static str,
    bound: Bound,
    unit: &'static str,
    measured: Option<f64>,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Budget {
    /// The limit.
    pub(super) fn allowed(&self) -> String {
        match self.bound {
            Bound::AtMost(limit) => format!("≤ {limit}{}", self.unit),
            Bound::AtLeast(limit) => format!("≥ {limit}{}", self.unit),
        }
    }

    /// The measurement, if there is one.
    pub(super) fn measured(&self) -> Option<String> {
        self.measured
            .map(|measured| format!("{}{}", self.quantity(measured), self.unit))
    }

    /// `met`, or by how much the budget is missed.
    pub(super) fn verdict(&self) -> String {
        let Some(measured) = self.measured else {
            return "not measured".to_owned();
        };
        let (limit, excess) = match self.bound {
            Bound::AtMost(limit) => (limit, measured - limit),
            Bound::AtLeast(limit) => (limit, limit - measured),
        };
        if excess <= 0.0 {
            return "met".to_owned();
        }
        let excess_text = format!("{}{}", self.quantity(excess), self.unit);
        if limit > 0.0 {
            format!(
                "**missed by {excess_text}, {} %**",
                figure(100.0 * excess / limit)
            )
        } else {
            format!("**missed by {excess_text}**")
        }
    }

    /// Formats a measurement, or without a unit a count.
    fn quantity(&self, value: f64) -> String {
        if self.unit.is_empty() {
            value.to_string()
        } else {
            figure(value)
        }
    }
}

/// Every budget of the project.
pub(super) fn all(results: &Results) -> Vec<Budget> {
    let handler = results
        .programs
        .iter()
        .find(|program| program.name.starts_with(HANDLER));
    [
        start(results, handler),
        processor_time(results, handler),
        identity_requests(handler),
        memory(handler),
        size(handler),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn start(results: &Results, handler: Option<&ProgramResults>) -> Vec<Budget> {
    let handler = handler.and_then(ready);
    vec![
        at_most(
            10.0,
            " ms",
            "Process start to the first answer to `GET /`",
            handler,
        ),
        at_least(
            20.0,
            "×",
            "Node's start, relative to it",
            ratio(best(results, NODE, ready), handler),
        ),
        at_least(
            20.0,
            "×",
            "Python's start, relative to it",
            ratio(best(results, PYTHON, ready), handler),
        ),
    ]
}

fn processor_time(results: &Results, handler: Option<&ProgramResults>) -> Vec<Budget> {
    let warm = handler.and_then(warm_cpu);
    vec![
        at_least(
            10.0,
            "×",
            "Node's processor time per warm call, relative to this handler's",
            ratio(best(results, NODE, warm_cpu), warm),
        ),
        at_least(
            20.0,
            "×",
            "Python's processor time per warm call, relative to this handler's",
            ratio(best(results, PYTHON, warm_cpu), warm),
        ),
        at_most(
            1.5,
            "×",
            "Processor time per warm call, relative to the floor's",
            ratio(warm, best(results, FLOOR, warm_cpu)),
        ),
        at_most(
            1.2,
            "×",
            "Processor time per warm call with 10,000 users, relative to one user",
            handler.and_then(|handler| growth(&handler.users)),
        ),
    ]
}

fn identity_requests(handler: Option<&ProgramResults>) -> Vec<Budget> {
    let count = |number: u64| number as f64;
    vec![
        at_most(
            0.0,
            "",
            "Identity requests of a warm call",
            handler.map(|handler| count(handler.requests.warm.iter().sum())),
        ),
        at_most(
            1.0,
            "",
            "Identity requests of a user's first call",
            handler.map(|handler| count(handler.requests.first_of_user.iter().sum())),
        ),
        at_most(
            2.0,
            "",
            "Identity requests of the process's first call, besides metadata and keys",
            handler.map(|handler| {
                let [_, proof, exchange] = handler.requests.first_of_process;
                count(proof + exchange)
            }),
        ),
        at_most(
            1.0,
            "",
            "Exchanges for 200 concurrent first calls of one user",
            handler
                .filter(|handler| handler.burst.users >= 200)
                .map(|handler| count(handler.burst.exchanges_of_one_user)),
        ),
    ]
}

fn memory(handler: Option<&ProgramResults>) -> Vec<Budget> {
    vec![
        at_most(
            15.0,
            " MiB",
            "Resident memory, idle",
            handler.map(|handler| handler.memory.idle_mib),
        ),
        at_most(
            40.0,
            " MiB",
            "Resident memory after 10,000 users",
            handler
                .and_then(|handler| handler.memory.after_users)
                .filter(|(users, _)| *users >= MANY_USERS)
                .map(|(_, memory)| memory),
        ),
    ]
}

fn size(handler: Option<&ProgramResults>) -> Vec<Budget> {
    vec![
        at_most(
            8.0,
            " MiB",
            "Release binary",
            handler.map(|handler| mib(handler.size.files)),
        ),
        at_most(
            4.0,
            " MiB",
            "Zip",
            handler.map(|handler| mib(handler.size.zip)),
        ),
    ]
}

fn at_most(limit: f64, unit: &'static str, what: &'static str, measured: Option<f64>) -> Budget {
    Budget {
        what,
        bound: Bound::AtMost(limit),
        unit,
        measured,
    }
}

fn at_least(limit: f64, unit: &'static str, what: &'static str, measured: Option<f64>) -> Budget {
    Budget {
        what,
        bound: Bound::AtLeast(limit),
        unit,
        measured,
    }
}

/// The quotient of two measurements, if both exist.
pub(super) fn ratio(of: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(of? / to?).filter(|ratio| ratio.is_finite())
}

/// The cost of a call with many users, relative to one user.
pub(super) fn growth(users: &[Cost]) -> Option<f64> {
    let one = users.iter().find(|cost| cost.at == 1)?;
    let most = users.iter().max_by_key(|cost| cost.at)?;
    ratio(Some(most.cpu_us.median), Some(one.cpu_us.median)).filter(|_| most.at >= MANY_USERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_budget_that_is_kept_is_met() {
        assert_eq!(at_most(10.0, " ms", "", Some(10.0)).verdict(), "met");
        assert_eq!(at_least(20.0, "×", "", Some(20.0)).verdict(), "met");
        assert_eq!(at_most(0.0, "", "", Some(0.0)).verdict(), "met");
    }

    #[test]
    fn a_missed_budget_tells_by_how_much() {
        assert_eq!(
            at_most(10.0, " ms", "", Some(12.5)).verdict(),
            "**missed by 2.50 ms, 25.0 %**"
        );
        assert_eq!(
            at_least(20.0, "×", "", Some(15.0)).verdict(),
            "**missed by 5.00×, 25.0 %**"
        );
        assert_eq!(at_most(0.0, "", "", Some(2.0)).verdict(), "**missed by 2**");
    }

    #[test]
    fn a_budget_that_rounding_would_hide_is_missed() {
        let budget = at_most(10.0, " ms", "", Some(10.004));
        assert_eq!(budget.measured().unwrap(), "10.0 ms");
        assert_eq!(budget.verdict(), "**missed by 0.00400 ms, 0.0400 %**");
    }

    #[test]
    fn what_was_not_measured_is_no_budget_met() {
        assert_eq!(at_most(10.0, " ms", "", None).verdict(), "not measured");
    }

    #[test]
    fn a_peer_is_compared_in_its_better_mode() {
        let mut results = sample::results();
        let node = |results: &Results| {
            all(results)
                .iter()
                .find(|budget| budget.what.starts_with("Node's processor time"))
                .and_then(|budget| budget.measured)
        };
        let before = node(&results);
        let worse = results
            .programs
            .iter_mut()
            .find(|program| program.name == "Node, a credential per call")
            .unwrap();
        for warm in &mut worse.warm {
            warm.cpu_us.median *= 10.0;
        }
        assert!(before.is_some());
        assert_eq!(node(&results), before);
    }

    #[test]
    fn too_few_users_prove_nothing_about_many() {
        let mut results = sample::results();
        results.programs[0].memory.after_users = Some((100, 12.0));
        results.programs[0].users.truncate(2);
        let unmeasured = all(&results)
            .iter()
            .filter(|budget| budget.measured.is_none())
            .count();
        assert_eq!(unmeasured, 2);
    }

    #[test]
    fn the_sample_keeps_every_budget_but_growth() {
        let results = sample::results();
        let missed: Vec<_> = all(&results)
            .into_iter()
            .filter(|budget| budget.verdict() != "met")
            .map(|budget| budget.what)
            .collect();
        assert_eq!(missed.len(), 1, "{missed:?}");
        assert!(missed[0].contains("with 10,000 users"));
    }
}
