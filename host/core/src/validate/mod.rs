//! Checks a model against the rules of the format and the catalog, and lowers it into a plan. All findings come at
//! once: what is wrong with one step hides nothing of another.

mod access;
mod bodies;
mod calls;
mod context;
mod detached;
mod edges;
mod expressions;
mod layout;
mod names;
mod order;
mod outward;
mod parameters;
mod pointer;
mod retries;
mod rules;
mod scheduling;
mod steps;
#[cfg(test)]
pub(crate) mod tests;
mod unused;
mod variables;

use crate::catalog::Catalog;
use crate::diagnostic::{Code, Finding, Severity};
use crate::model::Workflow;
use crate::plan::{Concurrency, InputSchema, Plan, Step};
use context::Context;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const PRIORITY_DEFAULT: u8 = 5;
const CLEANUP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);

/// What a document came to.
#[derive(Debug)]
pub struct Compiled {
    /// The plan; `None` if any finding is an error, or a step is of a type that cannot be run, which parsing reports.
    pub plan: Option<Arc<Plan>>,
    /// All findings, by their place in the document.
    pub findings: Vec<Finding>,
}

/// What the host adds to the rules of the format.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The keys that `config.<key>` can name; `None` accepts any, and one that is missing is null in the run.
    pub config_keys: Option<BTreeSet<Box<str>>>,
    /// The pools that the host has; `None` says nothing of pools. A call may name another one, and waits where it is not.
    pub pools: Option<BTreeSet<Box<str>>>,
}

/// Checks `workflow` and lowers it. Takes time in proportion to the document; a step that is wrong in itself is
/// reported and the rest goes on.
#[must_use]
pub fn compile(workflow: &Workflow, catalog: &Catalog, options: &Options) -> Compiled {
    let layout = layout::Layout::of(workflow);
    let variables = variables::Variables::of(workflow, &layout);
    let mut context = Context::new(workflow, &layout, &variables, options);
    let mut calls = calls::Calls::new(workflow, catalog, &mut context.findings);
    let retries = retries::Retries::of(workflow, &mut context);
    let lowered = steps::lower(&mut context, &mut calls, retries);
    let scopes = bodies::lower(&mut context);
    let initial = variables::initial_values(&mut context);
    let concurrency = concurrency(workflow, &mut context);
    let input_schema = input_schema(workflow, &mut context.findings);
    let schedule = scheduling::lower(workflow, input_schema.as_ref(), options, &mut context.findings);

    rules::check(workflow, &layout, &mut context.findings);
    let edges = edges::Edges::of(&layout, &mut context);
    let order = order::Order::of(&layout, &edges, &mut context.findings);
    access::check(&layout, &variables, &edges, &order, &mut context);
    unused::check(&layout, &calls, &edges, &lowered.calls, &mut context);

    let Context { refs, uses, mut findings, .. } = context;
    findings.sort_by_key(|finding| (finding.at, finding.code));
    findings.dedup();
    let failed = findings.iter().any(|finding| finding.code.severity() == Severity::Error);
    let parts = lowered.steps.zip(scopes).zip(initial).zip(concurrency).filter(|_| !failed);
    let plan = parts.map(|(((steps, scopes), variables), concurrency)| {
        let cleanup_timeout = workflow.cleanup_timeout.unwrap_or(CLEANUP_TIMEOUT_DEFAULT);
        let (listens, children) = (outward::listens(&steps), outward::children(&steps));
        let has_call_options = steps.iter().any(Step::has_call_options);
        let has_at_most_once = steps.iter().any(Step::is_at_most_once);
        let has_limits = steps.iter().any(Step::is_limited);
        let (priority, outputs) = (priority_of(workflow), uses.outputs.lower(&scopes, &refs, steps.len()));
        let step_priorities = layout.priorities(priority);
        let plain = match step_priorities {
            None => crate::plan::Plain::table(&steps, &scopes, &edges.successor_starts, &edges.successors),
            // the short way knows no order but that of lists
            Some(_) => vec![None; steps.len()].into(),
        };
        Arc::new(Plan {
            id: workflow.id.value.clone(),
            version: workflow.version(),
            name: workflow.name.as_ref().unwrap_or(&workflow.id.value).clone(),
            scopes,
            steps,
            successor_starts: edges.successor_starts,
            successors: edges.successors,
            declared_starts: edges.declared_starts,
            declared: edges.declared,
            plain,
            has_call_options,
            in_degree: edges.in_degree,
            outputs,
            refs: refs.into_table(),
            awaited: edges.awaited,
            methods: calls.into_methods(),
            retries: lowered.retries,
            variables,
            input_schema,
            timeout: workflow.timeout.filter(|limit| !limit.is_zero()),
            rollback: workflow.rollback.unwrap_or_default(),
            on_failure: layout.on_failure(),
            finally: layout.finally(),
            cleanup_timeout,
            max_concurrency: layout::limit(&workflow.body),
            listens,
            concurrency,
            priority,
            step_priorities,
            has_at_most_once,
            has_limits,
            children,
            schedule,
        })
    });
    Compiled { plan, findings }
}

/// The priority of runs.
fn priority_of(workflow: &Workflow) -> u8 {
    workflow.priority.as_ref().map_or(PRIORITY_DEFAULT, |priority| priority.value)
}

/// `None` if the key is faulty.
fn concurrency<'w>(
    workflow: &'w Workflow,
    context: &mut Context<'_, 'w>,
) -> Option<Option<Box<Concurrency>>> {
    let Some(written) = &workflow.concurrency else { return Some(None) };
    let key = context.expression(&written.key, expressions::Site::before_run())?;
    let (limit, on_conflict) = (written.limit.unwrap_or(1).max(1), written.on_conflict.unwrap_or_default());
    Some(Some(Box::new(Concurrency { key, limit, on_conflict })))
}

fn input_schema(workflow: &Workflow, findings: &mut Vec<Finding>) -> Option<InputSchema> {
    let schema = workflow.input_schema.as_ref()?;
    match InputSchema::compile(&schema.text) {
        Ok(compiled) => Some(compiled),
        Err((place, problem)) => {
            let inside = pointer::offset(&schema.text, &place).unwrap_or(0);
            findings.push(Finding {
                code: Code::BadSchema,
                at: context::shift(schema.at, inside),
                message: format!("`input_schema` is no valid JSON Schema: {problem}"),
                hint: String::new(),
            });
            None
        }
    }
}
