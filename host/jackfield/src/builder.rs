//! How a host is put together.

use crate::app::{AllMethods, AppMethod, AppPlugins, AppRuntime, MethodError};
use crate::clock::SystemClock;
use crate::config::{Config, ConfigValues, to_json, values};
use crate::definition::{self, Dialect};
use crate::host::{Host, Parts};
use crate::lines::{self, KeepingListener, RunLines};
use crate::listener::TracingListener;
use crate::secrets::SecretSources;
use crate::traces::Exporter;
use crate::watch::{Hearer, Watcher};
use crate::{Error, PluginChanges, places};
use jackfield_core::ports::{Call, Clock, Methods, Secrets};
use jackfield_core::trace::SpanSink;
use jackfield_core::validate;
use jackfield_engine::{self as engine, RunListener};
use jackfield_loader::{Registry, RegistryConfig, WorkerProgram};
use jackfield_store_sqlite::{Durability, Options, SqliteStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The journal, in the directory for data.
pub const JOURNAL_FILE: &str = "journal.db";

/// Where runs live.
#[derive(Clone, Debug, Default)]
pub struct Engine(EngineKind);

#[derive(Clone, Debug, Default)]
enum EngineKind {
    #[default]
    Memory,
    Sqlite(Option<PathBuf>, Durability),
    Reader,
}

impl Engine {
    /// In memory: runs end with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self(EngineKind::Memory)
    }

    /// In an SQLite file: runs go on when a host is built on the same file again, whatever became of the one before. The
    /// file is made if it is not there; one host at a time owns it.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(EngineKind::Sqlite(Some(path.into()), Durability::Full))
    }

    /// The same in `journal.db` in the host's directory for data.
    #[must_use]
    pub fn durable() -> Self {
        Self(EngineKind::Sqlite(None, Durability::Full))
    }

    /// The same journal, to be looked at while another process may own it: runs are shown as they were written last, none
    /// is started or changed.
    #[must_use]
    pub fn reader() -> Self {
        Self(EngineKind::Reader)
    }

    /// Runs survive the end of the process in any way, and a loss of power but for its last moments. Writing is cheaper.
    #[must_use]
    pub fn fast(self) -> Self {
        match self.0 {
            EngineKind::Memory | EngineKind::Reader => self,
            EngineKind::Sqlite(path, _) => Self(EngineKind::Sqlite(path, Durability::Fast)),
        }
    }
}

/// Puts a host together. What is not said has the default that is documented with it.
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct HostBuilder {
    config: Config,
    plugin_paths: Vec<PathBuf>,
    data_dir: Option<PathBuf>,
    threads: Option<usize>,
    blocking_threads: Option<usize>,
    pools: BTreeMap<String, u32>,
    engine: Engine,
    secrets: Option<Arc<dyn Secrets>>,
    listener: Option<Arc<dyn RunListener>>,
    clock: Option<Arc<dyn Clock>>,
    holds_schedules: bool,
    app: AppPlugins,
    watches_plugins: bool,
    plugin_hearer: Option<Hearer>,
    ignores_lock: bool,
    worker: Option<WorkerProgram>,
    /// What went wrong first; builders report at the end.
    fault: Option<Error>,
}

