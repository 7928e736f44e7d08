//! A plugin `t` made of closures. It remembers every attempt, how many ran at a time, and what was abandoned.

use jackfield_core::catalog::{self, Catalog, MethodKind, Plugin};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::Isolation;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, Completion, Method, Methods, Outcome};
use parking_lot::{Condvar, Mutex};
use semver::Version;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a method of the kit does.
type Body = fn(&Kit, &Call, &Value) -> Outcome;

/// One attempt that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) run: String,
    pub(crate) step: String,
    pub(crate) attempt: u32,
    pub(crate) at: Instant,
    pub(crate) parameters: Value,
}

#[derive(Default)]
pub(crate) struct Kit {
    seen: Mutex<Vec<Seen>>,
    running: AtomicUsize,
    peak: AtomicUsize,
    abandoned: AtomicUsize,
    returned: AtomicUsize,
    stopped: AtomicUsize,
    is_open: Mutex<bool>,
    opened: Condvar,
    is_missing: AtomicBool,
}

/// Name, how it is called, what it does.
const METHODS: &[(&str, MethodKind, Body)] = &[
    ("value", MethodKind::Inline, value),
    ("fail", MethodKind::Inline, fail),
    ("fail_blocking", MethodKind::Blocking, fail),
    ("fail_later", MethodKind::Async, fail),
    ("panic", MethodKind::Inline, |_, _, _| panic!("on purpose")),
    ("spin", MethodKind::Inline, deaf),
    ("inline_sleep", MethodKind::Inline, sleep),
    ("value_blocking", MethodKind::Blocking, value),
    ("sleep", MethodKind::Blocking, sleep),
    ("deaf", MethodKind::Blocking, deaf),
    ("gate", MethodKind::Blocking, gate),
    ("later", MethodKind::Async, sleep),
    ("deaf_later", MethodKind::Async, deaf),
    ("at_once", MethodKind::Async, value),
    ("panic_start", MethodKind::Async, value),
];

impl Kit {
    /// Paths of the attempts begun so far, in order.
    pub(crate) fn order(&self) -> Vec<String> {
        self.seen.lock().iter().map(|seen| seen.step.clone()).collect()
    }

    /// The attempts of `step`, in order.
    pub(crate) fn attempts(&self, step: &str) -> Vec<Seen> {
        self.seen.lock().iter().filter(|seen| seen.step == step).cloned().collect()
    }

    /// Run, step and number of all attempts of all runs.
    pub(crate) fn all_attempts(&self) -> Vec<(String, String, u32)> {
        self.seen.lock().iter().map(|seen| (seen.run.clone(), seen.step.clone(), seen.attempt)).collect()
    }

    /// Times between the attempts of `step`.
    pub(crate) fn gaps(&self, step: &str) -> Vec<Duration> {
        self.attempts(step).windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }

    /// How many attempts ran at a time at most.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }

    pub(crate) fn returned(&self) -> usize {
        self.returned.load(Ordering::SeqCst)
    }

