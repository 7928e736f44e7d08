//! Events and messages on their way to runs.

use crate::control::known;
use crate::engine::{Engine, Inner};
use crate::errands::failure;
use crate::error::EngineError;
use crate::handle::RunHandle;
use crate::journal::Journal;
use crate::perform::Afterwards;
use crate::run::{RunCell, Shared};
use jackfield_core::payload::Payload;
use jackfield_core::plan::Channel;
use jackfield_core::run::{EmitCommand, Fact};
use jackfield_core::time::Nanos;
use std::sync::Arc;

/// Longest name of an event or a queue, in bytes.
const NAME_LEN_MAX: usize = 256;

impl Inner {
    /// Hands something in to a run, unless it holds too much that no step has taken.
    fn send_to(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        (channel, name): (Channel, &Arc<str>),
        data: Payload,
    ) -> Result<(), EngineError> {
        let fact = Fact::Sent { channel, name: name.clone(), data };
        self.exchange_if(run, fact, |shared| self.has_room(shared, &run.id))
    }

    /// Sends what a step emits to the run that it names, or to every open run whose plan waits for it, and reports that to
    /// the step; an event for all is for schedules, too. With a journal all of it is written in one transaction, so a restart neither loses nor repeats it.
    pub(crate) fn emit(self: &Arc<Self>, run: &Arc<RunCell>, emit: &EmitCommand) {
        // what schedules start lasts before the rest is written: done once more after a crash it starts nothing new
        let told = check_name(&emit.name).and_then(|()| match (emit.channel, &emit.to) {
            (Channel::Event, None) => {
                self.tell_schedules(&emit.name, emit.data.as_str(), (&run.id, emit.key))
            }
            _ => Ok(()),
        });
        let targets = check_name(&emit.name).and_then(|()| self.targets(emit));
        let together = self.journal.as_ref().map(Journal::together);
        let mut done = Vec::new();
        let sent = targets.and_then(|targets| self.hand_round(&targets, emit, &mut done));
        let outcome = sent.and(told).map(|()| Payload::null()).map_err(|error| Box::new(failure(&error)));
        let fact = Fact::Outcome { key: emit.key, duration: Nanos::ZERO, outcome };
        // a run that has ended meanwhile does not want to know
        done.extend(self.exchange_quietly(run, Arc::clone, fact, |_| Ok(())));
        drop(together);
        for (run, after) in done {
            self.go_on(&run, after);
        }
    }

    fn targets(self: &Arc<Self>, emit: &EmitCommand) -> Result<Vec<Arc<RunCell>>, EngineError> {
        if let Some(to) = &emit.to {
            return Ok(vec![self.find_run(to)?]);
        }
        let wanted = (emit.channel, emit.name.clone());
        let (mut runs, asleep) = {
            // nobody comes or goes between the two
            let _one = self.journal.as_ref().map(|journal| journal.loading.lock());
            (self.open_runs(), self.sleepers_for(&wanted))
        };
        runs.retain(|run| run.plan.listens.contains(&wanted));
        for run_id in asleep {
            match self.find_run(&run_id) {
                Ok(run) => runs.push(run),
                Err(EngineError::RunNotFound(_)) => {}
                Err(error @ EngineError::Damaged { .. }) => {
                    tracing::error!(run_id = &*run_id, "a waiting run cannot go on: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(runs)
    }

    /// Runs out of memory whose plans wait for this.
    fn sleepers_for(&self, wanted: &(Channel, Arc<str>)) -> Vec<Arc<str>> {
        let Some(journal) = &self.journal else { return Vec::new() };
        let sleepers = journal.sleepers.lock();
        let wait = sleepers.iter().filter(|(_, plan)| plan.listens.contains(wanted));
        wait.map(|(run_id, _)| run_id.clone()).collect()
    }

    fn hand_round(
        self: &Arc<Self>,
        targets: &[Arc<RunCell>],
        emit: &EmitCommand,
        done: &mut Vec<(Arc<RunCell>, Afterwards)>,
    ) -> Result<(), EngineError> {
        let mut refused = Ok(());
        for target in targets {
            let fact = Fact::Sent { channel: emit.channel, name: emit.name.clone(), data: emit.data.clone() };
            // the journal must not be waited for, so only memory is asked
            let latest = |run: &Arc<RunCell>| self.known_run(&run.id).unwrap_or_else(|| run.clone());
            match self.exchange_quietly(target, latest, fact, |shared| self.has_room(shared, &target.id)) {
                Ok(taken) => done.push(taken),
                // it has ended meanwhile, and is not meant any more
                Err(EngineError::RunEnded { .. }) if emit.to.is_none() => {}
                Err(error) => refused = Err(error),
            }
        }
        refused
    }

    fn has_room(&self, shared: &Shared, run_id: &str) -> Result<(), EngineError> {
        let limit = self.config.unread_max;
        let is_full = shared.state.unread() >= limit;
        if is_full { Err(EngineError::InboxFull { id: run_id.to_owned(), limit }) } else { Ok(()) }
    }
}

impl RunHandle {
    /// Sends an event to the run. It is kept until a `wait_for_event` step takes it, also one that comes later. Returns
    /// when it is recorded.
    ///
    /// # Errors
    /// [`EngineError::RunEnded`]; [`EngineError::InboxFull`] if too many are unread; [`EngineError::BadName`].
    pub fn signal(&self, event: &str, data: Payload) -> Result<(), EngineError> {
        check_name(event)?;
        self.inner.send_to(&self.run, (Channel::Event, &event.into()), data)
    }

    /// Puts a message into a queue of the run. It is kept until a `receive` step takes it, first in, first out. Returns
    /// when it is recorded.
    ///
    /// # Errors
    /// As [`RunHandle::signal`].
    pub fn send(&self, queue: &str, message: Payload) -> Result<(), EngineError> {
        check_name(queue)?;
        self.inner.send_to(&self.run, (Channel::Queue, &queue.into()), message)
    }
}

impl Engine {
    /// As [`RunHandle::signal`], by the id of the run.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`], and those of [`RunHandle::signal`].
    pub fn signal(&self, run_id: &str, event: &str, data: Payload) -> Result<(), EngineError> {
        known(self, run_id)?.signal(event, data)
    }

    /// As [`RunHandle::send`], by the id of the run.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`], and those of [`RunHandle::send`].
    pub fn send(&self, run_id: &str, queue: &str, message: Payload) -> Result<(), EngineError> {
        known(self, run_id)?.send(queue, message)
    }
}

fn check_name(name: &str) -> Result<(), EngineError> {
    let is_fine = (1..=NAME_LEN_MAX).contains(&name.len());
    if is_fine { Ok(()) } else { Err(EngineError::BadName(name.chars().take(64).collect())) }
}
