//! The plots. Each shows its values as text, so that they need not be read from an axis.

use std::{io, ops::Range};

use plotters::{
    coord::{Shift, combinators::LogCoord, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    COMPARED_CONCURRENCY, FLOOR, HANDLER, NODE, PYTHON, compared,
    figures::{count, figure},
};
use crate::results::{Cost, ProgramResults, Results, Spread};

/// A plot, and the name of its file.
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) svg: String,
}

type Failure = DrawingAreaErrorKind<io::Error>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A plotting area with a logarithmic horizontal scale and a row for each program.
type Rows<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>;
/// A plotting area with logarithmic scales for numbers of users and for costs.
type Curves<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<LogCoord<f64>, LogCoord<f64>>>;

const WIDTH: u32 = 900;
/// The width of the programs' names.
const NAMES: i32 = 228;
/// The height of title and legend.
const HEAD: i32 = 62;
const ROW: i32 = 34;
/// The height of the axis labels.
const FOOT: i32 = 38;
/// The space for values beside the outermost dots.
const VALUE: f64 = 62.0;
const MARGIN: i32 = 16;
const DOT: i32 = 5;

// Okabe and Ito's colours, which people with any colour vision can distinguish, on a background for light and dark
// pages.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const GREY: RGBColor = RGBColor(110, 110, 110);
const GROUND: RGBColor = WHITE;
const INK: RGBColor = RGBColor(31, 35, 40);
const FAINT_INK: RGBColor = RGBColor(89, 99, 110);
const GRID: RGBColor = RGBColor(222, 226, 230);

/// Every plot of the report.
pub(super) fn all(results: &Results) -> Result<Vec<Plot>, Failure> {
    Ok(vec![
        Plot {
            file: "cpu.svg",
            svg: cpu(results)?,
        },
        Plot {
            file: "start.svg",
            svg: start(results)?,
        },
        Plot {
            file: "latency.svg",
            svg: latency(results)?,
        },
        Plot {
            file: "memory.svg",
            svg: memory(results)?,
        },
        Plot {
            file: "users.svg",
            svg: users(results)?,
        },
    ])
}

fn cpu(results: &Results) -> Result<String, Failure> {
    let title =
        format!("Processor time per warm call, µs ({COMPARED_CONCURRENCY} concurrent calls)");
    dots(results, &title, Legend::Spread, |program| {
        compared(program).map(|warm| Mark::Spread(warm.cpu_us))
    })
}

fn start(results: &Results) -> Result<String, Failure> {
    let legend = Legend::Pair("to the first answer to GET /", "to the first greeting");
    dots(results, "From process start, ms", legend, |program| {
        let start = &program.start;
        Some(Mark::Pair(
            start.ready_ms.median,
            Some(start.greeting_ms.median),
        ))
    })
}

/// One call at a time: with more, latency measures the machine.
fn latency(results: &Results) -> Result<String, Failure> {
    let title = "Latency of warm calls, one at a time, ms";
    let legend = Legend::Pair("median", "99th percentile");
    dots(results, title, legend, |program| {
        let warm = program.warm.iter().find(|warm| warm.concurrency == 1)?;
        Some(Mark::Pair(warm.p50_ms, Some(warm.p99_ms)))
    })
}

fn memory(results: &Results) -> Result<String, Failure> {
    let after = format!(
        "after {} users",
        count(results.conditions.most_users as u64)
    );
    let legend = Legend::Pair("idle", &after);
    dots(results, "Resident memory, MiB", legend, |program| {
        let memory = &program.memory;
        Some(Mark::Pair(
            memory.idle_mib,
            memory.after_users.map(|(_, mib)| mib),
        ))
    })
}

/// The mark in a program's row.
enum Mark {
    Spread(Spread),
    /// Two figures, the first always there.
    Pair(f64, Option<f64>),
}

impl Mark {
    fn values(&self) -> [f64; 2] {
        match *self {
            Self::Spread(spread) => [spread.min, spread.max],
            Self::Pair(first, second) => [first, second.unwrap_or(first)],
        }
    }
}

