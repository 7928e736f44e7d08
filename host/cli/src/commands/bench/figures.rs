//! What was measured, as one JSON object and as a table.

use super::job::Job;
use super::spread::Spread;
use crate::args::{BenchEngine, History, OutputSize, Shape};
use crate::printer::{Printer, Tone};
use clap::ValueEnum;
use jackfield::model::duration;
use serde::Serialize;

/// All figures; those that were not measured or cannot be known are absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) ns_per_step: Option<Spread>,
    pub(crate) bytes_per_step: Option<f64>,
    /// Of what bare spin loops reach.
    pub(crate) efficiency: Option<Spread>,
    /// Of what the nominal length of the bodies allows.
    pub(crate) efficiency_of_ideal: Option<Spread>,
    pub(crate) metg_us: Option<f64>,
    /// Bytes that the process had written to disks, per step.
    pub(crate) written_per_step: Option<Spread>,
    /// The 50th and the 99th percentile.
    pub(crate) latency_us: Option<(Spread, Spread)>,
    pub(crate) calls: Vec<CallCost>,
}

/// Microseconds from the start of a run to having its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What a call costs whose parameters and result have `bytes` bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallCost {
    pub(crate) bytes: usize,
    pub(crate) loader_ns: Spread,
    pub(crate) direct_ns: Spread,
    /// The 50th and the 99th percentile of calls into a worker; others are too short to be timed one by one.
    pub(crate) latency_us: Option<(Spread, Spread)>,
}

/// The object that `--json` prints; its fields are a contract.
#[derive(Debug, Serialize)]
pub(crate) struct Object {
    shape: Shape,
    steps: usize,
    output: OutputSize,
    engine: BenchEngine,
    history: History,
    threads: usize,
    runs: usize,
    concurrency: usize,
    body_ns: u64,
    ns_per_step: f64,
    steps_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_per_step: Option<f64>,
    efficiency: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metg_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<Latency>,
    repeats: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<CallObject>,
}

#[derive(Debug, Serialize)]
struct CallObject {
    bytes: usize,
    ns: f64,
    direct_ns: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<Latency>,
}

impl Figures {
    /// The medians.
    pub(crate) fn object(&self, job: &Job) -> Object {
        let median = |spread: Spread, digits| rounded(spread.median, digits);
        let latency = |(p50, p99): (Spread, Spread)| Latency { p50: median(p50, 1), p99: median(p99, 1) };
        let ns_per_step = self.ns_per_step.map_or(0.0, |it| it.median);
        let call = |cost: &CallCost| CallObject {
            bytes: cost.bytes,
            ns: median(cost.loader_ns, 1),
            direct_ns: median(cost.direct_ns, 1),
            latency_us: cost.latency_us.map(latency),
        };
        Object {
            shape: job.shape,
            steps: job.graph.steps,
            output: job.work.output,
            engine: job.engine,
            history: job.history,
            threads: job.threads,
            runs: job.runs,
            concurrency: job.concurrency,
            body_ns: u64::try_from(job.work.body.as_nanos()).unwrap_or(u64::MAX),
            ns_per_step: rounded(ns_per_step, 1),
            steps_per_s: rounded(per_second(ns_per_step), 0),
            bytes_per_step: self.bytes_per_step.map(|bytes| rounded(bytes, 0)),
            written_per_step: self.written_per_step.map(|it| median(it, 0)),
            efficiency: self.efficiency.map(|it| median(it, 3)),
            metg_us: self.metg_us.map(|us| rounded(us, 2)),
            latency_us: self.latency_us.map(latency),
            repeats: job.repeats,
            calls: self.calls.iter().map(call).collect(),
        }
    }

    /// The medians and how far the repeats lie apart, for people.
    pub(crate) fn table(&self, job: &Job, printer: &Printer) -> String {
        let mut lines = vec![printer.paint_result(Tone::Strong, &title(job))];
        let head = format!("{:24}{:>12}{:>12}{:>12}", "", "median", "min", "max");
        lines.push(printer.paint_result(Tone::Dim, &head));
        let mut row = |label: &str, spread: Option<Spread>, digits: usize| {
            lines.extend(spread.map(|it| {
                let cell = |figure| grouped(figure, digits);
                format!("{label:24}{:>12}{:>12}{:>12}", cell(it.median), cell(it.min), cell(it.max))
            }));
        };
        if self.calls.is_empty() {
            row("ns a step", self.ns_per_step, 1);
            row("steps a second", self.ns_per_step.map(|it| it.map(per_second)), 0);
        }
        for cost in &self.calls {
            let label = |way: &str| format!("{} B {way}, ns", grouped(cost.bytes as f64, 0));
            row(&label("call"), Some(cost.loader_ns), 1);
            let percentile = |which: &str| format!("{} B {which}, us", grouped(cost.bytes as f64, 0));
            row(&percentile("p50"), cost.latency_us.map(|it| it.0), 1);
            row(&percentile("p99"), cost.latency_us.map(|it| it.1), 1);
            row(&label("direct"), Some(cost.direct_ns), 1);
        }
        row("of bare spin loops", self.efficiency, 3);
        row("of the ideal", self.efficiency_of_ideal, 3);
        row("bytes written a step", self.written_per_step, 0);
        if self.calls.is_empty() {
            row("run p50, us", self.latency_us.map(|it| it.0), 1);
            row("run p99, us", self.latency_us.map(|it| it.1), 1);
        }
        let mut single = |label: &str, figure: Option<f64>, digits| {
            lines.extend(figure.map(|it| format!("{label:24}{:>12}", grouped(it, digits))));
        };
        single("bytes a step", self.bytes_per_step, 0);
        single("METG(50 %), us", self.metg_us, 2);
        lines.push(String::new());
        lines.join("\n")
    }
}

fn title(job: &Job) -> String {
    let mut parts = vec![name(job.shape)];
    let steps = grouped(job.graph.steps as f64, 0);
    parts.push(if job.shape == Shape::Calls { format!("{steps} calls") } else { format!("{steps} steps") });
    parts.extend(job.graph.width.map(|width| format!("{} wide", grouped(width as f64, 0))));
    if !matches!(job.shape, Shape::Calls | Shape::Definition) {
        parts.push(format!("body {}", duration::display(job.work.body)));
        parts.push(format!("output {}", name(job.work.output)));
        parts.push(format!("history {}", name(job.history)));
        parts.push(format!("threads {}", job.threads));
        parts.push(format!("runs {}, {} at a time", job.runs, job.concurrency));
    }
    parts.push(format!("repeats {}", job.repeats));
    parts.join(" · ")
}

/// As it is written on the command line.
fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn per_second(ns: f64) -> f64 {
    if ns > 0.0 { 1e9 / ns } else { 0.0 }
}

fn rounded(figure: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (figure * factor).round() / factor
}

/// A figure with so many digits behind the point and commas between thousands.
fn grouped(figure: f64, digits: usize) -> String {
    let text = format!("{figure:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (nth, digit) in whole.chars().enumerate() {
        if nth > 0 && (whole.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_by_thousands() {
        assert_eq!(grouped(1_234_567.891, 1), "1,234,567.9");
        assert_eq!(
            (grouped(999.0, 0), grouped(1_000.0, 0), grouped(0.0, 2)),
            ("999".into(), "1,000".into(), "0.00".into())
        );
    }
}
