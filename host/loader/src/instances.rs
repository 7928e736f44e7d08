//! The instances of one plugin version. Calls go to the current one. When the engine gives a call up that does not
//! return, its instance is set aside until it does, and a fresh one takes over.

use crate::config::SessionLimits;
use crate::serial::Serial;
use crate::sessions::{InSession, Sessions, tell_of_loss};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Call, StepAddress};
use jackfield_plugin_api::abi::Buffer;
use jackfield_plugin_api::abi::host::{CallFault, CancelFunction, Canceller, Instance, Table};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Stands for "no instance is free" in place of an index.
const NONE: usize = usize::MAX;

/// What tells attempts apart: run and step, attempt.
type AttemptKey = (StepAddress, u32);

pub(crate) struct Instances {
    plugin: Box<str>,
    table: Table,
    cancel: Option<CancelFunction>,
    config: Box<str>,
    slots: Box<[Slot]>,
    current: AtomicUsize,
    ledger: Mutex<Ledger>,
    sessions: Arc<Sessions<usize>>,
}

/// Where a call goes: index of the slot, the slot, its instance, and the session that it is in.
type Place<'a> = (usize, &'a Slot, &'a Arc<Instance>, Option<InSession<usize>>);

/// A place for one instance, and one lock for each of its methods that takes one call at a time.
pub(crate) struct Slot {
    instance: OnceLock<Arc<Instance>>,
    pub(crate) serial: Box<[Serial]>,
}

/// Which attempts run where. Only calls that may block are written down when they begin.
#[derive(Default)]
struct Ledger {
    running: HashMap<AttemptKey, Begun>,
    abandoned: HashMap<AttemptKey, usize>,
}

/// Where an attempt runs, and how it is told to stop, if its plugin has a function for that.
struct Begun {
    index: usize,
    canceller: Option<Arc<Canceller>>,
}

/// A log line that belongs to no call.
pub(crate) fn log_of_instance(plugin: &str, level: u32, message: &str, fields: &str) {
    match level {
        0 | 1 => tracing::debug!(plugin, fields, "{message}"),
        2 => tracing::info!(plugin, fields, "{message}"),
        3 => tracing::warn!(plugin, fields, "{message}"),
        _ => tracing::error!(plugin, fields, "{message}"),
    }
}

fn key(call: &Call) -> AttemptKey {
    (call.address.clone(), call.attempt)
}

/// An attempt that is written down as running; struck off when dropped.
pub(crate) struct Running<'a> {
    instances: &'a Instances,
    key: AttemptKey,
    pub(crate) canceller: Option<Arc<Canceller>>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.instances.ledger.lock().running.remove(&self.key);
    }
}

impl Instances {
    /// At most `instances_max` instances, made when they are needed. `methods` is the number of methods.
    pub(crate) fn new(
        plugin: &str,
        table: Table,
        config: &str,
        instances_max: usize,
        methods: usize,
        sessions: SessionLimits,
    ) -> Self {
        let slot =
            || Slot { instance: OnceLock::new(), serial: (0..methods).map(|_| Serial::default()).collect() };
        Self {
            plugin: plugin.into(),
            table,
            cancel: table.cancel(),
            config: config.into(),
            slots: (0..instances_max.max(1)).map(|_| slot()).collect(),
            current: AtomicUsize::new(0),
            ledger: Mutex::default(),
            sessions: Sessions::new(plugin, sessions),
        }
    }

    /// The instance that serves new calls, and its place.
    ///
    /// # Errors
    /// `plugin.unavailable` if all are set aside, or the plugin does not accept its configuration.
    #[inline]
    pub(crate) fn current(&self) -> Result<(usize, &Slot, &Arc<Instance>), Failure> {
        let index = self.current.load(Ordering::Acquire);
        let slot = self.slots.get(index).ok_or_else(|| self.exhausted())?;
        match slot.instance.get() {
            Some(instance) => Ok((index, slot, instance)),
            None => self.fill(slot).map(|instance| (index, slot, instance)),
        }
    }