enum Legend<'a> {
    Spread,
    Pair(&'a str, &'a str),
}

/// Draws dots on a logarithmic scale, since the programs are orders of magnitude apart. Bars would need a zero, which
/// such a scale does not have.
fn dots(
    results: &Results,
    title: &str,
    legend: Legend<'_>,
    mark: impl Fn(&ProgramResults) -> Option<Mark>,
) -> Result<String, Failure> {
    let rows = results.programs.len() as i32;
    let width = WIDTH as i32 - NAMES - MARGIN;
    let values = results.programs.iter().filter_map(&mark);
    let scale = logarithmic(
        values.flat_map(|mark| mark.values()),
        f64::from(width),
        VALUE,
    );
    let mut svg = String::new();
    {
        let canvas = canvas(&mut svg, (HEAD + rows * ROW + FOOT) as u32, title)?;
        draw_legend(&canvas, legend)?;
        let area = canvas.clone().shrink((NAMES, HEAD), (width, rows * ROW));
        let bottom = f64::from(rows);
        let chart =
            ChartBuilder::on(&area).build_cartesian_2d(scale.clone().log_scale(), bottom..0.0)?;
        let field = chart.plotting_area();
        for tick in ticks(&scale) {
            field.draw(&PathElement::new([(tick, 0.0), (tick, bottom)], GRID))?;
            let ink = text(12.0, &FAINT_INK, HPos::Center, VPos::Top);
            field
                .draw(&(EmptyElement::at((tick, bottom)) + Text::new(short(tick), (0, 7), ink)))?;
        }
        for (row, program) in results.programs.iter().enumerate() {
            let middle = row as f64 + 0.5;
            let ink = text(13.5, &INK, HPos::Right, VPos::Center);
            let name = Text::new(program.name.clone(), (-14, 0), ink);
            field.draw(&(EmptyElement::at((scale.start, middle)) + name))?;
            if let Some(mark) = mark(program) {
                draw_mark(field, &mark, middle, colour(program))?;
            }
        }
        canvas.present()?;
    }
    Ok(svg)
}

fn draw_mark(field: &Rows<'_>, mark: &Mark, row: f64, colour: RGBColor) -> Result<(), Failure> {
    let line = mark.values().map(|value| (value, row));
    field.draw(&PathElement::new(line, colour.stroke_width(2)))?;
    match *mark {
        Mark::Spread(spread) => {
            field.draw(&Circle::new((spread.median, row), DOT, colour.filled()))?;
            draw_value(field, (spread.max, row), spread.median, HPos::Left)
        }
        Mark::Pair(first, second) => {
            let hollow = EmptyElement::at((first, row))
                + Circle::new((0, 0), DOT, GROUND.filled())
                + Circle::new((0, 0), DOT, colour.stroke_width(2));
            field.draw(&hollow)?;
            draw_value(field, (first, row), first, HPos::Right)?;
            let Some(second) = second else {
                return Ok(());
            };
            field.draw(&Circle::new((second, row), DOT, colour.filled()))?;
            draw_value(field, (second, row), second, HPos::Left)
        }
    }
}

/// Writes a value beside its dot; `towards` is the side of the text that touches it.
fn draw_value(
    field: &Rows<'_>,
    place: (f64, f64),
    value: f64,
    towards: HPos,
) -> Result<(), Failure> {
    let offset = match towards {
        HPos::Right => -DOT - 5,
        _ => DOT + 5,
    };
    let ink = text(12.5, &INK, towards, VPos::Center);
    field.draw(&(EmptyElement::at(place) + Text::new(figure(value), (offset, 0), ink)))
}

