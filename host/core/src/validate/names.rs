//! What names mean in an expression, by where it stands: scopes are looked through from inside to outside.

use super::context::{Access, Awaited, Context};
use super::expressions::{Field, Site};
use super::layout::{Anchor, Layout};
use crate::diagnostic::nearest;
use crate::expr::{self, Resolved, UnknownName};
use crate::model::{Action, Mode};
use crate::plan::{Ref, ScopeIx, ScopeRole, StepAttribute, StepIx};

const ATTRIBUTES: [(&str, StepAttribute); 5] = [
    ("output", StepAttribute::Output),
    ("status", StepAttribute::Status),
    ("error", StepAttribute::Error),
    ("attempts", StepAttribute::Attempts),
    ("case", StepAttribute::Case),
];
const WORKFLOW_FIELDS: [(&str, Ref); 4] = [
    ("id", Ref::WorkflowId),
    ("version", Ref::WorkflowVersion),
    ("run_id", Ref::RunId),
    ("started_at", Ref::StartedAt),
];

/// The names at one place.
pub(super) struct Names<'n, 'a, 'w> {
    context: &'n mut Context<'a, 'w>,
    site: Site<'n>,
    /// Where the expression stands, for findings about dependencies that it makes.
    at: u32,
    /// Messages about references that exist but come too early, which are another kind of fault than unknown names.
    out_of_order: Vec<String>,
}

impl<'n, 'a, 'w> Names<'n, 'a, 'w> {
    pub(super) fn new(context: &'n mut Context<'a, 'w>, site: Site<'n>, at: u32) -> Self {
        Self { context, site, at, out_of_order: Vec::new() }
    }

    pub(super) fn into_out_of_order(self) -> Vec<String> {
        self.out_of_order
    }

    fn layout(&self) -> &'a Layout<'w> {
        self.context.layout
    }

    /// Names that need no step: of the field itself, and those that scopes bind.
    fn bound(&self, name: &str) -> Option<Ref> {
        match self.site.field {
            Field::Output if name == "result" => return Some(Ref::LocalResult),
            Field::CatchWhen(bind) if name == bind => return Some(Ref::LocalError),
            Field::RetryWhen | Field::PolicyWhen if name == "error" => return Some(Ref::LocalError),
            Field::ForeachWhile { item, .. } if name == item => return Some(Ref::LocalItem),
            Field::ForeachWhile { index, .. } if name == index => return Some(Ref::LocalIndex),
            Field::Filter if name == "event" => return Some(Ref::LocalEvent),
            Field::PolicyWhen | Field::Initial => return None,
            _ => {}
        }
        let layout = self.layout();
        layout.outwards(self.site.scope, self.site.step).find_map(|(scope, anchor)| {
            bound_by(layout, scope, anchor)
                .into_iter()
                .flatten()
                .find(|(bound, _)| *bound == name)
                .map(|(_, r)| r)
        })
    }

    fn is_outside_steps(&self) -> bool {
        matches!(self.site.field, Field::PolicyWhen | Field::Initial)
    }

    fn step(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        let layout = self.layout();
        let Some(id) = path.get(1) else {
            return Err(unknown("`steps` alone is no value", "Write `steps.<id>.output`."));
        };
        if self.is_outside_steps() {
            return Err(unknown(
                format!("step `{id}` cannot be read here"),
                "This stands outside all steps.",
            ));
        }
        let Some(target) = layout.find(id) else { return Err(self.unknown_step(id)) };
        let Some(word) = path.get(2) else {
            let hint = format!("Write `steps.{id}.output`, or `status`, `error`, `attempts` or `case`.");
            return Err(unknown(format!("it is not said what of step `{id}` is meant"), hint));
        };
        let Some((_, attribute)) = ATTRIBUTES.iter().find(|(name, _)| name == word) else {
            let guess = nearest(word, ATTRIBUTES.iter().map(|(name, _)| *name)).unwrap_or("output");
            let message = format!("steps have no `{word}`");
            return Err(unknown(message, format!("Did you mean `steps.{id}.{guess}`?")));
        };
        self.check_order(target)?;
        self.context.uses.is_read[target.0 as usize] = true;
        if *attribute == StepAttribute::Output {
            self.note_reader(target);
        }
        let reference = self.context.refs.intern(Ref::Step { step: target, attribute: *attribute });
        Ok(Resolved { reference, consumed: 3 })
    }

