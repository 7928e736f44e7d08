//! What methods say while they run: log lines are printed, progress feeds the bars, and the last lines of output
//! are kept for the case that the step fails.

use super::lines::level_word;
use crate::printer::{Printer, Tone};
use jackfield::{LogLevel, RunListener};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Output lines kept for each step.
const LINES_MAX: usize = 10;
/// Longest output line kept, in characters.
const LINE_CHARS_MAX: usize = 300;
/// Steps whose output is kept, and steps whose progress is: those that spoke last.
const STEPS_MAX: usize = 256;

/// Hears what methods say. Cheap to clone; clones hear the same.
#[derive(Clone)]
pub(crate) struct Voices {
    printer: Printer,
    prints_logs: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    output: Recent<VecDeque<String>>,
    progress: Recent<(f64, String)>,
}

/// Values by step, at most [`STEPS_MAX`] of them; the one that has not changed for longest makes room.
struct Recent<T> {
    values: HashMap<String, (u64, T)>,
    changes: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), changes: 0 }
    }
}

impl<T: Default> Recent<T> {
    fn entry(&mut self, step: &str) -> &mut T {
        self.changes += 1;
        if self.values.len() >= STEPS_MAX && !self.values.contains_key(step) {
            let oldest = self.values.iter().min_by_key(|(_, (change, _))| *change);
            if let Some(oldest) = oldest.map(|(step, _)| step.clone()) {
                self.values.remove(&oldest);
            }
        }
        let entry = self.values.entry(step.to_owned()).or_default();
        entry.0 = self.changes;
        &mut entry.1
    }
}

impl Voices {
    /// With `prints_logs`, log lines are printed from info on.
    pub(crate) fn new(printer: &Printer, prints_logs: bool) -> Self {
        Self { printer: printer.clone(), prints_logs, state: Arc::default() }
    }

    /// What the step printed last.
    pub(crate) fn last_output(&self, step: &str) -> Vec<String> {
        let state = self.state.lock();
        state.output.values.get(step).map(|(_, lines)| lines.iter().cloned().collect()).unwrap_or_default()
    }

    /// Fraction done of the step, and what it is doing; `None` if it never said.
    pub(super) fn progress(&self, step: &str) -> Option<(f64, String)> {
        self.state.lock().progress.values.get(step).map(|(_, progress)| progress.clone())
    }
}

impl RunListener for Voices {
    fn log(&self, _: &str, step: &str, level: LogLevel, message: &str, fields: &str) {
        if !self.prints_logs || level < LogLevel::Info {
            return;
        }
        let (tone, word) = level_word(level);
        let fields = if matches!(fields, "null" | "{}" | "") { String::new() } else { format!(" {fields}") };
        let fields = self.printer.paint(Tone::Dim, &fields);
        self.printer.note(&format!("{step}: {}: {message}{fields}", self.printer.paint(tone, word)));
    }

    fn progress(&self, _: &str, step: &str, fraction: f64, message: &str) {
        *self.state.lock().progress.entry(step) = (fraction.clamp(0.0, 1.0), message.to_owned());
    }

    fn output_line(&self, _: &str, step: &str, _: bool, line: &str) {
        let mut state = self.state.lock();
        let lines = state.output.entry(step);
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(LINE_CHARS_MAX).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Global;

    fn voices() -> Voices {
        Voices::new(&Printer::new(&Global { quiet: true, ..Global::default() }), true)
    }

    #[test]
    fn the_last_lines_of_a_step_are_kept() {
        let voices = voices();
        for number in 0..25 {
            voices.output_line("r", "a", false, &format!("line {number}"));
        }
        voices.output_line("r", "b", true, &"x".repeat(1000));
        assert_eq!(voices.last_output("a").len(), 10);
        assert_eq!(voices.last_output("a")[0], "line 15");
        assert_eq!(voices.last_output("b")[0].len(), 300);
        assert!(voices.last_output("c").is_empty());
    }

    #[test]
    fn the_step_that_was_silent_for_longest_makes_room() {
        let voices = voices();
        for step in 0..STEPS_MAX {
            voices.output_line("r", &step.to_string(), false, "x");
        }
        voices.output_line("r", "0", false, "again");
        voices.output_line("r", "new", false, "x");
        assert_eq!(voices.last_output("0").len(), 2);
        assert!(voices.last_output("1").is_empty());
        assert_eq!(voices.last_output("new").len(), 1);
    }

    #[test]
    fn progress_is_the_last_that_was_said_and_stays_between_0_and_1() {
        let voices = voices();
        RunListener::progress(&voices, "r", "a", 0.2, "reading");
        RunListener::progress(&voices, "r", "a", 7.0, "writing");
        assert_eq!(Voices::progress(&voices, "a"), Some((1.0, "writing".to_owned())));
    }
}
