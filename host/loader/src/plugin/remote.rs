//! What an entry does with worker processes.

use super::{PluginEntry, Stages, Surroundings};
use crate::error::LoadError;
use crate::method::MethodFacts;
use jackfield_core::ports::Method;
use std::sync::Arc;

#[cfg(unix)]
mod unix {
    use super::absolute;
    use super::{Arc, LoadError, Method, MethodFacts, PluginEntry, Stages, Surroundings};
    use crate::config::WorkerProgram;
    use crate::handover::SavedState;
    use crate::lease::{Lease, Leased};
    use crate::peers::Caller;
    use crate::worker::{Pool, PoolSetup, Probed, WorkerMethod, describe};
    use jackfield_plugin_api::worker::{Grant, Hello, PROTOCOL, REFUSED_BY_SANDBOX, feature};
    use serde_json::value::RawValue;

    impl PluginEntry {
        /// Binds a method to the pool of this plugin version, which is made with its first method.
        pub(in crate::plugin) fn bind_remote(
            &self,
            stages: &mut Stages,
            facts: Arc<MethodFacts>,
            lease: Lease,
            around: &Surroundings<'_>,
        ) -> Result<Arc<dyn Method>, LoadError> {
            let pool = match &stages.pool {
                // a pool that was closed with a quarantine gives way once the plugin is let out
                Some(pool) if !pool.is_closed() => Arc::clone(pool),
                _ => {
                    let methods = self.methods(stages, around)?;
                    let caller = self.caller(stages, around);
                    let pool = Pool::new(self.pool_setup(caller, around)?, &methods);
                    around.supervisor.add(&pool);
                    stages.pool = Some(Arc::clone(&pool));
                    pool
                }
            };
            Ok(Arc::new(Leased::new(WorkerMethod::new(facts, pool), lease)))
        }

        /// Its workers.
        pub(crate) fn workers(&self) -> crate::standing::Workers {
            // who opens the plugin holds the stages; there is nothing to tell before that is done
            let pool = self.stages.try_lock().and_then(|stages| stages.pool.clone());
            pool.map(|pool| pool.standing()).unwrap_or_default()
        }

        /// Whether no new run gets this file.
        pub(crate) fn set_replaced(&self, is_replaced: bool) {
            if let Some(pool) = &self.stages.lock().pool {
                pool.set_replaced(is_replaced);
            }
        }

        /// The state of this version's workers; `None` if there are none, or they hand none over.
        pub(in crate::plugin) fn save_remote(&self) -> Option<Result<SavedState, String>> {
            let pool = self.stages.lock().pool.clone()?;
            pool.save_state()
        }

        /// Has the workers of this version begin with the state of another one. False if it takes none, or has workers already.
        pub(in crate::plugin) fn restore_remote(
            &self,
            stages: &mut Stages,
            saved: SavedState,
            around: &Surroundings<'_>,
        ) -> Result<bool, String> {
            let failed = |fault: LoadError| fault.to_string();
            if stages.pool.as_ref().is_some_and(|pool| !pool.is_closed()) {
                return Ok(false);
            }
            let methods = self.methods(stages, around).map_err(failed)?;
            let caller = self.caller(stages, around);
            let setup = self.pool_setup(caller, around).map_err(failed)?;
            let (pool, trial) = Pool::beginning_with(setup, &methods, saved);
            around.supervisor.add(&pool);
            let is_taken = pool.end_of(&trial)?;
            stages.pool = Some(pool);
            Ok(is_taken)
        }

        fn pool_setup(&self, caller: Arc<Caller>, around: &Surroundings<'_>) -> Result<PoolSetup, LoadError> {
            let clock = around.supervisor.clock().map_err(|error| {
                self.no_worker(&format!("but the system gives no thread to watch over it: {error}"))
            })?;
            let clock = clock.ok_or_else(|| self.no_worker("and the host has ended them"))?;
            let config = around.config.plugin_config(&self.manifest.name);
            let config =
                RawValue::from_string(config).map_err(|error| self.says_nothing(&error.to_string()))?;
            let limits = around.config.worker_limits(&self.manifest.name);
            Ok(PoolSetup {
                plugin: self.manifest.name.as_str().into(),
                version: self.manifest.version.clone(),
                hash: self.hash,
                hello: self.hello(Some(config), limits.threads_max, around)?,
                program: self.program(around)?,
                limits,
                transport: around.config.transport(&self.manifest.name),
                caller,
                sessions: around.config.session_limits(&self.manifest.name),
                clock,
                quarantine: Arc::clone(&around.store.quarantine),
                spans: around.config.spans.clone(),
            })
        }

