//! What a long run has forgotten is read from the journal: the run is played once more from its start, a stretch at a time, in
//! as little memory as it takes itself.

use super::Journal;
use super::pages::Pages;
use super::replay::{Source, forget};
use crate::engine::Inner;
use crate::error::EngineError;
use crate::run::RunCell;
use indexmap::IndexMap;
use jackfield_core::journal::{Batch, Damage, RunNo, StoredStart};
use jackfield_core::payload::Payload;
use jackfield_core::run::{Event, Fact, Record, RunState, StepRecords, StepReport};
use jackfield_core::time::Timestamp;
use std::sync::Arc;

/// A run that is played once more.
pub(super) struct Replayed {
    no: RunNo,
    started_at: Timestamp,
    state: RunState,
    /// The next batch.
    next: u64,
}

impl Replayed {
    fn begin(journal: &Journal, run: &RunCell) -> Result<Self, EngineError> {
        let (no, generation, history) = {
            let shared = run.shared.lock();
            let no = shared.log.as_ref().map(|log| log.no).ok_or(EngineError::NoJournal)?;
            (no, shared.state.generation(), shared.state.start_values().history)
        };
        let mut stored = journal.store.load(&run.id)?.filter(|stored| stored.row.no == no);
        if stored.is_none() {
            stored = journal.store.former(&run.id, generation)?.filter(|stored| stored.row.no == no);
        }
        let stored = stored.ok_or_else(|| EngineError::RunNotFound(run.id.to_string()))?;
        let start = StoredStart::parse(&stored.row.start).map_err(|damage| damaged(run, &damage))?;
        let begin = start.start(run.id.clone(), &run.plan, history);
        let begin = begin.map_err(|damage| damaged(run, &damage))?;
        let state = RunState::start(run.plan.clone(), begin, start.at, &mut Vec::new());
        Ok(Self { no, started_at: start.at, state, next: 0 })
    }

    /// Goes on until `is_enough`, or until there is no more. It is asked after every batch.
    fn go_on(
        &mut self,
        journal: &Journal,
        run: &RunCell,
        is_enough: &mut dyn FnMut(&mut RunState) -> bool,
    ) -> Result<(), EngineError> {
        let blob = |id| journal.store.blob(id).ok().flatten();
        let source = Source { store: Some(&*journal.store), blob: &blob };
        let mut pages = Pages::behind(self.next, self.no, self.started_at, source);
        let (state, mut commands) = (&mut self.state, Vec::new());
        let mut take = |batch: Batch| {
            for fact in batch.facts {
                if matches!(fact, Fact::Retried(_)) {
                    // what comes then is kept in memory
                    return Ok(false);
                }
                state.apply(batch.at, fact, &mut commands);
                commands.clear();
            }
            Ok(!is_enough(state))
        };
        let done = pages.each(&[], &mut |_, _| {}, &mut take);
        self.next = pages.next();
        done.map_err(|damage| damaged(run, &damage))
    }
}

fn damaged(run: &RunCell, damage: &Damage) -> EngineError {
    EngineError::Damaged { run: run.id.to_string(), why: damage.to_string() }
}

impl Inner {
    /// Events of a run from number `from` on that may have been forgotten, at most `max`; all of them last.
    pub(crate) fn old_events(&self, run: &RunCell, from: u64, max: usize) -> Result<Vec<Event>, EngineError> {
        let journal = self.journal.as_ref().ok_or(EngineError::NoJournal)?;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let (no, forgotten) = {
            let shared = run.shared.lock();
            (shared.log.as_ref().map(|log| log.no), shared.state.forgotten())
        };
        // who reads on finds the run where the former page ended
        let kept = journal.replayed.lock().take();
        let fits = |kept: &Replayed| Some(kept.no) == no && kept.state.forgotten() <= from;
        let mut replayed = match kept.filter(fits) {
            Some(replayed) => replayed,
            None => Replayed::begin(journal, run)?,
        };
        let end = from.saturating_add(max);
        let mut is_enough = |state: &mut RunState| {
            let count = state.record_count();
            if count < from {
                forget(state, count, max);
            }
            count >= end
        };
        replayed.go_on(journal, run, &mut is_enough)?;
        let events = replayed.state.events(from as u64, max);
        replayed.state.forget(from);
        if from + events.len() < forgotten {
            *journal.replayed.lock() = Some(replayed);
        }
        Ok(events)
    }

    /// Looks at all records of a run that last, in order, and answers with the run as it stood behind them.
    fn look_back(
        &self,
        run: &RunCell,
        look: &mut dyn FnMut(&RunState, &Record),
    ) -> Result<RunState, EngineError> {
        let journal = self.journal.as_ref().ok_or(EngineError::NoJournal)?;
        let mut replayed = Replayed::begin(journal, run)?;
        let mut seen = 0;
        let mut is_enough = |state: &mut RunState| {
            state.history_from(seen).iter().for_each(|record| look(state, record));
            seen = state.record_count();
            forget(state, seen, 1);
            false
        };
        is_enough(&mut replayed.state);
        replayed.go_on(journal, run, &mut is_enough)?;
        Ok(replayed.state)
    }

    /// The steps of a report on a run that has forgotten some of its records.
    pub(crate) fn old_steps(
        &self,
        run: &RunCell,
        steps_max: usize,
    ) -> Result<(IndexMap<String, StepReport>, u64), EngineError> {
        let mut records = StepRecords::new(steps_max);
        let state = self.look_back(run, &mut |state, record| records.look(state, record.clone()))?;
        Ok(state.steps_report(&records))
    }

    /// The output of a step of such a run, if it completed.
    pub(crate) fn old_output(&self, run: &Arc<RunCell>, path: &str) -> Result<Option<Payload>, EngineError> {
        let mut output = None;
        self.look_back(run, &mut |state, record| {
            if state.is_output_of(record, path) {
                output = record.detail.value().cloned();
            }
        })?;
        Ok(output)
    }
}
