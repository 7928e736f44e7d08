//! What was measured, as a table for people and as JSON for machines.

use crate::graph::Shape;
use crate::measure::Series;
use crate::peers::Name;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// Everything that is said at the end.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Threads of each peer that has more than one.
    pub(crate) threads: usize,
    /// Processors that the machine says it has for this program.
    pub(crate) processors: usize,
    pub(crate) results: Vec<Line>,
    /// Peers that were left out, and why.
    pub(crate) skipped: Vec<String>,
}

/// A peer on a shape.
#[derive(Serialize)]
pub(crate) struct Line {
    shape: &'static str,
    peer: &'static str,
    nodes: usize,
    runs: usize,
    /// Nanoseconds a node.
    median_ns: f64,
    min_ns: f64,
    max_ns: f64,
    /// How many times the median of Jackfield; absent if Jackfield was not measured.
    ratio: Option<f64>,
    remark: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Report {
    pub(crate) fn new(all: Vec<Series>, threads: usize, processors: usize, skipped: Vec<String>) -> Self {
        let ours = |shape: Shape| {
            let ours = all.iter().find(|series| series.peer == Name::Jackfield && series.shape == shape);
            ours.map(|series| series.per_node().median)
        };
        let results = all.iter().map(|series| Line::new(series, ours(series.shape))).collect();
        Self { threads, processors, results, skipped }
    }
}

impl Line {
    fn new(series: &Series, ours: Option<f64>) -> Self {
        let spread = series.per_node();
        Self {
            shape: series.shape.name(),
            peer: series.peer.text(),
            nodes: series.nodes,
            runs: series.runs.len(),
            median_ns: spread.median,
            min_ns: spread.min,
            max_ns: spread.max,
            ratio: ours.map(|ours| spread.median / ours),
            remark: series.peer.remark(),
            note: series.note.clone(),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "nanoseconds a node, median (fastest .. slowest), {} threads", self.threads)?;
        for group in self.results.chunk_by(|a, b| a.shape == b.shape) {
            let nodes = group.iter().map(|line| line.nodes).max().unwrap_or(0);
            let runs = group.iter().map(|line| line.runs).max().unwrap_or(0);
            let passes = if runs == 1 { "pass" } else { "passes" };
            writeln!(f, "\n{}, {nodes} nodes, {runs} {passes}", group[0].shape)?;
            for line in group {
                write!(f, "  {line}")?;
            }
        }
        writeln!(f)?;
        let mut told = Vec::new();
        for line in self.results.iter().filter(|line| !line.remark.is_empty()) {
            if !told.contains(&line.peer) {
                told.push(line.peer);
                writeln!(f, "{}: {}", line.peer, line.remark)?;
            }
        }
        self.skipped.iter().try_for_each(|reason| writeln!(f, "left out: {reason}"))
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let range = format!("({} .. {})", figure(self.min_ns), figure(self.max_ns));
        write!(f, "{:<16}{:>10}  {range:<22}", self.peer, figure(self.median_ns))?;
        let ratio = self.ratio.map(|ratio| format!("{} x Jackfield", figure(ratio)));
        let parts: Vec<String> = ratio.into_iter().chain(self.note.clone()).collect();
        writeln!(f, "{}", parts.join("; "))
    }
}

/// A number with two or three figures that count.
fn figure(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.3}"),
        value if value < 1.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn series(peer: Name, runs_us: &[u64], note: Option<&str>) -> Series {
        let runs = runs_us.iter().copied().map(Duration::from_micros).collect();
        Series { peer, shape: Shape::Chain, nodes: 1_000, runs, note: note.map(str::to_owned) }
    }

    fn report(all: Vec<Series>) -> Report {
        Report::new(all, 2, 4, vec!["Taskflow is not there".to_owned()])
    }

    #[test]
    fn the_table_has_medians_ranges_and_ratios() {
        let all = vec![
            series(Name::Jackfield, &[300, 200, 250], None),
            series(Name::Dagx, &[5_000, 6_000], Some("few nodes")),
            series(Name::Sequential, &[2], None),
        ];
        let text = report(all).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "nanoseconds a node, median (fastest .. slowest), 2 threads");
        assert_eq!(lines[2], "chain, 1000 nodes, 3 passes");
        assert_eq!(lines[3], "  Jackfield              250  (200 .. 300)          1.0 x Jackfield");
        assert_eq!(
            lines[4],
            "  dagx 0.3.1            5500  (5000 .. 6000)        22.0 x Jackfield; few nodes"
        );
        assert_eq!(lines[5], "  sequential loop        2.0  (2.0 .. 2.0)          0.008 x Jackfield");
        assert!(lines[7].starts_with("Jackfield: plugin method"), "{text}");
        assert_eq!(lines.last().copied(), Some("left out: Taskflow is not there"));
    }

    #[test]
    fn without_jackfield_there_are_no_ratios() {
        let json = serde_json::to_value(report(vec![series(Name::Dagx, &[5_000], None)])).unwrap();
        assert!(json["results"][0]["ratio"].is_null());
        assert!(!report(vec![series(Name::Dagx, &[5_000], None)]).to_string().contains("x Jackfield"));
    }

    #[test]
    fn machines_get_the_same_figures() {
        let all = vec![series(Name::Jackfield, &[250], None), series(Name::Rayon, &[100], None)];
        let json = serde_json::to_value(report(all)).unwrap();
        let rayon = &json["results"][1];
        assert_eq!((rayon["peer"].as_str(), rayon["shape"].as_str()), (Some("rayon scope"), Some("chain")));
        assert_eq!((rayon["median_ns"].as_f64(), rayon["ratio"].as_f64()), (Some(100.0), Some(0.4)));
        assert_eq!((json["threads"].as_u64(), json["processors"].as_u64()), (Some(2), Some(4)));
    }
}
