//! A run that has ended: its result document and everything that happened in it.

use jackfield::{Event, EventKind, Failure, Run, RunReport, RunStatus, StepReport, StepStatus, Value};
use std::time::Duration;

/// Steps in the report of a finished run, at most.
const STEPS_MAX: usize = 10_000;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The result document.
    pub report: RunReport,
    /// The run's records, from the first to the last.
    pub events: Vec<Event>,
}

impl Finished {
    pub(crate) fn of(run: &Run) -> Self {
        let mut events = Vec::new();
        loop {
            // the run has ended, so this does not wait; it answers with nothing when all has been read
            let more = run.wait_records(events.len() as u64, Duration::ZERO);
            if more.is_empty() {
                return Self { report: run.report(STEPS_MAX), events };
            }
            events.extend(more);
        }
    }

    /// How the run ended.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.report.status
    }

    /// The output of the run.
    #[must_use]
    pub fn output(&self) -> &Value {
        self.report.output.value()
    }

    /// Why the run did not complete.
    ///
    /// # Panics
    /// If it did.
    #[track_caller]
    #[must_use]
    pub fn error(&self) -> &Failure {
        self.report.error.as_ref().unwrap_or_else(|| panic!("the run has no error: {:#?}", self.report))
    }

    /// The result of the step at `path`.
    ///
    /// # Panics
    /// If the run has no such step.
    #[track_caller]
    #[must_use]
    pub fn step(&self, path: &str) -> &StepReport {
        let steps = &self.report.steps;
        steps.get(path).unwrap_or_else(|| panic!("no step `{path}` among {:?}", steps.keys()))
    }

    /// How the step at `path` ended.
    #[track_caller]
    #[must_use]
    pub fn step_status(&self, path: &str) -> StepStatus {
        self.step(path).status
    }

    /// The output of the step at `path`; `null` if it has none.
    #[track_caller]
    #[must_use]
    pub fn step_output(&self, path: &str) -> Value {
        self.step(path).output.as_ref().map_or(Value::Null, |it| it.value().clone())
    }

    /// Why the step at `path` failed.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    #[must_use]
    pub fn step_error(&self, path: &str) -> &Failure {
        let step = self.step(path);
        step.error.as_ref().unwrap_or_else(|| panic!("step `{path}` has no error: {step:?}"))
    }

    /// What happened to the step at `path`, in order; the empty path is the run itself.
    #[must_use]
    pub fn events_of(&self, path: &str) -> Vec<&Event> {
        self.events.iter().filter(|it| it.step.as_deref().unwrap_or_default() == path).collect()
    }

    /// The paths of the steps that something of this kind happened to, in order.
    #[must_use]
    pub fn order_of(&self, kind: EventKind) -> Vec<&str> {
        let of_kind = self.events.iter().filter(|it| it.event == kind);
        of_kind.map(|it| it.step.as_deref().unwrap_or_default()).collect()
    }

    /// Checks that the run completed, for tests that look at its output next.
    ///
    /// # Panics
    /// If it did not; with its result document.
    #[track_caller]
    #[must_use]
    pub fn completed(self) -> Self {
        assert_eq!(self.status(), RunStatus::Completed, "{:#?}", self.report);
        self
    }
}
