//! Runs that have been accepted and not begun: they keep what is sent to them, and can be cancelled.

use super::ending::Ending;
use super::environment::View;
use super::limits::key_fault;
use super::record::{Command, Detail, Fact, InstanceIx, RecordKind};
use super::state::{Data, Start, TimerKind};
use super::turn::Turn;
use super::{RunState, attempt};
use crate::failure::{Failure, kind};
use crate::plan::Plan;
use crate::time::Timestamp;
use std::sync::Arc;

impl RunState {
    /// Whether it has been accepted and waits until it may begin, see [`Fact::Admitted`].
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.data.queued.is_some()
    }

    /// Whether it waits for the time of its start.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.data.delay.is_some()
    }

    /// The time before which it does not begin, if it waits for that.
    #[must_use]
    pub fn delayed_until(&self) -> Option<Timestamp> {
        self.data.start.delayed_until.filter(|_| self.is_delayed())
    }

    /// What it waits for before it begins, if it does.
    #[must_use]
    pub fn queued_for(&self) -> Option<&str> {
        self.data.queued.as_deref()
    }

    /// The key that a run of `plan` shares with others, if its workflow limits how many there are. `start` is what it
    /// would be started with at `at`.
    ///
    /// # Errors
    /// `expression` if the key cannot be evaluated or is none: a text, a number or a bool of at most 256 bytes.
    pub fn concurrency_key(plan: &Plan, start: &Start, at: Timestamp) -> Result<Option<Arc<str>>, Failure> {
        let Some(concurrency) = &plan.concurrency else { return Ok(None) };
        let data = Data::new(plan, start.clone(), at);
        let view = View::new(plan, &data, InstanceIx(0), None, at);
        let failed = |error| attempt::expression_failure("concurrency.key", &error);
        let key = concurrency.key.evaluate(&view).map_err(failed)?;
        if let Some(fault) = key_fault(&key) {
            return Err(Failure::new(kind::EXPRESSION, format!("`concurrency.key` is {fault}")));
        }
        Ok(Some(attempt::text_of(&key).into()))
    }
}

impl Turn<'_> {
    /// The run has to wait for its turn.
    pub(crate) fn wait_in_line(&mut self, why: &str) {
        self.note_run(RecordKind::RunQueued, Detail::Text(Arc::new(why.into())));
    }

    /// The run has to wait for its time.
    pub(crate) fn wait_for_start(&mut self, due: Timestamp) {
        let why: Arc<str> = format!("its start at {}", due.to_rfc3339()).into();
        self.data.queued = Some(why.clone());
        self.data.delay = Some(self.start_timer_at(TimerKind::Start, due));
        self.wait_in_line(&why);
    }

    /// Its time has come; whether others are before it is for the engine to say.
    pub(crate) fn start_is_due(&mut self) {
        self.data.delay = None;
        let key = self.data.start.key.as_ref().map(|key| format!("concurrency key `{key}`, "));
        let why = format!("a place ({}priority {})", key.unwrap_or_default(), self.plan.priority);
        self.data.queued = Some(why.into());
        self.commands.push(Command::StandInLine);
    }

    /// A fact that comes before the run has begun.
    pub(crate) fn take_queued(mut self, fact: Fact) {
        match fact {
            // whoever is delayed stands in no line
            Fact::Admitted if self.data.delay.is_some() => {}
            Fact::Admitted => {
                self.data.queued = None;
                self.begin();
            }
            Fact::Cancel { reason, .. } => {
                let reason: Arc<Box<str>> = Arc::new((*reason).into());
                self.note_run(RecordKind::CancelRequested, Detail::Text(reason.clone()));
                self.data.queued = None;
                let timer = self.data.delay.take();
                self.stop_timer(timer);
                self.data.pause = None;
                self.data.ending = Some(Ending::Cancelled(reason));
                self.finish();
            }
            Fact::Pause { reason } => self.pause_run(&reason),
            Fact::Resume => self.resume_run(),
            Fact::Sent { channel, name, data } => self.deliver((channel, name), data),
            Fact::Timer(id) => self.timer(id),
            // nothing has been called
            Fact::Outcome { .. } | Fact::Began(_) | Fact::Retried(_) | Fact::Forked(_) | Fact::Recovered => {}
        }
    }
}
