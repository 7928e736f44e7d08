//! A method as the engines call it.

use crate::instances::Instances;
use crate::outcome::ResultRules;
use crate::peers::{Caller, ParameterRules, Request};
use crate::sessions::InSession;
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Call, Completion, LogLevel, Method, Outcome};
use jackfield_plugin_api::abi::host::{CallInfo, CallServices, OwnedCall};
use jackfield_plugin_api::abi::{Answer, JF_LOG_DEBUG, JF_LOG_INFO, JF_LOG_TRACE, JF_LOG_WARN};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is fixed about a method of an opened plugin.
pub(crate) struct MethodFacts {
    pub(crate) index: u32,
    pub(crate) name: Box<str>,
    pub(crate) kind: MethodKind,
    pub(crate) is_serial: bool,
    pub(crate) rules: ResultRules,
    /// For calls that other plugins make.
    pub(crate) parameters: ParameterRules,
}

/// A method bound to one version of its plugin.
#[derive(Clone)]
pub(crate) struct BoundMethod {
    pub(crate) facts: Arc<MethodFacts>,
    pub(crate) instances: Arc<Instances>,
    /// The plugin as it calls others.
    pub(crate) caller: Arc<Caller>,
}

impl MethodFacts {
    #[inline]
    fn info<'a>(&'a self, call: &'a Call) -> CallInfo<'a> {
        CallInfo {
            method_index: self.index,
            method: &self.name,
            params: call.parameters.as_str(),
            run_id: call.run_id(),
            step: call.step(),
            idempotency_key: call.idempotency_key(),
            session: &call.session,
            traceparent: &call.traceparent,
            attempt: call.attempt,
            deadline_left: self.deadline_left(call),
        }
    }

    /// What is left for a call that begins now. One that cannot have waited has all of it, and needs no clock.
    fn deadline_left(&self, call: &Call) -> Option<Duration> {
        match self.kind {
            MethodKind::Inline if !self.is_serial => call.timeout,
            _ => deadline_left(call),
        }
    }

    pub(crate) fn wrong_kind(&self) -> Failure {
        Failure::new(kind::INTERNAL, format!("method `{}` was called in the way of another kind", self.name))
    }
}

impl Method for BoundMethod {
    fn kind(&self) -> MethodKind {
        self.facts.kind
    }

    fn call(&self, call: &Call) -> Outcome {
        if self.facts.kind == MethodKind::Inline && !self.facts.is_serial && call.session.is_empty() {
            return self.call_plainly(call);
        }
        if !matches!(self.facts.kind, MethodKind::Inline | MethodKind::Blocking) {
            return Err(self.facts.wrong_kind());
        }
        // an inline call would keep a thread from the engine that all runs need
        let (index, slot, instance, _session) = match self.facts.kind {
            MethodKind::Inline => self.instances.of_call(call),
            _ => self.instances.of_patient_call(call),
        }?;
        let _turn = match self.facts.is_serial {
            false => None,
            true => {
                let serial = &slot.serial[self.facts.index as usize];
                call.wait_turn();
                let turn = serial.enter(call.deadline);
                call.beat(Instant::now);
                Some(turn.ok_or_else(|| no_turn(&self.facts.name))?)
            }
        };
        let running = match self.facts.kind {
            MethodKind::Blocking => Some(self.instances.begin(call, index)),
            _ => None,
        };
        let services = Services { call, of: self };
        let canceller = running.as_ref().and_then(|running| running.canceller.as_deref());
        let result = instance.call_with(&self.facts.info(call), &services, canceller);
        drop(running);
        self.caller.returned(call);
        self.facts.rules.outcome(result)
    }

    fn start(&self, call: Arc<Call>, done: Completion) {
        if self.facts.kind != MethodKind::Async {
            return done(Err(self.facts.wrong_kind()));
        }
        match self.instances.sessions().enter(&call) {
            Ok(session) => self.start_in(call, done, session),
            Err(_) => {
                call.wait_turn();
                let (own, waiting) = (self.clone(), Arc::clone(&call));
                let then = move |entered| match entered {
                    Ok(session) => {
                        call.beat(Instant::now);
                        own.start_in(call, done, Some(session));
                    }
                    Err(failure) => done(Err(failure)),
                };
                self.instances.sessions().wait(&waiting, Box::new(then));
            }
        }
    }

    fn abandoned(&self, call: &Call) {
        if self.instances.sessions().stop_waiting(call) {
            return;
        }
        self.instances.abandon(call);
        self.instances.cancel(call);
        self.caller.abandoned(call);
    }

    fn returned(&self, call: &Call) {
        self.instances.give_back(call);
    }

