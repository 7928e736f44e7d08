//! One plugin version: found, described, opened, each when it is needed and no sooner. What fails is tried again the
//! next time, because its cause may have been removed meanwhile.

use crate::config::RegistryConfig;
use crate::describe::{belongs, catalog_entry};
use crate::error::LoadError;
use crate::instances::Instances;
use crate::library;
use crate::method::{BoundMethod, MethodFacts};
use crate::outcome::ResultRules;
use crate::store::{Hash, Store};
use jackfield_core::catalog::Plugin;
use jackfield_plugin_api::abi::host::{CallFault, Table};
use jackfield_plugin_api::manifest::Manifest;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

/// A plugin version and how far it has come.
pub(crate) struct PluginEntry {
    pub(crate) hash: Hash,
    /// Where the file was found first.
    pub(crate) file: PathBuf,
    /// As the file has it.
    pub(crate) manifest: Manifest,
    stages: Mutex<Stages>,
}

#[derive(Default)]
struct Stages {
    described: Option<Arc<Plugin>>,
    table: Option<Table>,
    opened: Option<Arc<Opened>>,
}

/// What calls need.
struct Opened {
    methods: Box<[Arc<MethodFacts>]>,
    instances: Arc<Instances>,
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

    /// Finds the schemas out: from the note of an earlier time, otherwise by opening the plugin.
    pub(crate) fn describe(&self, store: &Store) -> Result<Arc<Plugin>, LoadError> {
        self.described(&mut self.stages.lock(), store)
    }

    /// Opens the plugin and binds one of its methods; `None` if it has none of that name.
    pub(crate) fn bind(
        &self,
        method: &str,
        store: &Store,
        config: &RegistryConfig,
    ) -> Result<Option<BoundMethod>, LoadError> {
        let opened = self.opened(&mut self.stages.lock(), store, config)?;
        let facts = opened.methods.iter().find(|facts| &*facts.name == method);
        let instances = Arc::clone(&opened.instances);
        Ok(facts.map(|facts| BoundMethod { facts: Arc::clone(facts), instances }))
    }

    fn described(&self, stages: &mut Stages, store: &Store) -> Result<Arc<Plugin>, LoadError> {
        if let Some(described) = &stages.described {
            return Ok(Arc::clone(described));
        }
        let noted = store.described(self.hash).filter(|full| belongs(full, &self.manifest));
        let full = match noted {
            Some(full) => full,
            None => self.ask(self.table(stages, store)?, store)?,
        };
        let described = Arc::new(catalog_entry(&full));
        stages.described = Some(Arc::clone(&described));
        Ok(described)
    }

    fn ask(&self, table: Table, store: &Store) -> Result<Manifest, LoadError> {
        let buffer = table.describe().map_err(|fault| self.says_nothing(&reason(&fault)))?;
        let full =
            Manifest::parse(buffer.as_bytes()).map_err(|error| self.says_nothing(&error.to_string()))?;
        if !belongs(&full, &self.manifest) {
            return Err(self.says_nothing("it offers something else than its file says"));
        }
        store.remember(self.hash, buffer.as_bytes())?;
        Ok(full)
    }

    fn table(&self, stages: &mut Stages, store: &Store) -> Result<Table, LoadError> {
        if let Some(table) = stages.table {
            return Ok(table);
        }
        let path = store.verified(self.hash)?;
        let table = library::open(&self.manifest.name, &path)?;
        stages.table = Some(table);
        Ok(table)
    }

    fn opened(
        &self,
        stages: &mut Stages,
        store: &Store,
        config: &RegistryConfig,
    ) -> Result<Arc<Opened>, LoadError> {
        if let Some(opened) = &stages.opened {
            return Ok(Arc::clone(opened));
        }
        let described = self.described(stages, store)?;
        let table = self.table(stages, store)?;
        let methods = (0_u32..).zip(&described.methods).map(|(index, method)| {
            let target = format!("{}.{}", described.name, method.name);
            let rules =
                ResultRules::new(target, config.result_bytes_max, &method.output).map_err(|reason| {
                    self.says_nothing(&format!(
                        "the result schema of `{}` is not valid: {reason}",
                        method.name
                    ))
                })?;
            let (name, kind, is_serial) = (method.name.clone(), method.kind, method.serial);
            Ok(Arc::new(MethodFacts { index, name, kind, is_serial, rules }))
        });
        let methods: Box<[_]> = methods.collect::<Result<_, LoadError>>()?;
        let settings = config.plugin_config(&described.name);
        let instances =
            Instances::new(&described.name, table, &settings, config.instances_max, methods.len());
        let opened = Arc::new(Opened { methods, instances: Arc::new(instances) });
        stages.opened = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn says_nothing(&self, reason: &str) -> LoadError {
        LoadError::DescribeFailed {
            plugin: self.manifest.name.clone(),
            reason: crate::error::one_line(reason),
        }
    }
}

fn reason(fault: &CallFault) -> String {
    match fault {
        CallFault::Failed(error) => error.message().to_owned(),
        CallFault::Panicked(message) => format!("it panicked: {message}"),
        CallFault::Unsupported(message) => message.to_string(),
        CallFault::BadStatus(status) => format!("it answered with the unknown status {status}"),
    }
}
