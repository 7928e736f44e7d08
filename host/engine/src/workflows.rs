//! Workflows known to an engine by id and version. On a durable engine they are kept in the journal.

use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::journal::Document;
use jackfield_core::journal::{Change, Store, StoredWorkflow};
use jackfield_core::plan::{Plan, SharedPlan};
use jackfield_core::time::Timestamp;
use parking_lot::RwLock;
use semver::{Version, VersionReq};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Makes the plan of a document that was registered earlier, with the plugins that there are now; or says why it cannot.
pub type Compile = Arc<dyn Fn(&str) -> Result<SharedPlan, String> + Send + Sync>;

/// A registered workflow.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Workflow id.
    pub id: Arc<str>,
    /// Its version.
    pub version: Version,
    /// The document as it was registered.
    pub document: Arc<str>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// What runs of it follow.
    pub plan: SharedPlan,
}

/// A line in a list of registered workflows. Whether it can run with the plugins that there are is not looked at.
#[derive(Clone, Debug)]
pub struct WorkflowEntry {
    /// Workflow id.
    pub id: Arc<str>,
    /// Its version.
    pub version: Version,
    /// The document as it was registered.
    pub document: Arc<str>,
    /// When it was registered.
    pub registered_at: Timestamp,
}

/// By id, then by version.
type Name = (Arc<str>, Version);

/// What is known of a version.
struct Known {
    document: Arc<str>,
    registered_at: Timestamp,
    /// Made when it is needed first.
    plan: OnceLock<SharedPlan>,
}

/// Workflows by id and version.
#[derive(Default)]
pub(crate) struct WorkflowRegistry {
    workflows: RwLock<BTreeMap<Name, Arc<Known>>>,
    compile: Option<Compile>,
}

impl WorkflowRegistry {
    /// With what `store` keeps; `compile` makes plans when they are needed.
    pub(crate) fn stored(store: &dyn Store, compile: Option<Compile>) -> Result<Self, EngineError> {
        let mut workflows = BTreeMap::new();
        for StoredWorkflow { id, version, document, registered_at } in store.workflows()? {
            let name = format!("workflow `{id}` version {version}");
            let version = Version::parse(&version).map_err(|error| {
                EngineError::Journal(format!("{name}: the version cannot be read: {error}"))
            })?;
            let document = store
                .document(document)?
                .ok_or_else(|| EngineError::Journal(format!("{name}: its document is missing")))?;
            workflows.insert(
                (id.into(), version),
                Arc::new(Known { document, registered_at, plan: OnceLock::new() }),
            );
        }
        Ok(Self { workflows: RwLock::new(workflows), compile })
    }

    /// Whether it would be new.
    fn can_register(
        workflows: &BTreeMap<Name, Arc<Known>>,
        document: &str,
        name: &Name,
    ) -> Result<bool, EngineError> {
        match workflows.get(name) {
            Some(known) if *known.document != *document => {
                let (id, version) = (name.0.to_string(), name.1.to_string());
                Err(EngineError::WorkflowConflict { id, version })
            }
            known => Ok(known.is_none()),
        }
    }

    /// Whether it is new.
    fn register(&self, document: &Arc<str>, plan: SharedPlan, now: Timestamp) -> Result<bool, EngineError> {
        let name: Name = (Arc::from(&*plan.id), plan.version.clone());
        let mut workflows = self.workflows.write();
        let is_new = Self::can_register(&workflows, document, &name)?;
        if is_new {
            let known = Known { document: document.clone(), registered_at: now, plan: plan.into() };
            workflows.insert(name, Arc::new(known));
        }
        Ok(is_new)
    }

    fn unregister(&self, id: &str, version: Option<&Version>) -> Result<(), EngineError> {
        let mut workflows = self.workflows.write();
        let before = workflows.len();
        workflows.retain(|(known, of), _| **known != *id || version.is_some_and(|version| version != of));
        if workflows.len() < before {
            return Ok(());
        }
        let is_known = workflows.keys().any(|(known, _)| **known == *id);
        Err(match version.filter(|_| is_known) {
            None => EngineError::WorkflowNotFound(id.to_owned()),
            Some(version) => EngineError::NoWorkflowVersion { id: id.to_owned(), range: version.to_string() },
        })
    }

