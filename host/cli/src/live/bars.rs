//! What is going on right now, on a terminal: one bar for the run, and one for each of the steps under way, as a
//! tree by their paths.

use super::voices::Voices;
use crate::printer::Printer;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jackfield::RunReport;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bars of steps at a time; more would not fit on a screen.
const STEPS_MAX: usize = 12;
/// Resolution of bars.
const PARTS: u64 = 1000;
const FRAME: Duration = Duration::from_millis(100);

pub(super) struct Bars {
    all: MultiProgress,
    run: ProgressBar,
    steps: BTreeMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new(printer: &Printer) -> Self {
        let all = printer.bars().clone();
        let run = all.add(ProgressBar::new(PARTS));
        run.set_style(style("{spinner} {bar:24} {msg} {elapsed}"));
        run.enable_steady_tick(FRAME);
        Self { all, run, steps: BTreeMap::new() }
    }

    /// Brings the bars to what the report says.
    pub(super) fn update(&mut self, report: &RunReport, voices: &Voices) {
        self.steps.retain(|path, bar| {
            let stays = report.current_steps.iter().any(|current| **current == **path);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for path in &report.current_steps {
            if !self.steps.contains_key(&**path) && self.steps.len() < STEPS_MAX {
                let bar = self.insert(path);
                self.steps.insert(path.to_string(), bar);
            }
        }
        for (path, bar) in &self.steps {
            if let Some((fraction, message)) = voices.progress(path) {
                bar.set_style(style("{prefix} {bar:16} {percent:>3} % {msg}"));
                bar.set_position((fraction * PARTS as f64) as u64);
                bar.set_message(message);
            }
        }
        let hidden = report.current_steps.len().saturating_sub(self.steps.len());
        let more = if hidden > 0 { format!(", {hidden} more under way") } else { String::new() };
        let (done, total) = (report.completed_steps, report.total_steps);
        self.run.set_position((report.progress.clamp(0.0, 1.0) * PARTS as f64) as u64);
        self.run.set_message(format!("{done}/{total} steps{more}"));
    }

    pub(super) fn clear(self) {
        for bar in self.steps.values() {
            bar.finish_and_clear();
        }
        self.run.finish_and_clear();
    }

    /// A bar in the place that its path gives it: after the last one before it, above the bar of the run.
    fn insert(&self, path: &str) -> ProgressBar {
        let bar = ProgressBar::new(PARTS);
        let before = self.steps.range(..path.to_owned()).next_back();
        let bar = match before {
            Some((_, before)) => self.all.insert_after(before, bar),
            None => self.all.insert(0, bar),
        };
        bar.set_style(style("{prefix} {spinner} {elapsed}"));
        bar.set_prefix(indented(path));
        bar.enable_steady_tick(FRAME);
        bar
    }
}

/// The last part of the path with the index of what it stands in, indented by how deep it stands.
fn indented(path: &str) -> String {
    let Some((around, name)) = path.rsplit_once('.') else { return path.to_owned() };
    let indent = "  ".repeat(path.matches('.').count());
    match around.rfind('[') {
        Some(index) if around.ends_with(']') => format!("{indent}{} {name}", &around[index..]),
        _ => format!("{indent}{name}"),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [
            "{spinner} {bar:24} {msg} {elapsed}",
            "{prefix} {bar:16} {percent:>3} % {msg}",
            "{prefix} {spinner} {elapsed}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn steps_inside_others_are_indented() {
        assert_eq!(indented("load"), "load");
        assert_eq!(indented("probe[3].fetch"), "  [3] fetch");
        assert_eq!(indented("probe[3].inner.fetch"), "    fetch");
    }
}
