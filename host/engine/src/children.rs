//! Runs that steps start: found in the registry, started, cancelled with those that started them, and told of there when
//! they have ended.

use crate::config::StartRequest;
use crate::control::known;
use crate::engine::{Engine, Inner};
use crate::errands::Errand;
use crate::error::EngineError;
use crate::journal::Document;
use crate::planted::{Bug, planted};
use crate::run::RunCell;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::plan::Plan;
use jackfield_core::ports::Outcome;
use jackfield_core::run::{CancelMode, ChildCommand, Parent, RunStatus, child_failure};
use jackfield_core::trace;
use std::sync::Arc;

impl Inner {
    /// Starts a run for a step of `parent`. What the step comes to if that is known now: at once if it does not wait for
    /// the end of the run.
    pub(crate) fn start_child(
        self: &Arc<Self>,
        parent: &Arc<RunCell>,
        child: &ChildCommand,
    ) -> Result<Option<Payload>, EngineError> {
        let (config, generation, depth) = {
            let shared = parent.shared.lock();
            let start = shared.state.start_values();
            let depth = start.parent.as_ref().map_or(0, |above| above.depth) + 1;
            (start.config.clone(), shared.state.generation(), depth)
        };
        let limit = self.config.nesting_max;
        if depth > limit {
            return Err(EngineError::TooDeep { limit });
        }
        let run_id = parent.id.clone();
        let above = Parent { run_id, key: child.key, is_detached: child.is_detached, generation, depth };
        if let Some(started) = self.started_before(&above, &child.run_id) {
            return started;
        }
        let (plan, document) = match &child.own {
            Some(own) => (own.plan.clone(), own.document.clone()),
            None => {
                let registered = self.workflows.get(&child.workflow, child.version.as_ref())?;
                (registered.plan, registered.document)
            }
        };
        let mut traceparent = String::new();
        trace::child(
            &parent.context,
            &crate::traces::step(child.key.instance, child.key.step),
            &mut traceparent,
        );
        let request = StartRequest {
            run_id: Some(child.run_id.to_string()),
            plan,
            input: child.input.clone(),
            config,
            until: None,
            traceparent: Some(traceparent).filter(|it| !it.is_empty()),
            document: self.journal.as_ref().map(|_| Document::new(&*document)),
            attach: false,
            delay: None,
        };
        let handle = self.start_run(request, Some(above))?;
        Ok(child.is_detached.then(|| Payload::object([("run_id", &Payload::string(handle.id()))])))
    }

    /// If a restart came between, the run may have been started already: what the step comes to then.
    fn started_before(
        self: &Arc<Self>,
        above: &Parent,
        run_id: &str,
    ) -> Option<Result<Option<Payload>, EngineError>> {
        self.journal.as_ref().filter(|_| !planted(Bug::ChildNotKnownAgain))?;
        let child = self.find_run(run_id).ok()?;
        let (is_own, has_ended) = {
            let shared = child.shared.lock();
            let known = shared.state.start_values().parent.as_ref();
            let is_own = known.is_some_and(|it| {
                (&it.run_id, it.key, it.generation) == (&above.run_id, above.key, above.generation)
            });
            (is_own, shared.has_ended())
        };
        if !is_own {
            return None;
        }
        if above.is_detached {
            return Some(Ok(Some(Payload::object([("run_id", &Payload::string(run_id))]))));
        }
        if has_ended {
            self.tell_parent(&child);
        }
        Some(Ok(None))
    }

    /// Asks a run that `parent` has started to end. Whoever has its id by now is left alone if it is another.
    pub(crate) fn cancel_child(self: &Arc<Self>, parent: &Arc<RunCell>, run_id: &str, mode: CancelMode) {
        let engine = Engine { inner: self.clone() };
        let Ok(child) = known(&engine, run_id) else { return };
        let is_own = {
            let shared = child.run.shared.lock();
            shared.state.start_values().parent.as_ref().is_some_and(|above| above.run_id == parent.id)
        };
        if is_own {
            child.cancel(mode, &format!("run `{}`, which started it, has ended or stopped it", parent.id));
        }
    }

    /// A run has ended: the step that waits for it is told.
    pub(crate) fn tell_parent(self: &Arc<Self>, child: &RunCell) {
        let (above, ended) = {
            let shared = child.shared.lock();
            let Some(above) = shared.state.start_values().parent.clone() else { return };
            let error = shared.broken.clone().or_else(|| shared.state.error());
            let outcome = outcome_of(&child.id, shared.status(), shared.state.output(), error);
            let took = self.ports.clock.now().since(shared.state.started_at());
            (above, (took.into(), outcome))
        };
        if above.is_detached {
            return;
        }
        // a run that waits for another one stays in memory; the thread that writes the journal must not wait for itself
        // and a generation that has ended waits for nobody
        let is_meant = |run: &Arc<RunCell>| run.shared.lock().state.generation() == above.generation;
        if let Some(parent) = self.known_run(&above.run_id).filter(is_meant) {
            self.errands.push(&parent, Errand::ChildEnded(above.key, Box::new(ended)));
        }
    }

    /// Whether everything that steps of `plan` start is registered.
    pub(crate) fn check_children(&self, plan: &Plan) -> Result<(), EngineError> {
        plan.children.iter().try_for_each(|(id, range)| self.workflows.get(id, range.as_ref()).map(drop))
    }
}

/// What the end of a run means for the step that waits for it.
fn outcome_of(id: &str, status: RunStatus, output: Option<&Payload>, error: Option<Failure>) -> Outcome {
    match (status, error) {
        (RunStatus::Completed, _) => Ok(output.cloned().unwrap_or_default()),
        (_, Some(error)) => Err(child_failure(id, &error)),
        (_, None) => Err(Failure::new(kind::INTERNAL, format!("run `{id}` ended without a reason"))),
    }
}
