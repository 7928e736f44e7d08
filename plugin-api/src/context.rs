//! What a method sees of the call that it serves, and how it speaks to the host.

use crate::Error;
use crate::abi::Answer;
use crate::abi::link::{HostLink, Promised};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::time::Duration;

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum Level {
    /// Of interest to people who debug the method.
    Trace = 0,
    /// Of interest to people who debug the workflow.
    Debug = 1,
    /// Normal course of events.
    Info = 2,
    /// Worth a look.
    Warn = 3,
    /// Something failed.
    Error = 4,
}

/// Which output a line was printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}

/// One attempt of a call, as the method sees it. A plain method borrows it; an `async` one owns it.
pub struct Context(CallRef);

/// What a plugin's configuration became.
pub(crate) type Config = Arc<dyn Any + Send + Sync>;

enum CallRef {
    /// Valid for as long as the borrow that the method holds.
    Lent { link: HostLink, config: Promised<dyn Any + Send + Sync> },
    /// May outlive the call in the hands of the method's author; the link is cut when the call ends.
    Shared { call: Arc<SharedCall>, config: Config },
}

/// The call of an asynchronous method: what was said about it, and the link to the host until the call has ended.
pub(crate) struct SharedCall {
    link: RwLock<Option<HostLink>>,
    attempt: u32,
    run_id: Box<str>,
    step: Box<str>,
    idempotency_key: Box<str>,
    timeout: Option<Duration>,
    session: Box<str>,
    traceparent: Box<str>,
}

impl SharedCall {
    pub(crate) fn new(link: HostLink) -> Arc<Self> {
        Arc::new(Self {
            attempt: link.attempt(),
            run_id: link.run_id().into(),
            step: link.step().into(),
            idempotency_key: link.idempotency_key().into(),
            timeout: link.timeout(),
            session: link.session().into(),
            traceparent: link.traceparent().into(),
            link: RwLock::new(Some(link)),
        })
    }

    /// Cuts the link. Whoever still holds a context reaches the host no more; when this returns, nobody is in it.
    pub(crate) fn close(&self) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn with<T>(&self, ask: impl FnOnce(&HostLink) -> T) -> Option<T> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
    }
}

fn read<R: DeserializeOwned>(answered: Result<Vec<u8>, Error>) -> Result<R, Error> {
    let bytes = answered?;
    let bytes = if bytes.is_empty() { b"null" } else { bytes.as_slice() };
    serde_json::from_slice(bytes)
        .map_err(|error| Error::validation(format!("the answer of the other plugin does not fit: {error}")))
}

impl Context {
    pub(crate) fn lent(link: HostLink, config: Promised<dyn Any + Send + Sync>) -> Self {
        Self(CallRef::Lent { link, config })
    }

    #[cfg(feature = "async")]
    pub(crate) fn shared(call: Arc<SharedCall>, config: Config) -> Self {
        Self(CallRef::Shared { call, config })
    }

    fn with<T>(&self, ask: impl FnOnce(&HostLink) -> T) -> Option<T> {
        match &self.0 {
            CallRef::Lent { link, .. } => Some(ask(link)),
            CallRef::Shared { call, .. } => call.with(ask),
        }
    }

    /// Writes a log line with fields: anything that serializes to a JSON object, or `&()` for none.
    ///
    /// ```
    /// # use jackfield_plugin_api::prelude::*;
    /// fn load(ctx: &Context, rows: u64) {
    ///     ctx.log(Level::Info, "file read", &serde_json::json!({ "rows": rows }));
    /// }
    /// ```
    pub fn log(&self, level: Level, message: &str, fields: &impl Serialize) {
        let fields = serde_json::to_string(fields).unwrap_or_default();
        let fields = if fields == "null" { "" } else { fields.as_str() };
        self.with(|link| link.log(level as u32, message, fields));
    }

    /// Writes a log line of the level `info` without fields.
    pub fn info(&self, message: &str) {
        self.log(Level::Info, message, &());
    }

