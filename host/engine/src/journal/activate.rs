//! Runs come back into memory: at the start of the engine, when a timer of theirs is due, when somebody asks for them.

use super::back::Begin;
use super::replay::{Outstanding, Restored, Source, replay};
use super::{Journal, RunLog};
use crate::engine::Inner;
use crate::errands::Errand;
use crate::error::EngineError;
use crate::perform::later;
use crate::planted::{Bug, planted};
use crate::run::{RunCell, Shared};
use crate::stats::StepCounts;
use crate::timers::Due;
use jackfield_core::journal::{BlobId, Damage, Pinned, Standing, StoredRun, StoredStart};
use jackfield_core::plan::SharedPlan;
use jackfield_core::run::{CallKey, Command, Fact, RunStatus};
use jackfield_core::time::Timestamp;
use std::sync::Arc;

/// Runs that are brought back in one go.
const WAKE_MAX: usize = 1_000;
/// Plans kept for runs to come.
const PLANS_MAX: usize = 1_000;
/// Steps that are named in a reason.
const NAMED_MAX: usize = 5;

impl Journal {
    /// A document that a run was started with. One that is being written is waited for.
    pub(crate) fn document(&self, id: BlobId) -> Result<Option<Arc<str>>, EngineError> {
        if let Some(text) = self.store.document(id)? {
            return Ok(Some(text));
        }
        self.settle()?;
        Ok(self.store.document(id)?)
    }

    /// The plan of a stored run.
    pub(super) fn plan(&self, document: BlobId, start: &StoredStart) -> Result<SharedPlan, EngineError> {
        let keys = start.config.keys().cloned().collect();
        let name = (document, start.methods, keys);
        if let Some(plan) = self.plans.lock().get(&name) {
            return Ok(plan.clone());
        }
        let text = |id| self.store.document(id)?.ok_or_else(|| EngineError::from(Damage::NoBlob(id)));
        let plan = Pinned::parse(&text(start.methods)?)?.plan(&text(document)?, name.2.clone())?;
        let mut plans = self.plans.lock();
        if plans.len() >= PLANS_MAX {
            plans.clear();
        }
        plans.insert(name, plan.clone());
        Ok(plan)
    }
}

impl Inner {
    /// The run of this id, from memory or from the journal.
    pub(crate) fn find_run(self: &Arc<Self>, run_id: &str) -> Result<Arc<RunCell>, EngineError> {
        if let Some(run) = self.known_run(run_id) {
            return Ok(run);
        }
        let not_found = || EngineError::RunNotFound(run_id.to_owned());
        let Some(journal) = &self.journal else { return Err(not_found()) };
        let _one = journal.loading.lock();
        if let Some(run) = self.known_run(run_id) {
            return Ok(run);
        }
        // what a run wrote when it left memory is read only once it is all there
        if !planted(Bug::ReadTooEarly) {
            journal.settle_run(run_id)?;
        }
        let stored = journal.store.load(run_id)?.ok_or_else(not_found)?;
        self.activate(journal, &stored, false)
    }

    /// Makes a run of what is stored. The caller holds the lock of loading.
    pub(super) fn activate(
        self: &Arc<Self>,
        journal: &Journal,
        stored: &StoredRun,
        is_after_crash: bool,
    ) -> Result<Arc<RunCell>, EngineError> {
        let (run, mut open) = self.restore(journal, stored)?;
        let run = Arc::new(run);
        let (is_over, is_continued) = {
            let shared = run.shared.lock();
            (shared.is_over, shared.state.is_continued())
        };
        let is_shown_only = is_over || journal.is_reader;
        let bound = if is_shown_only { Ok(Box::from([])) } else { self.bind_methods(&run.plan) };
        if let Ok(methods) = &bound {
            run.bind(methods.clone());
        }
        self.enter_restored(&run, stored.row.no.0, is_over);
        journal.sleepers.lock().remove(&*run.id);
        if is_over && !journal.is_reader && !stored.standing.status.is_terminal() {
            self.pay(&run, open.commands());
        }
        if is_shown_only {
            return Ok(run);
        }
        self.stand_in_line_again(&run);
        if is_continued {
            // its methods are of no use any more: the next generation binds its own
            self.errands.push(&run, Errand::BeginNext);
            return Ok(run);
        }
        let (calls_again, recoveries) = (open.calls_again().collect::<Vec<_>>(), open.recoveries);
        let mut timers = std::mem::take(&mut open.timers);
        timers.retain(|_, _| !planted(Bug::TimersForgotten));
        let timers = timers.into_iter().map(|(id, at)| Command::StartTimer { id, at });
        let commands: Vec<_> = timers.chain(open.commands()).collect();
        match bound {
            Ok(_) if run.shared.lock().state.is_queued() => self.say_queued(journal, &run, &stored.standing),
            Ok(_) => self.say_running(journal, &run, &stored.standing),
            Err(error) => self.block(journal, &run, &error),
        }
        if is_after_crash {
            self.note_recovery(&run, &calls_again, recoveries);
        }
        self.launch(&run, commands);
        // all that is known of it lasts
        self.release(&run, 0);
        let mut stopped = open.stopped();
        if !stopped.is_empty() {
            self.exchange(&run, &mut stopped);
        }
        Ok(run)
    }