        /// The full manifest, told by a process of its own. A plugin that the process dies of is quarantined.
        pub(in crate::plugin) fn ask_remote(&self, around: &Surroundings<'_>) -> Result<Box<str>, LoadError> {
            let (program, hello) = (self.program(around)?, self.hello(None, 0, around)?);
            let patience = around.config.worker_limits(&self.manifest.name).start_timeout;
            let (name, version) = (&self.manifest.name, &self.manifest.version);
            let probed = describe(&program, &hello, version, patience).map_err(|error| {
                self.no_worker(&format!(
                    "which could not be started from `{}`: {error}",
                    program.path.display()
                ))
            })?;
            match probed {
                Probed::Manifest(manifest) => Ok(manifest),
                Probed::Refused(refusal) => Err(self.refused(&refusal.code, &refusal.reason)),
                Probed::Crashed(how) => {
                    let reason = format!("when it was asked what it offers, its worker {how}");
                    let reason = crate::error::one_line(&reason);
                    around.store.quarantine.add(self.hash, name, version, &reason);
                    let (plugin, version) = (name.clone(), version.clone());
                    Err(LoadError::Quarantined { plugin, version, reason })
                }
            }
        }

        /// The error that the worker had, as if it had happened here.
        fn refused(&self, code: &str, reason: &str) -> LoadError {
            let plugin = self.manifest.name.clone();
            let of_plugin = format!("plugin `{plugin}` cannot be opened: ");
            let reason = reason.strip_prefix(&of_plugin).unwrap_or(reason);
            let of_plugin = format!("plugin `{plugin}`: its layout differs: ");
            let reason = reason.strip_prefix(&of_plugin).unwrap_or(reason);
            let reason = crate::error::refusal_line(code, reason);
            match code {
                REFUSED_BY_SANDBOX => LoadError::Sandbox { plugin, reason },
                "plugin.open_failed" => LoadError::OpenFailed { plugin, reason },
                "plugin.layout_differs" => LoadError::LayoutDiffers { plugin, reason },
                _ => LoadError::DescribeFailed { plugin, reason },
            }
        }

        fn hello(
            &self,
            config: Option<Box<RawValue>>,
            threads_max: u32,
            around: &Surroundings<'_>,
        ) -> Result<Hello, LoadError> {
            let mut sandbox = around.config.sandbox(&self.manifest.name);
            if config.is_none() {
                // what a plugin offers does not depend on what it may reach
                sandbox.grant = Grant::default();
            }
            Ok(Hello {
                sandbox,
                protocol: PROTOCOL,
                features: feature::ALL.map(str::to_owned).to_vec(),
                plugin: self.manifest.name.clone(),
                library: absolute(around.store.verified(self.hash)?),
                config,
                result_bytes_max: around.config.result_bytes_max as u64,
                threads_max,
            })
        }

        fn program(&self, around: &Surroundings<'_>) -> Result<WorkerProgram, LoadError> {
            around.config.worker_program.clone().ok_or_else(|| {
                self.no_worker(
                    "and there is no program for it: put `jackfield-worker` beside this one or name it",
                )
            })
        }

        fn no_worker(&self, reason: &str) -> LoadError {
            LoadError::NoWorker { plugin: self.manifest.name.clone(), reason: reason.to_owned() }
        }
    }
}

#[cfg(unix)]
fn absolute(path: std::path::PathBuf) -> std::path::PathBuf {
    // a path that the system cannot complete is used as it is
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(not(unix))]
impl PluginEntry {
    /// There are none.
    pub(crate) fn workers(&self) -> crate::standing::Workers {
        crate::standing::Workers::default()
    }

    /// There are no workers to end.
    pub(crate) fn set_replaced(&self, _: bool) {}

    pub(super) fn bind_remote(
        &self,
        _: &mut Stages,
        _: Arc<MethodFacts>,
        _: crate::lease::Lease,
        _: &Surroundings<'_>,
    ) -> Result<Arc<dyn Method>, LoadError> {
        Err(self.no_worker())
    }

    pub(super) fn ask_remote(&self, _: &Surroundings<'_>) -> Result<Box<str>, LoadError> {
        Err(self.no_worker())
    }

    pub(super) fn save_remote(&self) -> Option<Result<crate::handover::SavedState, String>> {
        None
    }

    pub(super) fn restore_remote(
        &self,
        _: &mut Stages,
        _: crate::handover::SavedState,
        _: &Surroundings<'_>,
    ) -> Result<bool, String> {
        Err(self.no_worker().to_string())
    }

    fn no_worker(&self) -> LoadError {
        let reason = "which this version does not support on this system".to_owned();
        LoadError::NoWorker { plugin: self.manifest.name.clone(), reason }
    }
}
