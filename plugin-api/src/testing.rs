//! The test kit: calls methods without a host, and shows what they said.
//!
//! A method is an ordinary function; [`TestCall::run`] gives it a context. [`TestCall::call`] goes through the exported
//! table as a host does: parameters and result are JSON, a panic is caught. `export_plugin!` makes the function
//! `exported_plugin` for it in test builds.
//!
//! ```
//! use jackfield_plugin_api::prelude::*;
//! use jackfield_plugin_api::testing::TestCall;
//!
//! fn double(ctx: &Context, n: u32) -> Result<u32, Error> {
//!     ctx.info("doubling");
//!     Ok(n * 2)
//! }
//!
//! let call = TestCall::new();
//! assert_eq!(call.run(|ctx| double(ctx, 21)), Ok(42));
//! assert_eq!(call.logs()[0].message, "doubling");
//! ```

use crate::abi::Answer;
use crate::abi::host::{CallFault, CallInfo, CallServices, Canceller, OwnedCall, Table, with_context};
use crate::export::cancel::Waiters;
use crate::manifest::{Manifest, MethodKind};
use crate::{Context, Error, Level, Stream};
use serde_json::Value;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// A log line that a method wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: Level,
    /// Its text.
    pub message: String,
    /// Its fields as JSON; empty if there are none.
    pub fields: String,
}

/// One attempt of a call, as a test sets it up and looks at it afterwards.
#[derive(Clone)]
pub struct TestCall {
    heard: Arc<Heard>,
    run_id: String,
    step: String,
    idempotency_key: String,
    session: String,
    attempt: u32,
    deadline: Option<Instant>,
    config: String,
    given: Arc<dyn Any + Send + Sync>,
}

#[derive(Default)]
struct Heard {
    is_cancelled: AtomicBool,
    logs: Mutex<Vec<LogLine>>,
    progress: Mutex<Vec<(f64, String)>>,
    output: Mutex<Vec<(Stream, String)>>,
    heartbeats: AtomicUsize,
    waiters: Waiters,
    /// Of the call that goes through the table.
    canceller: Mutex<Option<Arc<Canceller>>>,
    peers: Mutex<BTreeMap<String, Peer>>,
}

/// Stands for a method of another plugin.
type Peer = Arc<dyn Fn(Value) -> Result<Value, Error> + Send + Sync>;

impl Default for TestCall {
    fn default() -> Self {
        Self::new()
    }
}

impl TestCall {
    /// The first attempt of the step `step` in the run `run`, with no deadline, not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self {
            heard: Arc::default(),
            run_id: "run".into(),
            step: "step".into(),
            idempotency_key: "run/step".into(),
            session: String::new(),
            attempt: 1,
            deadline: None,
            config: "{}".into(),
            given: Arc::new(()),
        }
    }

    /// Another run and step.
    #[must_use]
    pub fn step(mut self, run_id: &str, step: &str) -> Self {
        (self.run_id, self.step) = (run_id.into(), step.into());
        self.idempotency_key = format!("{run_id}/{step}");
        self
    }

    /// Another attempt; the first is 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// With an affinity key.
    #[must_use]
    pub fn session(mut self, session: &str) -> Self {
        self.session = session.into();
        self
    }

    /// With a deadline, `left` from now.
    #[must_use]
    pub fn deadline(mut self, left: Duration) -> Self {
        self.deadline = Some(Instant::now() + left);
        self
    }

    /// With a configuration of the instance, for [`TestCall::call`].
    #[must_use]
    pub fn config(mut self, config: &Value) -> Self {
        self.config = config.to_string();
        self
    }

    /// With what the configuration was read into, for [`TestCall::run`].
    #[must_use]
    pub fn read_config(mut self, config: impl Any + Send + Sync) -> Self {
        self.given = Arc::new(config);
        self
    }

    /// With a method of another plugin, which the method may call as `plugin` and `method`.
    #[must_use]
    pub fn peer(
        self,
        plugin: &str,
        method: &str,
        answer: impl Fn(Value) -> Result<Value, Error> + Send + Sync + 'static,
    ) -> Self {
        let mut peers = self.heard.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.insert(format!("{plugin}.{method}"), Arc::new(answer));
        drop(peers);
        self
    }

    /// Cancels the attempt, before or during the call.
    pub fn cancel(&self) {
        self.heard.is_cancelled.store(true, Ordering::Relaxed);
        self.heard.waiters.cancel_all();
        let canceller = self.heard.canceller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(canceller) = canceller {
            canceller.cancel();
        }
    }

    /// The log lines so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        copy(&self.heard.logs)
    }

    /// The reports of progress so far.
    #[must_use]
    pub fn progress(&self) -> Vec<(f64, String)> {
        copy(&self.heard.progress)
    }

    /// The heartbeats so far; reports of progress are not counted.
    #[must_use]
    pub fn heartbeats(&self) -> usize {
        self.heard.heartbeats.load(Ordering::Relaxed)
    }

    /// The lines of output so far.
    #[must_use]
    pub fn output(&self) -> Vec<(Stream, String)> {
        copy(&self.heard.output)
    }

    /// Gives `body` a context, as a plain method has it.
    pub fn run<T>(&self, body: impl FnOnce(&Context) -> T) -> T {
        with_context(&self.info(0, "", "{}"), &Services::of(self), &*self.given, &self.heard.waiters, body)
    }

    /// Calls the method called `method` through the exported table, waiting for it if it is asynchronous.
    ///
    /// # Errors
    /// As the method fails. A panic is an error of the type `plugin.panic`; no such method, or a result that is no
    /// JSON, of the type `validation`.
    pub fn call(&self, table: Table, method: &str, params: &Value) -> Result<Value, Error> {
        let manifest =
            Manifest::parse(table.manifest()).map_err(|error| Error::validation(error.to_string()))?;
        let index = manifest.methods.iter().position(|described| described.name == method);
        let index = index.ok_or_else(|| Error::validation(format!("there is no method `{method}`")))?;
        let instance = Arc::new(table.create(&self.config, Box::new(|_, _, _| ())).map_err(to_error)?);
        let call = Arc::new(Services {
            call: self.clone(),
            index,
            method: method.into(),
            params: params.to_string(),
        });
        let canceller = table.cancel().map(Canceller::new).map(Arc::new);
        self.heard.canceller.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&canceller);
        let result = if manifest.methods[index].kind == MethodKind::Async {
            let (tx, rx) = mpsc::channel();
            // the receiver waits below, so that sending cannot fail
            instance.start(call, canceller, Box::new(move |result| drop(tx.send(result))));
            rx.recv().map_err(|_| Error::other("the method never completed"))?
        } else {
            instance.call_with(&call.info(), &*call, canceller.as_deref())
        };
        let buffer = result.map_err(to_error)?;
        let bytes = if buffer.as_bytes().is_empty() { b"null" } else { buffer.as_bytes() };
        serde_json::from_slice(bytes)
            .map_err(|error| Error::validation(format!("the result is no JSON: {error}")))
    }

    fn deadline_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    fn info<'a>(&'a self, index: usize, method: &'a str, params: &'a str) -> CallInfo<'a> {
        CallInfo {
            method_index: u32::try_from(index).unwrap_or(u32::MAX),
            method,
            params,
            run_id: &self.run_id,
            step: &self.step,
            idempotency_key: &self.idempotency_key,
            session: &self.session,
            traceparent: "",
            attempt: self.attempt,
            deadline_left: self.deadline_left(),
        }
    }
}

