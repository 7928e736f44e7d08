//! What those who run a durable engine ask of it.

use super::JournalStats;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::run::RunCell;
use jackfield_core::journal::{Change, Listing, Page, RunNo, RunQuery, Standing};
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use std::sync::Arc;

/// Lines of a page at most.
const PAGE_MAX: usize = 1_000;
/// Pages of the store that are looked through for one of ours.
const LOOKS_MAX: usize = 50;

impl Engine {
    /// Whether runs can be kept.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.inner.journal.is_some()
    }

    /// Counters of the journal; `None` if there is none.
    #[must_use]
    pub fn journal_stats(&self) -> Option<JournalStats> {
        self.inner.journal.as_ref().map(super::Journal::stats)
    }

    /// Plugins have come or gone: durable runs that wait for one look again. How many go on.
    pub fn plugins_changed(&self) -> usize {
        self.inner.unblock()
    }

    /// A page of the runs that `query` asks for, newest first, at most 1,000: those of the journal, or of memory if
    /// there is none.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn query(&self, query: &RunQuery) -> Result<Page, EngineError> {
        let limit = query.limit.clamp(1, PAGE_MAX);
        let Some(journal) = &self.inner.journal else { return Ok(self.query_memory(query, limit)) };
        let mut wide = RunQuery { limit, ..query.clone() };
        // where an open run stands is known better here than in the store
        if query.statuses.iter().any(|status| !status.is_terminal()) {
            let open = RunStatus::ALL.into_iter().filter(|status| !status.is_terminal());
            wide.statuses.extend(open);
            wide.statuses.sort_by_key(|status| *status as u8);
            wide.statuses.dedup();
        }
        let mut page = Page::default();
        for _ in 0..LOOKS_MAX {
            let found = journal.store.list(&wide)?;
            // it has looked at as many as it may, and whoever asks goes on from there
            let is_cut_short = found.next.is_some() && found.runs.len() < limit;
            for mut line in found.runs {
                self.put_right(&mut line);
                if query.statuses.is_empty() || query.statuses.contains(&line.standing.status) {
                    page.next = Some(line.no);
                    page.runs.push(line);
                    if page.runs.len() == limit {
                        return Ok(page);
                    }
                }
            }
            page.next = found.next;
            wide.before = found.next;
            if found.next.is_none() || is_cut_short {
                break;
            }
        }
        Ok(page)
    }

    /// Forgets a run that has ended, in memory and in the journal, for good.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`], or [`EngineError::RunOpen`] if it has not ended.
    pub fn delete(&self, run_id: &str) -> Result<(), EngineError> {
        self.inner.check_writable()?;
        let run = self.get(run_id)?;
        self.forget(run_id)?;
        let no = run.run.shared.lock().log.as_mut().map(|log| {
            // what is deleted is not written any more
            log.owes = false;
            log.no
        });
        if let (Some(journal), Some(no)) = (&self.inner.journal, no) {
            let position = journal.submit(&mut vec![Change::Delete(no)], None);
            journal.wait(position);
        }
        Ok(())
    }

    /// Forgets the runs that ended before `before`, in memory and in the journal, for good; how many. `deleted` gets the id of each
    /// once that is written.
    ///
    /// # Errors
    /// [`EngineError::NoJournal`] if runs live in memory; if the journal cannot be read.
    pub fn prune(&self, before: Timestamp, mut deleted: impl FnMut(&str)) -> Result<u64, EngineError> {
        let journal = self.inner.journal.as_ref().ok_or(EngineError::NoJournal)?;
        self.inner.check_writable()?;
        journal.settle()?;
        let statuses = RunStatus::ALL.into_iter().filter(|status| status.is_terminal()).collect();
        let mut query = RunQuery { statuses, limit: PAGE_MAX, ..RunQuery::default() };
        let mut count = 0;
        loop {
            let page = journal.store.list(&query)?;
            let old = |line: &&Listing| line.standing.ended_at.is_some_and(|ended_at| ended_at < before);
            let mut changes: Vec<_> =
                page.runs.iter().filter(old).map(|line| Change::Delete(line.no)).collect();
            count += changes.len() as u64;
            page.runs.iter().filter(old).for_each(|line| self.inner.drop_ended(&line.run_id));
            journal.wait(journal.submit(&mut changes, None));
            page.runs.iter().filter(old).for_each(|line| deleted(&line.run_id));
            query.before = page.next;
            if page.next.is_none() {
                return Ok(count);
            }
        }
    }

    /// Where a run stands that is in memory.
    fn put_right(&self, line: &mut Listing) {
        let Some(run) = self.inner.known_run(&line.run_id) else {
            // kept as one that runs, so that the next start of the engine brings it back
            let sleeps = |journal: &super::Journal| journal.sleepers.lock().contains_key(&*line.run_id);
            let is_open = line.standing.status == RunStatus::Running;
            if is_open && self.inner.journal.as_ref().is_some_and(sleeps) {
                line.standing.status = RunStatus::Waiting;
            }
            return;
        };
        let shared = run.shared.lock();
        line.standing.status = shared.status();
        if let Some(why) = &shared.blocked {
            line.standing.reason = Some(format!("plugin.unavailable: {why}"));
        }
        if let Some(why) = shared.queued_for() {
            line.standing.reason = Some(format!("waits for {why}"));
            line.standing.due_at = shared.state.delayed_until();
        }
        if !shared.has_ended() {
            line.standing.custom_status =
                shared.state.custom_status().map(|status| status.as_str().to_owned());
        }
    }

    fn query_memory(&self, query: &RunQuery, limit: usize) -> Page {
        let runs = self.inner.runs.lock().numbered();
        let mut found: Vec<_> = runs
            .iter()
            .rev()
            .filter(|(nth, _)| query.before.is_none_or(|before| *nth < before.0))
            .map(|(nth, run)| self.line(*nth, run))
            .filter(|line| fits(line, query))
            .take(limit + 1)
            .collect();
        let next = (found.len() > limit).then(|| found[limit - 1].no);
        found.truncate(limit);
        Page { runs: found, next }
    }

    fn line(&self, nth: u64, run: &Arc<RunCell>) -> Listing {
        let summary = self.inner.summary(run, self.inner.ports.clock.now());
        let shared = run.shared.lock();
        let ended_at = summary.status.is_terminal().then(|| summary.started_at.after(summary.duration));
        let failure = shared.state.error().filter(|_| shared.has_ended());
        let queued = || shared.queued_for().map(|why| format!("waits for {why}"));
        Listing {
            no: RunNo(nth),
            run_id: summary.run_id.to_string(),
            workflow: summary.workflow,
            version: summary.version,
            started_at: summary.started_at,
            standing: Standing {
                status: summary.status,
                ended_at,
                due_at: shared.state.delayed_until(),
                reason: failure.map(|failure| failure.message.into()).or_else(queued),
                custom_status: shared.state.custom_status().map(|status| status.as_str().to_owned()),
            },
        }
    }
}

/// Whether a line is asked for.
fn fits(line: &Listing, query: &RunQuery) -> bool {
    let has = |text: &str| {
        let fields = [Some(&line.run_id), Some(&line.workflow), line.standing.reason.as_ref()];
        fields.into_iter().chain([line.standing.custom_status.as_ref()]).flatten().any(|it| it.contains(text))
    };
    (query.statuses.is_empty() || query.statuses.contains(&line.standing.status))
        && query.workflow.as_ref().is_none_or(|workflow| *workflow == line.workflow)
        && query.since.is_none_or(|since| line.started_at >= since)
        && query.text.as_deref().is_none_or(has)
}