/// The cost of a call by the number of users whose tokens are cached.
fn users(results: &Results) -> Result<String, Failure> {
    const FIELD: i32 = 240;
    let kept: Vec<_> = results
        .programs
        .iter()
        .filter(|program| !program.users.is_empty())
        .collect();
    let costs = || kept.iter().flat_map(|program| &program.users);
    let numbers = logarithmic(costs().map(|cost| cost.at as f64), 590.0, 40.0);
    let scale = logarithmic(
        costs().map(|cost| cost.cpu_us.median),
        f64::from(FIELD),
        30.0,
    );

    let mut svg = String::new();
    {
        let title = "Processor time per warm call, µs, by the number of users";
        let canvas = canvas(&mut svg, (HEAD + FIELD + FOOT) as u32, title)?;
        let note = text(12.5, &FAINT_INK, HPos::Left, VPos::Center);
        canvas.draw(&Text::new("logarithmic scales", (MARGIN, 45), note))?;
        let area = canvas.clone().shrink((60, HEAD), (590, FIELD));
        let chart = ChartBuilder::on(&area)
            .build_cartesian_2d(numbers.clone().log_scale(), scale.clone().log_scale())?;
        let field = chart.plotting_area();
        draw_costs(field, &numbers, &scale)?;
        if let Some(program) = kept.first() {
            draw_numbers(field, &program.users, scale.start)?;
        }
        for program in kept {
            draw_curve(field, program, numbers.end)?;
        }
        canvas.present()?;
    }
    Ok(svg)
}

/// Draws a line across the field for each labelled cost.
fn draw_costs(field: &Curves<'_>, numbers: &Range<f64>, scale: &Range<f64>) -> Result<(), Failure> {
    for tick in ticks(scale) {
        let ink = text(12.0, &FAINT_INK, HPos::Right, VPos::Center);
        let line = [(numbers.start, tick), (numbers.end, tick)];
        field.draw(&PathElement::new(line, GRID))?;
        let label = Text::new(short(tick), (-8, 0), ink);
        field.draw(&(EmptyElement::at((numbers.start, tick)) + label))?;
    }
    Ok(())
}

/// Writes the measured numbers of users below the field.
fn draw_numbers(field: &Curves<'_>, costs: &[Cost], bottom: f64) -> Result<(), Failure> {
    for Cost { at, .. } in costs {
        let ink = text(12.0, &FAINT_INK, HPos::Center, VPos::Top);
        let label = match at {
            1 => "1 user".to_owned(),
            many => format!("{} users", count(*many as u64)),
        };
        let place = (*at as f64, bottom);
        field.draw(&(EmptyElement::at(place) + Text::new(label, (0, 7), ink)))?;
    }
    Ok(())
}

/// Draws a program's costs, with its name at the right edge of the field.
fn draw_curve(field: &Curves<'_>, program: &ProgramResults, right: f64) -> Result<(), Failure> {
    let colour = colour(program);
    let point = |cost: &Cost| (cost.at as f64, cost.cpu_us.median);
    let line: Vec<_> = program.users.iter().map(point).collect();
    field.draw(&PathElement::new(line.clone(), colour.stroke_width(2)))?;
    for (at, value) in &line {
        let ink = text(12.5, &INK, HPos::Center, VPos::Bottom);
        let dot = EmptyElement::at((*at, *value))
            + Circle::new((0, 0), DOT, colour.filled())
            + Text::new(figure(*value), (0, -DOT - 3), ink);
        field.draw(&dot)?;
    }
    if let Some((_, value)) = line.last() {
        let ink = text(13.5, &INK, HPos::Left, VPos::Center);
        let name = Text::new(program.name.clone(), (8, 0), ink);
        field.draw(&(EmptyElement::at((right, *value)) + name))?;
    }
    Ok(())
}

/// An empty picture with its title.
fn canvas<'a>(svg: &'a mut String, height: u32, title: &str) -> Result<Canvas<'a>, Failure> {
    let canvas = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    canvas.fill(&GROUND)?;
    let ink = text(16.0, &INK, HPos::Left, VPos::Center);
    canvas.draw(&Text::new(title.to_owned(), (MARGIN, 22), ink))?;
    Ok(canvas)
}