    /// The host ended out of order while calls of the run were under way, perhaps because of one of them: so many times in
    /// a row are enough, and then somebody has to say that the run is to go on. This lasts before the calls are made again.
    fn note_recovery(self: &Arc<Self>, run: &Arc<RunCell>, calls: &[CallKey], before: u32) {
        if calls.is_empty() || !run.is_bound() {
            return;
        }
        let max = self.config.recoveries_max;
        if max == 0 || before < max {
            return self.exchange(run, &mut vec![Fact::Recovered]);
        }
        let mut paths: Vec<_> = {
            let shared = run.shared.lock();
            calls.iter().take(NAMED_MAX).map(|key| shared.state.call_path(*key)).collect()
        };
        paths.sort();
        let reason = format!(
            "the host ended out of order {before} times in a row while steps of the run were under way ({}); resume the run \
             to try again",
            paths.join(", ")
        );
        tracing::error!(run_id = &*run.id, "the run is paused: {reason}");
        self.exchange(run, &mut vec![Fact::Pause { reason: reason.into() }]);
    }

    /// A run had ended, and a restart came before all runs were told that were to end with it.
    fn pay(&self, run: &Arc<RunCell>, commands: Vec<Command>) {
        if let Some(log) = &mut run.shared.lock().log {
            log.owes = true;
        }
        for command in commands {
            if let Command::CancelChild { run_id, mode } = command {
                self.errands.push(run, Errand::CancelChild(run_id, mode));
            }
        }
        self.errands.push(run, Errand::SettleEnd);
    }

    /// A run as it is stored, which nobody knows of, and what it has asked for and not got.
    fn restore(&self, journal: &Journal, stored: &StoredRun) -> Result<(RunCell, Outstanding), EngineError> {
        let damaged = |damage: Damage| EngineError::Damaged {
            run: stored.row.run_id.to_string(),
            why: damage.to_string(),
        };
        let start = StoredStart::parse(&stored.row.start).map_err(damaged)?;
        let plan = journal.plan(stored.row.document, &start)?;
        let blob = |id| journal.store.blob(id).ok().flatten();
        let source = Source { store: Some(&*journal.store), blob: &blob };
        let (run_id, plan_of, history) = (stored.row.run_id.clone(), plan.clone(), self.config.history);
        let begin = Begin { run_id, start: &start, plan: plan_of, history };
        let Restored { state, open, tail } =
            replay(begin, stored, source, self.config.records_kept).map_err(damaged)?;
        let mut log = RunLog::restored(stored, start.at, &state);
        log.set_tail(stored.chunked, tail);
        let (is_over, records) = (state.is_over(), state.record_count());
        let (settled, completed) = state.step_counts();
        let mut shared = Shared::new(state);
        shared.counted = StepCounts { settled, completed };
        shared.logged = records;
        shared.is_over = is_over;
        shared.is_evicted = journal.is_reader;
        shared.log = Some(Box::new(log));
        let run = RunCell::new(stored.row.run_id.clone(), plan, shared);
        Ok((run.within(start.traceparent, self.ports.spans.as_ref()), open))
    }

    /// A former generation of a run, to be shown; nothing if it is not kept.
    pub(crate) fn former(&self, run_id: &str, generation: u32) -> Result<Option<Arc<RunCell>>, EngineError> {
        let Some(journal) = &self.journal else { return Ok(None) };
        journal.settle()?;
        let Some(stored) = journal.store.former(run_id, generation)? else { return Ok(None) };
        let (mut run, _) = self.restore(journal, &stored)?;
        // it is shown by itself: whoever has it does not mean the generation that there is now
        run.line = !run.line;
        let mut shared = run.shared.lock();
        shared.is_over = true;
        shared.log.iter_mut().for_each(|log| log.is_end_durable = true);
        drop(shared);
        Ok(Some(Arc::new(run)))
    }

    /// The next generation of a run cannot begin: it waits until plugins come, or the next start.
    pub(crate) fn hold_up(&self, run: &Arc<RunCell>, why: &EngineError) {
        match &self.journal {
            Some(journal) => self.block(journal, run, why),
            // cannot be: in memory it was made ready before
            None => tracing::error!(run_id = &*run.id, "the next generation cannot begin: {why}"),
        }
    }

    /// The list of runs is to say that the run is on its way again.
    fn say_running(&self, journal: &Journal, run: &RunCell, standing: &Standing) {
        if standing.status == RunStatus::Running && standing.due_at.is_none() && standing.reason.is_none() {
            return;
        }
        let shared = run.shared.lock();
        let Some(log) = &shared.log else { return };
        let status = RunStatus::Running;
        let standing = Standing { status, due_at: None, reason: None, ..standing.clone() };
        journal.submit(&mut vec![standing_of(log.no, standing)], None);
    }

