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
    pub(crate) waiting: Option<Waiting>,
    pub(crate) restart: Option<Restart>,
    pub(crate) pages: Vec<PageCost>,
    pub(crate) growth: Vec<Length>,
    pub(crate) service: Option<Service>,
}

/// What runs take that wait for an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// Until all wait.
    pub(crate) set_up_s: Option<Spread>,
    /// From the first event to the end of the last.
    pub(crate) released_s: Option<Spread>,
    /// Memory of the process while all wait.
    pub(crate) resident_bytes: Option<Spread>,
    /// By how much that has grown.
    pub(crate) resident_per_run: Option<Spread>,
    pub(crate) idle_cpu_percent: Option<Spread>,
}

/// From opening a journal until its runs are under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restart {
    /// It was closed in order.
    pub(crate) restart_s: Option<Spread>,
    /// Its process was killed.
    pub(crate) recovery_s: Option<Spread>,
}

/// What a page of a list takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageCost {
    /// What was asked for.
    pub(crate) pick: &'static str,
    pub(crate) lines: usize,
    pub(crate) ms: Spread,
}

/// What a step costs in a run of this length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    pub(crate) steps: usize,
    pub(crate) runs: usize,
    pub(crate) at_once: usize,
    pub(crate) ns_per_step: Spread,
    pub(crate) written_per_step: Option<Spread>,
}

/// What a server does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    pub(crate) starts_per_s: Option<Spread>,
    /// From the request to its answer; the 50th and the 99th percentile, in microseconds.
    pub(crate) start_us: Option<(Spread, Spread)>,
    /// Memory of its process before the first request,
    pub(crate) idle_bytes: Option<f64>,
    /// and behind the last.
    pub(crate) resident_bytes: Option<f64>,
    pub(crate) idle_cpu_percent: Option<f64>,
    pub(crate) streams: Option<Streams>,
}

/// How late records reach those who follow a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Streams {
    /// How many follow.
    pub(crate) clients: usize,
    /// How many beside them read nothing.
    pub(crate) slow: usize,
    pub(crate) alone: Delay,
    /// The same beside those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) beside: Option<Delay>,
}

/// From when a record was made until it was read, over all clients.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Delay {
    /// Records that each client got.
    pub(crate) records: u64,
    #[serde(serialize_with = "one_digit")]
    pub(crate) p50_ms: f64,
    #[serde(serialize_with = "one_digit")]
    pub(crate) p99_ms: f64,
    #[serde(serialize_with = "one_digit")]
    pub(crate) max_ms: f64,
}

fn one_digit<S: serde::Serializer>(figure: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(*figure, 1))
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
    #[serde(skip_serializing_if = "Option::is_none")]
    set_up_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_per_run: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_cpu_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_s: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pages: Vec<PageObject>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    growth: Vec<LengthObject>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    service: Option<ServiceObject>,
}

#[derive(Debug, Serialize)]
struct ServiceObject {
    starts_per_s: f64,
    start_us: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_cpu_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<Streams>,
}

#[derive(Debug, Serialize)]
struct PageObject {
    pick: &'static str,
    lines: usize,
    ms: f64,
    ms_max: f64,
}

