//! The bodies of a document as a table of scopes and a table of steps, laid out breadth first: the steps of one scope
//! are contiguous and in list order, and parents stand before their children. Nothing recurses over steps.

use crate::model::{self, Action, Body, Json, Mode, Step, Workflow};
use crate::plan::{ScopeIx, ScopeRole, StepIx};
use std::collections::HashMap;
use std::ops::Range;

/// All scopes and steps of a document.
pub(super) struct Layout<'w> {
    pub(super) scopes: Vec<ScopeNode<'w>>,
    pub(super) steps: Vec<StepNode<'w>>,
    by_id: HashMap<&'w str, StepIx>,
}

/// A body.
pub(super) struct ScopeNode<'w> {
    pub(super) owner: Option<StepIx>,
    pub(super) parent: Option<ScopeIx>,
    pub(super) role: ScopeRole,
    pub(super) mode: Mode,
    pub(super) max_concurrency: Option<u32>,
    pub(super) output: Option<&'w Json>,
    pub(super) list: &'w [Step],
    pub(super) steps: Range<u32>,
}

/// A step and where it stands.
pub(super) struct StepNode<'w> {
    pub(super) step: &'w Step,
    pub(super) scope: ScopeIx,
    /// The first of the scopes that the step owns: bodies as its action lists them, then catches.
    pub(super) first_body: u32,
}

/// Where an ancestor scope meets the place that looks outwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// The step of the ancestor that the place is in or belongs to; `None` if it is the end of the scope itself.
    pub(super) step: Option<StepIx>,
    /// The scope owned by `step` that the way came through.
    pub(super) through: Option<ScopeIx>,
}

impl<'w> Layout<'w> {
    /// The priority of a step, or that which it inherits.
    pub(super) fn priority_of(&self, step: StepIx, of_run: u8) -> u8 {
        let node = self.node(step);
        let inherited =
            || self.scope(node.scope).owner.map_or(of_run, |owner| self.priority_of(owner, of_run));
        node.step.priority.as_ref().map_or_else(inherited, |priority| priority.value)
    }

    /// The priority of each step, inherited ones filled in; `None` if all have that of the run.
    pub(super) fn priorities(&self, of_run: u8) -> Option<Box<[u8]>> {
        let mut all = vec![of_run; self.steps.len()];
        // scopes stand behind those that their owners stand in
        for scope in &self.scopes {
            let inherited = scope.owner.map_or(of_run, |owner| all[owner.0 as usize]);
            for ix in scope.steps.clone() {
                let own = self.steps[ix as usize].step.priority.as_ref().map(|priority| priority.value);
                all[ix as usize] = own.unwrap_or(inherited);
            }
        }
        let has_others = all.iter().any(|priority| *priority != of_run);
        has_others.then(|| all.into())
    }

    pub(super) fn of(workflow: &'w Workflow) -> Self {
        let mut layout = Self { scopes: Vec::new(), steps: Vec::new(), by_id: HashMap::new() };
        layout.scopes.push(root(&workflow.body, workflow.output.as_ref()));
        for (list, role) in
            [(&workflow.on_failure, ScopeRole::OnFailure), (&workflow.finally, ScopeRole::Finally)]
        {
            if !list.is_empty() {
                layout.scopes.push(ScopeNode { list, ..sequence(role, None, None) });
            }
        }
        let mut next = 0;
        while next < layout.scopes.len() {
            layout.lay_out(next);
            next += 1;
        }
        layout.by_id.reserve(layout.steps.len());
        for (ix, node) in (0..).zip(&layout.steps) {
            if !node.step.id.value.is_empty() {
                layout.by_id.entry(&node.step.id.value).or_insert(StepIx(ix));
            }
        }
        layout
    }

    fn lay_out(&mut self, scope: usize) {
        let start = index(self.steps.len());
        let list = self.scopes[scope].list;
        self.scopes[scope].steps = start..start + index(list.len());
        self.steps.reserve(list.len());
        for step in list {
            let here = Place { owner: StepIx(index(self.steps.len())), scope: ScopeIx(index(scope)) };
            self.steps.push(StepNode { step, scope: here.scope, first_body: index(self.scopes.len()) });
            push_bodies(&mut self.scopes, step, here);
        }
    }

    /// The step called `id`; of two with one id the first.
    pub(super) fn find(&self, id: &str) -> Option<StepIx> {
        self.by_id.get(id).copied()
    }

