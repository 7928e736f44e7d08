//! Events and messages on their way to runs.

use crate::control::known;
use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::handle::RunHandle;
use crate::run::RunCell;
use jackfield_core::payload::Payload;
use jackfield_core::plan::Channel;
use jackfield_core::run::{EmitCommand, Fact};
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
        let limit = self.config.unread_max;
        let fact = Fact::Sent { channel, name: name.clone(), data };
        self.exchange_if(run, fact, |shared| {
            let is_full = shared.state.unread() >= limit;
            if is_full { Err(EngineError::InboxFull { id: run.id.to_string(), limit }) } else { Ok(()) }
        })
    }

    /// Sends what a step emits to the run that it names, or to every open run whose plan waits for it.
    pub(crate) fn emit(self: &Arc<Self>, emit: &EmitCommand) -> Result<Payload, EngineError> {
        let address = (emit.channel, &emit.name);
        check_name(&emit.name)?;
        if let Some(to) = &emit.to {
            let run = self.find_run(to)?;
            self.send_to(&run, address, emit.data.clone())?;
            return Ok(Payload::null());
        }
        let wanted = (emit.channel, emit.name.clone());
        let mut refused = Ok(Payload::null());
        for run in self.open_runs().iter().filter(|run| run.plan.listens.contains(&wanted)) {
            match self.send_to(run, address, emit.data.clone()) {
                // it has ended meanwhile, and is not meant any more
                Ok(()) | Err(EngineError::RunEnded { .. }) => {}
                Err(error) => refused = Err(error),
            }
        }
        refused
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
