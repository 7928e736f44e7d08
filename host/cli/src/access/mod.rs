//! Runs that are kept, wherever they are worked on: in this process, which then owns the journal, in one that does already and is
//! asked over its socket, or on a server.

mod remote;
mod server;

pub(crate) use remote::Remote;
pub(crate) use server::{Health, ServerAddress, health};

use crate::settings::Settings;
use anyhow::{Context, Result};
use jackfield::{
    Backfilled, CancelMode, Engine, EngineError, Error, Event, Host, Journal, Payload, PlannedStart, Run,
    RunListener, RunQuery, RunReport, RunStatus, ScheduleInfo, TextQuery, Timestamp, Triggered, Workflow,
};
use jackfield_server::wire::{
    AddSchedule, Document, Fork, Import, Letter, LinesPage, Registration, Retry, RunLine, RunLines, StartRun,
    Stop, Trigger, WorkflowLine, WorkflowLines,
};
use jackfield_server::{Socket, add_schedule_in, find_workflow, register_in};
use std::sync::Arc;
use std::time::Duration;

/// Who keeps the runs.
pub(crate) enum Keeper {
    /// This process. Others reach it by the socket, unless it only reads.
    Here { host: Host, socket: Option<Socket> },
    /// Another one.
    There(Remote),
}

/// A run, here or there.
pub(crate) enum RunAt<'a> {
    Here(Run),
    There { remote: &'a Remote, id: String, generation: Option<u32> },
}

/// Ends what this process does for runs; they go on when one works on them again.
impl Drop for Keeper {
    fn drop(&mut self) {
        if let Self::Here { host, socket } = self {
            drop(socket.take());
            host.shutdown();
        }
    }
}

impl Keeper {
    /// Somebody who can change runs: the process that owns the journal, or else this one. `listener` hears what methods say if
    /// that is this one.
    pub(crate) fn owner(settings: Settings, listener: Option<Arc<dyn RunListener>>) -> Result<Self> {
        if let Some(server) = settings.remote() {
            return Ok(Self::There(Remote::connect(server)?));
        }
        let data_dir = settings.data_place()?;
        if let Some(remote) = Remote::find(&data_dir)? {
            return Ok(Self::There(remote));
        }
        match settings.host_on(listener, Engine::durable()) {
            Ok(host) => {
                let socket = Socket::open(&data_dir, host.clone())
                    .with_context(|| format!("cannot open the socket in {}", data_dir.display()));
                match socket {
                    Ok(socket) => Ok(Self::Here { host, socket: Some(socket) }),
                    Err(error) => {
                        host.shutdown();
                        Err(error)
                    }
                }
            }
            // its owner may have opened the socket since
            Err(error) if is_in_use(&error) => match Remote::find(&data_dir)? {
                Some(remote) => Ok(Self::There(remote)),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The same if there is a journal at all.
    pub(crate) fn existing_owner(settings: Settings, listener: Option<Arc<dyn RunListener>>) -> Result<Self> {
        settings.check_journal()?;
        Self::owner(settings, listener)
    }

    /// Somebody who can show runs: the process that owns the journal, or else this one, without owning it.
    pub(crate) fn reader(settings: Settings) -> Result<Self> {
        if let Some(server) = settings.remote() {
            return Ok(Self::There(Remote::connect(server)?));
        }
        settings.journal()?;
        if let Some(remote) = Remote::find(&settings.data_place()?)? {
            return Ok(Self::There(remote));
        }
        Ok(Self::Here { host: settings.host_on(None, Engine::reader())?, socket: None })
    }

    pub(crate) fn run(&self, run_id: &str) -> Result<RunAt<'_>> {
        match self {
            Self::Here { host, .. } => Ok(RunAt::Here(host.get(run_id)?)),
            Self::There(remote) => {
                remote.report(run_id, 0)?;
                Ok(RunAt::There { remote, id: run_id.to_owned(), generation: None })
            }
        }
    }

    /// A former generation of a run; the one that goes on if none is named.
    pub(crate) fn generation(&self, run_id: &str, generation: Option<u32>) -> Result<RunAt<'_>> {
        match (self, generation) {
            (_, None) => self.run(run_id),
            (Self::Here { host, .. }, Some(generation)) => {
                Ok(RunAt::Here(host.generation(run_id, generation)?))
            }
            (Self::There(remote), generation) => {
                Ok(RunAt::There { remote, id: run_id.to_owned(), generation })
            }
        }
    }

    /// Starts a run of a document, or, if there is none, of the registered workflow `id`.
    /// `seen` gets the workflow if it is checked in this process.
    pub(crate) fn start(
        &self,
        id: &str,
        request: StartRun,
        seen: impl FnOnce(&Workflow),
    ) -> Result<RunAt<'_>> {
        match self {
            Self::There(remote) => {
                let id = remote.start(id, &request)?.run_id;
                Ok(RunAt::There { remote, id, generation: None })
            }
            Self::Here { host, .. } => Ok(RunAt::Here(jackfield_server::start_in(host, id, request, seen)?)),
        }
    }

