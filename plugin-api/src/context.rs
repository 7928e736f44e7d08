//! What a method sees of the call that it serves, and how it speaks to the host.

use crate::Error;
use crate::abi::Answer;
use crate::abi::link::{HostLink, Promised};
use crate::export::cancel::Waiters;
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
    Lent { link: HostLink, config: Promised<dyn Any + Send + Sync>, waiters: Promised<Waiters> },
    /// May outlive the call in the hands of the method's author; the link is cut when the call ends.
    Shared { call: Arc<SharedCall>, config: Config },
}

/// The call of an asynchronous method: what was said about it, and the link to the host until the call has ended.
pub(crate) struct SharedCall {
    link: RwLock<Option<HostLink>>,
    address: usize,
    waiters: Arc<Waiters>,
    attempt: u32,
    run_id: Box<str>,
    step: Box<str>,
    idempotency_key: Box<str>,
    timeout: Option<Duration>,
    session: Box<str>,
    traceparent: Box<str>,
}

impl SharedCall {
    pub(crate) fn new(link: HostLink, waiters: Arc<Waiters>) -> Arc<Self> {
        Arc::new(Self {
            address: link.address(),
            waiters,
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
        // another call may have this address next
        self.waiters.forget(self.address);
    }

    fn with<T>(&self, ask: impl FnOnce(&HostLink) -> T) -> Option<T> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
    }
}

/// A callback of [`Context::on_cancel`]; forgotten when this is dropped.
pub struct OnCancel<'c> {
    waiters: &'c Waiters,
    at: Option<(usize, u64)>,
}

impl OnCancel<'_> {
    fn take(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.at.and_then(|(call, number)| self.waiters.remove(call, number))
    }
}

impl Drop for OnCancel<'_> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

fn read<R: DeserializeOwned>(answered: Result<Vec<u8>, Error>) -> Result<R, Error> {
    let bytes = answered?;
    let bytes = if bytes.is_empty() { b"null" } else { bytes.as_slice() };
    serde_json::from_slice(bytes)
        .map_err(|error| Error::validation(format!("the answer of the other plugin does not fit: {error}")))
}

impl Context {
    pub(crate) fn lent(
        link: HostLink,
        config: Promised<dyn Any + Send + Sync>,
        waiters: Promised<Waiters>,
    ) -> Self {
        Self(CallRef::Lent { link, config, waiters })
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

    /// Calls `callback` when the attempt is told to stop, from another thread, so that a method that waits for something else need
    /// not look at [`Context::is_cancelled`] again and again. At once if it has been told already. Never again once the result is
    /// dropped. A callback returns at once; a panic in it goes nowhere. A host that only sets the flag never calls it.
    #[must_use = "the callback is forgotten with the result"]
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) -> OnCancel<'_> {
        let (waiters, address) = (self.waiters(), self.with(HostLink::address));
        let number = address.map(|call| waiters.add(call, Box::new(callback)));
        let guard = OnCancel { waiters, at: address.zip(number) };
        if self.is_cancelled() {
            // told before it was there, perhaps: whoever takes it out calls it
            if let Some(callback) = guard.take() {
                callback();
            }
        }
        guard
    }

    /// Waits until the attempt is told to stop; for `async` methods, beside what they wait for otherwise.
    #[cfg(feature = "async")]
    pub async fn cancelled(&self) {
        let (tx, rx) = tokio::sync::oneshot::channel();
        // if nobody waits any more, nobody wants to know
        let _told = self.on_cancel(move || {
            let _ = tx.send(());
        });
        // dropped uncalled with the link of a call that has ended
        let _ = rx.await;
    }

    fn waiters(&self) -> &Waiters {
        match &self.0 {
            CallRef::Lent { waiters, .. } => waiters,
            CallRef::Shared { call, .. } => &call.waiters,
        }
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
