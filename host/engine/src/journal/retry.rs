//! A run that failed or was cancelled goes back and on. That is one fact more in its journal: the run is restored from it
//! like any other, be it at once or after a crash.

use super::Journal;
use super::activate::standing_of;
use super::back::{Begin, Facts, Place, Turn, facts_of, play, undo_of};
use super::replay::Source;
use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::handle::RunHandle;
use jackfield_core::journal::{Blobs, Change, Damage, Standing, StoredRun, StoredStart, encode_batch};
use jackfield_core::plan::SharedPlan;
use jackfield_core::run::{Command, Fact, History, RecordKind, Retried, RunState, RunStatus};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it may take until all has been done that the end of a run brings with it.
const THROUGH_MAX: Duration = Duration::from_secs(5);

/// A stored run with all that it is made of.
pub(super) struct Told {
    pub(super) stored: StoredRun,
    pub(super) start: StoredStart,
    pub(super) plan: SharedPlan,
    pub(super) facts: Facts,
}

impl Told {
    pub(super) fn begin(&self) -> Begin<'_> {
        let (run_id, plan) = (self.stored.row.run_id.clone(), self.plan.clone());
        // steps are looked up in the history
        Begin { run_id, start: &self.start, plan, history: History::Full }
    }

    /// The run after its first `applied` facts.
    pub(super) fn after(&self, applied: u64) -> Result<RunState, EngineError> {
        let facts = usize::try_from(applied).ok().and_then(|applied| self.facts.get(..applied));
        let facts = facts.unwrap_or(&self.facts);
        Ok(play(self.begin(), facts, &mut |_| {}).map_err(|damage| self.damaged(&damage))?.0)
    }

    pub(super) fn damaged(&self, damage: &Damage) -> EngineError {
        EngineError::Damaged { run: self.id(), why: damage.to_string() }
    }

    pub(super) fn id(&self) -> String {
        self.stored.row.run_id.to_string()
    }
}

/// What happened in a run, by the number of facts that had been applied by then.
#[derive(Default)]
pub(super) struct Course {
    /// The first sign of each step.
    pub(super) begun: HashMap<Place, u64>,
    failed: Vec<(Place, u64)>,
    /// When its end began.
    pub(super) ending: Option<u64>,
    /// Undos that began, in order.
    undone: Vec<(Place, u64)>,
    records: usize,
}

impl Course {
    /// What happened in `told`, and where that led.
    pub(super) fn of(told: &Told) -> Result<(Self, RunState), EngineError> {
        let mut course = Self::default();
        let played = play(told.begin(), &told.facts, &mut |turn| course.look(turn));
        let (state, _) = played.map_err(|damage| told.damaged(&damage))?;
        Ok((course, state))
    }

    fn look(&mut self, turn: &Turn<'_>) {
        if let Some(Fact::Retried(retried)) = turn.fact {
            self.begun.retain(|_, applied| *applied <= retried.keep);
            self.undone.retain(|(_, applied)| *applied <= retried.keep);
            self.failed.clear();
            self.ending = None;
        }
        if let Some(Fact::Forked(_)) = turn.fact {
            // what came before was done by another run
            self.begun.retain(|place, _| turn.state.is_under_way(place.0, place.1));
            self.begun.values_mut().for_each(|applied| *applied = turn.applied);
            self.undone.clear();
        }
        for command in turn.commands {
            let key = match command {
                Command::Call(call) => call.key,
                Command::Emit(emit) => emit.key,
                Command::StartChild(child) => child.key,
                Command::Continue(next) => next.key,
                _ => continue,
            };
            match undo_of(command) {
                Some(_) => self.undone.push(((key.instance, key.step), turn.applied)),
                None => self.begins((key.instance, key.step), turn.applied),
            }
        }
        for record in turn.state.history_from(self.records) {
            let Some(step) = record.step else { continue };
            let place = (record.instance, step);
            match record.kind {
                RecordKind::StepSkipped | RecordKind::StepCancelled => {}
                RecordKind::StepFailed => {
                    self.begins(place, turn.applied);
                    self.failed.push((place, turn.applied));
                }
                _ => self.begins(place, turn.applied),
            }
        }
        self.records = turn.state.record_count();
        if self.ending.is_none() && turn.state.is_ending() {
            self.ending = Some(turn.applied);
        }
    }