    /// Writes a log line of the level `warn` without fields.
    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message, &());
    }

    /// Tells how far the work is: `fraction` from 0 to 1 (values outside are cut), and what is being done.
    pub fn progress(&self, fraction: f64, message: &str) {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        self.with(|link| link.progress(fraction, message));
    }

    /// Says that the work goes on, where a step limits how long its method may be silent (`heartbeat_timeout`). Cheap enough
    /// for every round of a loop. A report of [`Context::progress`] says the same; log lines and output do not.
    pub fn heartbeat(&self) {
        self.with(HostLink::heartbeat);
    }

    /// Hands on a line that the work printed, without its line end.
    pub fn output_line(&self, stream: Stream, line: &str) {
        self.with(|link| link.output_line(stream as u32, line));
    }

    /// Calls a method of another plugin, and waits for what it returns. The manifest must name the plugin (`requires` or
    /// `optional` of `export_plugin!`); the newest version that fits is called. It has the time that is left to this call, and is
    /// told to stop when this one is. In a method of the kind `async` use [`Context::call_async`], which does not block.
    ///
    /// # Errors
    /// What the method fails with; `validation` if `params` do not fit, `plugin.call_denied` if the manifest does not name the
    /// plugin, `plugin.unavailable` if there is no such plugin or method, `plugin.call_depth` if calls between plugins are too
    /// deep, `timeout` and `cancelled` if this call is given up meanwhile.
    pub fn call<R: DeserializeOwned>(
        &self,
        plugin: &str,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R, Error> {
        let (tx, rx) = mpsc::sync_channel(1);
        // if nobody waits any more, nobody wants to know
        self.begin_call(plugin, method, params, Box::new(move |answered| drop(tx.send(answered))))?;
        read(rx.recv().map_err(|_| Error::other("the host dropped a call of another plugin"))?)
    }

    /// The same, without blocking.
    ///
    /// # Errors
    /// As [`Context::call`].
    #[cfg(feature = "async")]
    pub async fn call_async<R: DeserializeOwned>(
        &self,
        plugin: &str,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R, Error> {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let begun =
            self.begin_call(plugin, method, params, Box::new(move |answered| drop(tx.send(answered))));
        begun?;
        read(rx.await.map_err(|_| Error::other("the host dropped a call of another plugin"))?)
    }

    fn begin_call(
        &self,
        plugin: &str,
        method: &str,
        params: &impl Serialize,
        answer: Answer,
    ) -> Result<(), Error> {
        let params = serde_json::to_string(params)?;
        match self.with(|link| link.call_method(plugin, method, &params, answer)) {
            Some(true) => Ok(()),
            Some(false) => Err(Error::other("this host makes no calls between plugins").permanent()),
            None => Err(Error::cancelled()),
        }
    }

    /// Whether the attempt is to stop: ask at least every 100 ms, and return [`crate::Error::cancelled`] if so.
    /// True also for an asynchronous call that has ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.with(HostLink::is_cancelled).unwrap_or(true)
    }

    /// Time that the attempt had when it began; `None` if it may take for ever. Unlike [`Context::deadline`] it does not
    /// ask the host.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        match &self.0 {
            CallRef::Lent { link, .. } => link.timeout(),
            CallRef::Shared { call, .. } => call.timeout,
        }
    }

    /// Time until the attempt is given up; zero if it has been, `None` if it may take for ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.with(HostLink::deadline).unwrap_or(Some(Duration::ZERO))
    }

    /// 1 for the first attempt.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        match &self.0 {
            CallRef::Lent { link, .. } => link.attempt(),
            CallRef::Shared { call, .. } => call.attempt,
        }
    }

    /// Id of the run.
    #[must_use]
    pub fn run_id(&self) -> &str {
        match &self.0 {
            CallRef::Lent { link, .. } => link.run_id(),
            CallRef::Shared { call, .. } => &call.run_id,
        }
    }

    /// Path of the step in the run, such as `probe[3].fetch`.
    #[must_use]
    pub fn step(&self) -> &str {
        match &self.0 {
            CallRef::Lent { link, .. } => link.step(),
            CallRef::Shared { call, .. } => &call.step,
        }
    }

    /// Affinity key; empty if the step has none.
    #[must_use]
    pub fn session(&self) -> &str {
        match &self.0 {
            CallRef::Lent { link, .. } => link.session(),
            CallRef::Shared { call, .. } => &call.session,
        }
    }

    /// W3C trace context of the call; empty if it is not traced.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        match &self.0 {
            CallRef::Lent { link, .. } => link.traceparent(),
            CallRef::Shared { call, .. } => &call.traceparent,
        }
    }

    /// `run_id/step`: the same for all attempts of this step, also after a restart of the host: what a remote service needs to
    /// recognise a repeated request.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        match &self.0 {
            CallRef::Lent { link, .. } => link.idempotency_key(),
            CallRef::Shared { call, .. } => &call.idempotency_key,
        }
    }

    /// The configuration of this instance, if `T` is what `export_plugin!` was given as `config`.
    #[must_use]
    pub fn config<T: Any>(&self) -> Option<&T> {
        match &self.0 {
            CallRef::Lent { config, .. } => config.downcast_ref(),
            CallRef::Shared { config, .. } => config.downcast_ref(),
        }
    }
}
