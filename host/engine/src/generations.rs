//! Runs that go on as new: the next generation is made ready before the former one ends, and takes its place under the
//! same id. In a journal that is one transaction; if a restart comes before it, what is to be ready is made so again.

use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::handle::RunHandle;
use crate::journal::Document;
use crate::run::{RunCell, Shared};
use jackfield_core::payload::Payload;
use jackfield_core::plan::SharedPlan;
use jackfield_core::ports::Method;
use jackfield_core::run::{Command, ContinueCommand, Generation, RunState, Start};
use jackfield_core::time::Timestamp;
use semver::{Comparator, Op, Version, VersionReq};
use std::sync::Arc;

/// What the next generation of a run needs.
pub(crate) struct Prepared {
    plan: SharedPlan,
    methods: Box<[Arc<dyn Method>]>,
    input: Payload,
    /// What the plan is made from, if that is another document than before.
    pub(crate) document: Option<Document>,
}

impl Inner {
    /// Makes the next generation of `run` ready. The outcome names the version that it follows.
    pub(crate) fn prepare_next(
        &self,
        run: &RunCell,
        next: &ContinueCommand,
    ) -> Result<Option<Payload>, EngineError> {
        let prepared = self.make_ready(run, next.version.as_ref(), next.input.clone())?;
        let version = Payload::string(&prepared.plan.version.to_string());
        run.shared.lock().next = Some(prepared);
        Ok(Some(Payload::object([("version", &version)])))
    }

    fn make_ready(
        &self,
        run: &RunCell,
        range: Option<&VersionReq>,
        input: Payload,
    ) -> Result<Prepared, EngineError> {
        let (plan, document) = match range {
            None => (run.plan.clone(), None),
            Some(range) => {
                let registered = self.workflows.get(&run.plan.id, Some(range))?;
                (registered.plan, Some(Document::new(&*registered.document)))
            }
        };
        let input = plan.accept_input(input).map_err(EngineError::input)?;
        self.check_children(&plan)?;
        let methods = self.bind_methods(&plan)?;
        Ok(Prepared { plan, methods, input, document })
    }

    /// Puts the next generation in the place of one that has ended.
    pub(crate) fn begin_next(self: &Arc<Self>, old: &Arc<RunCell>) {
        if let Err(error) = self.make_ready_again(old) {
            return self.hold_up(old, &error);
        }
        let mut commands = Vec::new();
        let Some(run) = self.take_place(old, &mut commands) else { return };
        if old.shared.lock().log.is_none() {
            self.run_ended(old);
        }
        self.launch(&run, commands);
    }

    /// After a restart nothing is ready any more.
    fn make_ready_again(&self, old: &RunCell) -> Result<(), EngineError> {
        let next = {
            let shared = old.shared.lock();
            if shared.next.is_some() || shared.is_evicted {
                return Ok(());
            }
            shared.state.next_generation()
        };
        let Some(Generation { version, input, .. }) = next else { return Ok(()) };
        let other = version.filter(|version| *version != old.plan.version).map(|version| exactly(&version));
        let prepared = self.make_ready(old, other.as_ref(), input)?;
        old.shared.lock().next = Some(prepared);
        Ok(())
    }

    /// The next generation, in the place of the former one for all who look for the run. `None` if the engine ends: then
    /// it is done at the next start.
    fn take_place(&self, old: &Arc<RunCell>, commands: &mut Vec<Command>) -> Option<Arc<RunCell>> {
        // whoever looks for the run finds either generation, whole
        let mut runs = self.runs.lock();
        let mut shared = old.shared.lock();
        if shared.is_evicted || shared.is_over || shared.log.is_some() && self.is_frozen() {
            return None;
        }
        let next = shared.state.next_generation()?;
        let prepared = shared.next.take()?;
        let now = self.ports.clock.now();
        let state = following(old, &shared, &prepared, &next, now, commands);
        let mut new = Shared::new(state);
        if let Some(log) = &mut shared.log {
            new.log = self.continue_log(old, log, &mut new.state, (now, &next.facts), commands, &prepared);
        } else {
            next.facts.iter().for_each(|fact| new.state.apply(now, fact.clone(), commands));
        }
        let run = RunCell::new(old.id.clone(), prepared.plan, new);
        let run = run.within(old.traceparent.clone(), self.ports.spans.as_ref());
        let run = Arc::new(run);
        run.bind(prepared.methods);
        run.shared.lock().follow_pause(&run);
        self.watch_log(old, &mut shared, &run);
        runs.replace(&run);
        shared.is_over = true;
        Some(run)
    }

