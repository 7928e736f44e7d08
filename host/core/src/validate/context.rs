//! What all passes over a document share: the tables they read and the findings and references they collect.

use super::Options;
use super::layout::Layout;
use super::variables::Variables;
use crate::diagnostic::{Code, Finding};
use crate::expr::{RefIx, Template};
use crate::model::{Json, Workflow};
use crate::plan::{Mode, Outputs, Ref, Scope, ScopeIx, ScopeRole, StepIx};
use std::collections::HashMap;

/// The state of one compilation.
pub(super) struct Context<'a, 'w> {
    pub(super) workflow: &'w Workflow,
    pub(super) layout: &'a Layout<'w>,
    pub(super) variables: &'a Variables<'w>,
    pub(super) options: &'a Options,
    pub(super) refs: Refs,
    pub(super) uses: Uses,
    pub(super) findings: Vec<Finding>,
}

impl<'a, 'w> Context<'a, 'w> {
    pub(super) fn new(
        workflow: &'w Workflow,
        layout: &'a Layout<'w>,
        variables: &'a Variables<'w>,
        options: &'a Options,
    ) -> Self {
        let uses = Uses { is_read: vec![false; layout.steps.len()], ..Uses::default() };
        Self { workflow, layout, variables, options, refs: Refs::default(), uses, findings: Vec::new() }
    }

    pub(super) fn report(
        &mut self,
        code: Code,
        at: u32,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.push(Finding { code, at, message: message.into(), hint: hint.into() });
    }
}

/// The references of a plan, each once.
#[derive(Default)]
pub(super) struct Refs {
    table: Vec<Ref>,
    known: HashMap<Ref, RefIx>,
}

impl Refs {
    pub(super) fn intern(&mut self, reference: Ref) -> RefIx {
        if let Some(ix) = self.known.get(&reference) {
            return *ix;
        }
        let ix = RefIx(super::layout::index(self.table.len()));
        self.table.push(reference.clone());
        self.known.insert(reference, ix);
        ix
    }

    /// Whether `reference` is one of these.
    pub(super) fn contain(&self, these: &[RefIx], reference: &Ref) -> bool {
        these.iter().any(|ix| self.table[ix.0 as usize] == *reference)
    }

    pub(super) fn into_table(self) -> Vec<Ref> {
        self.table
    }
}

/// What expressions were found to use.
#[derive(Default)]
pub(super) struct Uses {
    /// Dependencies that references make, among steps that dependencies order.
    pub(super) awaited: Vec<Awaited>,
    /// Steps whose output, status or the like is read by anybody.
    pub(super) is_read: Vec<bool>,
    /// Who reads the output of which step.
    pub(super) outputs: OutputUses,
    /// Uses of variables among steps that dependencies order.
    pub(super) accesses: Vec<Access>,
}

/// Until when the outputs of steps are of use.
#[derive(Default)]
pub(super) struct OutputUses {
    /// A step, and one of its scope that reads its output or in which that is read.
    pub(super) readers: Vec<(StepIx, StepIx)>,
    /// Steps whose output may be read for as long as their scope lives.
    pub(super) lasting: Vec<StepIx>,
}

impl OutputUses {
    /// By step. A body without `output` that is no list puts out all of them.
    pub(super) fn lower(self, scopes: &[Scope], refs: &Refs, steps: usize) -> Outputs {
        let mut lasting = vec![false; steps].into_boxed_slice();
        self.lasting.iter().for_each(|step| lasting[step.0 as usize] = true);
        for scope in scopes {
            let reads_result = |output: &Template| refs.contain(output.references(), &Ref::LocalResult);
            let is_default = scope.output.as_ref().is_none_or(reads_result);
            let has_all = matches!(scope.mode, Mode::Parallel | Mode::Conditional) && is_default;
            if has_all || scope.role == ScopeRole::Contest {
                lasting[scope.steps.start as usize..scope.steps.end as usize].fill(true);
            }
        }
        Outputs::new(&self.readers, lasting)
    }
}

/// `step` reads `source`, both of one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Awaited {
    pub(super) step: StepIx,
    pub(super) source: StepIx,
    pub(super) at: u32,
}

/// A use of a variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    /// Where the variable lives.
    pub(super) scope: ScopeIx,
    pub(super) slot: u32,
    /// The step of that scope that is, or encloses, the one that uses the variable.
    pub(super) step: StepIx,
    /// The step that uses it, for messages.
    pub(super) user: StepIx,
    pub(super) writes: bool,
    pub(super) at: u32,
}

/// The position `inside` bytes after `at`.
pub(super) fn shift(at: u32, inside: usize) -> u32 {
    at.saturating_add(u32::try_from(inside).unwrap_or(u32::MAX))
}

/// The JSON `{}`, for templates that are absent.
pub(super) fn empty_object(at: u32) -> Json {
    Json { text: "{}".into(), at }
}