    fn begins(&mut self, place: Place, applied: u64) {
        self.begun.entry(place).or_insert(applied);
    }

    /// The moment right after the step at `path` began for the last time; of one that settled at once and ended the run by
    /// that, the moment before.
    pub(super) fn begin_of(&self, told: &Told, state: &RunState, path: &str) -> Result<u64, EngineError> {
        let (id, step) = (told.id(), path.to_owned());
        let found = self.begun.iter().filter(|((instance, step), _)| state.path(*instance, *step) == path);
        let Some(applied) = found.map(|(_, applied)| *applied).max() else {
            return Err(EngineError::StepNotBegun { id, step });
        };
        match self.ending {
            Some(ending) if applied > ending => Err(EngineError::StepOfCleanup { id, step }),
            Some(0) => Err(EngineError::NothingToRetry(id)),
            Some(ending) => Ok(applied.min(ending - 1)),
            None => Ok(applied),
        }
    }

    /// Where a run goes back to that is to go on from what it failed with, or from the step at `from`.
    fn goal(&self, told: &Told, state: &RunState, from: Option<&str>) -> Result<Retried, EngineError> {
        if let Some(path) = from {
            let keep = self.begin_of(told, state, path)?;
            return Ok(Retried { keep, failed: None, from: Some(path.into()) });
        }
        let nothing = || EngineError::NothingToRetry(told.id());
        let ending = self.ending.filter(|ending| *ending > 0).ok_or_else(nothing)?;
        let failure = state.error().filter(|_| state.status() == RunStatus::Failed);
        let is_it = |(place, applied): &&(Place, u64)| {
            let path = failure.as_ref().map_or("", |failure| &*failure.step);
            *applied <= ending && !path.is_empty() && state.path(place.0, place.1) == path
        };
        match self.failed.iter().rev().find(is_it) {
            Some((_, 0)) => Err(nothing()),
            Some((place, applied)) => Ok(Retried { keep: applied - 1, failed: Some(*place), from: None }),
            None => Ok(Retried { keep: ending - 1, failed: None, from: None }),
        }
    }

    /// Refuses to go on from what has been undone since.
    pub(super) fn check_undone(&self, told: &Told, earlier: &RunState, keep: u64) -> Result<(), EngineError> {
        let later = self.undone.iter().filter(|(_, applied)| *applied > keep).map(|(place, _)| *place);
        let lost = later.filter_map(|place| Some((earlier.undo_order(place.0, place.1)?, place)));
        match lost.min_by_key(|(nth, _)| *nth) {
            None => Ok(()),
            Some((_, place)) => {
                let step = earlier.path(place.0, place.1);
                Err(EngineError::StepUndone { id: told.id(), step })
            }
        }
    }
}

impl Journal {
    /// A stored run with all that it is made of. The caller holds the lock of loading.
    pub(super) fn told(&self, run_id: &str) -> Result<Told, EngineError> {
        self.settle()?;
        let stored = self.store.load(run_id)?;
        let stored = stored.ok_or_else(|| EngineError::RunNotFound(run_id.to_owned()))?;
        let damaged =
            |damage: Damage| EngineError::Damaged { run: run_id.to_owned(), why: damage.to_string() };
        let start = StoredStart::parse(&stored.row.start).map_err(damaged)?;
        let plan = self.plan(stored.row.document, &start)?;
        let blob = |id| self.store.blob(id).ok().flatten();
        let source = Source { store: Some(&*self.store), blob: &blob };
        let facts = facts_of(&stored, start.at, source).map_err(damaged)?;
        Ok(Told { stored, start, plan, facts })
    }
}

