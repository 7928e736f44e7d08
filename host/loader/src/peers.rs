//! Calls that methods make of other plugins' methods. Such a call has the deadline, the session and the cancellation of the call
//! that makes it, and ends at the latest with that.
//!
//! ```text
//! caller's method -> Caller::call -> may it? -> Switchboard: which version? -> a call of its own -> answer
//! ```

use crate::config::RegistryConfig;
use crate::method::MethodFacts;
use crate::registry::Registry;
use crate::spans::CallSpan;
use crate::store::Hash;
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, CallListener, Lineage, LogLevel, Method, Outcome, StepAddress};
use jackfield_core::trace::{self, SpanSink};
use jackfield_plugin_api::Error;
use jackfield_plugin_api::abi::Answer;
use jackfield_plugin_api::manifest::Requirement;
use parking_lot::Mutex;
use semver::Version;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Threads for calls between plugins that the caller's own thread cannot make, at most.
const THREADS_MAX: usize = 256;

/// Where callers find other plugins: one for all of a registry.
#[derive(Default)]
pub(crate) struct Switchboard {
    registry: OnceLock<Weak<Registry>>,
    threads: AtomicUsize,
}

impl Switchboard {
    /// Calls go to the plugins of `registry` from now on.
    pub(crate) fn connect(&self, registry: Weak<Registry>) {
        // of two the first counts; they are the same
        let _ = self.registry.set(registry);
    }

    fn registry(&self) -> Option<Arc<Registry>> {
        self.registry.get().and_then(Weak::upgrade)
    }
}

/// A method that another plugin may call.
pub(crate) struct Callee {
    pub(crate) method: Arc<dyn Method>,
    pub(crate) facts: Arc<MethodFacts>,
    pub(crate) version: Version,
}

/// Which versions of which plugin are called.
pub(crate) enum Wanted<'a> {
    /// The newest that meets a requirement.
    Required(&'a Requirement),
    /// The caller's own, of this file.
    Own(&'a str, Hash),
}

/// One plugin version as it calls others.
pub(crate) struct Caller {
    plugin: Box<str>,
    hash: Hash,
    requires: Box<[Requirement]>,
    depth_max: usize,
    switchboard: Arc<Switchboard>,
    spans: Option<Arc<dyn SpanSink>>,
    /// What calls of this plugin have called and not been answered.
    open: Mutex<HashMap<ParentKey, Vec<Arc<Child>>>>,
}

/// Run and step, attempt.
type ParentKey = (StepAddress, u32);

fn key(call: &Call) -> ParentKey {
    (call.address.clone(), call.attempt)
}

/// A call that a method has made.
struct Child {
    call: Arc<Call>,
    method: Arc<dyn Method>,
    span: Option<CallSpan>,
    answer: Mutex<Option<Answer>>,
}

/// What is asked for.
pub(crate) struct Request<'a> {
    /// The call that asks, and its method.
    pub(crate) parent: &'a Call,
    pub(crate) parent_method: &'a str,
    pub(crate) plugin: &'a str,
    pub(crate) method: &'a str,
    /// JSON.
    pub(crate) params: &'a str,
}

impl Caller {
    pub(crate) fn new(
        plugin: &str,
        hash: Hash,
        requires: &[Requirement],
        config: &RegistryConfig,
        switchboard: &Arc<Switchboard>,
    ) -> Arc<Self> {
        Arc::new(Self {
            plugin: plugin.into(),
            hash,
            requires: requires.into(),
            depth_max: config.call_depth_max,
            spans: config.spans.clone(),
            switchboard: Arc::clone(switchboard),
            open: Mutex::default(),
        })
    }

    /// Makes a call on this thread, which may block, as far as the method lets it.
    pub(crate) fn call_here(self: &Arc<Self>, request: &Request<'_>, answer: Answer) {
        match self.prepare(request) {
            Ok((call, callee)) => {
                let called = (request.plugin, request.method);
                let span = CallSpan::of_nested(self.spans.as_ref(), request.parent, &call, called);
                self.make(key(request.parent), (call, span), callee.method, answer);
            }
            Err(failure) => answer(Err(error(&failure))),
        }
    }

    /// Makes a call on a thread of its own.
    pub(crate) fn call_elsewhere(
        self: &Arc<Self>,
        parent: &Arc<Call>,
        parent_method: &str,
        (plugin, method, params): (&str, &str, &str),
        answer: Answer,
    ) {
        if self.switchboard.threads.fetch_add(1, Ordering::SeqCst) >= THREADS_MAX {
            self.switchboard.threads.fetch_sub(1, Ordering::SeqCst);
            let message =
                format!("{THREADS_MAX} calls between plugins have a thread each, which is the most");
            return answer(Err(error(&Failure::new(kind::PLUGIN_UNAVAILABLE, message))));
        }
        let (caller, parent) = (Arc::clone(self), Arc::clone(parent));
        let [parent_method, plugin, method, params] =
            [parent_method, plugin, method, params].map(str::to_owned);
        // the answer must not be lost with a thread that the system does not give
        let answer = Arc::new(Mutex::new(Some(answer)));
        let own = Arc::clone(&answer);
        let spawned = std::thread::Builder::new().name("jackfield-nested".into()).spawn(move || {
            let (parent_method, plugin, method) = (&*parent_method, &*plugin, &*method);
            let request = Request { parent: &parent, parent_method, plugin, method, params: &params };
            if let Some(answer) = own.lock().take() {
                caller.call_here(&request, answer);
            }
            caller.switchboard.threads.fetch_sub(1, Ordering::SeqCst);
        });
        if let Err(refused) = spawned {
            self.switchboard.threads.fetch_sub(1, Ordering::SeqCst);
            let message = format!("the system gives no thread for a call of another plugin: {refused}");
            if let Some(answer) = answer.lock().take() {
                answer(Err(error(&Failure::new(kind::PLUGIN_UNAVAILABLE, message))));
            }
        }
    }

