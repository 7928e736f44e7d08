//! Lowers scopes: their outputs, variables and limits.

use super::context::Context;
use super::expressions::{Field, Site, optional};
use crate::model::Action;
use crate::plan::{Scope, ScopeIx, ScopeRole};

/// All scopes of the plan; `None` if one of their outputs is faulty.
pub(super) fn lower(context: &mut Context<'_, '_>) -> Option<Vec<Scope>> {
    let layout = context.layout;
    let mut complete = true;
    let mut scopes = Vec::with_capacity(layout.scopes.len());
    for ix in layout.scope_indices() {
        let Some(scope) = lower_one(context, ix) else {
            complete = false;
            continue;
        };
        scopes.push(scope);
    }
    complete.then_some(scopes)
}

fn lower_one(context: &mut Context<'_, '_>, ix: ScopeIx) -> Option<Scope> {
    let node = context.layout.scope(ix);
    let field = match node.role {
        ScopeRole::Root => Field::Plain,
        ScopeRole::Catch(_) => Field::Aftermath,
        _ => Field::Output,
    };
    let output = match (node.role, node.owner) {
        (ScopeRole::Case(_), Some(owner)) => first_match_output(context.layout.node(owner).step),
        _ => node.output,
    };
    let output = optional(output, |json| context.template(json, Site::at_end(ix).field(field)))?;
    Some(Scope {
        owner: node.owner,
        parent: node.parent,
        role: node.role,
        steps: node.steps.clone(),
        mode: node.mode,
        max_concurrency: node.max_concurrency,
        output,
        variables: context.variables.names(ix).iter().map(|name| Box::from(*name)).collect(),
    })
}

/// The `output` of a switch that takes one case is that of the case's body; of one that takes all it is over the
/// result of them together, see `steps`.
fn first_match_output(step: &crate::model::Step) -> Option<&crate::model::Json> {
    match &step.action {
        Action::Switch { match_all, .. } if !match_all.unwrap_or(false) => step.output.as_ref(),
        _ => None,
    }
}
