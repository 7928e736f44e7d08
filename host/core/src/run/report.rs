//! The result document: where a run stands, or what it came to, step by step.

use super::ending::{Ending, Phase};
use super::event::millis;
use super::record::{Detail, InstanceIx, Record, RecordKind};
use super::status::{RunStatus, StepStatus};
use super::{RunState, state};
use crate::failure::{Failure, kind};
use crate::payload::{Payload, present};
use crate::plan::StepIx;
use crate::time::Timestamp;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What a run that has not ended yet is stopping for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stopping {
    /// It was cancelled.
    Cancelling,
    /// It failed.
    Failing,
}

/// The result document of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// Id of the run.
    pub run_id: String,
    /// Id of the workflow.
    pub workflow: String,
    /// Version of the workflow.
    pub version: String,
    /// Where the run stands.
    pub status: RunStatus,
    /// What it waits for before it begins, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_for: Option<String>,
    /// The time before which it does not begin, RFC 3339, if it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delayed_until: Option<String>,
    /// Why clean-up is under way, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
    /// Share of the known steps that have settled, 0 to 1; 1 once the run has ended.
    pub progress: f64,
    /// Paths of the steps that run or wait; the first 1,000 of them.
    pub current_steps: Vec<String>,
    /// Steps that completed.
    pub completed_steps: u64,
    /// Steps known so far: those of every body that has come to life.
    pub total_steps: u64,
    /// Custom status set by steps.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub custom_status: Option<Payload>,
    /// How often it has been set, over all generations; left out if never.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub custom_status_version: u64,
    /// Which generation of the run this is about; left out of the first.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub generation: u32,
    /// Output; `null` unless completed.
    pub output: Payload,
    /// Why the run failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// When the run started, RFC 3339.
    pub started_at: String,
    /// How long it has taken, in milliseconds.
    pub duration_ms: f64,
    /// Steps by path, in the order of their bodies and lists.
    pub steps: IndexMap<String, StepReport>,
    /// Steps left out because there are more than asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_omitted: u64,
}

/// One step in the result document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepReport {
    /// Where it stands.
    pub status: StepStatus,
    /// Attempts made.
    pub attempts: u32,
    /// When its first attempt started, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// From the start of the first attempt to the end of the last, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// Its output, if it completed.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Why it was skipped, or what it waits for: a place in a pool, or its turn within a rate limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

const fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_first(generation: &u32) -> bool {
    *generation == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Steps under way that a report names at most.
const CURRENT_STEPS_MAX: usize = 1_000;

/// Positions of records about one step in the history; `u32::MAX` for none.
#[derive(Clone, Copy)]
struct Mark {
    first: u32,
    last: u32,
    completion: u32,
}

impl Mark {
    const NONE: Self = Self { first: u32::MAX, last: u32::MAX, completion: u32::MAX };
}

/// Those of the steps of an instance.
type Marks = Vec<Mark>;

impl RunState {
    /// Steps that have settled, and those of them that completed; of this generation.
    #[must_use]
    pub fn step_counts(&self) -> (u64, u64) {
        (self.data.steps_settled, self.data.steps_completed)
    }

    /// The result document as of `now`, with at most `steps_max` steps.
    #[must_use]
    pub fn report(&self, now: Timestamp, steps_max: usize) -> RunReport {
        let data = &self.data;
        let is_over = data.phase == Phase::Done;
        let end = if is_over { data.history.last().map_or(now, |record| record.at) } else { now };
        let known = data.steps_total.max(1);
        let (steps, steps_omitted) = self.step_reports(steps_max);
        RunReport {
            run_id: data.start.run_id.to_string(),
            workflow: self.plan.id.to_string(),
            version: self.plan.version.to_string(),
            status: self.status(),
            stopping: self.stopping(),
            progress: if is_over { 1.0 } else { (data.steps_settled as f64 / known as f64).min(1.0) },
            current_steps: self.current_steps(CURRENT_STEPS_MAX),
            completed_steps: data.steps_completed,
            total_steps: data.steps_total,
            queued_for: self.queued_for().map(str::to_owned),
            delayed_until: self.delayed_until().map(Timestamp::to_rfc3339),
            custom_status_version: self.data.status_version,
            generation: self.generation(),
            custom_status: data.custom_status.clone(),
            output: self.output().cloned().unwrap_or_default(),
            error: self.error(),
            started_at: data.started_at.to_rfc3339(),
            duration_ms: millis(end.since(data.started_at)),
            steps,
            steps_omitted,
        }
    }

    /// Why the run failed or was cancelled, also while clean-up still runs.
    #[must_use]
    pub fn error(&self) -> Option<Failure> {
        match self.data.ending.as_ref()? {
            Ending::Completed(_) | Ending::Continued(_) => None,
            Ending::Failed(failure) => Some((**failure).clone()),
            Ending::Cancelled(reason) => Some(Failure::new(kind::CANCELLED, &***reason)),
        }
    }

    /// When the run started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.data.started_at
    }

    /// Why clean-up is under way, if it is.
    #[must_use]
    pub fn stopping(&self) -> Option<Stopping> {
        match (self.data.ending.as_ref()?, self.data.phase) {
            (_, Phase::Done) | (Ending::Completed(_) | Ending::Continued(_), _) => None,
            (Ending::Failed(_), _) => Some(Stopping::Failing),
            (Ending::Cancelled(_), _) => Some(Stopping::Cancelling),
        }
    }

    /// The output of the step at `path`, if it completed.
    #[must_use]
    pub fn step_output(&self, path: &str) -> Option<Payload> {
        let id = path.rsplit('.').next().unwrap_or(path);
        let step = self.plan.find(id)?;
        let is_it = |(nth, record): &(usize, &Record)| {
            record.step == Some(step)
                && self.counts(*nth)
                && record.kind == RecordKind::StepCompleted
                && self.path(record.instance, step) == path
        };
        match &self.data.history.iter().enumerate().rev().find(is_it)?.1.detail {
            Detail::Value(output) => Some(output.clone()),
            _ => None,
        }
    }

    fn current_steps(&self, max: usize) -> Vec<String> {
        let live =
            self.data.instances.iter().enumerate().filter_map(|(ix, slot)| Some((ix, slot.as_deref()?)));
        live.flat_map(|(ix, instance)| {
            let start = self.plan.scope(instance.scope).steps.start;
            let busy = instance.nodes.iter().zip(start..).filter(|(node, _)| {
                matches!(node.phase, state::NodePhase::Running | state::NodePhase::Waiting)
            });
            busy.map(move |(_, step)| (InstanceIx(ix as u32), StepIx(step)))
        })
        .take(max)
        .map(|(instance, step)| self.path(instance, step))
        .collect()
    }

    fn marks(&self) -> Vec<Marks> {
        let size = |info: &state::InstanceInfo| {
            let steps = &self.plan.scope(info.scope).steps;
            (steps.end - steps.start) as usize
        };
        let mut marks: Vec<Marks> = self.data.infos.iter().map(|info| vec![Mark::NONE; size(info)]).collect();
        for (nth, record) in self.data.history.iter().enumerate() {
            let tells = tells_status(record.kind) && self.counts(nth);
            let Some(step) = record.step.filter(|_| tells) else { continue };
            let scope = self.data.infos[record.instance.0 as usize].scope;
            let mark = &mut marks[record.instance.0 as usize][state::local(&self.plan, scope, step)];
            let nth = u32::try_from(nth).unwrap_or(u32::MAX);
            mark.first = mark.first.min(nth);
            mark.last = nth;
            if record.kind == RecordKind::StepCompleted {
                mark.completion = nth;
            }
        }
        marks
    }

    fn step_reports(&self, max: usize) -> (IndexMap<String, StepReport>, u64) {
        // who wants no steps asks often, to see how things go, and must not pay for the whole history
        let is_unknown = !self.data.keeps_steps() && self.data.phase == Phase::Done;
        if max == 0 || is_unknown {
            return (IndexMap::new(), self.data.steps_total);
        }
        let mut reports = IndexMap::new();
        let mut omitted = 0;
        for (ix, marks) in self.marks().iter().enumerate() {
            if self.data.infos[ix].is_superseded {
                continue;
            }
            let instance = InstanceIx(ix as u32);
            let start = self.plan.scope(self.data.infos[ix].scope).steps.start;
            let room = max.saturating_sub(reports.len()).min(marks.len());
            omitted += (marks.len() - room) as u64;
            for (mark, step) in marks[..room].iter().zip(start..) {
                let step = StepIx(step);
                reports.insert(self.path(instance, step), self.step_report(instance, step, *mark));
            }
        }
        (reports, omitted)
    }

    fn step_report(&self, instance: InstanceIx, step: StepIx, mark: Mark) -> StepReport {
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
        let record = |nth: u32| self.data.history.get(nth as usize);
        let (Some(first), Some(last)) = (record(mark.first), record(mark.last)) else {
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
        let done = if is_undo { record(mark.completion) } else { Some(last) };
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