    /// Whether the call may be made, and how it looks.
    fn prepare(&self, request: &Request<'_>) -> Result<(Call, Callee), Failure> {
        let Request { parent, parent_method, plugin, method, params } = *request;
        if parent.is_cancelled() {
            return Err(permanent(kind::CANCELLED, "the call that makes it was told to stop".into()));
        }
        let wanted = match self.requires.iter().find(|requirement| requirement.name == plugin) {
            _ if *plugin == *self.plugin => Wanted::Own(plugin, self.hash),
            Some(requirement) => Wanted::Required(requirement),
            None => return Err(self.denied(plugin)),
        };
        let lineage = Lineage {
            caller: format!("{}.{parent_method}", self.plugin).into(),
            upper: parent.lineage.clone(),
        };
        let target = format!("{plugin}.{method}");
        if lineage.depth() > self.depth_max {
            let message = format!(
                "`{target}` would be call {} between plugins in a row, and {} are allowed: {}",
                lineage.depth(),
                self.depth_max,
                abridged(&lineage)
            );
            return Err(permanent(kind::PLUGIN_CALL_DEPTH, message));
        }
        let registry = self.switchboard.registry().ok_or_else(|| {
            permanent(kind::PLUGIN_UNAVAILABLE, "this host makes no calls between plugins".into())
        })?;
        let callee = registry.callee(&self.plugin, &wanted, method)?;
        if callee.facts.is_serial && lineage.callers().any(|caller| caller == target) {
            let message = format!("`{target}` takes one call at a time and is in one already: {lineage}");
            return Err(permanent(kind::PLUGIN_CALL_DEPTH, message));
        }
        let parameters = callee.facts.parameters.read(params)?;
        let nth = parent.nested.fetch_add(1, Ordering::Relaxed) + 1;
        let address = StepAddress::new(parent.run_id(), &format!("{}>{target}#{nth}", parent.step()));
        let mut traceparent = String::new();
        trace::child(&parent.traceparent, &(address.as_str(), parent.attempt), &mut traceparent);
        tracing::debug!(caller = &*lineage.caller, callee = &*target, version = %callee.version, "a call between plugins");
        let call = Call {
            attempt: parent.attempt,
            timeout: parent.deadline.map(|at| at.saturating_duration_since(std::time::Instant::now())),
            deadline: parent.deadline,
            session: Arc::clone(&parent.session),
            cancelled: Arc::clone(&parent.cancelled),
            pulse: parent.pulse.clone(),
            traceparent,
            lineage: Some(Arc::new(lineage)),
            listener: Arc::new(OfChild(Arc::clone(&parent.listener))),
            ..Call::new(parameters, address)
        };
        Ok((call, callee))
    }

    fn make(
        self: &Arc<Self>,
        parent: ParentKey,
        (call, span): (Call, Option<CallSpan>),
        method: Arc<dyn Method>,
        answer: Answer,
    ) {
        let call = Arc::new(call);
        let child = Child { call: Arc::clone(&call), method, span, answer: Mutex::new(Some(answer)) };
        let child = Arc::new(child);
        self.open.lock().entry(parent.clone()).or_default().push(Arc::clone(&child));
        if call.is_cancelled() {
            // whoever gave the caller up did not see this one, perhaps
            let failure = permanent(kind::CANCELLED, "the call that makes it was told to stop".into());
            return self.ended(&parent, &child, Err(failure));
        }
        if child.method.kind() == MethodKind::Async {
            let (caller, own) = (Arc::clone(self), Arc::clone(&child));
            let done = Box::new(move |outcome| caller.ended(&parent, &own, outcome));
            return child.method.start(call, done);
        }
        let made = catch_unwind(AssertUnwindSafe(|| child.method.call(&call)));
        let outcome = made.unwrap_or_else(|_| Err(Failure::new(kind::PLUGIN_PANIC, "the method panicked")));
        self.ended(&parent, &child, outcome);
    }

    /// A call between plugins has ended.
    fn ended(&self, parent: &ParentKey, child: &Arc<Child>, outcome: Outcome) {
        let mut open = self.open.lock();
        if let Some(children) = open.get_mut(parent) {
            children.retain(|other| !Arc::ptr_eq(other, child));
            if children.is_empty() {
                open.remove(parent);
            }
        }
        drop(open);
        child.span.iter().for_each(|span| span.ended(&outcome));
        let answer = child.answer.lock().take();
        match answer {
            Some(answer) => answer(
                outcome.map(|value| value.as_str().as_bytes().to_vec()).map_err(|failure| error(&failure)),
            ),
            None => child.method.returned(&child.call),
        }
        child.method.released();
    }