    /// Notes until when the output of `target` is of use for what is read here.
    fn note_reader(&mut self, target: StepIx) {
        let layout = self.layout();
        let anchor = layout.anchor(self.site.scope, self.site.step, layout.node(target).scope);
        let reader = anchor.and_then(|anchor| anchor.step).filter(|reader| *reader != target);
        // an undo may come when its step has long settled
        let is_undo = matches!(self.site.field, Field::Compensate | Field::Aftermath);
        let outputs = &mut self.context.uses.outputs;
        match reader.filter(|_| !is_undo) {
            Some(reader) => outputs.readers.push((target, reader)),
            None => outputs.lasting.push(target),
        }
    }

    /// Whether `target` can be read here; notes the dependency that this makes.
    fn check_order(&mut self, target: StepIx) -> Result<(), UnknownName> {
        let layout = self.layout();
        let site = self.site;
        let id = layout.id(target);
        let home = layout.node(target).scope;
        let Some(anchor) = layout.anchor(site.scope, site.step, home) else {
            return if self.is_in_other_case(home) { Ok(()) } else { Err(self.hidden(target)) };
        };
        let Some(step) = anchor.step else { return Ok(()) };
        if step == target {
            return if self.may_read_itself(anchor) {
                Ok(())
            } else {
                Err(self.early(self_read(id, anchor)))
            };
        }
        let scope = layout.scope(home);
        match scope.mode {
            _ if scope.role == ScopeRole::Contest => {
                let message = format!("`{}` and `{id}` compete and cannot read each other", layout.id(step));
                Err(self.early(message))
            }
            Mode::Sequential | Mode::Pipeline if target > step => {
                Err(self
                    .early(format!("step `{id}` runs after `{}` and cannot be read here", layout.id(step))))
            }
            Mode::Sequential | Mode::Pipeline => Ok(()),
            Mode::Parallel | Mode::Conditional => {
                self.context.uses.awaited.push(Awaited { step, source: target, at: self.at });
                Ok(())
            }
        }
    }

    /// `output` of a switch is compiled for every case and may name steps of any of them.
    fn is_in_other_case(&self, home: ScopeIx) -> bool {
        let (mine, other) = (self.layout().scope(self.site.scope), self.layout().scope(home));
        self.site.field == Field::Output
            && self.site.step.is_none()
            && matches!((mine.role, other.role), (ScopeRole::Case(_), ScopeRole::Case(_)))
            && mine.owner == other.owner
    }

    fn may_read_itself(&self, anchor: Anchor) -> bool {
        let reads_own_step = matches!(
            self.site.field,
            Field::Output | Field::Compensate | Field::CatchWhen(_) | Field::Aftermath
        );
        match anchor.through {
            None => reads_own_step,
            Some(scope) if scope == self.site.scope && self.site.step.is_none() && reads_own_step => true,
            Some(scope) => matches!(self.layout().scope(scope).role, ScopeRole::Catch(_)),
        }
    }

    fn early(&mut self, message: String) -> UnknownName {
        self.out_of_order.push(message.clone());
        unknown(message, "Only what is finished by then can be read.")
    }

    fn hidden(&self, target: StepIx) -> UnknownName {
        let layout = self.layout();
        let (id, home) = (layout.id(target), layout.node(target).scope);
        let inside = layout.describe(home);
        let hint = match layout.scope(home).owner {
            Some(owner) => format!(
                "Let `{0}` hand it out in its `output`, and read `steps.{0}.output`.",
                layout.id(owner)
            ),
            None => String::new(),
        };
        unknown(format!("step `{id}` is inside {inside} and cannot be seen from here"), hint)
    }

