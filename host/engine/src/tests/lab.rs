//! An engine with the kit's methods, and runs of documents written as JSON text.

use super::kit::{Kit, Source};
use super::memory_store::MemoryStore;
use crate::{Config, Document, Engine, Ports, RunHandle, SilentListener, StartRequest};
use jackfield_core::model::{self, Dialect};
use jackfield_core::payload::Payload;
use jackfield_core::plan::SharedPlan;
use jackfield_core::ports::{Clock, Methods, Secrets};
use jackfield_core::run::{Event, EventKind, RunReport, RunStatus, StepReport, StepStatus};
use jackfield_core::time::Timestamp;
use jackfield_core::validate;
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// No run of a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Lab {
    pub(crate) engine: Engine,
    pub(crate) kit: Arc<Kit>,
    pub(crate) store: Option<Arc<MemoryStore>>,
}

/// A run that has ended.
pub(crate) struct Ended {
    pub(crate) report: RunReport,
    pub(crate) events: Vec<Event>,
    pub(crate) took: Duration,
    pub(crate) kit: Arc<Kit>,
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(u64::try_from(since.as_nanos()).unwrap())
    }
}

struct OneSecret;

impl Secrets for OneSecret {
    fn get(&self, name: &str) -> Result<Arc<str>, String> {
        if name == "key" { Ok("open sesame".into()) } else { Err(format!("no secret `{name}`")) }
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let kit = Arc::new(Kit::default());
        Self { engine: Engine::new(config, ports(&kit)).unwrap(), kit, store: None }
    }

    /// An engine that keeps its runs in `store`.
    pub(crate) fn durable(config: Config, store: &Arc<MemoryStore>) -> Self {
        let kit = Arc::new(Kit::default());
        Self::durable_with(config, store, kit)
    }

    /// The same with the methods of an engine before.
    pub(crate) fn durable_with(config: Config, store: &Arc<MemoryStore>, kit: Arc<Kit>) -> Self {
        let engine = Engine::durable(config, ports(&kit), store.clone()).unwrap();
        Self { engine, kit, store: Some(store.clone()) }
    }

    /// Starts a document with this input.
    pub(crate) fn start(&self, document: &str, input: &str) -> RunHandle {
        self.engine.start(self.request(document, input)).unwrap()
    }

    /// Makes a document known, for runs that start runs.
    pub(crate) fn register(&self, document: &str) {
        self.engine.register(&expand(document), plan(document)).unwrap();
    }

    /// A request to start a document with this input.
    pub(crate) fn request(&self, document: &str, input: &str) -> StartRequest {
        let input = Payload::parse(input).unwrap();
        let text = self.store.is_some().then(|| Document::new(expand(document)));
        StartRequest { document: text, ..StartRequest::new(plan(document), input) }
    }

    pub(crate) fn run_with(&self, document: &str, input: &str) -> Ended {
        let begin = Instant::now();
        self.end(&self.start(document, input), begin)
    }

    /// Waits for the end of a run that was started at `begin`.
    pub(crate) fn end(&self, run: &RunHandle, begin: Instant) -> Ended {
        let status = run.wait(Some(PATIENCE));
        let took = begin.elapsed();
        assert!(status.is_some(), "did not end: {:#?} {:#?}", run.report(100), run.events(0));
        let ended = Ended {
            report: run.report(usize::MAX),
            events: all_events(&run.latest()),
            took,
            kit: self.kit.clone(),
        };
        super::observing::check(&ended);
        if let Some(store) = &self.store {
            super::durable::check_what_is_kept(store, &ended);
        }
        ended
    }
}

pub(crate) fn ports(kit: &Arc<Kit>) -> Ports {
    Ports {
        methods: Arc::new(Source(kit.clone())),
        secrets: Arc::new(OneSecret),
        clock: Arc::new(WallClock),
        listener: Arc::new(SilentListener),
        spans: None,
        compile: Some(Arc::new(|document| Ok(plan(document)))),
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kit.open_gate();
        self.engine.shutdown();
        if !std::thread::panicking() {
            assert_eq!(self.engine.stats().threads_lost, 0, "a thread of the engine panicked");
        }
    }
}