    /// Attempts that saw that they were to stop.
    pub(crate) fn stopped(&self) -> usize {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Whether the plugin is not there.
    pub(crate) fn set_missing(&self, is_missing: bool) {
        self.is_missing.store(is_missing, Ordering::SeqCst);
    }

    /// Lets all calls of `gate` go on.
    pub(crate) fn open_gate(&self) {
        *self.is_open.lock() = true;
        self.opened.notify_all();
    }

    fn perform(&self, body: Body, call: &Call) -> Outcome {
        let parameters = call.parameters.value().clone();
        self.seen.lock().push(Seen {
            run: call.run_id().to_string(),
            step: call.step().to_string(),
            attempt: call.attempt,
            at: Instant::now(),
            parameters: parameters.clone(),
        });
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let outcome = body(self, call, &parameters);
        self.running.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

/// Answers with the parameter `value`.
fn value(_: &Kit, _: &Call, parameters: &Value) -> Outcome {
    Ok(Payload::encode(&parameters["value"]))
}

/// Fails, before the attempt `good` (never good if absent), with `type`, `message`, `retryable`.
fn fail(_: &Kit, call: &Call, parameters: &Value) -> Outcome {
    let good = parameters["good"].as_u64().unwrap_or(u64::MAX);
    if u64::from(call.attempt) >= good {
        return Ok(Payload::encode(&parameters["value"]));
    }
    let kind = parameters["type"].as_str().unwrap_or(kind::PLUGIN_ERROR);
    let message = parameters["message"].as_str().unwrap_or("on purpose");
    let retryable = parameters["retryable"].as_bool().unwrap_or(true);
    Err(Failure { retryable, ..Failure::new(kind, message) })
}

/// Takes `ms`, ends early when it is told to stop, then answers as `fail` does if `fails`, else with `value`.
fn sleep(kit: &Kit, call: &Call, parameters: &Value) -> Outcome {
    let until = Instant::now() + millis(parameters);
    while Instant::now() < until {
        if call.is_cancelled() {
            kit.stopped.fetch_add(1, Ordering::SeqCst);
            return Err(Failure::new(kind::CANCELLED, "told to stop"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    if parameters["fails"].as_bool().unwrap_or(false) {
        return fail(kit, call, parameters);
    }
    value(kit, call, parameters)
}

/// Takes `ms`, whatever anybody says.
fn deaf(kit: &Kit, call: &Call, parameters: &Value) -> Outcome {
    std::thread::sleep(millis(parameters));
    value(kit, call, parameters)
}

/// Returns when the gate is opened.
fn gate(kit: &Kit, call: &Call, parameters: &Value) -> Outcome {
    let mut is_open = kit.is_open.lock();
    while !*is_open {
        kit.opened.wait(&mut is_open);
    }
    drop(is_open);
    value(kit, call, parameters)
}

fn millis(parameters: &Value) -> Duration {
    Duration::from_millis(parameters["ms"].as_u64().unwrap_or(0))
}

struct Bound {
    kit: Arc<Kit>,
    name: &'static str,
    kind: MethodKind,
    body: Body,
}

impl Method for Bound {
    fn kind(&self) -> MethodKind {
        self.kind
    }

    fn call(&self, call: &Call) -> Outcome {
        self.kit.perform(self.body, call)
    }

    fn start(&self, call: Arc<Call>, done: Completion) {
        assert!(self.name != "panic_start", "on purpose");
        let (kit, body) = (self.kit.clone(), self.body);
        if self.name == "at_once" {
            return done(kit.perform(body, &call));
        }
        std::thread::spawn(move || done(kit.perform(body, &call)));
    }

    fn abandoned(&self, _: &Call) {
        self.kit.abandoned.fetch_add(1, Ordering::SeqCst);
    }

    fn returned(&self, _: &Call) {
        self.kit.returned.fetch_add(1, Ordering::SeqCst);
    }

    fn cancelled(&self, _: &Call) {}

    fn released(&self) {}
}

/// All methods.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|(name, _, _)| *name)
}

/// The kit as a source of methods.
pub(crate) struct Source(pub(crate) Arc<Kit>);

impl Methods for Source {
    fn catalog(&self) -> Arc<Catalog> {
        let method = |(name, kind, _): &(&str, MethodKind, Body)| catalog::Method {
            name: (*name).into(),
            description: "".into(),
            kind: *kind,
            pure: false,
            idempotent: false,
            serial: false,
            default_timeout: None,
            parameters: Payload::null(),
            output: Payload::null(),
        };
        Arc::new(Catalog::new(vec![Arc::new(Plugin {
            name: "t".into(),
            version: Version::new(1, 0, 0),
            description: "".into(),
            methods: METHODS.iter().map(method).collect(),
        })]))
    }

    fn bind(
        &self,
        _: &str,
        _: &Version,
        method: &str,
        _: Option<Isolation>,
    ) -> Result<Arc<dyn Method>, Failure> {
        let (name, kind, body) = METHODS
            .iter()
            .find(|(name, _, _)| *name == method && !self.0.is_missing.load(Ordering::SeqCst))
            .ok_or_else(|| Failure::new(kind::PLUGIN_UNAVAILABLE, "no such method"))?;
        Ok(Arc::new(Bound { kit: self.0.clone(), name, kind: *kind, body: *body }))
    }
}