    /// The present generation of the run that `run` is a generation of.
    pub(crate) fn latest(self: &Arc<Self>, run: &Arc<RunCell>) -> Arc<RunCell> {
        // one that was put away is read back
        let found = self.find_run(&run.id).ok();
        found.filter(|found| found.line == run.line).unwrap_or_else(|| run.clone())
    }
}

/// The state of the generation that follows.
fn following(
    old: &RunCell,
    shared: &Shared,
    prepared: &Prepared,
    next: &Generation,
    now: Timestamp,
    commands: &mut Vec<Command>,
) -> RunState {
    let plan = &prepared.plan;
    let before = shared.state.start_values();
    let start = Start {
        input: prepared.input.clone(),
        seed: next.seed,
        until: before.until.and_then(|step| plan.find(&old.plan.step(step).id)),
        carried: Some(Arc::new(next.carried.clone())),
        queued: None,
        delayed_until: None,
        ..before.clone()
    };
    RunState::start(plan.clone(), start, now, commands)
}

/// The range that holds this version and no other.
fn exactly(version: &Version) -> VersionReq {
    let Version { major, minor, patch, pre, .. } = version.clone();
    let comparator = Comparator { op: Op::Exact, major, minor: Some(minor), patch: Some(patch), pre };
    VersionReq { comparators: vec![comparator] }
}

impl RunHandle {
    /// The handle on the present generation of the run; another one only if it has gone on as new since.
    #[must_use]
    pub fn latest(&self) -> Self {
        Self { inner: self.inner.clone(), run: self.cell() }
    }

    /// Whether both are on the same generation of the same run.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.run, &other.run)
    }

    /// Number of the present generation: 1, and one more each time that the run goes on as new.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.cell().shared.lock().state.generation()
    }

    /// The present generation.
    pub(crate) fn cell(&self) -> Arc<RunCell> {
        let is_replaced = self.run.shared.lock().is_replaced();
        if is_replaced { self.inner.latest(&self.run) } else { self.run.clone() }
    }

    /// The present generation if it is another one than `run`.
    pub(crate) fn cell_after(&self, run: &Arc<RunCell>) -> Option<Arc<RunCell>> {
        let latest = self.inner.latest(run);
        (!Arc::ptr_eq(&latest, run)).then_some(latest)
    }
}

impl Engine {
    /// A former generation of a durable run, to be read: its events are its own; everything else that the handle tells is
    /// of that generation, too.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`]; [`EngineError::GenerationNotFound`] if there is none of this number, or if it is not
    /// kept any more; others if it cannot be read.
    pub fn generation(&self, run_id: &str, generation: u32) -> Result<RunHandle, EngineError> {
        let present = self.get(run_id)?.latest();
        let newest = present.generation();
        if newest == generation {
            return Ok(present);
        }
        let run = self.inner.former(run_id, generation)?;
        let id = run_id.to_owned();
        let run = run.ok_or(EngineError::GenerationNotFound { id, generation, newest })?;
        Ok(RunHandle { inner: self.inner.clone(), run })
    }
}

impl EngineError {
    pub(crate) fn input(faults: Vec<(String, String)>) -> Self {
        let fault = |(pointer, message)| crate::error::InputFault { pointer, message };
        Self::Input(faults.into_iter().map(fault).collect())
    }
}