    /// The list of runs is to say that a delayed run is in memory.
    fn say_queued(&self, journal: &Journal, run: &RunCell, standing: &Standing) {
        let shared = run.shared.lock();
        if let Some(log) = shared.log.as_ref().filter(|_| standing.due_at.is_some()) {
            let standing = Standing { status: RunStatus::Queued, due_at: None, ..standing.clone() };
            journal.submit(&mut vec![standing_of(log.no, standing)], None);
        }
    }

    /// The same of one that was queued until now.
    pub(crate) fn say_admitted(&self, run: &RunCell) {
        let Some(journal) = &self.journal else { return };
        let shared = run.shared.lock();
        let Some(log) = shared.log.as_ref().filter(|_| !shared.is_over && !shared.is_evicted) else { return };
        let status = RunStatus::Running;
        let standing = Standing { status, ended_at: None, due_at: None, reason: None, custom_status: None };
        journal.submit(&mut vec![standing_of(log.no, standing)], None);
    }

    /// A plugin is missing: the run waits until it is there.
    fn block(&self, journal: &Journal, run: &Arc<RunCell>, why: &EngineError) {
        tracing::warn!(run_id = &*run.id, "the run waits: {why}");
        let mut shared = run.shared.lock();
        shared.blocked = Some(why.to_string().into());
        let reason = Some(format!("plugin.unavailable: {why}")).filter(|_| !planted(Bug::HeldUpForgotten));
        let status = RunStatus::Waiting;
        if let Some(log) = &shared.log {
            let custom_status = shared.state.custom_status().map(|status| status.as_str().to_owned());
            let standing = Standing { status, ended_at: None, due_at: None, reason, custom_status };
            journal.submit(&mut vec![standing_of(log.no, standing)], None);
        }
        drop(shared);
        journal.blocked.lock().push(Arc::downgrade(run));
    }

    /// Plugins may have come: runs that wait for one look again. How many go on.
    pub(crate) fn unblock(self: &Arc<Self>) -> usize {
        let Some(journal) = &self.journal else { return 0 };
        let waiting = std::mem::take(&mut *journal.blocked.lock());
        let mut going = 0;
        for run in waiting {
            let Some(cell) = run.upgrade() else { continue };
            if cell.shared.lock().is_over {
                continue;
            }
            let Ok(methods) = self.bind_methods(&cell.plan) else {
                journal.blocked.lock().push(run);
                continue;
            };
            cell.bind(methods);
            let is_continued = {
                let mut shared = cell.shared.lock();
                shared.blocked = None;
                shared.state.is_continued()
            };
            if is_continued {
                self.errands.push(&cell, Errand::BeginNext);
            }
            let custom_status = None;
            let blocked = RunStatus::Waiting;
            let was = Standing { status: blocked, ended_at: None, due_at: None, reason: None, custom_status };
            self.say_running(journal, &cell, &was);
            self.release(&cell, journal.durable());
            going += 1;
        }
        going
    }

    /// Everything that had not ended goes on.
    pub(crate) fn recover(self: &Arc<Self>) -> Result<(), EngineError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        self.remember_rates(journal)?;
        let is_after_crash = journal.store.was_left_unclean();
        let one = journal.loading.lock();
        for stored in journal.store.unfinished()? {
            if let Err(error) = self.activate(journal, &stored, is_after_crash) {
                tracing::error!(run_id = &*stored.row.run_id, "a run cannot go on: {error}");
            }
        }
        drop(one);
        self.admit_all();
        self.wake_sleepers();
        Ok(())
    }

    /// Runs whose timers are due come back; then it is seen to that the next ones will.
    pub(crate) fn wake_sleepers(self: &Arc<Self>) {
        let Some(journal) = &self.journal else { return };
        journal.wake.lock().take();
        loop {
            let now = self.ports.clock.now();
            let found = journal.settle().and_then(|()| Ok(journal.store.due(now, WAKE_MAX)?));
            let (due, next) = match found {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!("waiting runs cannot be read, which is tried again: {error}");
                    return self.arm_wake(now.after(std::time::Duration::from_secs(1)), now);
                }
            };
            for run_id in &due {
                if let Err(error) = self.find_run(run_id) {
                    tracing::error!(run_id, "a waiting run cannot go on: {error}");
                }
            }
            if due.len() < WAKE_MAX {
                return next.into_iter().for_each(|next| self.arm_wake(next, now));
            }
        }
    }

    /// Sees to it that sleepers are looked after at `due`.
    pub(crate) fn arm_wake(&self, due: Timestamp, now: Timestamp) {
        let Some(journal) = &self.journal else { return };
        let mut wake = journal.wake.lock();
        if wake.as_ref().is_some_and(|(earlier, _)| *earlier <= due) {
            return;
        }
        if let Some((_, ticket)) = wake.take() {
            self.timers.cancel(ticket);
        }
        let ticket = self.timers.set(later(due.since(now)), Due::Wake);
        *wake = Some((due, ticket));
    }
}

pub(super) fn standing_of(
    run: jackfield_core::journal::RunNo,
    standing: Standing,
) -> jackfield_core::journal::Change {
    jackfield_core::journal::Change::Standing { run, standing: Box::new(standing) }
}