    /// The instance that serves `call`, and its place: that of its session if it has one, which it is in until the last of the
    /// result is dropped.
    ///
    /// # Errors
    /// As [`Instances::current`]; `plugin.sessions_full` if there is no room for its session.
    #[inline]
    pub(crate) fn of_call(&self, call: &Call) -> Result<Place<'_>, Failure> {
        if call.session.is_empty() {
            return self.current().map(|(index, slot, instance)| (index, slot, instance, None));
        }
        let session = self.sessions.enter(call)?;
        self.in_session(call, session)
    }

    /// The same for a call that waits until there is room for its session, on the thread that makes it.
    pub(crate) fn of_patient_call(&self, call: &Call) -> Result<Place<'_>, Failure> {
        let session = self.sessions.enter(call).or_else(|_| {
            call.wait_turn();
            let entered = self.sessions.wait_here(call);
            call.beat(Instant::now);
            entered.map(Some)
        })?;
        self.in_session(call, session)
    }

    /// The sessions of its calls.
    pub(crate) const fn sessions(&self) -> &Arc<Sessions<usize>> {
        &self.sessions
    }

    /// The instance that serves a call which is in `session`, if it has one.
    pub(crate) fn in_session(
        &self,
        call: &Call,
        session: Option<InSession<usize>>,
    ) -> Result<Place<'_>, Failure> {
        let Some(session) = session else {
            return self.current().map(|(index, slot, instance)| (index, slot, instance, None));
        };
        if let Some(index) = session.place()
            && let Some(slot) = self.slots.get(index)
            && let Some(instance) = slot.instance.get()
        {
            return Ok((index, slot, instance, Some(session)));
        }
        let (index, slot, instance) = self.current()?;
        if session.settle(index) {
            tell_of_loss(call, "the instance that it was in");
        }
        Ok((index, slot, instance, Some(session)))
    }

    /// What lets one call of a method at a time into the instance at `index`.
    pub(crate) fn serial(&self, index: usize, method: u32) -> &Serial {
        &self.slots[index].serial[method as usize]
    }

    /// Writes an attempt down as running in the instance at `index`.
    pub(crate) fn begin(&self, call: &Call, index: usize) -> Running<'_> {
        let (key, canceller) = (key(call), self.canceller());
        let begun = Begun { index, canceller: canceller.clone() };
        self.ledger.lock().running.insert(key.clone(), begun);
        Running { instances: self, key, canceller }
    }

    fn canceller(&self) -> Option<Arc<Canceller>> {
        self.cancel.map(|function| Arc::new(Canceller::new(function)))
    }

    /// Tells an attempt to stop by the plugin's function, if it has one; the flag is set.
    pub(crate) fn cancel(&self, call: &Call) {
        let canceller = self.ledger.lock().running.get(&key(call)).and_then(|begun| begun.canceller.clone());
        if let Some(canceller) = canceller {
            canceller.cancel();
        }
    }

    /// The same for an attempt that ends elsewhere: `ended` strikes it off.
    pub(crate) fn begun(&self, call: &Call, index: usize) -> Option<Arc<Canceller>> {
        let canceller = self.canceller();
        let begun = Begun { index, canceller: canceller.clone() };
        self.ledger.lock().running.insert(key(call), begun);
        canceller
    }

    pub(crate) fn ended(&self, call: &Call) {
        self.ledger.lock().running.remove(&key(call));
    }

    /// Sets the instance of a given-up attempt aside.
    pub(crate) fn abandon(&self, call: &Call) {
        let key = key(call);
        let mut ledger = self.ledger.lock();
        // an inline call is not written down: it holds a thread of the engine, and runs in the current instance
        let index = ledger
            .running
            .get(&key)
            .map_or_else(|| self.current.load(Ordering::Acquire), |begun| begun.index);
        if index == NONE || ledger.abandoned.insert(key, index).is_some() {
            return;
        }
        tracing::warn!(
            plugin = &*self.plugin,
            run_id = call.run_id(),
            step = call.step(),
            "a call was given up and does not return; its instance is set aside"
        );
        self.sessions.lose(index);
        self.choose(&ledger);
    }

    /// An attempt that had been given up came back.
    pub(crate) fn give_back(&self, call: &Call) {
        let mut ledger = self.ledger.lock();
        if ledger.abandoned.remove(&key(call)).is_some() {
            self.choose(&ledger);
        }
    }

    /// Makes the first instance without given-up attempts the current one, unless the current one has none.
    fn choose(&self, ledger: &Ledger) {
        let is_free = |index: &usize| !ledger.abandoned.values().any(|stuck| stuck == index);
        let current = self.current.load(Ordering::Acquire);
        if current == NONE || !is_free(&current) {
            let next = (0..self.slots.len()).find(is_free).unwrap_or(NONE);
            self.current.store(next, Ordering::Release);
        }
    }

    #[cold]
    fn fill<'a>(&self, slot: &'a Slot) -> Result<&'a Arc<Instance>, Failure> {
        let made = self.make().map_err(|fault| self.refused(&fault))?;
        // of two threads that made one at the same time, the later one's is dropped
        Ok(slot.instance.get_or_init(|| Arc::new(made)))
    }

    fn make(&self) -> Result<Instance, CallFault> {
        let plugin = self.plugin.clone();
        let log = Box::new(move |level: u32, message: &str, fields: &str| {
            log_of_instance(&plugin, level, message, fields)
        });
        self.table.create(&self.config, log)
    }

    /// The state of the current instance; `None` if there is none, or it hands none over.
    pub(crate) fn save_state(&self) -> Option<Result<Buffer, CallFault>> {
        let slot = self.slots.get(self.current.load(Ordering::Acquire))?;
        slot.instance.get()?.save_state()
    }

    /// Makes the first instance, with the state of another version; false if it takes none. If it cannot use it, there is none.
    ///
    /// # Errors
    /// What the plugin says.
    pub(crate) fn restore_state(&self, saved: &[u8]) -> Result<bool, String> {
        if !self.table.has_state() || self.slots[0].instance.get().is_some() {
            return Ok(false);
        }
        let made = self.make().map_err(|fault| reason(&fault))?;
        match made.restore_state(saved) {
            Some(Ok(())) => Ok(self.slots[0].instance.set(Arc::new(made)).is_ok()),
            Some(Err(fault)) => Err(reason(&fault)),
            None => Ok(false),
        }
    }

    #[cold]
    fn refused(&self, fault: &CallFault) -> Failure {
        let message = format!("plugin `{}` does not start: {}", self.plugin, reason(fault));
        Failure { retryable: false, ..Failure::new(kind::PLUGIN_UNAVAILABLE, message) }
    }

    #[cold]
    fn exhausted(&self) -> Failure {
        let message = format!(
            "plugin `{}`: all {} instances wait for calls that were given up and do not return",
            self.plugin,
            self.slots.len()
        );
        Failure::new(kind::PLUGIN_UNAVAILABLE, message)
    }
}

/// What a plugin says that does not do as it is asked.
pub(crate) fn reason(fault: &CallFault) -> String {
    match fault {
        CallFault::Failed(error) => error.message().to_owned(),
        CallFault::Panicked(message) => format!("it panicked: {message}"),
        CallFault::Unsupported(message) => message.to_string(),
        CallFault::BadStatus(status) => format!("it answered with the unknown status {status}"),
    }
}
