//! Schedules that stand in documents: registering a workflow makes its schedule, and the newest version counts.

use super::{Entry, State};
use crate::engine::Inner;
use crate::error::EngineError;
use jackfield_core::journal::{Change, StoredSchedule};
use jackfield_core::plan::Plan;
use jackfield_core::schedule::Spec;
use jackfield_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const DISABLED: &str = "it is not enabled in what was written about it";

impl Inner {
    /// Whether the schedule in a document can be made; asked before the workflow is registered.
    pub(crate) fn check_own_schedule(&self, plan: &Plan) -> Result<(), EngineError> {
        if plan.schedule.is_none() {
            return Ok(());
        }
        match self.schedules.state.lock().all.get(&*plan.id) {
            Some(entry) if !entry.kept.is_own => Err(EngineError::ScheduleExists(plan.id.to_string())),
            _ => Ok(()),
        }
    }

    /// A version of the workflow `id` was registered or forgotten, which `changes` say: its schedule is that of its newest
    /// version. One that stays as it is goes on as if nothing had happened, another one begins anew and stays paused if it was.
    /// All of it lasts when this returns.
    ///
    /// # Errors
    /// If there is no thread for schedules.
    pub(crate) fn follow_registration(
        self: &Arc<Self>,
        id: &str,
        mut changes: Vec<Change>,
    ) -> Result<(), EngineError> {
        let newest = self.workflows.get(id, None);
        let mut state = self.schedules.state.lock();
        let now = self.ports.clock.now();
        changes.append(&mut match newest {
            Ok(newest) => state.follow(id, newest.plan.schedule.clone(), now),
            Err(EngineError::WorkflowNotFound(_)) => state.follow(id, None, now),
            // what its document says cannot be known at the moment
            Err(_) => Vec::new(),
        });
        self.schedules.is_used.fetch_or(!state.all.is_empty(), Ordering::AcqRel);
        let position = self.keep(changes);
        drop(state);
        self.wait_kept(position);
        self.look_after_schedules()
    }
}

impl State {
    fn follow(&mut self, id: &str, newest: Option<Arc<Spec>>, now: Timestamp) -> Vec<Change> {
        let known = self.all.get_mut(id).filter(|entry| entry.kept.is_own);
        match (newest, known) {
            (None, None) => Vec::new(),
            (None, Some(entry)) => {
                let id = entry.kept.id.clone();
                self.all.remove(&id);
                vec![Change::RemoveSchedule(id)]
            }
            (Some(spec), Some(entry)) => {
                if entry.kept.spec == spec.text {
                    return Vec::new();
                }
                if entry.spec.enabled != spec.enabled {
                    entry.kept.paused = (!spec.enabled).then(|| DISABLED.to_owned());
                }
                (entry.kept.since, entry.kept.last) = (now, now);
                entry.kept.spec = spec.text.clone();
                entry.spec = spec;
                entry.plan();
                vec![entry.row()]
            }
            (Some(spec), None) => {
                if self.all.contains_key(id) {
                    return Vec::new();
                }
                let kept = StoredSchedule { is_own: true, ..begin(id, id, &spec, now) };
                // without a range of versions nothing can fail
                self.insert(kept, spec).unwrap_or_default()
            }
        }
    }

    /// Adds a new one.
    pub(super) fn insert(
        &mut self,
        kept: StoredSchedule,
        spec: Arc<Spec>,
    ) -> Result<Vec<Change>, semver::Error> {
        let id = kept.id.clone();
        let entry = Entry::new(kept, spec, Vec::new())?;
        let changes = vec![entry.row()];
        self.all.insert(id, entry);
        Ok(changes)
    }
}

/// A schedule that begins now.
pub(super) fn begin(id: &str, workflow: &str, spec: &Spec, now: Timestamp) -> StoredSchedule {
    StoredSchedule {
        id: id.into(),
        workflow: workflow.into(),
        version: None,
        spec: spec.text.clone(),
        is_own: false,
        since: now,
        last: now,
        paused: (!spec.enabled).then(|| DISABLED.to_owned()),
        active: Vec::new(),
        last_run: None,
        started: 0,
        skipped: 0,
        error: None,
    }
}
