//! Lowers steps: conditions, actions, policies and what few steps have.

use super::calls::Calls;
use super::context::{Context, empty_object};
use super::expressions::{Field, Site, optional};
use super::names::{binds, note_access};
use super::parameters;
use super::retries::Retries;
use crate::diagnostic::Code;
use crate::expr::{Expression, Template};
use crate::model::{self, At, Json, Mode, RetryField, Workflow};
use crate::payload::Payload;
use crate::plan::{
    Action, Assignment, Call, Case, Catch, Compensate, Extras, Fail, Foreach, Items, Log, MethodIx, Repeat,
    Retry, RetryIx, ScopeIx, Step, StepIx, Switch, Tolerance, TriggerRule,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

mod options;

const CALL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
const MAX_ITERATIONS_DEFAULT: u32 = 10_000;

/// What lowering came to.
pub(super) struct Lowered {
    /// All steps; `None` if one of them is faulty.
    pub(super) steps: Option<Vec<Step>>,
    /// The method of each call step that resolved.
    pub(super) calls: Vec<(StepIx, MethodIx)>,
    pub(super) retries: Vec<Retry>,
}

/// Lowers all steps in the order of the table.
pub(super) fn lower<'w>(
    context: &mut Context<'_, 'w>,
    calls: &mut Calls<'w, '_>,
    retries: Retries<'w>,
) -> Lowered {
    let layout = context.layout;
    let default_session = options::default_session(context);
    let mut lowering = Lowering {
        context,
        calls,
        retries,
        default_session,
        called: Vec::new(),
        constants: HashMap::new(),
        pools: BTreeSet::new(),
        next: StepIx(0),
    };
    let mut steps = Some(Vec::with_capacity(layout.steps.len()));
    for ix in (0..super::layout::index(layout.steps.len())).map(StepIx) {
        lowering.next = ix;
        match lowering.step(layout.node(ix).step) {
            Some(step) => {
                if let Some(steps) = &mut steps {
                    steps.push(step);
                }
            }
            None => steps = None,
        }
    }
    Lowered { steps, calls: lowering.called, retries: lowering.retries.into_table() }
}

fn is_detached(call: &model::CallFields) -> bool {
    call.detached.as_ref().is_some_and(|detached| detached.value)
}

pub(super) struct Lowering<'l, 'a, 'w, 'c> {
    pub(super) context: &'l mut Context<'a, 'w>,
    pub(super) calls: &'l mut Calls<'w, 'c>,
    retries: Retries<'w>,
    /// That of calls that name none; `None` if it is faulty.
    default_session: Option<Option<Arc<Template>>>,
    called: Vec<(StepIx, MethodIx)>,
    /// Constant parameters by their text.
    constants: HashMap<Box<str>, Payload>,
    /// Names of pools so far.
    pools: BTreeSet<Arc<str>>,
    /// The step that is being lowered.
    pub(super) next: StepIx,
}