#[derive(Debug, Serialize)]
struct LengthObject {
    steps: usize,
    runs: usize,
    concurrency: usize,
    ns_per_step: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_per_step: Option<f64>,
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
        let (waiting, restart) = (self.waiting, self.restart);
        let of = |spread: Option<Spread>, digits| spread.map(|it| median(it, digits));
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
            set_up_s: of(waiting.and_then(|it| it.set_up_s), 3),
            released_s: of(waiting.and_then(|it| it.released_s), 3),
            resident_bytes: of(waiting.and_then(|it| it.resident_bytes), 0),
            resident_per_run: of(waiting.and_then(|it| it.resident_per_run), 0),
            idle_cpu_percent: of(waiting.and_then(|it| it.idle_cpu_percent), 3),
            restart_s: of(restart.and_then(|it| it.restart_s), 3),
            recovery_s: of(restart.and_then(|it| it.recovery_s), 3),
            pages: self.pages.iter().map(PageCost::object).collect(),
            growth: self.growth.iter().map(Length::object).collect(),
            service: self.service.as_ref().and_then(Service::object),
        }
    }

    /// The medians and how far the repeats lie apart, for people.
    pub(crate) fn table(&self, job: &Job, printer: &Printer) -> String {
        let mut lines = vec![printer.paint_result(Tone::Strong, &title(job))];
        let head = format!("{:32}{:>12}{:>12}{:>12}", "", "median", "min", "max");
        lines.push(printer.paint_result(Tone::Dim, &head));
        let mut row = |label: &str, spread: Option<Spread>, digits: usize| {
            lines.extend(spread.map(|it| {
                let cell = |figure| grouped(figure, digits);
                format!("{label:32}{:>12}{:>12}{:>12}", cell(it.median), cell(it.min), cell(it.max))
            }));
        };
        if self.is_about_steps() {
            row("ns a step", self.ns_per_step, 1);
            row("steps a second", self.ns_per_step.map(|it| it.map(per_second)), 0);
        }
        if let Some(waiting) = self.waiting {
            row("set up, s", waiting.set_up_s, 3);
            row("released, s", waiting.released_s, 3);
            row("memory, B", waiting.resident_bytes, 0);
            row("memory a run, B", waiting.resident_per_run, 0);
            row("processor, idle, %", waiting.idle_cpu_percent, 3);
        }
        if let Some(restart) = self.restart {
            row("restart, s", restart.restart_s, 3);
            row("after a kill, s", restart.recovery_s, 3);
        }
        if let Some(service) = &self.service {
            row("starts a second", service.starts_per_s, 0);
            row("start p50, us", service.start_us.map(|it| it.0), 0);
            row("start p99, us", service.start_us.map(|it| it.1), 0);
        }
        for page in &self.pages {
            row(&format!("{}, ms", page.pick), Some(page.ms), 2);
        }
        for length in &self.growth {
            let steps = grouped(length.steps as f64, 0);
            row(&format!("{steps} steps x {}, ns", length.at_once), Some(length.ns_per_step), 0);
            row("  bytes written a step", length.written_per_step, 0);
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
            lines.extend(figure.map(|it| format!("{label:32}{:>12}", grouped(it, digits))));
        };
        single("bytes a step", self.bytes_per_step, 0);
        single("METG(50 %), us", self.metg_us, 2);
        if let Some(service) = &self.service {
            service.singles(single);
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Figures {
    /// Whether what a step costs is what was to be found out.
    fn is_about_steps(&self) -> bool {
        let others = [self.calls.is_empty(), self.pages.is_empty(), self.growth.is_empty()];
        let is_of_runs = self.waiting.is_none() && self.restart.is_none() && self.service.is_none();
        others.into_iter().all(|it| it) && is_of_runs
    }
}

impl PageCost {
    fn object(&self) -> PageObject {
        let (ms, ms_max) = (rounded(self.ms.median, 3), rounded(self.ms.max, 3));
        PageObject { pick: self.pick, lines: self.lines, ms, ms_max }
    }
}

impl Service {
    fn object(&self) -> Option<ServiceObject> {
        let (p50, p99) = self.start_us?;
        Some(ServiceObject {
            starts_per_s: rounded(self.starts_per_s?.median, 0),
            start_us: Latency { p50: rounded(p50.median, 1), p99: rounded(p99.median, 1) },
            idle_bytes: self.idle_bytes,
            resident_bytes: self.resident_bytes,
            idle_cpu_percent: self.idle_cpu_percent.map(|it| rounded(it, 3)),
            streams: self.streams,
        })
    }

    /// The figures without a range.
    fn singles(&self, mut single: impl FnMut(&str, Option<f64>, usize)) {
        single("memory, idle, B", self.idle_bytes, 0);
        single("processor, idle, %", self.idle_cpu_percent, 3);
        single("memory behind it, B", self.resident_bytes, 0);
        let Some(streams) = self.streams else { return };
        for (how, delay) in [("", Some(streams.alone)), (" beside slow", streams.beside)] {
            let Some(delay) = delay else { continue };
            single(&format!("record{how} p50, ms"), Some(delay.p50_ms), 1);
            single(&format!("record{how} p99, ms"), Some(delay.p99_ms), 1);
            single(&format!("record{how} max, ms"), Some(delay.max_ms), 1);
        }
    }
}

impl Length {
    fn object(&self) -> LengthObject {
        LengthObject {
            steps: self.steps,
            runs: self.runs,
            concurrency: self.at_once,
            ns_per_step: rounded(self.ns_per_step.median, 1),
            written_per_step: self.written_per_step.map(|it| rounded(it.median, 0)),
        }
    }
}

fn title(job: &Job) -> String {
    let mut parts = vec![name(job.shape)];
    let steps = grouped(job.graph.steps as f64, 0);
    parts.push(if job.shape == Shape::Calls { format!("{steps} calls") } else { format!("{steps} steps") });
    parts.extend(job.graph.width.map(|width| format!("{} wide", grouped(width as f64, 0))));
    if job.shape.has_work() {
        parts.push(format!("body {}", duration::display(job.work.body)));
        parts.push(format!("output {}", name(job.work.output)));
    }
    if job.shape.has_runs() {
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
