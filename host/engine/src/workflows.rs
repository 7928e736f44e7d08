//! Workflows known to an engine by id and version.

use crate::error::EngineError;
use jackfield_core::plan::SharedPlan;
use parking_lot::RwLock;
use semver::{Version, VersionReq};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A registered workflow.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Workflow id.
    pub id: Arc<str>,
    /// Its version.
    pub version: Version,
    /// The document as it was registered.
    pub document: Arc<str>,
    /// What runs of it follow.
    pub plan: SharedPlan,
}

/// Workflows by id and version. Registering the same document twice is fine; another one under the same id and
/// version is refused.
#[derive(Debug, Default)]
pub struct WorkflowRegistry {
    workflows: RwLock<BTreeMap<(Arc<str>, Version), Registered>>,
}

impl WorkflowRegistry {
    /// Makes a workflow known.
    ///
    /// # Errors
    /// [`EngineError::WorkflowConflict`] if another document stands under its id and version.
    pub fn register(&self, document: &str, plan: SharedPlan) -> Result<(), EngineError> {
        let (id, version): (Arc<str>, _) = (Arc::from(&*plan.id), plan.version.clone());
        let mut workflows = self.workflows.write();
        match workflows.get(&(id.clone(), version.clone())) {
            Some(known) if *known.document != *document => {
                Err(EngineError::WorkflowConflict { id: id.to_string(), version: version.to_string() })
            }
            Some(_) => Ok(()),
            None => {
                let registered =
                    Registered { id: id.clone(), version: version.clone(), document: document.into(), plan };
                workflows.insert((id, version), registered);
                Ok(())
            }
        }
    }

    /// Forgets a version, or all versions if none is named. Runs under way are not touched.
    ///
    /// # Errors
    /// [`EngineError::WorkflowNotFound`] if there is none.
    pub fn unregister(&self, id: &str, version: Option<&Version>) -> Result<(), EngineError> {
        let mut workflows = self.workflows.write();
        let before = workflows.len();
        workflows.retain(|(known, of), _| **known != *id || version.is_some_and(|version| version != of));
        if workflows.len() == before {
            return Err(EngineError::WorkflowNotFound(id.to_owned()));
        }
        Ok(())
    }

    /// Whether any version of `id` is registered.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.get(id, None).is_some()
    }

    /// The newest version of `id` that satisfies `range` (any if absent).
    #[must_use]
    pub fn get(&self, id: &str, range: Option<&VersionReq>) -> Option<Registered> {
        let workflows = self.workflows.read();
        workflows
            .values()
            .rev()
            .find(|known| *known.id == *id && range.is_none_or(|range| range.matches(&known.version)))
            .cloned()
    }

    /// All of them, by id, then by version, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Registered> {
        self.workflows.read().values().cloned().collect()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.workflows.write().clear();
    }
}
