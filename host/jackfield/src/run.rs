//! One run: a handle while it goes on, an outcome when it has ended.

use crate::Error;
use crate::graph::Graph;
use crate::model::{self, Dialect};
use crate::records::Records;
use jackfield_core::failure::Failure;
use jackfield_core::payload::Payload;
use jackfield_core::run::{CancelMode, Event, RunReport, RunStatus};
use jackfield_engine::{CustomStatus, RunHandle};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// How to start a run, besides with what input.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// Id of the run; a UUIDv7 if absent.
    pub run_id: Option<String>,
    /// Stop after this step of the document has settled; what is left is cancelled.
    pub until: Option<String>,
    /// W3C trace context (`traceparent`) that the run is part of; each call has one of its own below it.
    pub traceparent: Option<String>,
    /// If a run of this id exists that was started with the same workflow and input, that one is meant; any other is
    /// refused. In memory every id that is taken is refused.
    pub attach: bool,
    /// How long the run waits before it begins; at most 36,500 days. It is known, and checked, at once, and
    /// [queued](RunStatus::Queued) until then. A durable run begins at its time over any restarts, as soon as a host is there.
    pub delay: Option<Duration>,
}

impl RunOptions {
    /// A run with an id of the caller's choice. An id that is taken is refused.
    #[must_use]
    pub fn id(run_id: impl Into<String>) -> Self {
        Self { run_id: Some(run_id.into()), ..Self::default() }
    }

    /// If the id is taken by a run of the same workflow with the same input, that one is meant.
    #[must_use]
    pub fn attach(mut self) -> Self {
        self.attach = true;
        self
    }

    /// Begin after `delay` and not at once.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Stop after `step` has settled.
    #[must_use]
    pub fn until(mut self, step: impl Into<String>) -> Self {
        self.until = Some(step.into());
        self
    }

    /// As part of the trace that `traceparent` (W3C trace context, version 00) names.
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }
}

/// A handle on a run. Cheap to clone; dropping it does not stop the run.
#[derive(Clone)]
pub struct Run {
    handle: RunHandle,
}

impl Run {
    pub(crate) fn new(handle: RunHandle) -> Self {
        Self { handle }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.handle.id()
    }

