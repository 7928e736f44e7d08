//! What callers hold of a run.

use crate::engine::Inner;
use crate::error::EngineError;
use crate::perform::later;
use crate::run::{RunCell, Shared};
use jackfield_core::payload::Payload;
use jackfield_core::plan::SharedPlan;
use jackfield_core::run::{CancelMode, Event, Fact, RunReport, RunStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Events handed out at a time at most.
const EVENTS_MAX: usize = 10_000;

/// When records are looked for again that the journal could not be read for.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A run. Cheap to clone; the run goes on whether or not anybody holds one.
#[derive(Clone)]
pub struct RunHandle {
    pub(crate) inner: Arc<Inner>,
    pub(crate) run: Arc<RunCell>,
}

/// Counts a watcher in and out, so that runs without any need not signal.
pub(crate) struct Watching<'a>(&'a RunCell);

impl<'a> Watching<'a> {
    pub(crate) fn new(run: &'a RunCell) -> Self {
        run.watchers.fetch_add(1, Ordering::SeqCst);
        Self(run)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl RunHandle {
    /// Id of the run.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.run.id
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.cell().shared.lock().status()
    }

    /// The result document, with at most `steps_max` steps; at any time, also after the end.
    #[must_use]
    pub fn report(&self, steps_max: usize) -> RunReport {
        let now = self.inner.ports.clock.now();
        let cell = self.cell();
        let shared = cell.shared.lock();
        let is_short = shared.state.forgotten() == 0 || steps_max == 0;
        let mut report = shared.state.report(now, if is_short { steps_max } else { 0 });
        report.status = shared.status();
        report.queued_for = shared.queued_for().map(str::to_owned);
        self.inner.tell_waiting(&shared, &mut report);
        if let Some(failure) = &shared.broken {
            report.status = RunStatus::Failed;
            report.error = Some(failure.clone());
        }
        drop(shared);
        if !is_short {
            // what is told above lasts, so the journal has the steps that belong to it
            match self.inner.old_steps(&cell, steps_max) {
                Ok((steps, omitted)) => (report.steps, report.steps_omitted) = (steps, omitted),
                Err(error) => unread(&cell, &error),
            }
        }
        report
    }

    /// What the present generation follows.
    #[must_use]
    pub fn plan(&self) -> SharedPlan {
        self.cell().plan.clone()
    }

    /// The document that the present generation was started with; nothing if it is not kept, as in memory.
    ///
    /// # Errors
    /// [`EngineError::Journal`] if the journal cannot be read.
    pub fn document(&self) -> Result<Option<Arc<str>>, EngineError> {
        let Some(journal) = &self.inner.journal else { return Ok(None) };
        let id = self.cell().shared.lock().log.as_ref().map(|log| log.document);
        let Some(id) = id else { return Ok(None) };
        journal.document(id)
    }

    /// The output, once the run has completed.
    #[must_use]
    pub fn output(&self) -> Option<Payload> {
        let cell = self.cell();
        let shared = cell.shared.lock();
        shared.state.output().filter(|_| shared.has_ended()).cloned()
    }

    /// The output of the step at `path`, such as `probe[3].fetch`, once it has completed.
    #[must_use]
    pub fn step_output(&self, path: &str) -> Option<Payload> {
        let cell = self.cell();
        let (found, is_whole) = {
            let shared = cell.shared.lock();
            (shared.state.step_output(path), shared.state.forgotten() == 0)
        };
        if found.is_some() || is_whole {
            return found;
        }
        self.inner.old_output(&cell, path).unwrap_or_else(|error| {
            unread(&cell, &error);
            None
        })
    }

    /// Asks the run to end. Returns when that is recorded; a run that has ended stays as it is.
    pub fn cancel(&self, mode: CancelMode, reason: &str) {
        let fact = Fact::Cancel { mode, reason: reason.into() };
        // refused by a run that has ended, which stays as it is, and by one that is put away because its engine ends
        let _ = self.inner.exchange_latest(&self.run, fact, |_| Ok(()));
    }

    /// Blocks until the run has ended, at most `timeout`; `None` if it has not by then.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Option<RunStatus> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut cell = self.cell();
        loop {
            let status = wait_for_end(&cell, until)?;
            match self.cell_after(&cell).filter(|_| status == RunStatus::Continued) {
                Some(next) => cell = next,
                None => return Some(status),
            }
        }
    }

    /// Waits until the run has ended. Cancel safe.
    pub async fn ended(&self) -> RunStatus {
        let mut cell = self.cell();
        loop {
            let status = end_of(&cell).await;
            match self.cell_after(&cell).filter(|_| status == RunStatus::Continued) {
                Some(next) => cell = next,
                None => return status,
            }
        }
    }

