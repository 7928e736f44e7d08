//! Runs that share a key (`concurrency` of their workflow): so many of a workflow may be under way, others wait in line. A run
//! keeps its place in the line and its right to be under way over restarts.

use crate::engine::{Engine, Inner};
use crate::errands::Errand;
use crate::error::EngineError;
use crate::line::RunLine;
use crate::run::RunCell;
use jackfield_core::plan::{Concurrency, OnConflict, Plan};
use jackfield_core::run::{CancelMode, Fact, RunState, Start};
use jackfield_core::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// Workflow id and key.
pub(crate) type LineName = (Box<str>, Arc<str>);

/// What became of a run that wanted a place.
enum Entered {
    UnderWay,
    /// It is in the line; behind this one, and these are to make room for it.
    Waits(Arc<str>, Vec<Arc<str>>),
    /// This one has it, and nobody waits.
    Taken(Arc<str>),
}

/// The lines of all keys. A line that nobody is in is forgotten.
#[derive(Default)]
pub(crate) struct Lines(Mutex<HashMap<LineName, RunLine>>);

impl RunLine {
    /// Gives a run a place, or lets it wait for one if the workflow says so.
    fn enter(&mut self, run_id: &Arc<str>, run: Weak<RunCell>, plan: &Plan, limits: &Concurrency) -> Entered {
        if self.has_room(limits.limit as usize) {
            self.under_way.insert(run_id.clone());
            return Entered::UnderWay;
        }
        let others = || self.under_way.iter().chain(self.waiting());
        let displaced = match limits.on_conflict {
            OnConflict::Queue => Vec::new(),
            OnConflict::CancelRunning => others().cloned().collect(),
            OnConflict::Reject => {
                return Entered::Taken(others().next().cloned().unwrap_or_else(|| "".into()));
            }
        };
        let first = self.under_way.iter().next().cloned().unwrap_or_else(|| "".into());
        self.wait(run_id, run, plan.priority, limits.limit as usize);
        Entered::Waits(first, displaced)
    }
}

/// A right to be under way, or a place in a line, until the run that has it is known to the engine.
pub(crate) struct Place {
    inner: Arc<Inner>,
    name: LineName,
    run_id: Arc<str>,
    is_kept: bool,
    /// Runs that are to make room.
    pub(crate) displaced: Vec<Arc<str>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            self.inner.lines.leave(&self.name, &self.run_id);
            // somebody may have come to wait for it meanwhile
            self.inner.admit(&self.name);
        }
    }
}

impl Lines {
    /// Whether others wait.
    fn leave(&self, name: &LineName, run_id: &str) -> bool {
        let mut lines = self.0.lock();
        let Some(line) = lines.get_mut(name) else { return false };
        line.leave(run_id);
        let is_waited_for = line.is_anybody_waiting();
        if line.is_empty() {
            lines.remove(name);
        }
        is_waited_for
    }

    /// The runs that may begin now.
    fn admit(&self, name: &LineName) -> Vec<Arc<RunCell>> {
        let mut lines = self.0.lock();
        let Some(line) = lines.get_mut(name) else { return Vec::new() };
        line.admit()
    }
}

impl Inner {
    /// Sees whether the run that `start` would begin shares a key, and whether it has to wait: then `start` says so. One that
    /// is delayed gets to its line when its time has come.
    pub(crate) fn stand_in_line(
        self: &Arc<Self>,
        plan: &Plan,
        start: &mut Start,
        now: Timestamp,
    ) -> Result<Option<Place>, EngineError> {
        let Some(concurrency) = &plan.concurrency else { return Ok(None) };
        let key = RunState::concurrency_key(plan, start, now).map_err(|failure| EngineError::BadKey {
            workflow: plan.id.to_string(),
            why: failure.message.into(),
        })?;
        let Some(key) = key else { return Ok(None) };
        start.key = Some(key.clone());
        if start.delayed_until.is_some() {
            return Ok(None);
        }
        let name = (plan.id.clone(), key.clone());
        self.clear_line(&name, concurrency.limit);
        let mut lines = self.lines.0.lock();
        let line = lines.entry(name.clone()).or_default();
        let mut place = Place {
            inner: self.clone(),
            name,
            run_id: start.run_id.clone(),
            // of another run, if the id is taken, which is found out soon
            is_kept: line.knows(&start.run_id),
            displaced: Vec::new(),
        };
        match line.enter(&start.run_id, Weak::new(), plan, concurrency) {
            Entered::UnderWay => {}
            Entered::Taken(run) => {
                // nothing was entered, and the line is not empty
                place.is_kept = true;
                return Err(EngineError::KeyTaken { key: key.to_string(), run: run.to_string() });
            }
            Entered::Waits(first, displaced) => {
                let priority = plan.priority;
                let why = format!("the end of run `{first}` (concurrency key `{key}`, priority {priority})");
                start.queued = Some(why.into());
                place.displaced = displaced;
            }
        }
        Ok(Some(place))
    }

