//! Steps in the result document, from the records about them.

use super::RunState;
use super::ending::Phase;
use super::event::millis;
use super::record::{Detail, InstanceIx, Record, RecordKind};
use super::report::StepReport;
use super::state::{self, InstanceInfo};
use super::status::StepStatus;
use crate::plan::StepIx;
use crate::time::Timestamp;
use indexmap::IndexMap;
use std::borrow::Borrow;

/// The records that tell how the first steps of a run stand, in the order of their bodies and lists.
#[derive(Debug)]
pub struct StepRecords<R = Record> {
    max: usize,
    /// By instance: the place of its first step, as far as that is below `max`.
    starts: Vec<usize>,
    /// The place behind the last step of those instances.
    end: usize,
    places: Vec<Place<R>>,
}

/// The records of one step.
#[derive(Clone, Debug)]
struct Place<R> {
    first: Option<R>,
    last: Option<R>,
    completion: Option<R>,
}

impl<R> Default for Place<R> {
    fn default() -> Self {
        Self { first: None, last: None, completion: None }
    }
}

impl<R: Borrow<Record> + Clone> StepRecords<R> {
    /// For at most `max` steps.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, starts: Vec::new(), end: 0, places: Vec::new() }
    }

    /// Takes the next record of `state`.
    pub fn look(&mut self, state: &RunState, record: R) {
        let it: &Record = record.borrow();
        let Some(step) = it.step.filter(|_| tells_status(it.kind)) else { return };
        let ix = it.instance.0 as usize;
        let Some(start) = self.start_of(state, ix) else { return };
        let at = start + state::local(&state.plan, state.data.infos[ix].scope, step);
        if at >= self.max {
            return;
        }
        if at >= self.places.len() {
            self.places.resize_with(at + 1, Place::default);
        }
        let place = &mut self.places[at];
        if it.kind == RecordKind::StepCompleted {
            place.completion = Some(record.clone());
        }
        place.first.get_or_insert_with(|| record.clone());
        place.last = Some(record);
    }

    /// The place of the first step of an instance; nothing if that is too far behind.
    fn start_of(&mut self, state: &RunState, ix: usize) -> Option<usize> {
        while self.starts.len() <= ix && self.end < self.max {
            self.starts.push(self.end);
            self.end += state.size_of(&state.data.infos[self.starts.len() - 1]);
        }
        self.starts.get(ix).copied()
    }
}

impl RunState {
    /// How many steps of an instance a report has.
    fn size_of(&self, info: &InstanceInfo) -> usize {
        if info.is_superseded { 0 } else { self.plan.scope(info.scope).steps.len() }
    }

    /// The first steps, and how many there are besides: as in a [report](Self::report), but from all records that there
    /// ever were.
    #[must_use]
    pub fn steps_report(&self, records: &StepRecords) -> (IndexMap<String, StepReport>, u64) {
        self.reports(records)
    }

    pub(super) fn steps_of<'a>(
        &'a self,
        max: usize,
        records: impl Iterator<Item = &'a Record>,
    ) -> (IndexMap<String, StepReport>, u64) {
        // who wants no steps asks often, to see how things go, and must not pay for the whole history
        let is_unknown = !self.data.keeps_steps() && self.data.phase == Phase::Done;
        if max == 0 || is_unknown {
            return (IndexMap::new(), self.data.steps_total);
        }
        let mut found = StepRecords::new(max);
        records.for_each(|record| found.look(self, record));
        self.reports(&found)
    }

    fn reports<R: Borrow<Record> + Clone>(
        &self,
        records: &StepRecords<R>,
    ) -> (IndexMap<String, StepReport>, u64) {
        let mut reports = IndexMap::new();
        let (mut at, mut omitted) = (0, 0);
        let none = Place::default();
        for (ix, info) in self.data.infos.iter().enumerate() {
            let size = self.size_of(info);
            let room = records.max.saturating_sub(at).min(size);
            omitted += (size - room) as u64;
            for (nth, step) in self.plan.scope(info.scope).steps.clone().take(room).enumerate() {
                let place = records.places.get(at + nth).unwrap_or(&none);
                let (instance, step) = (InstanceIx(ix as u32), StepIx(step));
                reports.insert(self.path(instance, step), self.step_report(instance, step, place));
            }
            at += size;
        }
        (reports, omitted)
    }

    fn step_report<R: Borrow<Record>>(
        &self,
        instance: InstanceIx,
        step: StepIx,
        place: &Place<R>,
    ) -> StepReport {
        let live = self.data.node(&self.plan, instance, step);
        let is_over = self.data.phase == Phase::Done || self.data.infos[instance.0 as usize].stopped;
        let without_record = if is_over { StepStatus::Cancelled } else { StepStatus::Pending };
        let mut report = StepReport {
            status: live.map_or(without_record, |node| node.phase.status()),
            attempts: live.map_or(0, |node| node.attempts),
            started_at: None,
            duration_ms: None,
            output: None,
            error: None,
            reason: None,
        };
        fn record<R: Borrow<Record>>(kept: &Option<R>) -> Option<&Record> {
            kept.as_ref().map(Borrow::borrow)
        }
        let (Some(first), Some(last)) = (record(&place.first), record(&place.last)) else {
            let begun = live.filter(|node| node.attempts > 0);
            report.started_at = begun.map(|node| node.attempt_start.to_rfc3339());
            return report;
        };
        report.tell(last);
        if let Some(node) = live {
            report.status = node.phase.status();
        }
        use RecordKind::{CompensationFailed, CompensationStarted, StepCompensated};
        let is_undo = matches!(last.kind, CompensationStarted | StepCompensated | CompensationFailed);
        let done = if is_undo { record(&place.completion) } else { Some(last) };
        if let Some(done) = done {
            report.attempts = report.attempts.max(done.attempt);
            if !matches!(done.kind, RecordKind::StepSkipped) {
                let started = first.at.0.saturating_sub(first.duration.0);
                report.started_at = Some(Timestamp(started).to_rfc3339());
                report.duration_ms = Some(millis(done.at.since(Timestamp(started))));
            }
            if let (true, Detail::Value(output)) = (is_undo, &done.detail) {
                report.output = Some(output.clone());
            }
        }
        report
    }
}

impl StepReport {
    /// Takes over what a step's last record says.
    fn tell(&mut self, record: &Record) {
        use RecordKind as Kind;
        self.status = match record.kind {
            Kind::StepCompleted | Kind::CompensationStarted | Kind::CompensationFailed => {
                StepStatus::Completed
            }
            Kind::StepFailed => StepStatus::Failed,
            Kind::StepSkipped => StepStatus::Skipped,
            Kind::StepCancelled => StepStatus::Cancelled,
            Kind::StepCompensated => StepStatus::Compensated,
            _ => self.status,
        };
        match &record.detail {
            Detail::Value(output) if record.kind == Kind::StepCompleted => self.output = Some(output.clone()),
            Detail::Failure(failure) => self.error = Some((**failure).clone()),
            Detail::Text(reason) if record.kind == Kind::StepSkipped => {
                self.reason = Some(reason.to_string())
            }
            _ => {}
        }
    }
}

fn tells_status(kind: RecordKind) -> bool {
    !matches!(kind, RecordKind::Log | RecordKind::StatusSet)
}