    pub(super) fn scope(&self, ix: ScopeIx) -> &ScopeNode<'w> {
        &self.scopes[ix.0 as usize]
    }

    pub(super) fn node(&self, ix: StepIx) -> &StepNode<'w> {
        &self.steps[ix.0 as usize]
    }

    pub(super) fn id(&self, ix: StepIx) -> &'w str {
        &self.steps[ix.0 as usize].step.id.value
    }

    /// The steps of `scope`.
    pub(super) fn steps_of(&self, scope: ScopeIx) -> impl Iterator<Item = StepIx> + use<> {
        self.scope(scope).steps.clone().map(StepIx)
    }

    pub(super) fn scope_indices(&self) -> impl Iterator<Item = ScopeIx> + use<> {
        (0..index(self.scopes.len())).map(ScopeIx)
    }

    pub(super) fn on_failure(&self) -> Option<ScopeIx> {
        self.top_level(ScopeRole::OnFailure)
    }

    pub(super) fn finally(&self) -> Option<ScopeIx> {
        self.top_level(ScopeRole::Finally)
    }

    fn top_level(&self, role: ScopeRole) -> Option<ScopeIx> {
        self.scopes.iter().take(3).position(|scope| scope.role == role).map(|at| ScopeIx(index(at)))
    }

    /// The scope around `scope` and the step in it that owns `scope`. Around `on_failure` and `finally` is the
    /// document's body, which has ended by then.
    pub(super) fn around(&self, scope: ScopeIx) -> Option<(ScopeIx, Option<StepIx>)> {
        let node = self.scope(scope);
        match node.role {
            ScopeRole::OnFailure | ScopeRole::Finally => Some((ScopeIx::ROOT, None)),
            _ => node.parent.map(|parent| (parent, node.owner)),
        }
    }

    /// `scope` and all scopes around it, each with the step in it that the place belongs to.
    pub(super) fn outwards(
        &self,
        scope: ScopeIx,
        step: Option<StepIx>,
    ) -> impl Iterator<Item = (ScopeIx, Anchor)> {
        let first = (scope, Anchor { step, through: None });
        std::iter::successors(Some(first), |(scope, _)| {
            let (parent, owner) = self.around(*scope)?;
            Some((parent, Anchor { step: owner, through: Some(*scope) }))
        })
    }

    /// Where `ancestor` meets a place in `scope`; `None` if it is not around it.
    pub(super) fn anchor(&self, scope: ScopeIx, step: Option<StepIx>, ancestor: ScopeIx) -> Option<Anchor> {
        self.outwards(scope, step).find(|(around, _)| *around == ancestor).map(|(_, anchor)| anchor)
    }

    /// What encloses `scope`, in words.
    pub(super) fn describe(&self, scope: ScopeIx) -> String {
        let node = self.scope(scope);
        match (node.role, node.owner) {
            (ScopeRole::OnFailure, _) => "`on_failure`".to_owned(),
            (ScopeRole::Finally, _) => "`finally`".to_owned(),
            (ScopeRole::Catch(_), Some(owner)) => format!("a catch of `{}`", self.id(owner)),
            (_, Some(owner)) => format!("`{}`", self.id(owner)),
            (_, None) => "the document's body".to_owned(),
        }
    }
}

/// Positions in a document fit into 32 bits, because its length does.
pub(super) fn index(len: usize) -> u32 {
    u32::try_from(len).expect("a document has fewer than 2^32 bytes")
}

/// `max_concurrency` of a body; 0 is no limit of its own.
pub(super) fn limit(body: &Body) -> Option<u32> {
    body.max_concurrency.as_ref().map(|limit| limit.value).filter(|limit| *limit > 0)
}

#[derive(Clone, Copy)]
struct Place {
    owner: StepIx,
    scope: ScopeIx,
}

fn root<'w>(body: &'w Body, output: Option<&'w Json>) -> ScopeNode<'w> {
    let mode = body.mode.as_ref().map_or(Mode::Sequential, |mode| mode.value);
    ScopeNode { mode, output, list: &body.steps, ..sequence(ScopeRole::Root, None, None) }
}

fn sequence<'w>(role: ScopeRole, at: Option<Place>, output: Option<&'w Json>) -> ScopeNode<'w> {
    ScopeNode {
        owner: at.map(|at| at.owner),
        parent: at.map(|at| at.scope),
        role,
        mode: Mode::Sequential,
        max_concurrency: None,
        output,
        list: &[],
        steps: 0..0,
    }
}

fn push_bodies<'w>(scopes: &mut Vec<ScopeNode<'w>>, step: &'w Step, at: Place) {
    let output = step.output.as_ref();
    let mut push = |body: &'w Body, role, output| {
        let mode = body.mode.as_ref().map_or(Mode::Sequential, |mode| mode.value);
        scopes.push(ScopeNode { mode, list: &body.steps, ..sequence(role, Some(at), output) });
    };
    match &step.action {
        Action::Group(body) => {
            push(body, ScopeRole::Group, output);
            if let Some(scope) = scopes.last_mut() {
                scope.max_concurrency = limit(body);
            }
        }
        Action::Switch { cases, default, .. } => {
            let bodies = cases.iter().map(|case| &case.body).chain(default);
            for (position, body) in (0..).zip(bodies) {
                push(body, ScopeRole::Case(position), None);
            }
        }
        Action::Foreach(foreach) => push(&foreach.body, ScopeRole::Item, output),
        Action::Repeat(repeat) => push(&repeat.body, ScopeRole::Iteration, output),
        Action::Race { steps, .. } => {
            let contest = sequence(ScopeRole::Contest, Some(at), output);
            scopes.push(ScopeNode { mode: Mode::Parallel, list: steps, ..contest });
        }
        _ => {}
    }
    push_catches(scopes, &step.catch, at);
}

fn push_catches<'w>(scopes: &mut Vec<ScopeNode<'w>>, catches: &'w [model::Catch], at: Place) {
    for (position, catch) in (0..).zip(catches) {
        let scope = sequence(ScopeRole::Catch(position), Some(at), catch.output.as_ref());
        scopes.push(ScopeNode { list: &catch.steps, ..scope });
    }
}