impl Inner {
    /// Waits a little until all has been done that the end of a run brings with it. Whether it has.
    fn wait_through(&self, run_id: &str) -> bool {
        let until = Instant::now() + THROUGH_MAX;
        let is_through =
            || self.known_run(run_id).is_none() || self.runs.lock().finished.iter().any(|id| **id == *run_id);
        while !is_through() {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn retry(self: &Arc<Self>, run_id: &str, from: Option<&str>) -> Result<(), EngineError> {
        let journal = self.journal.as_ref().ok_or(EngineError::NoJournal)?;
        self.check_writable()?;
        // whoever waited for its end may be here before all has been done that it brings with it
        let has_ended = self.find_run(run_id)?.shared.lock().has_ended();
        if !has_ended || !self.wait_through(run_id) {
            return Err(EngineError::RunOpen(run_id.to_owned()));
        }
        let one = journal.loading.lock();
        if self.is_frozen() {
            return Err(EngineError::ShuttingDown);
        }
        let told = journal.told(run_id)?;
        if !told.stored.standing.status.is_terminal() {
            return Err(EngineError::RunOpen(run_id.to_owned()));
        }
        if let Some(parent) = told.start.parent.as_ref().filter(|parent| !parent.is_detached) {
            let parent = parent.run_id.to_string();
            return Err(EngineError::RunOfAnother { id: run_id.to_owned(), parent });
        }
        let (course, state) = Course::of(&told)?;
        if !state.is_over() {
            let why = told.stored.standing.reason.clone().unwrap_or_default();
            return Err(EngineError::Damaged { run: run_id.to_owned(), why });
        }
        if state.status() == RunStatus::Completed {
            return Err(EngineError::RunCompleted(run_id.to_owned()));
        }
        let retried = course.goal(&told, &state, from)?;
        let earlier = told.after(retried.keep)?;
        course.check_undone(&told, &earlier, retried.keep)?;
        self.take_place_again(&earlier)?;
        self.write_retried(journal, &told, retried);
        self.drop_ended(run_id);
        let again = journal.told(run_id)?;
        self.activate(journal, &again.stored, false)?;
        drop(one);
        self.admit_all();
        Ok(())
    }

    fn write_retried(&self, journal: &Journal, told: &Told, retried: Retried) {
        let (mut bytes, mut blobs) = (Vec::new(), Blobs::new());
        let fact = Fact::Retried(Box::new(retried));
        encode_batch(told.start.at, self.ports.clock.now(), &[fact], &mut bytes, &mut blobs);
        let standing = &told.stored.standing;
        let (run, first) = (told.stored.row.no, told.stored.batches);
        let status = RunStatus::Running;
        let standing = Standing { status, ended_at: None, due_at: None, reason: None, ..standing.clone() };
        let mut changes = vec![Change::Facts { run, first, bytes: bytes.into() }, standing_of(run, standing)];
        journal.wait(journal.submit(&mut changes, None));
    }
}

impl Engine {
    /// Lets a durable run that failed or was cancelled go back and on: to the moment before the failure that ended it, or,
    /// with `from`, to the moment at which the step of that path began for the last time. What had completed by then is kept,
    /// and so are results of calls that were under way; everything else runs again. Its step that failed has all of its
    /// attempts again, and limits of time count anew. Returns when that is recorded; the run goes on.
    ///
    /// # Errors
    /// [`EngineError::NoJournal`] if runs live in memory; [`EngineError::RunNotFound`]; [`EngineError::RunOpen`] if it has not
    /// ended, [`EngineError::RunCompleted`] if nothing went wrong; [`EngineError::RunOfAnother`] if a step of another run waited
    /// for it; [`EngineError::StepNotBegun`] and [`EngineError::StepOfCleanup`] if `from` is no step to go back to;
    /// [`EngineError::StepUndone`] if what it would go on from has been compensated; [`EngineError::KeyTaken`] if other runs
    /// have its concurrency key now; others if it cannot be read.
    pub fn retry(&self, run_id: &str, from: Option<&str>) -> Result<RunHandle, EngineError> {
        self.inner.retry(run_id, from)?;
        self.inner.tally.run_retried();
        self.get(run_id)
    }
}