    fn unknown_step(&self, id: &str) -> UnknownName {
        let layout = self.layout();
        let visible = layout
            .outwards(self.site.scope, self.site.step)
            .flat_map(|(scope, _)| layout.steps_of(scope))
            .map(|step| layout.id(step));
        unknown(format!("unknown step `{id}`"), did_you_mean("", nearest(id, visible)))
    }

    fn variable(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        let (layout, variables) = (self.layout(), self.context.variables);
        let Some(name) = path.get(1) else {
            return Err(unknown("`vars` alone is no value", "Write `vars.<name>`."));
        };
        if self.is_outside_steps() {
            return Err(unknown(
                format!("variable `{name}` cannot be read here"),
                "This stands outside all steps.",
            ));
        }
        let Some((scope, slot)) = variables.home(layout, self.site.scope, name) else {
            if let Some(home) = variables.elsewhere(name) {
                let inside = layout.describe(home);
                let hint = "Declare it in the document's `variables` to use it everywhere.";
                let message =
                    format!("variable `{name}` is set inside {inside} and cannot be seen from here");
                return Err(unknown(message, hint));
            }
            let scopes = layout.outwards(self.site.scope, self.site.step);
            let visible = scopes.flat_map(|(scope, _)| variables.names(scope)).copied();
            return Err(unknown(
                format!("unknown variable `{name}`"),
                did_you_mean("vars.", nearest(name, visible)),
            ));
        };
        if let Some(user) = self.site.step.or(layout.scope(self.site.scope).owner) {
            note_access(
                self.context,
                (self.site.scope, self.site.step),
                (scope, slot),
                (user, false),
                self.at,
            );
        }
        let reference = self.context.refs.intern(Ref::Variable { scope, slot });
        Ok(Resolved { reference, consumed: 2 })
    }

    fn workflow(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        let Some(word) = path.get(1) else {
            return Err(unknown(
                "`workflow` alone is no value",
                "Write `workflow.id`, `version`, `run_id` or `started_at`.",
            ));
        };
        let Some((_, reference)) = WORKFLOW_FIELDS.iter().find(|(name, _)| name == word) else {
            let guess = nearest(word, WORKFLOW_FIELDS.iter().map(|(name, _)| *name));
            return Err(unknown(format!("`workflow` has no `{word}`"), did_you_mean("workflow.", guess)));
        };
        Ok(Resolved { reference: self.context.refs.intern(reference.clone()), consumed: 2 })
    }

    fn config(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        let Some(key) = path.get(1) else {
            return Err(unknown("`config` alone is no value", "Write `config.<key>`."));
        };
        if let Some(known) = &self.context.options.config_keys
            && !known.contains(*key)
        {
            let guess = nearest(key, known.iter().map(|key| &**key));
            return Err(unknown(
                format!("the configuration has no key `{key}`"),
                did_you_mean("config.", guess),
            ));
        }
        Ok(Resolved { reference: self.context.refs.intern(Ref::Config((*key).into())), consumed: 2 })
    }

    fn unknown_root(&self, name: &str) -> UnknownName {
        let layout = self.layout();
        if layout.find(name).is_some() {
            return unknown(
                format!("unknown name `{name}`"),
                format!("For the step write `steps.{name}.output`."),
            );
        }
        if self.context.variables.elsewhere(name).is_some() {
            return unknown(
                format!("unknown name `{name}`"),
                format!("For the variable write `vars.{name}`."),
            );
        }
        let reason = match name {
            "result" => "`result` is known only in the `output` of a step.",
            "prev" => "`prev` is known only in the stages of a pipeline.",
            "event" => {
                "`event` is known only in the `filter` of a wait_for_event and the `input` of a schedule."
            }
            "iteration" => "`iteration` is known only in the body of a repeat.",
            "item" | "index" => "It is known only in the body of a foreach, under the names given there.",
            "error" => {
                "`error` is known only in a catch (or as named there), in `on_failure` and in `when` of a retry."
            }
            _ => "",
        };
        if !reason.is_empty() {
            return unknown(format!("`{name}` has no meaning here"), reason);
        }
        let scopes = layout.outwards(self.site.scope, self.site.step);
        let bound = scopes
            .flat_map(|(scope, anchor)| bound_by(layout, scope, anchor))
            .flatten()
            .map(|(name, _)| name);
        let fixed = ["input", "vars", "steps", "workflow", "config"];
        unknown(format!("unknown name `{name}`"), did_you_mean("", nearest(name, bound.chain(fixed))))
    }
}