impl HostBuilder {
    /// Adds a directory with plugin files, or one plugin file. Paths are searched in the order they were added,
    /// before those of the configuration.
    pub fn plugin_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.plugin_paths.push(path.into());
        self
    }

    /// Where opened plugin files are kept; the user's data directory if this is not called.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Takes the configuration. What other methods of the builder say goes before it.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Reads the configuration from a file.
    pub fn config_file(mut self, path: impl AsRef<Path>) -> Self {
        match Config::load(path.as_ref()) {
            Ok(config) => self.config = config,
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// Threads that run steps; 0 is one per core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Threads for methods that may block, at most.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.blocking_threads = Some(threads);
        self
    }

    /// A pool of this host: at most `limit` attempts of the calls that name it are under way at a time, over all runs. It goes
    /// before a pool of this name in the configuration.
    pub fn pool(mut self, name: &str, limit: u32) -> Self {
        self.pools.insert(name.to_owned(), limit);
        self
    }

    /// Where runs live; in memory if this is not called.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Makes a closure a method: `version` is the semantic version of the application's plugin. The closure may
    /// block; for other kinds, descriptions and schemas see [`HostBuilder::app_method`].
    pub fn method<P, R, E, F>(self, plugin: &str, version: &str, name: &str, run: F) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<MethodError>,
        F: Fn(P) -> Result<R, E> + Send + Sync + 'static,
    {
        self.app_method(
            plugin,
            version,
            AppMethod::blocking(name, move |_: &Call, parameters: P| run(parameters)),
        )
    }

    /// Adds a method of the application.
    pub fn app_method(mut self, plugin: &str, version: &str, method: AppMethod) -> Self {
        if let Err(error) = self.app.add(plugin, version, method) {
            self.fault = self.fault.or(Some(error));
        }
        self
    }

    /// The program that plugins run in which are kept apart from this process: `jackfield-worker`, of the same version as this
    /// crate. If this is not called, the one beside the executable is taken, if there is one.
    pub fn worker_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.worker = Some(WorkerProgram { path: path.into(), name: None, arguments: Vec::new() });
        self
    }

    /// A program that becomes a worker with these arguments, under the name `name`: for programs that are one themselves.
    #[doc(hidden)]
    pub fn worker_command(mut self, path: impl Into<PathBuf>, name: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(Into::into).collect();
        self.worker = Some(WorkerProgram { path: path.into(), name: Some(name.into()), arguments });
        self
    }

    /// Where `secret('name')` looks. By default in the `[secrets]` of the configuration, then in the environment
    /// variable `JACKFIELD_SECRET_<NAME>`, then in the configured secrets directory.
    pub fn secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Who hears what methods say while they run; `tracing` if this is not called.
    pub fn listener(mut self, listener: Arc<dyn RunListener>) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Where wall time comes from; the clock of the system if this is not called. For tests of what happens at certain times: put
    /// the clock forward and call [`Host::clock_changed`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Schedules start nothing by themselves in this host. They can be changed and triggered, and what is due or has to wait is
    /// left to the next host on the same journal.
    pub fn hold_schedules(mut self) -> Self {
        self.holds_schedules = true;
        self
    }

    /// Watches the plugin directories, the list of installed plugins and the lock, and looks again within a second when
    /// something changes there, as [`Host::rescan`] does. Files that are being written are left alone until they are whole.
    /// Every change is logged.
    pub fn watch_plugins(mut self) -> Self {
        self.watches_plugins = true;
        self
    }

    /// Watches, and tells `hearer` what has changed. It is called on a thread of the host; a call that does not return
    /// holds up [`Host::shutdown`].
    pub fn on_plugin_changes(mut self, hearer: impl Fn(&PluginChanges) + Send + Sync + 'static) -> Self {
        self.plugin_hearer = Some(Arc::new(hearer));
        self.watch_plugins()
    }

    /// Leaves the lock of the configuration aside, for writing it anew with [`Host::lock_plugins`]. Signatures and the
    /// allow list count nevertheless.
    pub fn ignore_lock(mut self) -> Self {
        self.ignores_lock = true;
        self
    }

    /// Looks for plugins, starts the engine's threads and returns the host. Files that are no usable plugins are
    /// no error: [`Host::plugin_problems`] lists them.
    ///
    /// # Errors
    /// The first thing that is wrong with what the builder was given, or that the machine refuses.
    pub fn build(mut self) -> Result<Host, Error> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let exporter = Exporter::new(&self.config.telemetry)?;
        let spans = exporter.as_ref().map(Exporter::sink);
        let registry = Arc::new(self.open_registry(spans.clone())?);
        registry.connect();
        let runtime = if self.app.has_async() { Some(AppRuntime::new()?) } else { None };
        let methods = Arc::new(AllMethods::new(std::mem::take(&mut self.app), registry.clone(), runtime));
        let secrets = self.secrets.take().unwrap_or_else(|| {
            let named = self.config.secrets.clone();
            Arc::new(SecretSources { named, dir: self.config.secrets_dir.clone() })
        });
        let values = Arc::new(values(&self.config.config));
        let clock = self.clock.take().unwrap_or_else(|| Arc::new(SystemClock));
        let lines = self.lines(&clock)?;
        let listener = self.listener.take().unwrap_or_else(|| Arc::new(TracingListener));
        let ports = engine::Ports {
            methods: methods.clone(),
            secrets,
            spans,
            clock,
            listener: match &lines {
                Some(lines) => Arc::new(KeepingListener { lines: lines.clone(), inner: listener }),
                None => listener,
            },
            compile: Some(compiler(&registry, &methods, &values)),
        };
        let pools = self.pools()?;
        let checks = validate::Options { pools: Some(pools.keys().cloned().collect()), ..checks_of(&values) };
        let engine = self.start_engine(ports, &values, pools)?;
        let watcher = match self.watches_plugins || self.config.loader.watch {
            true => Some(Watcher::start(registry.clone(), self.plugin_hearer.take())?),
            false => None,
        };
        Ok(Host::assemble(Parts { engine, methods, registry, values, checks, watcher, lines, exporter }))
    }

    /// The file of the journal; `None` if runs live in memory.
    fn journal_file(&self) -> Result<Option<PathBuf>, Error> {
        match &self.engine.0 {
            EngineKind::Memory => Ok(None),
            EngineKind::Sqlite(Some(path), _) => Ok(Some(path.clone())),
            EngineKind::Sqlite(None, _) | EngineKind::Reader => {
                Ok(Some(self.data_place()?.join(JOURNAL_FILE)))
            }
        }
    }

    /// Where lines of runs are kept; `None` if runs live in memory.
    fn lines(&self, clock: &Arc<dyn Clock>) -> Result<Option<Arc<RunLines>>, Error> {
        let Some(journal) = self.journal_file()? else { return Ok(None) };
        if matches!(self.engine.0, EngineKind::Reader) {
            return Ok(Some(Arc::new(RunLines::reader(&journal))));
        }
        let bytes_max = self.config.engine.run_lines_bytes_max.unwrap_or(lines::BYTES_MAX);
        RunLines::writer(&journal, bytes_max, clock.clone()).map(Some)
    }

    fn start_engine(
        &self,
        ports: engine::Ports,
        values: &Arc<ConfigValues>,
        pools: BTreeMap<Box<str>, u32>,
    ) -> Result<engine::Engine, Error> {
        let limits = engine::Config { pools, ..self.limits(values) };
        let Some(path) = self.journal_file()? else { return Ok(engine::Engine::new(limits, ports)?) };
        let EngineKind::Sqlite(_, durability) = &self.engine.0 else {
            let store = SqliteStore::open_reader(&path).map_err(engine::EngineError::from)?;
            return Ok(engine::Engine::reader(limits, ports, Arc::new(store))?);
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|source| Error::io("create", dir, source))?;
        }
        let mut options = Options::default();
        options.durability = *durability;
        let store = SqliteStore::open(&path, options).map_err(engine::EngineError::from)?;
        Ok(engine::Engine::durable(limits, ports, Arc::new(store))?)
    }

    fn data_place(&self) -> Result<PathBuf, Error> {
        let data_dir = self.data_dir.clone().or_else(|| self.config.data_dir.clone());
        data_dir.or_else(places::user_data_dir).ok_or_else(|| {
            Error::setup("there is no home directory to keep data in; name a directory for data")
        })
    }

    /// Directories are looked into; files that are named one by one must be usable.
    fn open_registry(&self, spans: Option<Arc<dyn SpanSink>>) -> Result<Registry, Error> {
        let data_dir = self.data_place()?;
        let mut registry_config = RegistryConfig::new(data_dir);
        registry_config.spans = spans;
        self.config.loader.apply(&mut registry_config);
        let base_dir = self.config.base_dir.as_deref().filter(|_| !self.ignores_lock);
        registry_config.trust = self.config.trust.checked(base_dir)?;
        registry_config.trust.lock.take_if(|_| self.ignores_lock);
        self.config.apply_isolation(&mut registry_config)?;
        registry_config.isolation.trusted_directories = places::beside_executable();
        registry_config.worker_program = self.worker.clone().or_else(worker_beside_executable);
        for (name, plugin) in &self.config.plugins {
            registry_config.plugins.insert(name.clone(), to_json(&plugin.config));
        }
        let paths = self.plugin_paths.iter().chain(&self.config.plugin_paths);
        let (files, directories): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.partition(|path| path.is_file());
        for directory in directories {
            registry_config = registry_config.directory(directory);
        }
        let registry = Registry::open(registry_config)?;
        for file in files {
            registry.add(file)?;
        }
        Ok(registry)
    }

    /// The pools of the configuration and of the builder.
    fn pools(&self) -> Result<BTreeMap<Box<str>, u32>, Error> {
        let configured = self.config.pools.iter().map(|(name, pool)| (name, pool.limit));
        let own = self.pools.iter().map(|(name, limit)| (name, *limit));
        let check = |(name, limit): (&String, u32)| match (name.is_empty(), limit) {
            (true, _) => Err(Error::setup("a pool has an empty name; calls could not name it")),
            (false, 0) => Err(Error::setup(format!(
                "the limit of pool `{name}` is 0, so that no call in it could ever begin; give it at least 1, or leave the pool out"
            ))),
            (false, limit) => Ok((name.as_str().into(), limit)),
        };
        configured.chain(own).map(check).collect()
    }

    fn limits(&self, values: &Arc<ConfigValues>) -> engine::Config {
        let mut limits = engine::Config {
            fires_schedules: !self.holds_schedules,
            run_values: values.clone(),
            ..engine::Config::default()
        };
        self.config.engine.apply(&mut limits);
        limits.threads = self.threads.unwrap_or(limits.threads);
        limits.blocking_threads_max = self.blocking_threads.unwrap_or(limits.blocking_threads_max);
        limits
    }
}

/// What documents can name, without the pools: those that were accepted once are not warned of again.
fn checks_of(values: &ConfigValues) -> validate::Options {
    validate::Options { config_keys: Some(values.keys().cloned().collect()), pools: None }
}

/// How documents that were registered earlier become plans again.
fn compiler(
    registry: &Arc<Registry>,
    methods: &Arc<AllMethods>,
    values: &Arc<ConfigValues>,
) -> jackfield_engine::Compile {
    let (registry, methods, checks) = (registry.clone(), methods.clone(), checks_of(values));
    Arc::new(move |document| {
        // every JSON document is one with comments that has none
        let checked = definition::check("workflow", document.into(), Dialect::Jsonc, &checks, |plugins| {
            registry.load(plugins)?;
            Ok(methods.catalog())
        });
        checked.map(|workflow| workflow.shared_plan()).map_err(|error| error.to_string())
    })
}

fn worker_beside_executable() -> Option<WorkerProgram> {
    let name = format!("jackfield-worker{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::current_exe().ok()?.parent()?.join(name);
    path.is_file().then(|| WorkerProgram { path, name: None, arguments: Vec::new() })
}
