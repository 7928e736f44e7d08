//! One plugin version: found, described, opened, each when it is needed and no sooner. What fails is tried again the
//! next time, because its cause may have been removed meanwhile.

use crate::config::RegistryConfig;
use crate::describe::{belongs, catalog_entry};
use crate::error::LoadError;
use crate::handover::SavedState;
use crate::instances::{Instances, reason};
use crate::isolation::NotTrusted;
use crate::lease::{Lease, Leased};
use crate::library;
use crate::method::{BoundMethod, MethodFacts};
use crate::outcome::ResultRules;
use crate::peers::{Caller, ParameterRules, Switchboard};
use crate::store::{Hash, Store};
#[cfg(unix)]
use crate::worker::Supervisor;
use jackfield_core::catalog::Plugin;
use jackfield_core::model::Isolation;
use jackfield_core::ports::Method;
use jackfield_plugin_api::abi::host::Table;
use jackfield_plugin_api::manifest::Manifest;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

mod remote;

/// A plugin version and how far it has come.
pub(crate) struct PluginEntry {
    pub(crate) hash: Hash,
    /// Where the file was found first.
    pub(crate) file: PathBuf,
    /// As the file has it.
    pub(crate) manifest: Manifest,
    stages: Mutex<Stages>,
}

/// What an entry needs from its registry.
pub(crate) struct Surroundings<'a> {
    pub(crate) store: &'a Store,
    pub(crate) config: &'a RegistryConfig,
    pub(crate) switchboard: &'a Arc<Switchboard>,
    #[cfg(unix)]
    pub(crate) supervisor: &'a Supervisor,
}

#[derive(Default)]
struct Stages {
    described: Option<Arc<Plugin>>,
    methods: Option<Arc<[Arc<MethodFacts>]>>,
    caller: Option<Arc<Caller>>,
    table: Option<Table>,
    instances: Option<Arc<Instances>>,
    #[cfg(unix)]
    pool: Option<Arc<crate::worker::Pool>>,
}

impl PluginEntry {
    pub(crate) fn new(hash: Hash, file: PathBuf, manifest: Manifest) -> Self {
        Self { hash, file, manifest, stages: Mutex::default() }
    }

    pub(crate) fn is_same_version(&self, other: &Self) -> bool {
        self.manifest.name == other.manifest.name && self.manifest.version == other.manifest.version
    }

    /// The plugin as validation sees it; the schemas are `null` until it was described.
    pub(crate) fn catalog(&self) -> Arc<Plugin> {
        match &self.stages.lock().described {
            Some(described) => Arc::clone(described),
            None => Arc::new(catalog_entry(&self.manifest)),
        }
    }

    /// Finds the schemas out: from the note of an earlier time, otherwise by opening the plugin where it is to run.
    pub(crate) fn describe(&self, around: &Surroundings<'_>) -> Result<Arc<Plugin>, LoadError> {
        self.described(&mut self.stages.lock(), around)
    }

    /// The full manifest: from the note of an earlier time, otherwise by opening the plugin where it is to run.
    pub(crate) fn full_manifest(&self, around: &Surroundings<'_>) -> Result<Manifest, LoadError> {
        self.full(&mut self.stages.lock(), around)
    }

    /// Binds one of the plugin's methods for as long as `lease` lasts, to run where the step says, or where it is to run
    /// anyway; `None` if it has none of that name.
    pub(crate) fn bind(
        &self,
        method: &str,
        isolation: Option<Isolation>,
        lease: Lease,
        around: &Surroundings<'_>,
    ) -> Result<Option<Arc<dyn Method>>, LoadError> {
        let mut stages = self.stages.lock();
        self.admitted(around)?;
        let methods = self.methods(&mut stages, around)?;
        let Some(facts) = methods.iter().find(|facts| &*facts.name == method).map(Arc::clone) else {
            return Ok(None);
        };
        match self.isolation(isolation, around)? {
            Isolation::InProcess => {
                let instances = self.instances(&mut stages, around)?;
                let caller = self.caller(&mut stages, around);
                Ok(Some(Arc::new(Leased::new(BoundMethod { facts, instances, caller }, lease))))
            }
            Isolation::Worker => self.bind_remote(&mut stages, facts, lease, around).map(Some),
        }
    }

    /// What is fixed about one of the plugin's methods; `None` if it has none of that name.
    pub(crate) fn facts(
        &self,
        method: &str,
        around: &Surroundings<'_>,
    ) -> Result<Option<Arc<MethodFacts>>, LoadError> {
        let mut stages = self.stages.lock();
        self.admitted(around)?;
        let methods = self.methods(&mut stages, around)?;
        Ok(methods.iter().find(|facts| &*facts.name == method).map(Arc::clone))
    }

    /// The plugin as it calls others.
    fn caller(&self, stages: &mut Stages, around: &Surroundings<'_>) -> Arc<Caller> {
        let Manifest { name, requires, .. } = &self.manifest;
        let make = || Caller::new(name, self.hash, requires, around.config, around.switchboard);
        Arc::clone(stages.caller.get_or_insert_with(make))
    }

    /// The state of what serves calls where this version runs, or else where steps have had it run; `None` if nothing does, or it
    /// hands none over.
    pub(crate) fn save_state(&self, around: &Surroundings<'_>) -> Option<Result<SavedState, String>> {
        match self.isolation(None, around) {
            Ok(Isolation::Worker) => self.save_remote().or_else(|| self.save_here()),
            _ => self.save_here().or_else(|| self.save_remote()),
        }
    }

    fn save_here(&self) -> Option<Result<SavedState, String>> {
        let instances = self.stages.lock().instances.clone()?;
        let saved = instances.save_state()?;
        Some(saved.map(|buffer| buffer.as_bytes().into()).map_err(|fault| reason(&fault)))
    }