impl expr::Names for Names<'_, '_, '_> {
    fn resolve(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        if let Some(reference) = self.bound(path[0]) {
            return Ok(Resolved { reference: self.context.refs.intern(reference), consumed: 1 });
        }
        match path[0] {
            "input" => Ok(Resolved { reference: self.context.refs.intern(Ref::Input), consumed: 1 }),
            "steps" => self.step(path),
            "vars" => self.variable(path),
            "workflow" => self.workflow(path),
            "config" => self.config(path),
            name => Err(self.unknown_root(name)),
        }
    }

    fn secret(&mut self, name: &str) -> Result<(), UnknownName> {
        match self.site.field {
            Field::Parameters | Field::Compensate => Ok(()),
            _ => Err(unknown(
                format!("secret `{name}` cannot be read here"),
                "Secrets are for the parameters of calls, so that they are stored nowhere.",
            )),
        }
    }
}

/// Notes that `user` uses a variable, if something else decides whether that is in order.
pub(super) fn note_access(
    context: &mut Context<'_, '_>,
    (scope, step): (ScopeIx, Option<StepIx>),
    (home, slot): (ScopeIx, u32),
    (user, writes): (StepIx, bool),
    at: u32,
) {
    let layout = context.layout;
    if matches!(layout.scope(home).mode, Mode::Sequential | Mode::Pipeline) {
        return;
    }
    if let Some(step) = layout.anchor(scope, step, home).and_then(|anchor| anchor.step) {
        context.uses.accesses.push(Access { scope: home, slot, step, user, writes, at });
    }
}

/// The names that `scope` binds for what is inside it.
fn bound_by<'w>(layout: &Layout<'w>, scope: ScopeIx, anchor: Anchor) -> [Option<(&'w str, Ref)>; 3] {
    let node = layout.scope(scope);
    let owner = node.owner.map(|owner| layout.node(owner).step);
    let prev =
        (node.mode == Mode::Pipeline && anchor.step.is_some()).then_some(("prev", Ref::Previous(scope)));
    match (node.role, owner) {
        (ScopeRole::Item, Some(step)) => match &step.action {
            Action::Foreach(foreach) => {
                let (item, index) = binds(foreach);
                [Some((item, Ref::Item(scope))), Some((index, Ref::Index(scope))), prev]
            }
            _ => [None, None, prev],
        },
        (ScopeRole::Iteration, _) => [Some(("iteration", Ref::Iteration(scope))), None, prev],
        (ScopeRole::Catch(position), Some(step)) => {
            let bind = step.catch[position as usize].bind.as_ref().map_or("error", |name| &name.value);
            [Some((bind, Ref::Error(scope))), None, prev]
        }
        (ScopeRole::OnFailure, _) => [Some(("error", Ref::Error(scope))), None, prev],
        _ => [None, None, prev],
    }
}

/// The names of the item and the index of a foreach.
pub(super) fn binds(foreach: &crate::model::Foreach) -> (&str, &str) {
    let item = foreach.bind.as_ref().map_or("item", |name| &name.value);
    (item, foreach.index_bind.as_ref().map_or("index", |name| &name.value))
}

fn self_read(id: &str, anchor: Anchor) -> String {
    match anchor.through {
        None => format!("step `{id}` cannot read itself here: it has not run yet"),
        Some(_) => format!("step `{id}` is still running while its own steps do"),
    }
}

fn unknown(message: impl Into<String>, hint: impl Into<String>) -> UnknownName {
    UnknownName { message: message.into(), hint: hint.into() }
}

pub(super) fn did_you_mean(prefix: &str, guess: Option<&str>) -> String {
    guess.map_or_else(String::new, |guess| format!("Did you mean `{prefix}{guess}`?"))
}
