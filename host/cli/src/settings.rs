//! The checked form of the global options: configuration found and read, logging set up, a host built.

use crate::access::ServerAddress;
use crate::args::{Global, LogFormat};
use crate::printer::Printer;
use anyhow::{Context, Result, bail};
use jackfield::{
    Config, Engine, History, Host, HostBuilder, Isolation, JOURNAL_FILE, RunListener, Transport, Value,
    config, places, telemetry,
};
use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

/// Paths in the order in which they are searched, and the rest of the configuration.
#[derive(Clone)]
pub(crate) struct Settings {
    config: Config,
    plugin_paths: Vec<PathBuf>,
    data_dir: Option<PathBuf>,
    server: Option<ServerAddress>,
    logs_methods: bool,
    fires_schedules: bool,
}

impl Settings {
    /// Reads the configuration and sets up logging.
    pub(crate) fn load(global: &Global, printer: &Printer) -> Result<Self> {
        let config = match global.config.clone().or_else(Config::find) {
            Some(path) => Config::load(&path)?,
            None => Config::default(),
        };
        Self::of(config, global, printer)
    }

    /// The same with a configuration that was read already.
    pub(crate) fn of(mut config: Config, global: &Global, printer: &Printer) -> Result<Self> {
        // without a configuration a lock in the current directory counts
        config.base_dir.get_or_insert_default();
        let logs_methods = start_logging(global, &config.log, printer)?;
        let mut plugin_paths = global.plugin_path.clone();
        let from_env = env::var_os("JACKFIELD_PLUGIN_PATH").unwrap_or_default();
        plugin_paths.extend(env::split_paths(&from_env).filter(|path| !path.as_os_str().is_empty()));
        plugin_paths.append(&mut config.plugin_paths);
        plugin_paths.extend(places::beside_executable());
        let server = ServerAddress::of(global, printer)?;
        Ok(Self {
            config,
            plugin_paths,
            data_dir: global.data_dir.clone(),
            server,
            logs_methods,
            fires_schedules: false,
        })
    }

    /// Whether log lines of methods are in the log already.
    pub(crate) fn logs_methods(&self) -> bool {
        self.logs_methods
    }

    /// The same with an eye on plugins that come and go.
    pub(crate) fn watching_plugins(mut self) -> Self {
        self.config.loader.watch = true;
        self
    }

    /// The same with schedules that start what has come due.
    pub(crate) fn firing_schedules(mut self) -> Self {
        self.fires_schedules = true;
        self
    }

    /// The server that is asked instead of looking into the data directory, if there is one.
    pub(crate) fn remote(&self) -> Option<&ServerAddress> {
        self.server.as_ref()
    }

    /// The settings of a command that works on this machine only.
    pub(crate) fn on_this_machine(self, command: &str) -> Result<Self> {
        if let Some(server) = &self.server {
            bail!(
                "`jackfield {command}` works on this machine only, not on {}: leave --server out, or unset JACKFIELD_SERVER",
                server.url()
            );
        }
        Ok(self)
    }

    /// What is served over TCP.
    pub(crate) fn server(&self) -> config::ServerConfig {
        self.config.server.clone()
    }

    /// Where plugins are looked for, in order.
    pub(crate) fn plugin_paths(&self) -> &[PathBuf] {
        &self.plugin_paths
    }