    /// The events from number `from` on that there are now, at most 10,000. They are those of the generation that this
    /// handle is on, as for all events; [`RunHandle::latest`] is on the present one, whose numbers begin at 0 again. Of a
    /// durable run that is long, old ones are read from the journal, which may block.
    #[must_use]
    pub fn events(&self, from: u64) -> Vec<Event> {
        let found = self.look(from);
        found.events.or_else(|| self.old_events(from)).unwrap_or_default()
    }

    /// Blocks until there are events from number `from` on; empty if the run has ended without more, or if
    /// `timeout` has passed.
    #[must_use]
    pub fn wait_events(&self, from: u64, timeout: Duration) -> Vec<Event> {
        let until = later(timeout);
        let _watching = Watching::new(&self.run);
        let mut shared = self.run.shared.lock();
        loop {
            let Some(events) = Looked::at(&shared, from).events else {
                drop(shared);
                match self.old_events(from) {
                    None if Instant::now() < until => std::thread::sleep(READ_AGAIN_AFTER),
                    events => return events.unwrap_or_default(),
                }
                shared = self.run.shared.lock();
                continue;
            };
            if !events.is_empty() || shared.has_ended() {
                return events;
            }
            if self.run.changed.wait_until(&mut shared, until).timed_out() {
                drop(shared);
                return self.events(from);
            }
        }
    }

    /// Waits for events from number `from` on; empty once the run has ended without more. Cancel safe.
    pub async fn next_events(&self, from: u64) -> Vec<Event> {
        let _watching = Watching::new(&self.run);
        loop {
            let changed = self.run.changed_async.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let Looked { events, has_ended } = self.look(from);
            match events {
                Some(events) if events.is_empty() && !has_ended => changed.await,
                Some(events) => return events,
                None => {
                    if let Some(events) = self.old_events_async(from).await {
                        return events;
                    }
                }
            }
        }
    }

    fn look(&self, from: u64) -> Looked {
        Looked::at(&self.run.shared.lock(), from)
    }

    /// Events that are not in memory any more; nothing if they cannot be read at the moment, none if the run is forgotten.
    fn old_events(&self, from: u64) -> Option<Vec<Event>> {
        match self.inner.old_events(&self.run, from, EVENTS_MAX) {
            Ok(events) => Some(events),
            Err(EngineError::RunNotFound(_)) => Some(Vec::new()),
            Err(error) => {
                unread(&self.run, &error);
                None
            }
        }
    }

    /// The same without blocking the thread, where there are others for that; nothing only after a while.
    async fn old_events_async(&self, from: u64) -> Option<Vec<Event>> {
        let handle = self.clone();
        let read = move || {
            let found = handle.old_events(from);
            if found.is_none() {
                std::thread::sleep(READ_AGAIN_AFTER);
            }
            found
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return read() };
        match runtime.spawn_blocking(read).await {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(run_id = &*self.run.id, "old records of the run cannot be read: {error}");
                None
            }
        }
    }
}

/// What is not in memory cannot be read from the journal.
fn unread(run: &RunCell, error: &EngineError) {
    tracing::error!(run_id = &*run.id, "old records of the run cannot be read: {error}");
}

/// What there is to tell of a run.
struct Looked {
    /// The events that last; nothing if the first of them are not in memory.
    events: Option<Vec<Event>>,
    has_ended: bool,
}

impl Looked {
    fn at(shared: &Shared, from: u64) -> Self {
        let first = usize::try_from(from).unwrap_or(usize::MAX);
        let room = shared.public().saturating_sub(first);
        let is_there = first >= shared.state.forgotten();
        let events = is_there.then(|| shared.state.events(from, EVENTS_MAX.min(room)));
        Self { events, has_ended: shared.has_ended() }
    }
}

/// Blocks until a generation has ended; `None` if it has not by `until`.
fn wait_for_end(run: &RunCell, until: Option<Instant>) -> Option<RunStatus> {
    let mut shared = run.shared.lock();
    while !shared.has_ended() {
        match until {
            None => run.ended.wait(&mut shared),
            Some(until) => {
                if run.ended.wait_until(&mut shared, until).timed_out() && !shared.has_ended() {
                    return None;
                }
            }
        }
    }
    Some(shared.status())
}

/// Waits until a generation has ended.
async fn end_of(run: &RunCell) -> RunStatus {
    loop {
        let changed = run.changed_async.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let shared = run.shared.lock();
            if shared.has_ended() {
                return shared.status();
            }
        }
        changed.await;
    }
}

impl std::fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunHandle").field("id", &self.run.id).field("status", &self.status()).finish()
    }
}