impl<'w> Lowering<'_, '_, 'w, '_> {
    fn step(&mut self, step: &'w model::Step) -> Option<Step> {
        let scope = self.context.layout.node(self.next).scope;
        let is_detached = matches!(&step.action, model::Action::Call(call) if is_detached(call));
        let is_call = matches!(step.action, model::Action::Call(_)) && !is_detached;
        // every part is looked at before the first fault of one of them is acted upon
        let when = optional(step.when.as_ref(), |when| self.context.condition(when, self.site()));
        let action = self.action(step);
        // those of a detached call are for the run that it starts
        let retry = self.retry(step.retry.as_ref().filter(|_| !is_detached), is_call);
        let extras = self.extras(step);
        let timeout = match step.timeout {
            None => match &action {
                Some(Action::Call(call)) => self.call_timeout(call.method),
                _ => None,
            },
            _ if is_detached => None,
            written => written.flatten(),
        };
        Some(Step {
            id: step.id.value.clone(),
            scope,
            critical: is_critical(self.context.workflow, step),
            rule: rule(step, self.context.layout.scope(scope).mode),
            timeout,
            retry: retry?,
            when: when?.map(Box::new),
            action: action?,
            extras: extras?,
        })
    }

    pub(super) fn site(&self) -> Site<'static> {
        Site::of(self.context.layout.node(self.next).scope, self.next)
    }

    /// The scope that is the `nth` body of the step.
    fn body(&self, nth: usize) -> ScopeIx {
        ScopeIx(self.context.layout.node(self.next).first_body + super::layout::index(nth))
    }

    pub(super) fn template(&mut self, json: &Json) -> Option<Template> {
        self.context.template(json, self.site())
    }

    pub(super) fn optional_template(&mut self, json: Option<&Json>) -> Option<Option<Template>> {
        optional(json, |json| self.template(json))
    }

    pub(super) fn condition(
        &mut self,
        source: Option<&At<Box<str>>>,
        site: Site<'_>,
    ) -> Option<Option<Expression>> {
        optional(source, |source| self.context.condition(source, site))
    }

    fn retry(&mut self, field: Option<&RetryField>, is_call: bool) -> Option<Option<RetryIx>> {
        let site = self.site().field(Field::RetryWhen);
        match field {
            Some(field) => self.retries.field(self.context, field, site),
            None if is_call => self.retries.inherited(),
            None => Some(None),
        }
    }

    fn action(&mut self, step: &'w model::Step) -> Option<Action> {
        match &step.action {
            model::Action::Call(fields) => {
                let (call, method) = self.call(fields, Field::Parameters);
                self.called.extend(method.map(|method| (self.next, method)));
                if is_detached(fields) {
                    return self.detached(step, fields).filter(|_| call.is_some());
                }
                call.map(Action::Call)
            }
            model::Action::Group(_) => Some(Action::Group(self.body(0))),
            model::Action::Switch { cases, default, match_all } => {
                self.switch(cases, default.is_some(), match_all.unwrap_or(false))
            }
            model::Action::Foreach(foreach) => self.foreach(foreach),
            model::Action::Repeat(repeat) => self.repeat(repeat),
            model::Action::Race { winners, .. } => {
                let winners = winners.as_ref().map_or(1, |winners| winners.value);
                Some(Action::Race { body: self.body(0), winners })
            }
            model::Action::Set { variables } => self.set(step, variables),
            model::Action::Log { message, level, data } => {
                let message = self.template(message);
                let data = self.optional_template(data.as_ref());
                let level = level.unwrap_or(crate::plan::LogLevel::Info);
                Some(Action::Log(Box::new(Log { message: message?, level, data: data? })))
            }
            model::Action::Wait(model::Wait::Duration(json)) => {
                self.template(json).map(|template| Action::WaitFor(Box::new(template)))
            }
            model::Action::Wait(model::Wait::Until(json)) => {
                self.template(json).map(|template| Action::WaitUntil(Box::new(template)))
            }
            model::Action::Fail { kind, message, details, .. } => {
                let kind = self.optional_template(kind.as_ref());
                let message = self.optional_template(message.as_ref());
                let details = self.optional_template(details.as_ref());
                Some(Action::Fail(Box::new(Fail { kind: kind?, message: message?, details: details? })))
            }
            model::Action::Return { value } => {
                let null = Json { text: "null".into(), at: step.at };
                let value = self.template(value.as_ref().unwrap_or(&null))?;
                Some(Action::Return(Box::new(value)))
            }
            _ => self.outward(&step.action),
        }
    }

    /// A call, and its method even if its parameters are faulty.
    fn call(&mut self, fields: &'w model::CallFields, field: Field<'_>) -> (Option<Call>, Option<MethodIx>) {
        let method = self.calls.resolve(self.context, fields);
        let absent;
        let json = match &fields.parameters {
            Some(json) => json,
            None => {
                absent = empty_object(fields.method.at);
                &absent
            }
        };
        let parameters = self.context.template(json, self.site().field(field));
        let options = self.options(fields, field);
        let (Some(method), Some(mut parameters)) = (method, parameters) else { return (None, method) };
        parameters.share_constant(&mut self.constants);
        if let Some(schema) = self.calls.schema(method) {
            let called = self.calls.method_use(method);
            parameters::check(self.context, schema, called, json, &parameters);
        }
        (options.map(|options| Call { method, parameters, options }), Some(method))
    }

    fn switch(&mut self, cases: &[model::Case], has_default: bool, match_all: bool) -> Option<Action> {
        let mut lowered = Vec::with_capacity(cases.len());
        let mut always: Option<&str> = None;
        for (nth, case) in cases.iter().enumerate() {
            if let Some(taken) = always.filter(|_| !match_all) {
                let message =
                    format!("case `{}` is never reached: `{taken}` before it always holds", case.name.value);
                self.context.report(Code::UnreachableCase, case.name.at, message, "");
            }
            let when = self.context.condition(&case.when, self.site());
            if when.as_ref().and_then(Expression::constant).is_some_and(|value| value.as_str() == "true") {
                always.get_or_insert(&case.name.value);
            }
            lowered.push(when.map(|when| Case { name: case.name.value.clone(), when, body: self.body(nth) }));
        }
        let cases = lowered.into_iter().collect::<Option<Vec<_>>>()?;
        let default = has_default.then(|| self.body(cases.len()));
        Some(Action::Switch(Box::new(Switch { cases, default, match_all })))
    }

    fn foreach(&mut self, foreach: &model::Foreach) -> Option<Action> {
        let items = match &foreach.items {
            model::Items::Expression(source) => {
                self.context.expression(source, self.site()).map(Items::Expression)
            }
            model::Items::Literal(json) => self.template(json).map(Items::Literal),
        };
        let (item, index) = binds(foreach);
        let site = self.site().field(Field::ForeachWhile { item, index });
        let while_ = self.condition(foreach.while_.as_ref(), site);
        let max_concurrency = match &foreach.body.max_concurrency {
            None => Some(1),
            Some(limit) => Some(limit.value).filter(|limit| *limit > 0),
        };
        Some(Action::Foreach(Box::new(Foreach {
            items: items?,
            max_concurrency,
            batch_size: foreach.batch_size.as_ref().map_or(1, |size| size.value.max(1)),
            tolerated: foreach.tolerated.unwrap_or(Tolerance::Count(0)),
            while_: while_?,
            body: self.body(0),
        })))
    }

    fn repeat(&mut self, repeat: &model::Repeat) -> Option<Action> {
        let body = self.body(0);
        let while_ = self.condition(repeat.while_.as_ref(), Site::at_end(body));
        let until = self.condition(repeat.until.as_ref(), Site::at_end(body));
        Some(Action::Repeat(Box::new(Repeat {
            while_: while_?,
            until: until?,
            max_iterations: repeat.max_iterations.unwrap_or(MAX_ITERATIONS_DEFAULT),
            delay: repeat.delay.unwrap_or_default(),
            body,
        })))
    }

    fn set(&mut self, step: &model::Step, variables: &indexmap::IndexMap<Box<str>, Json>) -> Option<Action> {
        let (layout, table) = (self.context.layout, self.context.variables);
        let here = self.site().scope;
        let mut assignments = Vec::with_capacity(variables.len());
        for (name, json) in variables {
            let value = self.template(json);
            let Some((scope, slot)) = table.home(layout, here, name) else { continue };
            super::access::check_writer(self.context, self.next, scope, name, json.at);
            note_access(self.context, (here, Some(self.next)), (scope, slot), (self.next, true), json.at);
            assignments.push(value.map(|value| Assignment { name: name.clone(), scope, slot, value }));
        }
        debug_assert_eq!(
            assignments.len(),
            variables.len(),
            "every variable of `{}` has a home",
            step.id.value
        );
        Some(Action::Set(assignments.into_iter().collect::<Option<_>>()?))
    }

    fn extras(&mut self, step: &'w model::Step) -> Option<Option<Box<Extras>>> {
        if step.catch.is_empty()
            && step.compensate.is_none()
            && step.output.is_none()
            && step.status.is_none()
        {
            return Some(None);
        }
        let catch: Vec<_> =
            step.catch.iter().enumerate().map(|(nth, catch)| self.catch(step, nth, catch)).collect();
        let compensate = optional(step.compensate.as_deref(), |undo| self.compensate(undo));
        let own_output = step.output.as_ref().filter(|_| !bodies_have_output(step));
        let site = self.site().field(Field::Output);
        let output = optional(own_output, |json| self.context.template(json, site));
        let status = self.optional_template(step.status.as_ref());
        Some(Some(Box::new(Extras {
            catch: catch.into_iter().collect::<Option<_>>()?,
            compensate: compensate?,
            output: output?,
            status: status?,
        })))
    }

    fn catch(&mut self, step: &model::Step, nth: usize, catch: &model::Catch) -> Option<Catch> {
        let bind = catch.bind.as_ref().map_or("error", |name| &name.value);
        let when = self.condition(catch.when.as_ref(), self.site().field(Field::CatchWhen(bind)));
        Some(Catch {
            errors: catch.errors.clone().unwrap_or_else(|| vec!["*".into()]),
            when: when?,
            body: self.body(body_count(step) + nth),
        })
    }

    fn compensate(&mut self, undo: &'w model::Compensate) -> Option<Compensate> {
        let (call, _) = self.call(&undo.call, Field::Compensate);
        let retry = self.retry(undo.retry.as_ref(), true);
        let (call, retry) = (call?, retry?);
        let timeout = undo.timeout.unwrap_or_else(|| self.call_timeout(call.method));
        Some(Compensate { call, timeout, retry })
    }

    /// The limit of calls that do not set one: that of the document, else of the method, else a minute.
    fn call_timeout(&self, method: MethodIx) -> Option<Duration> {
        let of_method = || self.calls.method_use(method).default_timeout.unwrap_or(CALL_TIMEOUT_DEFAULT);
        let limit = self.context.workflow.defaults.timeout.unwrap_or_else(of_method);
        (!limit.is_zero()).then_some(limit)
    }
}

/// Whether failure of `step` fails its scope.
pub(super) fn is_critical(workflow: &Workflow, step: &model::Step) -> bool {
    step.critical.or(workflow.defaults.critical).unwrap_or(true)
}

/// The trigger rule of `step`, the mode's default filled in.
pub(super) fn rule(step: &model::Step, mode: Mode) -> TriggerRule {
    match &step.trigger_rule {
        Some(rule) => rule.value,
        None if mode == Mode::Conditional => TriggerRule::AllCompleted,
        None => TriggerRule::NoneFailed,
    }
}

/// How many bodies stand before the catches of a step.
fn body_count(step: &model::Step) -> usize {
    match &step.action {
        model::Action::Switch { cases, default, .. } => cases.len() + usize::from(default.is_some()),
        model::Action::Group(_)
        | model::Action::Foreach(_)
        | model::Action::Repeat(_)
        | model::Action::Race { .. } => 1,
        _ => 0,
    }
}

/// Whether `output` is that of the step's bodies, so that it sees their steps.
fn bodies_have_output(step: &model::Step) -> bool {
    match &step.action {
        model::Action::Switch { match_all, .. } => !match_all.unwrap_or(false),
        _ => body_count(step) > 0,
    }
}