fn copy<T: Clone>(list: &Mutex<Vec<T>>) -> Vec<T> {
    list.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn push<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}

fn to_error(fault: CallFault) -> Error {
    match fault {
        CallFault::Failed(error) => error,
        CallFault::Panicked(message) => Error::new("plugin.panic", message),
        CallFault::Unsupported(message) => Error::other(message).permanent(),
        CallFault::BadStatus(status) => Error::other(format!("the plugin answered {status}")).permanent(),
    }
}

/// The host of one call.
struct Services {
    call: TestCall,
    index: usize,
    method: String,
    params: String,
}

impl Services {
    fn of(call: &TestCall) -> Self {
        Self { call: call.clone(), index: 0, method: String::new(), params: String::new() }
    }
}

impl OwnedCall for Services {
    fn info(&self) -> CallInfo<'_> {
        self.call.info(self.index, &self.method, &self.params)
    }
}

impl CallServices for Services {
    fn log(&self, level: u32, message: &str, fields: &str) {
        let level = [Level::Trace, Level::Debug, Level::Info, Level::Warn]
            .into_iter()
            .find(|known| *known as u32 == level)
            .unwrap_or(Level::Error);
        push(&self.call.heard.logs, LogLine { level, message: message.into(), fields: fields.into() });
    }

    fn progress(&self, fraction: f64, message: &str) {
        push(&self.call.heard.progress, (fraction, message.into()));
    }

    fn output_line(&self, is_stderr: bool, line: &str) {
        let stream = if is_stderr { Stream::Stderr } else { Stream::Stdout };
        push(&self.call.heard.output, (stream, line.into()));
    }

    fn is_cancelled(&self) -> bool {
        self.call.heard.is_cancelled.load(Ordering::Relaxed)
    }

    fn deadline_left(&self) -> Option<Duration> {
        self.call.deadline_left()
    }

    fn call_method(&self, plugin: &str, method: &str, params: &str, answer: Answer) -> Result<(), Answer> {
        let name = format!("{plugin}.{method}");
        let peers = &self.call.heard.peers;
        let peer = peers.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        answer(match peer {
            None => Err(Error::new("plugin.unavailable", format!("the test has no `{name}`")).permanent()),
            Some(peer) => serde_json::from_str(params)
                .map_err(Error::from)
                .and_then(|params| peer(params))
                .map(|value| value.to_string().into_bytes()),
        });
        Ok(())
    }

    fn heartbeat(&self, _: &str) {
        self.call.heard.heartbeats.fetch_add(1, Ordering::Relaxed);
    }
}