    /// Where the lock is, or would be written.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.config.trust.lock_file(self.config.base_dir.as_deref())
    }

    /// Builds a host that leaves the lock aside, for writing it.
    pub(crate) fn host_without_lock(self) -> Result<Host> {
        self.build(None, HostBuilder::ignore_lock)
    }

    /// Sets the threads that run steps, unless that is `None`; answers how many there will be.
    pub(crate) fn set_threads(&mut self, wanted: Option<usize>) -> usize {
        let threads = &mut self.config.engine.threads;
        *threads = wanted.or(*threads);
        match threads.unwrap_or(0) {
            0 => available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }

    /// Says where a plugin runs, whatever the configuration says.
    pub(crate) fn set_isolation(&mut self, plugin: &str, isolation: Isolation) {
        self.config.plugins.entry(plugin.to_owned()).or_default().isolation = Some(isolation);
    }

    /// What the configuration hands to plugins, by name.
    pub(crate) fn plugin_configs(&self) -> Result<BTreeMap<String, Value>> {
        let with = self.config.plugins.iter().filter(|(_, plugin)| !plugin.config.is_empty());
        with.map(|(name, plugin)| Ok((name.clone(), serde_json::to_value(&plugin.config)?))).collect()
    }

    /// Sets how calls reach the workers of a plugin.
    pub(crate) fn set_transport(&mut self, plugin: &str, transport: Transport) {
        self.config.plugins.entry(plugin.to_owned()).or_default().transport = Some(transport);
    }

    /// Sets what runs keep of what has happened in them.
    pub(crate) fn set_history(&mut self, history: History) {
        self.config.engine.history = Some(history);
    }

    /// Builds a host; `listener` hears what methods say while they run.
    pub(crate) fn host(self, listener: Option<Arc<dyn RunListener>>) -> Result<Host> {
        self.build(listener, |builder| builder)
    }

    /// The same with runs that live elsewhere than in memory. Schedules start nothing in it: those that look after a journal for a
    /// moment are not the ones to start what has come due.
    pub(crate) fn host_on(self, listener: Option<Arc<dyn RunListener>>, engine: Engine) -> Result<Host> {
        let is_held = !self.fires_schedules;
        self.build(listener, |builder| {
            let builder = builder.engine(engine);
            if is_held { builder.hold_schedules() } else { builder }
        })
    }

    /// A new directory in that for data, removed when it is dropped.
    pub(crate) fn scratch_dir(&self, name: &str) -> Result<tempfile::TempDir> {
        let dir = self.data_place()?;
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
        let made = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&dir);
        made.with_context(|| format!("cannot create a directory in `{}`", dir.display()))
    }

    /// The directory for data.
    pub(crate) fn data_place(&self) -> Result<PathBuf> {
        let dir = self.data_dir.clone().or_else(|| self.config.data_dir.clone());
        dir.or_else(places::user_data_dir)
            .context("there is no home directory to keep data in; name one with --data-dir")
    }

    /// The journal of the data directory, which has to be there.
    pub(crate) fn journal(&self) -> Result<PathBuf> {
        let dir = self.data_place()?;
        let path = dir.join(JOURNAL_FILE);
        if !path.is_file() {
            bail!(
                "there is no journal in {}: nothing was run with --durable there; --data-dir names another directory",
                dir.display()
            );
        }
        Ok(path)
    }

    /// Says so if there is neither a journal nor a server that has one.
    pub(crate) fn check_journal(&self) -> Result<()> {
        if self.server.is_some() { Ok(()) } else { self.journal().map(drop) }
    }

    fn build(
        self,
        listener: Option<Arc<dyn RunListener>>,
        adjust: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> Result<Host> {
        let mut builder: HostBuilder = adjust(Host::builder().config(self.config));
        builder = builder.worker_command(this_program(), "jackfield", &["worker"]);
        for path in self.plugin_paths {
            builder = builder.plugin_path(path);
        }
        if let Some(dir) = self.data_dir {
            builder = builder.data_dir(dir);
        }
        if let Some(listener) = listener {
            builder = builder.listener(listener);
        }
        Ok(builder.build()?)
    }
}

/// This program itself. Where the system offers it, by a way that still leads to it when the file has been replaced.
pub(crate) fn this_program() -> PathBuf {
    let own = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && own.exists() {
        return own;
    }
    env::current_exe().unwrap_or_else(|_| "jackfield".into())
}

/// What is logged without any wish: warnings, but not those of methods, which `run` shows itself.
const FILTER_DEFAULT: &str = "warn,jackfield_engine::spans=off";

/// What is logged: options first, then RUST_LOG, then the configuration. Answers whether anybody had a wish.
fn start_logging(global: &Global, log: &config::LogConfig, printer: &Printer) -> Result<bool> {
    let format = match global.log_format {
        Some(LogFormat::Json) => config::LogFormat::Json,
        Some(LogFormat::Pretty) => config::LogFormat::Pretty,
        None => log.format.unwrap_or_default(),
    };
    let rust_log = env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let wish = match (global.quiet, global.verbose) {
        (true, _) => Some("error".to_owned()),
        (false, 0) => rust_log.or_else(|| log.filter.clone()),
        (false, 1) => Some("info".to_owned()),
        (false, 2) => Some("debug".to_owned()),
        (false, _) => Some("trace".to_owned()),
    };
    let filter = wish.as_deref().unwrap_or(FILTER_DEFAULT);
    let writer = printer.clone();
    telemetry::init(format, filter, printer.has_color(), move || writer.log_writer())?;
    Ok(wish.is_some())
}