    /// The time of a delayed run has come: it begins, or waits in the line of its key. One that would have been refused is
    /// cancelled.
    pub(crate) fn come_due(self: &Arc<Self>, run: &Arc<RunCell>) {
        let key = {
            let shared = run.shared.lock();
            let is_due = shared.state.is_queued() && !shared.state.is_delayed();
            if !is_due || shared.is_over || shared.is_evicted {
                return;
            }
            shared.state.start_values().key.clone()
        };
        let Some((key, concurrency)) = key.zip(run.plan.concurrency.as_deref()) else {
            return self.let_begin(run);
        };
        let name = (run.plan.id.clone(), key);
        self.clear_line(&name, concurrency.limit);
        let entered = {
            let mut lines = self.lines.0.lock();
            let line = lines.entry(name.clone()).or_default();
            line.enter(&run.id, Arc::downgrade(run), &run.plan, concurrency)
        };
        match entered {
            Entered::UnderWay => self.let_begin(run),
            Entered::Waits(_, displaced) => self.displace(run, &name, displaced),
            Entered::Taken(other) => {
                let reason = format!("run `{other}` has the concurrency key `{}` already", name.1);
                self.exchange(
                    run,
                    &mut vec![Fact::Cancel { mode: CancelMode::Graceful, reason: reason.into() }],
                );
            }
        }
        // one that ended meanwhile may have left before it came
        if run.shared.lock().is_over {
            self.lines.leave(&name, &run.id);
            self.admit(&name);
        }
    }

    /// The run of `place` is known now: it keeps it, and whoever has to make room for it is cancelled.
    pub(crate) fn take_place_in_line(self: &Arc<Self>, mut place: Place, run: &Arc<RunCell>) {
        place.is_kept = true;
        {
            let mut lines = self.lines.0.lock();
            // one that has ended already has left no line behind
            lines.get_mut(&place.name).into_iter().for_each(|line| line.make_known(run));
        }
        let displaced = std::mem::take(&mut place.displaced);
        self.displace(run, &place.name, displaced);
    }

    /// Whoever has to make room for `run` is cancelled.
    fn displace(self: &Arc<Self>, run: &RunCell, name: &LineName, displaced: Vec<Arc<str>>) {
        let engine = Engine { inner: self.clone() };
        let reason = format!("run `{}` takes its place (concurrency key `{}`)", run.id, name.1);
        for displaced in displaced {
            // it may have ended meanwhile, which is as good
            let _ = engine.cancel(&displaced, CancelMode::Graceful, &reason);
        }
        // the last one may have ended before this one was known
        self.admit(name);
    }

    /// A run has come back into memory: it has the place that it had.
    pub(crate) fn stand_in_line_again(&self, run: &Arc<RunCell>) {
        let (key, is_queued, is_delayed) = {
            let shared = run.shared.lock();
            let state = &shared.state;
            (state.start_values().key.clone(), state.is_queued(), state.is_delayed())
        };
        if is_delayed {
            return;
        }
        let Some((key, concurrency)) = key.zip(run.plan.concurrency.as_deref()) else {
            if is_queued {
                self.wait_for_seat_again(run);
            }
            return;
        };
        if is_queued && concurrency.on_conflict != OnConflict::Queue {
            // what its coming leads to is found out again
            return self.errands.push(run, Errand::StandInLine);
        }
        let mut lines = self.lines.0.lock();
        let line = lines.entry((run.plan.id.clone(), key)).or_default();
        if is_queued {
            line.wait(&run.id, Arc::downgrade(run), run.plan.priority, concurrency.limit as usize);
        } else {
            line.under_way.insert(run.id.clone());
        }
    }

    /// A run that had ended is to be under way again: it takes a place of its key, if there is one free.
    pub(crate) fn take_place_again(self: &Arc<Self>, run: &RunState) -> Result<(), EngineError> {
        let (plan, start) = (run.plan(), run.start_values());
        let Some((key, concurrency)) = start.key.clone().zip(plan.concurrency.as_deref()) else {
            return Ok(());
        };
        if run.is_queued() {
            return Ok(());
        }
        let name = (plan.id.clone(), key.clone());
        self.clear_line(&name, concurrency.limit);
        let mut lines = self.lines.0.lock();
        let line = lines.entry(name).or_default();
        match line.under_way.iter().next() {
            Some(other) if line.under_way.len() >= concurrency.limit as usize => {
                Err(EngineError::KeyTaken { key: key.to_string(), run: other.to_string() })
            }
            _ => {
                line.under_way.insert(start.run_id.clone());
                Ok(())
            }
        }
    }

    /// All runs are back in their lines.
    pub(crate) fn admit_all(self: &Arc<Self>) {
        let names: Vec<_> = self.lines.0.lock().keys().cloned().collect();
        names.iter().for_each(|name| self.admit(name));
        self.fill_seats();
    }

    /// A run has ended: whoever is next may begin.
    pub(crate) fn leave_line(self: &Arc<Self>, run: &Arc<RunCell>) {
        let key = run.shared.lock().state.start_values().key.clone();
        self.leave_seat(run);
        let Some(key) = key else { return };
        let name = (run.plan.id.clone(), key);
        if self.lines.leave(&name, &run.id) {
            // whoever is next could end as soon as it begins, and so on
            self.errands.push(run, Errand::FillLine(name));
        }
    }

    /// The end of a run is told before its place is free: whoever has heard of it finds the place free all the same.
    fn clear_line(self: &Arc<Self>, name: &LineName, limit: u32) {
        let under_way: Vec<_> = match self.lines.0.lock().get(name) {
            Some(line) if line.under_way.len() >= limit as usize => line.under_way.iter().cloned().collect(),
            _ => return,
        };
        let has_ended = |id: &Arc<str>| {
            self.known_run(id).is_some_and(|run| {
                let shared = run.shared.lock();
                shared.has_ended() && !shared.is_replaced()
            })
        };
        let ended: Vec<_> = under_way.into_iter().filter(has_ended).collect();
        if !ended.is_empty() {
            for run_id in &ended {
                self.lines.leave(name, run_id);
            }
            self.admit(name);
        }
    }

    pub(crate) fn admit(self: &Arc<Self>, name: &LineName) {
        self.lines.admit(name).iter().for_each(|run| self.let_begin(run));
    }
}