    /// Lets a run that has ended go back and on.
    pub(crate) fn retry(&self, run_id: &str, from: Option<String>) -> Result<RunAt<'_>> {
        match self {
            Self::There(remote) => {
                remote.act(run_id, "retry", &Retry { from })?;
                Ok(RunAt::There { remote, id: run_id.to_owned(), generation: None })
            }
            Self::Here { host, .. } => Ok(RunAt::Here(host.retry(run_id, from.as_deref())?)),
        }
    }

    /// A run as a text that is taken elsewhere.
    pub(crate) fn export(&self, run_id: &str) -> Result<String> {
        match self {
            Self::There(remote) => remote.export(run_id),
            Self::Here { host, .. } => Ok(host.export(run_id)?),
        }
    }

    /// Makes a run of what another had done.
    pub(crate) fn fork(&self, run_id: &str, fork: Fork) -> Result<RunAt<'_>> {
        match self {
            Self::There(remote) => {
                let id = remote.fork(run_id, &fork)?.run_id;
                Ok(RunAt::There { remote, id, generation: None })
            }
            Self::Here { host, .. } => {
                let Fork { at, input, run_id: new_id } = fork;
                Ok(RunAt::Here(host.fork(run_id, &at, input, new_id.as_deref())?))
            }
        }
    }

    /// Makes a run of such a text.
    pub(crate) fn import(&self, import: &Import) -> Result<RunAt<'_>> {
        match self {
            Self::There(remote) => {
                let id = remote.import(import)?.run_id;
                Ok(RunAt::There { remote, id, generation: None })
            }
            Self::Here { host, .. } => Ok(RunAt::Here(host.import(&import.saved, import.run_id.as_deref())?)),
        }
    }

    /// Lines that the methods of a run have logged and printed, at least one unless it has ended or `patience` is over.
    pub(crate) fn lines(&self, run_id: &str, query: &TextQuery, patience: Duration) -> Result<LinesPage> {
        match self {
            Self::There(remote) => remote.lines(run_id, query, patience),
            Self::Here { host, .. } => {
                let status = host.get(run_id)?.status();
                let found = host.run_lines(run_id, query)?;
                Ok(LinesPage { lines: found.lines, next: found.next, status })
            }
        }
    }

    pub(crate) fn delete(&self, run_id: &str) -> Result<()> {
        match self {
            Self::There(remote) => remote.delete(run_id),
            Self::Here { host, .. } => Ok(host.delete(run_id)?),
        }
    }

    pub(crate) fn prune(&self, before: Timestamp) -> Result<u64> {
        match self {
            Self::There(remote) => remote.prune(before),
            Self::Here { host, .. } => Ok(host.prune(before)?),
        }
    }

    pub(crate) fn workflows(&self) -> Result<WorkflowLines> {
        match self {
            Self::There(remote) => remote.workflows(),
            Self::Here { host, .. } => {
                Ok(WorkflowLines { workflows: host.workflows().iter().map(WorkflowLine::from).collect() })
            }
        }
    }

    pub(crate) fn workflow(&self, id: &str, range: Option<&str>) -> Result<WorkflowLine> {
        match self {
            Self::There(remote) => remote.workflow(id, range),
            Self::Here { host, .. } => {
                let parse = |range: &str| {
                    range.parse().with_context(|| format!("`{range}` is no range of versions, such as ^1.2"))
                };
                Ok(find_workflow(host, id, range.map(parse).transpose()?.as_ref())?)
            }
        }
    }

    pub(crate) fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        match self {
            Self::There(remote) => remote.schedules(),
            Self::Here { host, .. } => Ok(host.schedules().list()),
        }
    }

    pub(crate) fn schedule(&self, id: &str) -> Result<ScheduleInfo> {
        match self {
            Self::There(remote) => remote.schedule(id),
            Self::Here { host, .. } => Ok(host.schedules().get(id)?),
        }
    }

    pub(crate) fn add_schedule(&self, added: AddSchedule) -> Result<ScheduleInfo> {
        match self {
            Self::There(remote) => remote.add_schedule(&added),
            Self::Here { host, .. } => Ok(add_schedule_in(&host.schedules(), added)?),
        }
    }

    pub(crate) fn remove_schedule(&self, id: &str) -> Result<()> {
        match self {
            Self::There(remote) => remote.remove_schedule(id),
            Self::Here { host, .. } => Ok(host.schedules().remove(id)?),
        }
    }

    pub(crate) fn pause_schedule(&self, id: &str, reason: &str) -> Result<()> {
        match self {
            Self::There(remote) => {
                remote.act_on_schedule(id, "pause", &Stop { reason: reason.to_owned(), kill: false })
            }
            Self::Here { host, .. } => Ok(host.schedules().pause(id, reason)?),
        }
    }

    pub(crate) fn resume_schedule(&self, id: &str) -> Result<()> {
        match self {
            Self::There(remote) => remote.act_on_schedule(id, "resume", &()),
            Self::Here { host, .. } => Ok(host.schedules().resume(id)?),
        }
    }

    pub(crate) fn trigger(&self, id: &str, data: Option<Payload>) -> Result<Triggered> {
        match (self, data) {
            (Self::There(remote), data) => remote.trigger(id, &Trigger { data }),
            (Self::Here { host, .. }, None) => Ok(host.schedules().trigger(id)?),
            (Self::Here { host, .. }, Some(data)) => Ok(host.schedules().trigger_with(id, data)?),
        }
    }

    pub(crate) fn next_starts(&self, id: &str, count: u16) -> Result<Vec<PlannedStart>> {
        match self {
            Self::There(remote) => remote.next_starts(id, count),
            Self::Here { host, .. } => Ok(host.schedules().next(id, usize::from(count))?),
        }
    }

    pub(crate) fn backfill(&self, id: &str, from: Timestamp, to: Timestamp) -> Result<Vec<Backfilled>> {
        match self {
            Self::There(remote) => remote.backfill(id, from, to),
            Self::Here { host, .. } => Ok(host.schedules().backfill(id, from, to)?),
        }
    }

    pub(crate) fn register(&self, document: &Document) -> Result<Registration> {
        match self {
            Self::There(remote) => remote.register(document),
            Self::Here { host, .. } => Ok(register_in(host, document)?),
        }
    }

    pub(crate) fn unregister(&self, id: &str, version: Option<&str>) -> Result<()> {
        match self {
            Self::There(remote) => remote.unregister(id, version),
            Self::Here { host, .. } => {
                let parse = |version: &str| {
                    version.parse().with_context(|| format!("`{version}` is no version, such as 1.2.0"))
                };
                Ok(host.unregister(id, version.map(parse).transpose()?.as_ref())?)
            }
        }
    }
}