fn draw_legend(canvas: &Canvas<'_>, legend: Legend<'_>) -> Result<(), Failure> {
    let ink = text(12.5, &FAINT_INK, HPos::Left, VPos::Center);
    let line = |from: i32| PathElement::new([(from, 45), (from + 24, 45)], GREY.stroke_width(2));
    let write =
        |words: &str, at: i32| canvas.draw(&Text::new(words.to_owned(), (at, 45), ink.clone()));
    let left = MARGIN + DOT;
    match legend {
        Legend::Spread => {
            canvas.draw(&line(left - DOT))?;
            canvas.draw(&Circle::new((left + 7, 45), DOT, GREY.filled()))?;
            write(
                "median, and from the smallest to the largest of all rounds; logarithmic scale",
                left + 28,
            )
        }
        Legend::Pair(first, second) => {
            canvas.draw(&Circle::new((left, 45), DOT, GREY.stroke_width(2)))?;
            write(first, left + 12)?;
            canvas.draw(&Circle::new((NAMES, 45), DOT, GREY.filled()))?;
            write(&format!("{second}; logarithmic scale"), NAMES + 12)
        }
    }
}

/// The style of a text of `size` pixels, anchored as given.
fn text(size: f64, colour: &RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    // The SVG backend divides by 1.24.
    ("sans-serif", size * 1.24)
        .into_font()
        .color(colour)
        .pos(Pos::new(horizontal, vertical))
}

/// A scale of `pixels` for the values, with a margin of `spare` pixels at both ends.
fn logarithmic(values: impl Iterator<Item = f64>, pixels: f64, spare: f64) -> Range<f64> {
    let (least, most) = values
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
    if least > most {
        return 1.0..10.0;
    }
    // Equal values need some width too.
    let width = (most / least).ln().max(0.5);
    let beyond = (width * spare / (pixels - 2.0 * spare)).exp();
    least / beyond..most * beyond
}

/// The powers of ten on a scale, with their double and fivefold if there are few.
fn ticks(scale: &Range<f64>) -> Vec<f64> {
    let steps: &[f64] = if scale.end / scale.start < 1_000.0 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let powers = scale.start.log10().floor() as i32..=scale.end.log10().ceil() as i32;
    powers
        .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
        .filter(|tick| scale.contains(tick))
        .collect()
}

/// A tick's label, without zeros that suggest precision.
fn short(tick: f64) -> String {
    if tick >= 1.0 {
        count(tick.round() as u64)
    } else {
        format!("{}", (tick * 1e6).round() / 1e6)
    }
}

fn colour(program: &ProgramResults) -> RGBColor {
    match program.name.as_str() {
        name if name.starts_with(HANDLER) => BLUE,
        name if name.starts_with(NODE) => GREEN,
        name if name.starts_with(PYTHON) => VERMILION,
        name if name.starts_with(FLOOR) => GREY,
        _ => INK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_plot_names_its_programs_and_needs_no_font() {
        for plot in all(&sample::results()).unwrap() {
            assert!(plot.svg.contains("This handler"), "{}", plot.file);
            assert!(!plot.svg.contains("NaN"), "{}", plot.file);
            let families = plot.svg.matches("font-family=").count();
            assert_eq!(
                plot.svg.matches(r#"font-family="sans-serif""#).count(),
                families
            );
        }
    }

    #[test]
    fn a_program_without_a_figure_has_an_empty_row() {
        let mut results = sample::results();
        for program in &mut results.programs {
            program.warm.clear();
            program.users.clear();
            program.memory.after_users = None;
        }
        for plot in all(&results).unwrap() {
            assert!(!plot.svg.contains("NaN"), "{}", plot.file);
        }
    }

    #[test]
    fn a_scale_holds_its_values_with_room_to_spare() {
        let scale = logarithmic([3.0, 400.0].into_iter(), 600.0, 60.0);
        assert!(scale.start < 3.0 && scale.end > 400.0);
        assert_eq!(
            ticks(&scale),
            [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]
        );
        assert!(logarithmic([7.0].into_iter(), 600.0, 60.0).contains(&7.0));
    }

    #[test]
    fn a_tick_claims_no_precision() {
        assert_eq!(short(0.2), "0.2");
        assert_eq!(short(10_000.0), "10,000");
    }
}
