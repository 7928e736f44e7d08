//! A workflow that has been checked and can run.

use crate::code::WorkflowBuilder;
use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::model::{self, Dialect};
use crate::plan::{Plan, SharedPlan};
use jackfield_engine::{Document, Registered};
use semver::Version;
use std::sync::{Arc, OnceLock};

/// A checked workflow: the document and the plan that was made of it. Cheap to clone. It keeps the versions of
/// plugins it was checked with.
#[derive(Clone, Debug)]
pub struct Workflow {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Box<str>,
    plan: SharedPlan,
    warnings: Vec<Diagnostic>,
    document: OnceLock<Document>,
}

impl Workflow {
    /// Begins a workflow in code; [`Host::define`](crate::Host::define) checks it.
    #[expect(
        clippy::new_ret_no_self,
        reason = "workflows are made by hosts, this is where writing one begins"
    )]
    pub fn new(id: &str) -> WorkflowBuilder {
        WorkflowBuilder::new(id)
    }

    pub(crate) fn checked(source: Box<str>, plan: SharedPlan, warnings: Vec<Diagnostic>) -> Self {
        Self { inner: Arc::new(Inner { source, plan, warnings, document: OnceLock::new() }) }
    }

    pub(crate) fn registered(known: Registered) -> Self {
        Self::checked((&*known.document).into(), known.plan, Vec::new())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.plan.id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.inner.plan.version
    }

    /// Its document, for a journal.
    pub(crate) fn document(&self) -> Document {
        self.inner.document.get_or_init(|| Document::new(&*self.inner.source)).clone()
    }

    /// Its name; the id if the document gives none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.plan.name
    }

    /// What is worth a look although it can run; nothing for workflows that come from the registry of a host.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.inner.warnings
    }

    /// The document as it was given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// What runs follow.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.inner.plan
    }

    /// A picture of it.
    #[must_use]
    pub fn graph(&self) -> Graph {
        // every JSON document is one with comments that has none
        let parsed = model::parse(self.inner.source.as_bytes(), Dialect::Jsonc);
        let model = parsed.workflow.expect("the document was parsed when it was checked");
        Graph::new(&model, Some(&self.inner.plan))
    }

    pub(crate) fn shared_plan(&self) -> SharedPlan {
        self.inner.plan.clone()
    }
}