    /// The newest version of `id` that satisfies `range` (any if absent).
    pub(crate) fn get(&self, id: &str, range: Option<&VersionReq>) -> Result<Registered, EngineError> {
        let newest = |range: Option<&VersionReq>| {
            let workflows = self.workflows.read();
            let mut fitting = workflows.iter().rev().filter(|((known, version), _)| {
                **known == *id && range.is_none_or(|range| range.matches(version))
            });
            fitting.next().map(|(name, known)| (name.clone(), known.clone()))
        };
        let Some(((id, version), known)) = newest(range) else {
            return Err(match range.filter(|_| newest(None).is_some()) {
                None => EngineError::WorkflowNotFound(id.to_owned()),
                Some(range) => EngineError::NoWorkflowVersion { id: id.to_owned(), range: range.to_string() },
            });
        };
        let plan = match known.plan.get() {
            Some(plan) => plan.clone(),
            None => {
                let plan = self.make_plan(&known.document).map_err(|why| {
                    let (id, version) = (id.to_string(), version.to_string());
                    EngineError::WorkflowUnusable { id, version, why }
                })?;
                known.plan.get_or_init(|| plan).clone()
            }
        };
        let (document, registered_at) = (known.document.clone(), known.registered_at);
        Ok(Registered { id, version, document, registered_at, plan })
    }

    fn make_plan(&self, document: &str) -> Result<SharedPlan, String> {
        match &self.compile {
            Some(compile) => compile(document),
            None => Err("this engine was built without a way to make its plan".to_owned()),
        }
    }

    fn list(&self) -> Vec<WorkflowEntry> {
        let entry = |((id, version), known): (&Name, &Arc<Known>)| WorkflowEntry {
            id: id.clone(),
            version: version.clone(),
            document: known.document.clone(),
            registered_at: known.registered_at,
        };
        self.workflows.read().iter().map(entry).collect()
    }
}

impl fmt::Debug for WorkflowRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.workflows.read().keys()).finish()
    }
}

impl Engine {
    /// Makes a workflow known; on a durable engine for good, and this returns when that lasts. The same document twice is fine.
    /// True if it is new.
    ///
    /// # Errors
    /// [`EngineError::WorkflowConflict`] if another document stands under its id and version, [`EngineError::ScheduleExists`] if
    /// there is a schedule that has the id of the one in the document.
    pub fn register(&self, document: &str, plan: SharedPlan) -> Result<bool, EngineError> {
        let inner = &self.inner;
        inner.check_writable()?;
        inner.check_own_schedule(&plan)?;
        let (id, version) = (plan.id.to_string(), plan.version.to_string());
        let (document, now) = (Document::new(document), inner.ports.clock.now());
        let is_new = inner.workflows.register(&document.text, plan, now)?;
        let mut changes = Vec::new();
        if is_new {
            let registered =
                StoredWorkflow { id: id.clone(), version, document: document.id, registered_at: now };
            // the store keeps a text that it has; and one that nothing refers to may have been removed
            changes.push(Change::Document { id: document.id, text: document.text });
            changes.push(Change::Workflow(Box::new(registered)));
        }
        inner.follow_registration(&id, changes)?;
        Ok(is_new)
    }

    /// Whether [`Engine::register`] would make a new version known.
    ///
    /// # Errors
    /// As [`Engine::register`].
    pub fn can_register(&self, document: &str, plan: &Plan) -> Result<bool, EngineError> {
        let name: Name = (Arc::from(&*plan.id), plan.version.clone());
        WorkflowRegistry::can_register(&self.inner.workflows.workflows.read(), document, &name)
    }

    /// Forgets a version of a workflow, or all versions if none is named. Runs under way are not touched.
    ///
    /// # Errors
    /// [`EngineError::WorkflowNotFound`] or [`EngineError::NoWorkflowVersion`] if there is none.
    pub fn unregister(&self, id: &str, version: Option<&Version>) -> Result<(), EngineError> {
        let inner = &self.inner;
        inner.check_writable()?;
        inner.workflows.unregister(id, version)?;
        let version = version.map(Version::to_string);
        inner.follow_registration(id, vec![Change::Unregister { id: id.to_owned(), version }])
    }

    /// The newest registered version of `id` that satisfies `range` (any if absent).
    ///
    /// # Errors
    /// [`EngineError::WorkflowNotFound`] or [`EngineError::NoWorkflowVersion`] if there is none,
    /// [`EngineError::WorkflowUnusable`] if it cannot run with the plugins that there are.
    pub fn workflow(&self, id: &str, range: Option<&VersionReq>) -> Result<Registered, EngineError> {
        self.inner.workflows.get(id, range)
    }

    /// All registered workflows, by id, then by version, oldest first.
    #[must_use]
    pub fn workflows(&self) -> Vec<WorkflowEntry> {
        self.inner.workflows.list()
    }
}

impl Inner {
    /// Whether anything may be changed.
    pub(crate) fn check_writable(&self) -> Result<(), EngineError> {
        match self.journal.as_ref().is_some_and(|journal| journal.is_reader) {
            true => Err(EngineError::ReadOnly),
            false => Ok(()),
        }
    }
}