    /// Whether a call has called others at all, which few do.
    fn has_called(parent: &Call) -> bool {
        parent.nested.load(Ordering::Relaxed) > 0
    }

    fn children(&self, parent: &Call) -> Vec<Arc<Child>> {
        self.open.lock().get(&key(parent)).cloned().unwrap_or_default()
    }

    /// A call of this plugin is to stop, and so is what it has called.
    pub(crate) fn cancelled(&self, parent: &Call) {
        if !Self::has_called(parent) {
            return;
        }
        for child in self.children(parent) {
            child.method.cancelled(&child.call);
        }
    }

    /// A call of this plugin was given up, and so is what it has called.
    pub(crate) fn abandoned(&self, parent: &Call) {
        for child in self.children(parent) {
            child.method.abandoned(&child.call);
            let answer = child.answer.lock().take();
            let Some(answer) = answer else {
                // it has ended meanwhile, and nobody else says so after this
                child.method.returned(&child.call);
                continue;
            };
            let message = "the call that waits for it was given up";
            answer(Err(error(&permanent(kind::CANCELLED, message.into()))));
        }
    }

    /// A call of this plugin has ended; what it has called and did not wait for is told to stop.
    pub(crate) fn returned(&self, parent: &Call) {
        if !Self::has_called(parent) {
            return;
        }
        for child in self.children(parent) {
            child.call.cancelled.store(true, Ordering::Relaxed);
            child.method.cancelled(&child.call);
        }
    }

    fn denied(&self, plugin: &str) -> Failure {
        let own = &self.plugin;
        let message = format!(
            "plugin `{own}` may not call `{plugin}`: its manifest does not name it. Its author adds it to `requires` or \
             `optional` of `{own}`"
        );
        permanent(kind::PLUGIN_CALL_DENIED, message)
    }
}

/// The first and the last of the callers.
fn abridged(lineage: &Lineage) -> String {
    const SHOWN: usize = 6;
    let mut callers: Vec<&str> = lineage.callers().collect();
    callers.reverse();
    if callers.len() > SHOWN {
        callers.splice(SHOWN / 2..callers.len() - SHOWN / 2, ["..."]);
    }
    callers.join(" -> ")
}

fn permanent(kind: &str, message: String) -> Failure {
    Failure { retryable: false, ..Failure::new(kind, message) }
}

/// A failure as the plugin that called sees it.
fn error(failure: &Failure) -> Error {
    let error = Error::new(&failure.kind, failure.message.clone()).retryable(failure.retryable);
    match serde_json::from_str::<&serde_json::value::RawValue>(failure.details.as_str()) {
        Ok(details) if !failure.details.is_null() => error.details(&details),
        _ => error,
    }
}

/// What a method says that another one has called: its lines are shown, and how far it is says nothing of its caller.
struct OfChild(Arc<dyn CallListener>);

impl CallListener for OfChild {
    fn log(&self, call: &Call, level: LogLevel, message: &str, fields: &str) {
        self.0.log(call, level, message, fields);
    }

    fn progress(&self, _: &Call, _: f64, _: &str) {}

    fn output_line(&self, call: &Call, is_stderr: bool, line: &str) {
        self.0.output_line(call, is_stderr, line);
    }
}

/// What parameters of a method have to keep, where no document was checked before.
pub(crate) struct ParameterRules {
    target: Box<str>,
    schema: Payload,
    validator: OnceLock<Result<Option<jsonschema::Validator>, String>>,
}

impl ParameterRules {
    /// Rules for parameters of `target`, `plugin.method`. `schema` is JSON; `null` allows anything.
    pub(crate) fn new(target: &str, schema: &Payload) -> Self {
        Self { target: target.into(), schema: schema.clone(), validator: OnceLock::new() }
    }

    /// The parameters, if they are JSON and fit.
    fn read(&self, params: &str) -> Result<Payload, Failure> {
        let invalid = |message: String| permanent(kind::VALIDATION, message);
        let target = &self.target;
        let payload = Payload::parse(params)
            .map_err(|error| invalid(format!("the parameters of `{target}` are no JSON: {error}")))?;
        let compiled = self.validator.get_or_init(|| match self.schema.is_null() {
            true => Ok(None),
            false => {
                jsonschema::validator_for(self.schema.value()).map(Some).map_err(|error| error.to_string())
            }
        });
        let validator = compiled
            .as_ref()
            .map_err(|why| invalid(format!("the parameter schema of `{target}` is not valid: {why}")))?;
        let Some(validator) = validator else { return Ok(payload) };
        let checked = validator.validate(payload.value()).map_err(|error| {
            let path = error.instance_path().to_string();
            let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            let why = crate::error::one_line(&error.to_string());
            invalid(format!("the parameters of `{target}` do not fit its schema{place}: {why}"))
        });
        checked.map(|()| payload)
    }
}