    /// Its status at this moment.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.handle.status()
    }

    /// The result document, also while it runs; with the results of at most `steps_max` steps.
    #[must_use]
    pub fn report(&self, steps_max: usize) -> RunReport {
        self.handle.report(steps_max)
    }

    /// The document that it was started with; `None` if that is not kept, as of runs in memory.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn document(&self) -> Result<Option<Arc<str>>, Error> {
        Ok(self.handle.document()?)
    }

    /// A picture of what it follows, with the plugin versions that it began with; `None` where there is no [`Run::document`].
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn graph(&self) -> Result<Option<Graph>, Error> {
        let Some(document) = self.document()? else { return Ok(None) };
        // every JSON document is one with comments that has none
        let parsed = model::parse(document.as_bytes(), Dialect::Jsonc);
        Ok(parsed.workflow.map(|workflow| Graph::new(&workflow, Some(&self.handle.plan()))))
    }

    /// The output of the step at `path`, such as `probe[3].fetch`; `None` until it has completed.
    #[must_use]
    pub fn step_output(&self, path: &str) -> Option<Payload> {
        self.handle.step_output(path)
    }

    /// Asks the run to end. Returns at once; the run ends when its clean-up has ended. On a run that has ended it
    /// does nothing.
    pub fn cancel(&self, mode: CancelMode, reason: &str) {
        self.handle.cancel(mode, reason);
    }

    /// Lets no more steps start until the run is resumed; those under way end as they would. Limits on them and on the
    /// run count on; timers that come due meanwhile fire when the run goes on. Twice is the same as once.
    ///
    /// # Errors
    /// If the run has ended, or is being stopped.
    pub fn pause(&self, reason: &str) -> Result<(), Error> {
        Ok(self.handle.pause(reason)?)
    }

    /// Lets a paused run go on. Nothing happens if it is not paused.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn resume(&self) -> Result<(), Error> {
        Ok(self.handle.resume()?)
    }

    /// Sends an event to the run. It is kept until a `wait_for_event` step takes it, also one that comes later. Returns
    /// when it is recorded.
    ///
    /// # Errors
    /// If the run has ended, holds too many that no step has taken, or the name is empty or longer than 256 bytes.
    pub fn signal(&self, event: &str, data: impl Into<Payload>) -> Result<(), Error> {
        Ok(self.handle.signal(event, data.into())?)
    }

    /// Puts a message into a queue of the run. It is kept until a `receive` step takes it, first in, first out. Returns
    /// when it is recorded.
    ///
    /// # Errors
    /// As [`Run::signal`].
    pub fn send(&self, queue: &str, message: impl Into<Payload>) -> Result<(), Error> {
        Ok(self.handle.send(queue, message.into())?)
    }

    /// Waits for the end without blocking the thread.
    pub async fn outcome(&self) -> Outcome {
        self.handle.ended().await;
        Outcome::of(&self.handle)
    }

    /// Blocks this thread until the end, at most for `timeout`; `None` if the run goes on.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Outcome> {
        self.handle.wait(timeout)?;
        Some(Outcome::of(&self.handle))
    }

    /// Everything that happens in the run from its first record on, as a stream that ends with the run.
    pub fn records(&self) -> Records {
        Records::new(self.handle.clone())
    }

    /// The records from number `from_seq` on, at least one, without blocking the thread; empty once the run has ended without
    /// more. Cancel safe.
    pub async fn next_records(&self, from_seq: u64) -> Vec<Event> {
        self.handle.next_events(from_seq).await
    }

    /// The records from number `from_seq` on. Blocks until there is one, at most for `timeout`; empty if there is
    /// none by then, or the run has ended. A run that goes on as new numbers them from 0 again.
    #[must_use]
    pub fn wait_records(&self, from_seq: u64, timeout: Duration) -> Vec<Event> {
        self.handle.latest().wait_events(from_seq, timeout)
    }

    /// What its steps have set by `status`, and how often that has been set.
    #[must_use]
    pub fn custom_status(&self) -> CustomStatus {
        self.handle.custom_status()
    }

    /// Blocks this thread until the custom status has been set since its version was `after`; the newest one. `None` if the
    /// run has ended without that, or if `timeout` has passed.
    #[must_use]
    pub fn wait_status(&self, after: u64, timeout: Duration) -> Option<CustomStatus> {
        self.handle.wait_status(after, timeout)
    }

    /// Number of its present generation: 1, and one more each time that it goes on as new.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.handle.generation()
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Id of the run.
    pub run_id: String,
    /// A terminal status.
    pub status: RunStatus,
    /// The output; `null` unless it completed.
    pub output: Payload,
    /// Why it did not complete.
    pub error: Option<Failure>,
    /// From start to end.
    pub duration: Duration,
}

impl Outcome {
    fn of(handle: &RunHandle) -> Self {
        let report = handle.report(0);
        Self {
            run_id: report.run_id.to_string(),
            status: report.status,
            output: report.output,
            error: report.error,
            duration: Duration::try_from_secs_f64(report.duration_ms / 1000.0).unwrap_or_default(),
        }
    }

    /// Whether it completed.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.status == RunStatus::Completed
    }

    /// The output as a type of the caller's.
    ///
    /// # Errors
    /// The failure if the run did not complete; a sentence if the output does not fit the type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if let Some(failure) = &self.error {
            return Err(Error::Failed(Box::new(failure.clone())));
        }
        if !self.is_completed() {
            return Err(Error::setup(format!("run `{}` ended as {}", self.run_id, self.status.as_str())));
        }
        serde_json::from_str(self.output.as_str()).map_err(|error| {
            Error::setup(format!("the output of run `{}` does not fit: {error}", self.run_id))
        })
    }
}
