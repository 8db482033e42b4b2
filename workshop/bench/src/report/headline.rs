//! The summary for README.

use super::{
    COMPARED_CONCURRENCY, FLOOR, HANDLER, NODE, PYTHON, best,
    budgets::ratio,
    figures::{figure, or_missing},
    ready, warm_cpu,
};
use crate::results::{ProgramResults, Results};

/// Summarizes a run for README: a table and its conditions, as Markdown.
pub fn headline(results: &Results) -> String {
    let idle = |program: &ProgramResults| Some(program.memory.idle_mib);
    let row = |title: &str, name: &str| {
        let cell = |unit: &str, figure_of: fn(&ProgramResults) -> Option<f64>| {
            or_missing(
                best(results, name, figure_of).map(|value| format!("{} {unit}", figure(value))),
            )
        };
        format!(
            "| {title} | {} | {} | {} |\n",
            cell("µs", warm_cpu),
            cell("ms", ready),
            cell("MiB", idle),
        )
    };
    let handler = best(results, HANDLER, warm_cpu);
    let less = |name| or_missing(ratio(best(results, name, warm_cpu), handler).map(figure));
    let above = or_missing(ratio(handler, best(results, FLOOR, warm_cpu)).map(figure));
    let conditions = &results.conditions;

    let mut text = format!(
        "A warm tool call takes {} times less processor time than in Node and {} times less than in Python, each at \
         its best, and {above} times that of a program which does nothing but call Microsoft Graph.\n\n",
        less(NODE),
        less(PYTHON),
    );
    text += "| | processor time per warm call | start to first answer | resident memory, idle |\n";
    text += "|---|--:|--:|--:|\n";
    text += &row("This handler", HANDLER);
    text += &row("Node, Azure SDK", NODE);
    text += &row("Python, Azure SDK", PYTHON);
    text += &row("Floor: actix-web and reqwest, no identity", FLOOR);
    text += &format!(
        "\nMedians of {} rounds on {}, {}, with {COMPARED_CONCURRENCY} concurrent calls, against the sandbox on the \
         same machine ({}). [docs/performance.md](docs/performance.md) has all figures and what they do not say; \
         `{}` repeats them.\n",
        conditions.rounds,
        conditions.machine,
        conditions.system,
        conditions.date,
        conditions.command,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_headline_has_its_conditions() {
        let results = sample::results();
        let text = headline(&results);
        assert!(text.contains(
            "14.5 times less processor time than in Node and 38.3 times less than in Python"
        ));
        assert!(text.contains("5 rounds on Example Processor, 2 cores, Example Linux 6.1"));
        assert!(
            text.contains("| This handler | 61.3 µs | 5.00 ms | 7.60 MiB |"),
            "{text}"
        );
    }

    #[test]
    fn what_was_not_measured_leaves_a_dash_in_the_headline() {
        let mut results = sample::results();
        results
            .programs
            .retain(|program| !program.name.starts_with(PYTHON));
        assert!(headline(&results).contains("| Python, Azure SDK | – | – | – |"));
    }
}