    fn cancelled(&self, call: &Call) {
        if self.instances.sessions().stop_waiting(call) {
            return;
        }
        self.instances.cancel(call);
        self.caller.cancelled(call);
    }

    fn released(&self) {}
}

impl BoundMethod {
    /// Starts a call that is in `session`, if it has one.
    fn start_in(&self, call: Arc<Call>, done: Completion, session: Option<InSession<usize>>) {
        let (index, instance, session) = match self.instances.in_session(&call, session) {
            Ok((index, _, instance, session)) => (index, Arc::clone(instance), session),
            Err(failure) => return done(Err(failure)),
        };
        let canceller = self.instances.begun(&call, index);
        let (facts, instances) = (Arc::clone(&self.facts), Arc::clone(&self.instances));
        let caller = Arc::clone(&self.caller);
        let (ended, waiting) = (Arc::clone(&call), Arc::clone(&call));
        let finish = Box::new(move |result| {
            instances.ended(&ended);
            caller.returned(&ended);
            drop(session);
            if facts.is_serial {
                instances.serial(index, facts.index).leave();
            }
            done(facts.rules.outcome(result));
        });
        let caller = Arc::clone(&self.caller);
        let owned = Arc::new(Owned { call, facts: Arc::clone(&self.facts), caller });
        match self.facts.is_serial {
            false => instance.start(owned, canceller, finish),
            true => {
                waiting.wait_turn();
                let job = Box::new(move || {
                    waiting.beat(Instant::now);
                    instance.start(owned, canceller, finish);
                });
                self.instances.serial(index, self.facts.index).enqueue(job);
            }
        }
    }
}

fn no_turn(method: &str) -> Failure {
    Failure::new(
        kind::TIMEOUT,
        format!("`{method}` takes one call at a time, and the turn of this one did not come"),
    )
}

fn deadline_left(call: &Call) -> Option<Duration> {
    call.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

impl BoundMethod {
    /// A call that has no turn to wait for, no session to be in, and is not written down anywhere.
    #[inline]
    fn call_plainly(&self, call: &Call) -> Outcome {
        let (_, _, instance) = self.instances.current()?;
        let result = instance.call(&self.facts.info(call), &Services { call, of: self });
        self.caller.returned(call);
        self.facts.rules.outcome(result)
    }
}

/// The services of a call, for as long as it is borrowed.
struct Services<'a> {
    call: &'a Call,
    of: &'a BoundMethod,
}

/// A call that lives until its completion.
struct Owned {
    call: Arc<Call>,
    facts: Arc<MethodFacts>,
    caller: Arc<Caller>,
}

impl OwnedCall for Owned {
    fn info(&self) -> CallInfo<'_> {
        self.facts.info(&self.call)
    }
}

/// Passes a log line on.
pub(crate) fn log(call: &Call, level: u32, message: &str, fields: &str) {
    let level = match level {
        JF_LOG_TRACE => LogLevel::Trace,
        JF_LOG_DEBUG => LogLevel::Debug,
        JF_LOG_INFO => LogLevel::Info,
        JF_LOG_WARN => LogLevel::Warn,
        _ => LogLevel::Error,
    };
    // listeners are promised an object or null
    let is_object = fields.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(fields).is_ok();
    call.listener.log(call, level, message, if is_object { fields } else { "null" });
}

/// A line of output and the like, which mean the same however the call is held.
macro_rules! tell {
    () => {
        fn log(&self, level: u32, message: &str, fields: &str) {
            log(&self.call, level, message, fields);
        }

        fn progress(&self, fraction: f64, message: &str) {
            self.call.beat(Instant::now);
            self.call.listener.progress(&self.call, fraction, message);
        }

        fn output_line(&self, is_stderr: bool, line: &str) {
            self.call.listener.output_line(&self.call, is_stderr, line);
        }

        fn is_cancelled(&self) -> bool {
            self.call.is_cancelled()
        }

        fn deadline_left(&self) -> Option<Duration> {
            deadline_left(&self.call)
        }

        fn heartbeat(&self, _: &str) {
            self.call.beat(Instant::now);
        }
    };
}

impl CallServices for Services<'_> {
    tell!();

    fn call_method(&self, plugin: &str, method: &str, params: &str, answer: Answer) -> Result<(), Answer> {
        let parent_method = &*self.of.facts.name;
        let request = Request { parent: self.call, parent_method, plugin, method, params };
        self.of.caller.call_here(&request, answer);
        Ok(())
    }
}

impl CallServices for Owned {
    tell!();

    fn call_method(&self, plugin: &str, method: &str, params: &str, answer: Answer) -> Result<(), Answer> {
        // its thread is one of few that the plugin has for all its calls
        self.caller.call_elsewhere(&self.call, &self.facts.name, (plugin, method, params), answer);
        Ok(())
    }
}