    /// Makes the first instance, in this process or in a worker, with the state of another version. False if it takes none.
    pub(crate) fn restore_state(&self, saved: SavedState, around: &Surroundings<'_>) -> Result<bool, String> {
        let failed = |fault: LoadError| fault.to_string();
        let mut stages = self.stages.lock();
        self.admitted(around).map_err(failed)?;
        match self.isolation(None, around).map_err(failed)? {
            Isolation::InProcess => {
                self.instances(&mut stages, around).map_err(failed)?.restore_state(&saved)
            }
            Isolation::Worker => self.restore_remote(&mut stages, saved, around),
        }
    }

    fn isolation(&self, step: Option<Isolation>, around: &Surroundings<'_>) -> Result<Isolation, LoadError> {
        let Manifest { name, isolation, .. } = &self.manifest;
        let decided = around.config.isolation.decide(step, name, &self.file, *isolation);
        decided.map_err(|NotTrusted| LoadError::KeptOut { plugin: name.clone() })
    }

    /// Where its calls are made if nobody says otherwise.
    pub(crate) fn usual_isolation(&self, around: &Surroundings<'_>) -> Isolation {
        // without the wish of a step nothing can be denied
        self.isolation(None, around).unwrap_or(Isolation::Worker)
    }

    /// Quarantined plugins are neither asked nor called.
    fn admitted(&self, around: &Surroundings<'_>) -> Result<(), LoadError> {
        around.store.quarantine.get(self.hash).map_or(Ok(()), |confined| Err(confined.error()))
    }

    fn described(&self, stages: &mut Stages, around: &Surroundings<'_>) -> Result<Arc<Plugin>, LoadError> {
        if let Some(described) = &stages.described {
            return Ok(Arc::clone(described));
        }
        let described = Arc::new(catalog_entry(&self.full(stages, around)?));
        stages.described = Some(Arc::clone(&described));
        Ok(described)
    }

    fn full(&self, stages: &mut Stages, around: &Surroundings<'_>) -> Result<Manifest, LoadError> {
        self.admitted(around)?;
        let noted = around.store.described(self.hash).filter(|full| belongs(full, &self.manifest));
        match noted {
            Some(full) => Ok(full),
            None => self.ask(stages, around),
        }
    }

    fn ask(&self, stages: &mut Stages, around: &Surroundings<'_>) -> Result<Manifest, LoadError> {
        match self.isolation(None, around)? {
            Isolation::InProcess => {
                let table = self.table(stages, around.store)?;
                let buffer = table.describe().map_err(|fault| self.says_nothing(&reason(&fault)))?;
                self.understand(buffer.as_bytes(), around.store)
            }
            Isolation::Worker => self.understand(self.ask_remote(around)?.as_bytes(), around.store),
        }
    }

    fn understand(&self, manifest: &[u8], store: &Store) -> Result<Manifest, LoadError> {
        let full = Manifest::parse(manifest).map_err(|error| self.says_nothing(&error.to_string()))?;
        if !belongs(&full, &self.manifest) {
            return Err(self.says_nothing("it offers something else than its file says"));
        }
        store.remember(self.hash, manifest)?;
        Ok(full)
    }

    fn table(&self, stages: &mut Stages, store: &Store) -> Result<Table, LoadError> {
        if let Some(table) = stages.table {
            return Ok(table);
        }
        let path = store.verified(self.hash)?;
        store.notes.opening(&self.manifest.name, &self.manifest.version);
        let table = library::open_library(&self.manifest.name, &path)?;
        stages.table = Some(table);
        Ok(table)
    }

    fn methods(
        &self,
        stages: &mut Stages,
        around: &Surroundings<'_>,
    ) -> Result<Arc<[Arc<MethodFacts>]>, LoadError> {
        if let Some(methods) = &stages.methods {
            return Ok(Arc::clone(methods));
        }
        let described = self.described(stages, around)?;
        let methods = (0_u32..).zip(&described.methods).map(|(index, method)| {
            let target = format!("{}.{}", described.name, method.name);
            let parameters = ParameterRules::new(&target, &method.parameters);
            let rules = ResultRules::new(target, around.config.result_bytes_max, &method.output);
            let rules = rules.map_err(|reason| {
                self.says_nothing(&format!("the result schema of `{}` is not valid: {reason}", method.name))
            })?;
            let (name, kind, is_serial) = (method.name.clone(), method.kind, method.serial);
            Ok(Arc::new(MethodFacts { index, name, kind, is_serial, rules, parameters }))
        });
        let methods: Arc<[_]> = methods.collect::<Result<_, LoadError>>()?;
        stages.methods = Some(Arc::clone(&methods));
        Ok(methods)
    }

    fn instances(&self, stages: &mut Stages, around: &Surroundings<'_>) -> Result<Arc<Instances>, LoadError> {
        if let Some(instances) = &stages.instances {
            return Ok(Arc::clone(instances));
        }
        let table = self.table(stages, around.store)?;
        let (name, config) = (&self.manifest.name, around.config);
        let settings = config.plugin_config(name);
        let methods = self.manifest.methods.len();
        let sessions = config.session_limits(name);
        let instances = Instances::new(name, table, &settings, config.instances_max, methods, sessions);
        let instances = Arc::new(instances);
        stages.instances = Some(Arc::clone(&instances));
        Ok(instances)
    }

    fn says_nothing(&self, reason: &str) -> LoadError {
        LoadError::DescribeFailed {
            plugin: self.manifest.name.clone(),
            reason: crate::error::one_line(reason),
        }
    }
}
