//! The result document: where a run stands, or what it came to, step by step.

use super::ending::{Ending, Phase};
use super::event::millis;
use super::record::{InstanceIx, Record, RecordKind};
use super::status::{RunStatus, StepStatus};
use super::{RunState, state};
use crate::failure::{Failure, kind};
use crate::payload::{Payload, present};
use crate::plan::StepIx;
use crate::time::Timestamp;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What a run that has not ended yet is stopping for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stopping {
    /// It was cancelled.
    Cancelling,
    /// It failed.
    Failing,
}

/// The result document of a run.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
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
    #[schemars(with = "std::collections::BTreeMap<String, StepReport>")]
    pub steps: IndexMap<String, StepReport>,
    /// Steps left out because there are more than asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_omitted: u64,
}

/// One step in the result document.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
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

impl RunState {
    /// Steps that have settled, and those of them that completed; of this generation.
    #[must_use]
    pub fn step_counts(&self) -> (u64, u64) {
        (self.data.steps_settled, self.data.steps_completed)
    }

    /// The result document as of `now`, with at most `steps_max` steps. What stands in records that have been
    /// [forgotten](Self::forget) is not in it, see [`Self::steps_report`].
    #[must_use]
    pub fn report(&self, now: Timestamp, steps_max: usize) -> RunReport {
        let data = &self.data;
        let is_over = data.phase == Phase::Done;
        let end = if is_over { data.history.last().map_or(now, |record| record.at) } else { now };
        let known = data.steps_total.max(1);
        let records = data.history.iter().enumerate().filter(|(nth, _)| self.counts(*nth));
        let (steps, steps_omitted) = self.steps_of(steps_max, records.map(|(_, record)| record));
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

    /// The output of the step at `path`, if it completed and its record has not been forgotten.
    #[must_use]
    pub fn step_output(&self, path: &str) -> Option<Payload> {
        let id = path.rsplit('.').next().unwrap_or(path);
        let step = self.plan.find(id)?;
        let is_it = |(nth, record): &(usize, &Record)| {
            record.step == Some(step) && self.counts(*nth) && self.is_output_of(record, path)
        };
        let (_, record) = self.data.history.iter().enumerate().rev().find(is_it)?;
        record.detail.value().cloned()
    }

    /// Whether a record has the output of the step at `path`.
    #[must_use]
    pub fn is_output_of(&self, record: &Record, path: &str) -> bool {
        let id = path.rsplit('.').next().unwrap_or(path);
        record.kind == RecordKind::StepCompleted
            && record.step.is_some_and(|step| {
                *self.plan.step(step).id == *id && self.path(record.instance, step) == path
            })
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
}