/// Runs a document to its end on an engine of its own; once with a journal, then without, which has to come to the same.
pub(crate) fn run(document: &str) -> Ended {
    // most of it is forgotten while it runs
    let config = Config { records_kept: 2, ..Config::default() };
    let kept = Lab::durable(config, &Arc::default()).run_with(document, "null");
    let ended = Lab::new().run_with(document, "null");
    assert_eq!(kept.status, ended.status, "with a journal and without");
    ended
}

/// Runs the steps of a sequential document.
pub(crate) fn run_steps(steps: &str) -> Ended {
    run(&format!(r#"{{"id":"w","steps":[{steps}]}}"#))
}

/// Runs the steps of a parallel document.
pub(crate) fn run_parallel(steps: &str) -> Ended {
    run(&format!(r#"{{"id":"w","mode":"parallel","steps":[{steps}]}}"#))
}

/// The plan of a document that has to be without fault. `@name` in it stands for the two fields that call a method
/// of the kit.
pub(crate) fn plan(document: &str) -> SharedPlan {
    let document = expand(document);
    let catalog = Source(Arc::default()).catalog();
    let document = &*document;
    let parsed = model::parse(document.as_bytes(), Dialect::Json);
    let workflow = parsed.workflow.unwrap_or_else(|| panic!("{:?}", parsed.findings));
    assert!(parsed.findings.is_empty(), "{:?} in {document}", parsed.findings);
    let compiled = validate::compile(&workflow, &catalog, &validate::Options::default());
    compiled.plan.unwrap_or_else(|| panic!("{:?} in {document}", compiled.findings))
}

/// The document with `@name` written out.
pub(crate) fn expand(document: &str) -> String {
    let mut document = document.to_owned();
    for name in super::kit::names() {
        document = document.replace(&format!("@{name},"), &format!(r#""plugin":"t","method":"{name}","#));
        document = document.replace(&format!("@{name}}}"), &format!(r#""plugin":"t","method":"{name}"}}"#));
    }
    document
}

fn all_events(run: &RunHandle) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let more = run.events(events.len() as u64);
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

impl Deref for Ended {
    type Target = RunReport;

    fn deref(&self) -> &RunReport {
        &self.report
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn completed(self) -> Self {
        assert_eq!(self.status, RunStatus::Completed, "{:#?}", self.report);
        self
    }

    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert_eq!(self.status, RunStatus::Failed, "{:#?}", self.report);
        self
    }

    #[track_caller]
    pub(crate) fn step(&self, path: &str) -> &StepReport {
        self.steps.get(path).unwrap_or_else(|| panic!("no step {path}: {:?}", self.steps.keys()))
    }

    #[track_caller]
    pub(crate) fn is(&self, path: &str) -> StepStatus {
        self.step(path).status
    }

    /// Statuses by step as one line, such as `a completed, b skipped`.
    pub(crate) fn statuses(&self) -> String {
        let line = |(path, step): (&String, &StepReport)| format!("{path} {}", step.status);
        self.steps.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn output_json(&self) -> Value {
        self.output.value().clone()
    }

    #[track_caller]
    pub(crate) fn output_of(&self, path: &str) -> Value {
        self.step(path).output.as_ref().map_or(Value::Null, |output| output.value().clone())
    }

    /// Type of the error of a step.
    #[track_caller]
    pub(crate) fn error_type(&self, path: &str) -> &str {
        self.step(path).error.as_ref().map_or("", |error| &*error.kind)
    }

    /// Type of the error of the run.
    pub(crate) fn run_error(&self) -> &str {
        self.error.as_ref().map_or("", |error| &*error.kind)
    }

    /// Steps of the events of this kind, in order.
    pub(crate) fn steps_of(&self, kind: EventKind) -> Vec<String> {
        let is_it = |event: &&Event| event.event == kind;
        self.events.iter().filter(is_it).map(|e| e.step.as_deref().unwrap_or("").to_owned()).collect()
    }

    /// Position of the first event of this kind about this step.
    #[track_caller]
    pub(crate) fn place(&self, kind: EventKind, step: &str) -> usize {
        let is_it = |event: &Event| event.event == kind && event.step.as_deref().unwrap_or("") == step;
        self.events.iter().position(is_it).unwrap_or_else(|| panic!("no {kind:?} of {step}"))
    }
}

/// Runs a test that holds something against the clock, again if it fails: a machine that is busy with other things
/// makes it late now and then, a defect every time. Five tries.
pub(crate) fn in_time(test: impl Fn()) {
    for _ in 1..5 {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(&test)).is_ok() {
            return;
        }
    }
    test();
}
