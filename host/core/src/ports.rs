//! What the engines need from outside: methods to call, and where they come from.

use crate::catalog::{Catalog, MethodKind};
use crate::failure::{Failure, kind};
use crate::model::Isolation;
use crate::payload::Payload;
use crate::time::Timestamp;
use semver::Version;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

mod lineage;
mod pulse;

pub use lineage::Lineage;
pub use pulse::Pulse;

/// What one attempt of a call ended with.
pub type Outcome = Result<Payload, Failure>;

/// Called exactly once with the outcome of an asynchronous call, from any thread.
pub type Completion = Box<dyn FnOnce(Outcome) + Send>;

/// A step of a run: one text, `run_id/step`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct StepAddress {
    text: String,
    run_id_len: usize,
}

impl StepAddress {
    /// The step at the path `step` of the run `run_id`.
    #[must_use]
    pub fn new(run_id: &str, step: &str) -> Self {
        let mut address = Self::default();
        address.set_run(run_id);
        address.set_step(|text| text.push_str(step));
        address
    }

    /// Makes it an address of the run `run_id`, without a step so far; keeps its memory.
    pub fn set_run(&mut self, run_id: &str) {
        self.text.clear();
        self.text.push_str(run_id);
        self.text.push('/');
        self.run_id_len = run_id.len();
    }

    /// Makes it the address of another step of the same run: `push` appends the path.
    pub fn set_step(&mut self, push: impl FnOnce(&mut String)) {
        self.text.truncate(self.run_id_len + 1);
        push(&mut self.text);
    }

    /// Id of the run.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.text[..self.run_id_len]
    }

    /// Path of the step in the run, such as `probe[3].fetch`.
    #[must_use]
    pub fn step(&self) -> &str {
        &self.text[self.run_id_len + 1..]
    }

    /// The whole, `run_id/step`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for StepAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One attempt of one call step.
pub struct Call {
    /// Parameters as JSON.
    pub parameters: Payload,
    /// Which step of which run.
    pub address: StepAddress,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// What the attempt may take; `None` if for ever.
    pub timeout: Option<Duration>,
    /// When the attempt is given up: `timeout` after it was made; `None` if it may take for ever.
    pub deadline: Option<Instant>,
    /// Affinity key; empty if none.
    pub session: Arc<str>,
    /// Set once when the attempt is to stop.
    pub cancelled: Arc<AtomicBool>,
    /// When the method last gave a sign of life; `None` if nobody asks for one.
    pub pulse: Option<Arc<Pulse>>,
    /// W3C trace context of the attempt; empty if the run is not traced.
    pub traceparent: String,
    /// The calls that this one was made from, if it was made by a method and not by a step.
    pub lineage: Option<Arc<Lineage>>,
    /// Calls that its method has made of other plugins' methods.
    pub nested: AtomicU32,
    /// Where log lines, progress and output of the method go.
    pub listener: Arc<dyn CallListener>,
}

impl Call {
    /// The first attempt of a call that has no limit, no session, and nobody who listens.
    #[must_use]
    pub fn new(parameters: Payload, address: StepAddress) -> Self {
        Self {
            parameters,
            address,
            attempt: 1,
            timeout: None,
            deadline: None,
            session: "".into(),
            cancelled: Arc::default(),
            pulse: None,
            traceparent: String::new(),
            lineage: None,
            nested: AtomicU32::new(0),
            listener: Arc::new(Silent),
        }
    }

    /// The method gives a sign of life. `now` is asked only if anybody wants one.
    pub fn beat(&self, now: impl FnOnce() -> Instant) {
        if let Some(pulse) = &self.pulse {
            pulse.beat(now());
        }
    }

    /// The call waits for its turn, until the next [`Call::beat`]: its method cannot give signs of life.
    pub fn wait_turn(&self) {
        if let Some(pulse) = &self.pulse {
            pulse.wait();
        }
    }

    /// Id of the run.
    #[must_use]
    pub fn run_id(&self) -> &str {
        self.address.run_id()
    }

    /// Path of the step in the run, such as `probe[3].fetch`.
    #[must_use]
    pub fn step(&self) -> &str {
        self.address.step()
    }

