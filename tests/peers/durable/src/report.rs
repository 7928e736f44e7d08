//! What is printed.

use crate::workload::{Sample, System, Workload, median};
use serde::Serialize;
use serde::ser::Serializer;
use std::collections::BTreeMap;
use std::fmt;

/// All passes.
#[derive(Default)]
pub(crate) struct Report {
    samples: BTreeMap<(Workload, System), Vec<Sample>>,
    /// Passes that came to nothing.
    failed: BTreeMap<(Workload, System), usize>,
}

#[derive(Serialize)]
struct Row {
    workload: Workload,
    system: System,
    passes: usize,
    /// Passes besides those in which a run failed.
    failed: usize,
    /// Medians of the passes.
    run_ms: f64,
    steps_per_s: f64,
    /// Least and most of the passes.
    steps_per_s_range: [f64; 2],
}

impl Report {
    pub(crate) fn note(&mut self, workload: Workload, system: System, sample: Sample) {
        self.samples.entry((workload, system)).or_default().push(sample);
    }

    pub(crate) fn note_failed(&mut self, workload: Workload, system: System) {
        *self.failed.entry((workload, system)).or_default() += 1;
        self.samples.entry((workload, system)).or_default();
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        self.samples.iter().map(|((workload, system), samples)| {
            let rates = || samples.iter().map(|sample| sample.steps_per_s);
            Row {
                workload: *workload,
                system: *system,
                passes: samples.len(),
                failed: self.failed.get(&(*workload, *system)).copied().unwrap_or(0),
                run_ms: median(samples.iter().map(|sample| sample.run_ms).collect()),
                steps_per_s: median(rates().collect()),
                steps_per_s_range: [rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max)],
            }
        })
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        let mut first_ms = f64::NAN;
        for row in self.rows() {
            if last.replace(row.workload) != Some(row.workload) {
                writeln!(f, "\n{}, {} passes", row.workload, row.passes + row.failed)?;
                first_ms = row.run_ms;
            }
            let [least, most] = row.steps_per_s_range;
            let system = row.system.to_string();
            if row.failed > 0 {
                writeln!(f, "  {system:24} in {} passes a run failed", row.failed)?;
            }
            if row.passes == 0 {
                continue;
            }
            writeln!(
                f,
                "  {system:24} {:>10.2} ms a run  {:>9.0} steps/s ({least:.0} .. {most:.0})  {:>7.1} x",
                row.run_ms,
                row.steps_per_s,
                row.run_ms / first_ms
            )?;
        }
        writeln!(
            f,
            "\nmilliseconds: median from the start of a run to its result; x: of the first one of the block"
        )?;
        writeln!(
            f,
            "Jackfield: synchronous=FULL, safe at a loss of power; duroxide: synchronous=NORMAL, not safe"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_medians_ranges_and_ratios() {
        let mut report = Report::default();
        for (system, passes) in [
            (System::Jackfield, [(2.0, 500.0), (1.0, 1_000.0), (4.0, 250.0)]),
            (System::Duroxide, [(100.0, 10.0), (300.0, 3.0), (150.0, 7.0)]),
        ] {
            let samples = passes.map(|(run_ms, steps_per_s)| Sample { run_ms, steps_per_s });
            samples.into_iter().for_each(|sample| report.note(Workload::Single, system, sample));
        }
        report.note_failed(Workload::Single, System::DuroxideTuned);
        let text = report.to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1].join(" "), "runs of one step, 3 passes");
        assert_eq!(lines[2].join(" "), "Jackfield 2.00 ms a run 500 steps/s (250 .. 1000) 1.0 x");
        assert_eq!(lines[3].join(" "), "duroxide 0.1.32 150.00 ms a run 7 steps/s (3 .. 10) 75.0 x");
        assert_eq!(lines[4].join(" "), "duroxide 0.1.32, tuned in 1 passes a run failed");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json[1]["system"], &json[1]["run_ms"]), (&"duroxide".into(), &150.0.into()));
        assert_eq!(json[1]["steps_per_s_range"], serde_json::json!([3.0, 10.0]));
    }
}
