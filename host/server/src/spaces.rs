//! The hosts of namespaces: each has a journal of its own, and with it workflows, runs and schedules that no other sees. Plugins,
//! configuration and secrets are the same for all.

use crate::namespace::Namespace;
use crate::problem::{Problem, ProblemKind};
use crate::router;
use axum::Router;
use jackfield::Host;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Builds the host whose journal lies in a directory, or says why it cannot.
pub type OpenHost = Arc<dyn Fn(&Path) -> Result<Host, String> + Send + Sync>;

/// The hosts of all namespaces.
pub(crate) struct Spaces {
    data_dir: PathBuf,
    default: Router,
    open: OpenHost,
    others_max: usize,
    others: Mutex<Others>,
}

#[derive(Default)]
struct Others {
    all: BTreeMap<Namespace, (Host, Router)>,
    is_closed: bool,
}

impl Spaces {
    pub(crate) fn new(data_dir: &Path, host: Host, open: OpenHost, others_max: usize) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            default: router(host),
            open,
            others_max,
            others: Mutex::default(),
        }
    }

    /// Opens the hosts of all namespaces that there are, so that their runs go on.
    ///
    /// # Errors
    /// Which cannot be opened, and why.
    pub(crate) fn open_existing(&self) -> Result<(), String> {
        let existing = Namespace::existing(&self.data_dir).map_err(|error| {
            format!("the namespaces in {} cannot be listed: {error}", self.data_dir.display())
        })?;
        for namespace in existing {
            self.enter(&namespace).map(drop).map_err(|problem| problem.detail)?;
        }
        Ok(())
    }

    /// What answers for a namespace. It is made when it is first asked for.
    pub(crate) async fn router(self: &Arc<Self>, namespace: &Namespace) -> Result<Router, Problem> {
        if namespace.is_default() {
            return Ok(self.default.clone());
        }
        // whoever opens one holds the lock for some milliseconds; others come back to that on a thread that may wait
        if let Some(others) = self.others.try_lock()
            && let Some((_, router)) = others.all.get(namespace)
        {
            return Ok(router.clone());
        }
        let (spaces, namespace) = (self.clone(), namespace.clone());
        let entered = tokio::task::spawn_blocking(move || spaces.enter(&namespace)).await;
        entered.unwrap_or_else(|panic| {
            Err(Problem::new(ProblemKind::Internal, format!("the namespace could not be opened: {panic}")))
        })
    }

    fn enter(&self, namespace: &Namespace) -> Result<Router, Problem> {
        // held while a host is built: two on one journal would be in each other's way
        let mut others = self.others.lock();
        if let Some((_, router)) = others.all.get(namespace) {
            return Ok(router.clone());
        }
        let refused = |detail: String| Problem::new(ProblemKind::Unavailable, detail);
        if others.is_closed {
            return Err(refused("the server is shutting down".to_owned()));
        }
        if others.all.len() >= self.others_max {
            return Err(refused(format!(
                "there are {} namespaces already, which is the most; `namespaces_max` in [server.limits] allows more",
                others.all.len()
            )));
        }
        let host = (self.open)(&namespace.directory(&self.data_dir)).map_err(|why| {
            tracing::error!(%namespace, "the namespace cannot be opened: {why}");
            refused(format!("namespace `{namespace}` cannot be opened: {why}"))
        })?;
        let router = router(host.clone());
        others.all.insert(namespace.clone(), (host, router.clone()));
        Ok(router)
    }

    /// Puts the runs of all namespaces away but those of the default one, whose host is not ours.
    pub(crate) fn close(&self) {
        let all = {
            let mut others = self.others.lock();
            others.is_closed = true;
            std::mem::take(&mut others.all)
        };
        for (host, _) in all.into_values() {
            host.shutdown();
        }
    }
}