    /// Stable over attempts and restarts: `run_id/step`.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        self.address.as_str()
    }

    /// Whether the attempt is to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Severity of a log line.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Of interest to people who debug the method.
    Trace,
    /// Of interest to people who debug the workflow.
    Debug,
    /// Normal course of events.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// Receives what methods say while they run. Calls may come from any thread, also after the attempt was given up.
pub trait CallListener: Send + Sync {
    /// A log line with fields as a JSON object (or `null`).
    fn log(&self, call: &Call, level: LogLevel, message: &str, fields: &str);
    /// Fraction done, 0 to 1, and what is being done.
    fn progress(&self, call: &Call, fraction: f64, message: &str);
    /// A line that the method's work printed; `is_stderr` tells which stream.
    fn output_line(&self, call: &Call, is_stderr: bool, line: &str);
}

/// A listener that drops everything.
#[derive(Debug, Default)]
pub struct Silent;

impl CallListener for Silent {
    fn log(&self, _: &Call, _: LogLevel, _: &str, _: &str) {}
    fn progress(&self, _: &Call, _: f64, _: &str) {}
    fn output_line(&self, _: &Call, _: bool, _: &str) {}
}

/// A method that can be called, bound to one version of its plugin.
pub trait Method: Send + Sync {
    /// How it wants to be called.
    fn kind(&self) -> MethodKind;

    /// Performs one attempt on this thread (kinds inline, blocking).
    ///
    /// # Errors
    /// Whatever the method failed with, as a failure with a dotted type.
    fn call(&self, call: &Call) -> Outcome;

    /// Begins one attempt and returns at once (kind async); `done` is called exactly once.
    fn start(&self, call: Arc<Call>, done: Completion);

    /// Begins one attempt (kind async) and waits for its end: for callers that have a thread to spare.
    ///
    /// # Errors
    /// Whatever the method failed with, as a failure with a dotted type.
    fn call_and_wait(&self, call: Arc<Call>) -> Outcome {
        let (done, outcome) = sync_channel(1);
        // nobody hears of it if this thread is gone, which does not happen
        self.start(call, Box::new(move |outcome| drop(done.send(outcome))));
        outcome.recv().unwrap_or_else(|_| Err(Failure::new(kind::INTERNAL, "a call was never answered")))
    }

    /// The attempt of a started call (kind async) is to stop: `call.cancelled` is set. Methods that look at it need nothing
    /// more. Called without any lock held.
    fn cancelled(&self, call: &Call);

    /// The engine gave this attempt up while it still runs. Until `returned` is called for it, the method may
    /// refuse new calls or serve them from a fresh instance.
    fn abandoned(&self, call: &Call);

    /// An attempt that had been abandoned came back.
    fn returned(&self, call: &Call);

    /// The run that it was bound for has ended; no call of that run follows. Finished runs are kept for reading, so
    /// that being dropped comes much later.
    fn released(&self);
}

/// Where methods come from: the loader's registry, or closures of the host application.
pub trait Methods: Send + Sync {
    /// Everything that can be called at the moment.
    fn catalog(&self) -> Arc<Catalog>;

    /// The method of exactly this version, to run where `isolation` says, or where the host decides.
    ///
    /// # Errors
    /// `plugin.unavailable` if it is gone or refused, naming why.
    fn bind(
        &self,
        plugin: &str,
        version: &Version,
        method: &str,
        isolation: Option<Isolation>,
    ) -> Result<Arc<dyn Method>, Failure>;
}

/// Gives time.
pub trait Clock: Send + Sync {
    /// Wall time.
    fn now(&self) -> Timestamp;
}

/// Resolves `secret('name')`.
pub trait Secrets: Send + Sync {
    /// The secret called `name`.
    ///
    /// # Errors
    /// A sentence that says where it was looked for.
    fn get(&self, name: &str) -> Result<Arc<str>, String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_any_length_and_with_slashes_gives_its_parts_back() {
        let long = "s".repeat(500);
        for (run_id, step) in [("r", "a[1].b"), ("a/b", "c/d"), ("", ""), ("ü", "ö"), ("run", &long)] {
            let address = StepAddress::new(run_id, step);
            assert_eq!((address.run_id(), address.step()), (run_id, step));
            assert_eq!(address.as_str(), format!("{run_id}/{step}"));
        }
        // the same text does not make the same step
        assert_ne!(StepAddress::new("a/b", "c"), StepAddress::new("a", "b/c"));
    }
}