/// A page of the runs that are kept. Plugins and threads, which a host has, are not needed for that.
pub(crate) fn list_runs(settings: &Settings, query: &RunQuery) -> Result<RunLines> {
    if let Some(server) = settings.remote() {
        return Remote::connect(server)?.list(query);
    }
    let journal = settings.journal()?;
    if let Some(remote) = Remote::find(&settings.data_place()?)? {
        return remote.list(query);
    }
    let page = Journal::open_reader(&journal)?.query(query)?;
    let runs = page.runs.iter().map(RunLine::from).collect();
    Ok(RunLines { runs, next: page.next.map(|next| next.0.to_string()) })
}

/// Whether another process owns the journal.
fn is_in_use(error: &anyhow::Error) -> bool {
    let Some(Error::Engine(EngineError::Store(store))) = error.downcast_ref::<Error>() else { return false };
    store.is_in_use()
}

impl RunAt<'_> {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Here(run) => run.id(),
            Self::There { id, .. } => id,
        }
    }

    pub(crate) fn status(&self) -> Result<RunStatus> {
        match self {
            Self::Here(run) => Ok(run.status()),
            Self::There { remote, id, .. } => Ok(remote.report(id, 0)?.status),
        }
    }

    pub(crate) fn report(&self, steps_max: usize) -> Result<RunReport> {
        match self {
            Self::Here(run) => Ok(run.report(steps_max)),
            Self::There { remote, id, .. } => remote.report(id, steps_max),
        }
    }

    /// Records from number `from` on, and whether the run had ended before they were read.
    pub(crate) fn records(&self, from: u64, patience: Duration) -> Result<(Vec<Event>, bool)> {
        match self {
            Self::Here(run) => {
                let has_ended = run.status().is_terminal();
                Ok((run.wait_records(from, patience), has_ended))
            }
            Self::There { remote, id, generation } => {
                let read = remote.records(id, *generation, from, patience)?;
                Ok((read.records, read.status.is_terminal()))
            }
        }
    }

    /// Waits for the end, at most for `patience`; whether it has come.
    pub(crate) fn wait(&self, patience: Duration) -> Result<bool> {
        match self {
            Self::Here(run) => Ok(run.wait(Some(patience)).is_some()),
            Self::There { remote, id, .. } => remote.wait(id, patience),
        }
    }

    pub(crate) fn cancel(&self, mode: CancelMode, reason: &str) -> Result<()> {
        match self {
            Self::Here(run) => {
                run.cancel(mode, reason);
                Ok(())
            }
            Self::There { remote, id, .. } => {
                remote.act(id, "cancel", &Stop { reason: reason.to_owned(), kill: mode == CancelMode::Kill })
            }
        }
    }

    pub(crate) fn pause(&self, reason: &str) -> Result<()> {
        match self {
            Self::Here(run) => Ok(run.pause(reason)?),
            Self::There { remote, id, .. } => {
                remote.act(id, "pause", &Stop { reason: reason.to_owned(), kill: false })
            }
        }
    }

    pub(crate) fn resume(&self) -> Result<()> {
        match self {
            Self::Here(run) => Ok(run.resume()?),
            Self::There { remote, id, .. } => remote.act(id, "resume", &()),
        }
    }

    pub(crate) fn signal(&self, event: &str, data: Payload) -> Result<()> {
        match self {
            Self::Here(run) => Ok(run.signal(event, data)?),
            Self::There { remote, id, .. } => {
                remote.act(id, "signal", &Letter { name: event.to_owned(), data })
            }
        }
    }

    pub(crate) fn send(&self, queue: &str, message: Payload) -> Result<()> {
        match self {
            Self::Here(run) => Ok(run.send(queue, message)?),
            Self::There { remote, id, .. } => {
                remote.act(id, "send", &Letter { name: queue.to_owned(), data: message })
            }
        }
    }
}
