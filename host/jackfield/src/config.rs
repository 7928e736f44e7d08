//! The configuration file, `jackfield.toml`: every key, its default and its unit. Unknown keys are errors.
//!
//! ```toml
//! plugin_paths = ["plugins"]          # searched after --plugin-path and JACKFIELD_PLUGIN_PATH
//! data_dir = "data"                   # where opened plugin files are kept
//! secrets_dir = "/run/secrets"        # one file per secret
//!
//! [engine]
//! threads = 0                         # 0 = one per core
//! cancel_grace = "2s"
//!
//! [loader]
//! result_bytes_max = 67108864         # largest result of a call
//! watch = true                        # look at plugin directories again when something changes there
//!
//! [trust]                             # what is asked of plugin files before any of their code runs
//! lock = "jackfield.lock"             # without this key one beside this file counts if it is there
//! keys = ["RWQf6LRCGA9i5..."]         # public keys of minisign
//! require_signature = true
//! allow = ["csv", "vendor-*@^2"]
//!
//! [isolation]
//! default = "worker"                  # where plugins run that nothing else is said about: "worker" or "in_process"; absent:
//!                                     # "in_process" for those beside the program, "worker" for all others
//! workers = { max = 4, idle = "60s" } # processes of each plugin version; see `WorkersConfig` for all keys
//! sandbox = "required"                # what becomes of workers where a sandbox cannot be enforced
//!
//! [plugins.csv]
//! config = { root = "/srv/data" }     # handed to the plugin when it is opened
//! isolation = "in_process"            # goes before the default; a step's own `isolation` goes before this
//! sessions = { max = 64, idle = "5m" } # of its calls with a `session`; the same in [loader] for all plugins
//!
//! [plugins.render]                    # what is said of workers has a plugin run in them
//! workers = { min = 1, max = 8 }      # goes before those of [isolation], key by key
//! transport = "shared_memory"         # how calls reach them: "socket" (large values by shared memory) or, on Linux, all by
//!                                     # "shared_memory", for plugins with many short calls
//!
//! [plugins.convert]                   # what its workers may reach and use up; see docs/sandbox.md for all keys
//! grant = { fs = { read = ["in"] }, net = true }
//! limits = { memory_bytes_max = 1073741824 }
//! sandbox = "best_effort"             # goes before that of [isolation]
//!
//! [pools.gpu]                         # calls with `pool: "gpu"` ...
//! limit = 2                           # ... are under way so many at a time, over all runs
//!
//! [config]                            # what `config.<key>` is in expressions
//! region = "eu"
//!
//! [secrets]                           # what `secret('name')` is
//! smtp = { env = "SMTP_PASSWORD" }
//! key = { file = "secrets/key" }
//!
//! [log]
//! format = "pretty"                   # or "json"
//! filter = "info"                     # as in RUST_LOG
//!
//! [telemetry]                         # where the spans of runs go, by OTLP; see docs/server.md for all keys
//! endpoint = "http://127.0.0.1:4318"
//! sampling = 0.1                      # of the traces that begin here
//!
//! [server]                            # what `jackfield serve` listens on besides its socket; see docs/server.md for all keys
//! listen = ["127.0.0.1:7070"]
//! ```
//! Relative paths are taken from the directory of the file.

mod server;
mod telemetry;

pub use server::{ServerConfig, ServerLimits};
pub use telemetry::TelemetryConfig;

use crate::Error;
use crate::secrets::SecretSource;
pub use crate::trust::TrustSettings;
use jackfield_core::model::{Isolation, duration};
use jackfield_core::payload::Payload;
use jackfield_core::run::History;
use jackfield_engine as engine;
pub use jackfield_loader::Transport;
use jackfield_loader::{
    Grant, Limits, Policy, RegistryConfig, Sandbox, SessionLimits, WorkerLimits, optional_table,
};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a configuration file says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Directories with plugin files, and plugin files.
    pub plugin_paths: Vec<PathBuf>,
    /// Where opened plugin files are kept; the user's data directory if absent.
    pub data_dir: Option<PathBuf>,
    /// A directory with one file per secret.
    pub secrets_dir: Option<PathBuf>,
    /// Limits of the engine.
    pub engine: EngineConfig,
    /// Limits for plugin files.
    pub loader: LoaderConfig,
    /// What is asked of plugin files before any of their code runs.
    pub trust: TrustSettings,
    /// Where plugins run.
    pub isolation: IsolationConfig,
    /// Per plugin, by name.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// Pools of this host, by name.
    pub pools: BTreeMap<String, PoolConfig>,
    /// What `config.<key>` is in expressions.
    pub config: toml::Table,
    /// Where named secrets come from.
    pub secrets: BTreeMap<String, SecretSource>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// What is served over TCP.
    pub server: ServerConfig,
    /// Where the spans of runs are sent.
    pub telemetry: TelemetryConfig,
    /// The directory of the file, in which a lock is looked for; `None` if the configuration came from no file.
    #[serde(skip)]
    pub base_dir: Option<PathBuf>,
}

/// `[engine]`. What is absent has the engine's own default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EngineConfig {
    /// Threads that run steps; 0 is one per core.
    pub threads: Option<usize>,
    /// Threads for methods that may block, at most.
    pub blocking_threads_max: Option<usize>,
    /// Asynchronous calls under way, at most.
    pub async_calls_max: Option<usize>,
    /// Bodies of a foreach at a time where the document says 0.
    pub foreach_concurrency: Option<u32>,
    /// How long a cancelled call may take to return before it is given up.
    #[serde(deserialize_with = "optional_duration")]
    pub cancel_grace: Option<Duration>,
    /// How long runs may go on at shutdown before they are cancelled.
    #[serde(deserialize_with = "optional_duration")]
    pub shutdown_grace: Option<Duration>,
    /// Finished runs that stay readable, at most; the oldest are forgotten first.
    pub finished_runs_max: Option<usize>,
    /// Runs that have not ended, at most.
    pub open_runs_max: Option<usize>,
    /// Runs under way at a time, at most; more are queued by the priority of their workflows. No limit if absent or 0.
    pub runs_under_way_max: Option<usize>,
    /// Events and messages that one run holds before its steps have taken them at most; 10,000 if absent.
    pub unread_max: Option<u32>,
    /// How often in a row a host may end out of order while calls of a durable run are under way before the run is paused; 10
    /// if absent, 0 is as often as it happens.
    pub recoveries_max: Option<u32>,
    /// How many records of a durable run are in memory at least; 10,000 if absent. Older ones are read from the journal when
    /// somebody asks for them.
    pub records_kept: Option<usize>,
    /// How deep runs may start runs by steps of type `workflow`; 32 if absent.
    pub nesting_max: Option<u32>,
    /// What runs keep of what has happened in them.
    pub history: Option<History>,
    /// Bytes that are kept of the lines which methods of a durable run log and print; the oldest go first. 64 MiB if absent, 0
    /// keeps none.
    pub run_lines_bytes_max: Option<u64>,
}

/// `[loader]`. What is absent has the loader's own default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LoaderConfig {
    /// Largest plugin file in bytes.
    pub file_bytes_max: Option<u64>,
    /// Largest result of a call in bytes.
    pub result_bytes_max: Option<usize>,
    /// Instances of one plugin version, at most, counting those that wait for given-up calls.
    pub instances_max: Option<usize>,
    /// Calls from plugin to plugin that may follow on each other.
    pub call_depth_max: Option<usize>,
    /// Sessions of each plugin version.
    pub sessions: SessionsConfig,
    /// Whether plugin directories are watched, and looked at again when something changes there.
    pub watch: bool,
}

/// `[plugins.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PluginConfig {
    /// Handed to the plugin when it is opened.
    pub config: toml::Table,
    /// Where the plugin runs.
    pub isolation: Option<Isolation>,
    /// Its worker processes.
    pub workers: WorkersConfig,
    /// How it exchanges with them what they say; `socket` if absent.
    pub transport: Option<Transport>,
    /// Its sessions.
    pub sessions: SessionsConfig,
    /// What its workers may reach; nothing if absent.
    #[serde(deserialize_with = "optional_table")]
    pub grant: Option<Grant>,
    /// What each of its workers may use up.
    #[serde(deserialize_with = "optional_table")]
    pub limits: Option<Limits>,
    /// What becomes of its workers on a system that cannot enforce their sandbox.
    pub sandbox: Option<Policy>,
}

/// `[pools.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Attempts of the calls that name the pool at a time, over all runs; at least 1.
    pub limit: u32,
}

/// `[isolation]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct IsolationConfig {
    /// For plugins that nothing else is said about, unless their manifest wishes for a worker. Absent: `in_process` for those that
    /// lie beside the program, `worker` for all others.
    pub default: Option<Isolation>,
    /// Worker processes of each plugin version.
    pub workers: WorkersConfig,
    /// What becomes of workers on a system that cannot enforce their sandbox; `required` if absent.
    pub sandbox: Option<Policy>,
}

/// How many worker processes there are of a plugin version, and for how long. What is absent has the loader's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkersConfig {
    /// Workers that stay, also without work.
    pub min: Option<usize>,
    /// Workers at most.
    pub max: Option<usize>,
    /// How long a worker waits for work before it ends.
    #[serde(deserialize_with = "optional_duration")]
    pub idle: Option<Duration>,
    /// A worker ends after so many calls; 0 is never.
    pub recycle_after: Option<u64>,
    /// Calls of blocking and inline methods in one worker at a time.
    pub threads_max: Option<u32>,
    /// How long a worker may take to open its plugin.
    #[serde(deserialize_with = "optional_duration")]
    pub start_timeout: Option<Duration>,
    /// Crashes within `crash_window` that are borne; one more, and the plugin is quarantined.
    pub crash_budget: Option<u32>,
    /// See `crash_budget`.
    #[serde(deserialize_with = "optional_duration")]
    pub crash_window: Option<Duration>,
}

/// How many sessions a plugin version may have, and for how long. What is absent has the loader's own default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SessionsConfig {
    /// Sessions at most; calls of others wait until one is over.
    pub max: Option<usize>,
    /// A session ends when it has had no call for so long.
    #[serde(deserialize_with = "optional_duration")]
    pub idle: Option<Duration>,
}

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LogConfig {
    /// How lines look.
    pub format: Option<LogFormat>,
    /// What is logged, in the syntax of `RUST_LOG`.
    pub filter: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// If the file cannot be read, is no TOML, or has a key or a value that this version does not know.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::io("read", path, source))?;
        let mut config = Self::parse(&text)
            .map_err(|message| Error::setup(format!("configuration `{}`: {message}", path.display())))?;
        let dir = path.parent().unwrap_or(Path::new(""));
        config.anchor(dir);
        config.base_dir = Some(dir.to_owned());
        Ok(config)
    }

    /// Reads the text of a configuration; relative paths stay as they are.
    ///
    /// # Errors
    /// What is wrong and where, over several lines.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The first configuration file there is: `jackfield.toml` in the current directory, then
    /// `jackfield/jackfield.toml` in the user's configuration directory.
    #[must_use]
    pub fn find() -> Option<PathBuf> {
        let local = PathBuf::from("jackfield.toml");
        let user = || Some(crate::places::user_config_dir()?.join("jackfield.toml"));
        Some(local).filter(|path| path.is_file()).or_else(|| user().filter(|path| path.is_file()))
    }

    /// Makes relative paths relative to `dir`.
    fn anchor(&mut self, dir: &Path) {
        let join = |path: &mut PathBuf| *path = dir.join(&*path);
        self.plugin_paths.iter_mut().for_each(join);
        self.data_dir.iter_mut().chain(&mut self.secrets_dir).chain(&mut self.trust.lock).for_each(join);
        for source in self.secrets.values_mut() {
            if let SecretSource::File(path) = source {
                join(path);
            }
        }
        self.server.anchor(dir);
        // the kernel is told whole paths; where there is no current directory they stay as they are, and the worker refuses them
        let dir = std::env::current_dir().map_or_else(|_| dir.to_owned(), |current| current.join(dir));
        for plugin in self.plugins.values_mut() {
            if let Some(grant) = &mut plugin.grant {
                grant.anchor(&dir);
            }
        }
    }
}

impl Config {
    /// Where plugins run, what their workers may do, and how many there are.
    ///
    /// # Errors
    /// If something is said of the workers of a plugin that is to run in this process, or this system cannot do it.
    pub(crate) fn apply_isolation(&self, config: &mut RegistryConfig) -> Result<(), Error> {
        config.isolation.default = self.isolation.default;
        config.sandbox = self.isolation.sandbox.unwrap_or_default();
        // a call that was told to stop has as long as the engine gives it
        set(&mut config.workers.grace, self.engine.cancel_grace);
        self.isolation.workers.apply(&mut config.workers);
        for (name, plugin) in &self.plugins {
            plugin.check_workers(name)?;
            // what is said of workers is meant to hold
            let implied = plugin.said_of_workers().map(|_| Isolation::Worker);
            if let Some(isolation) = plugin.isolation.or(implied) {
                config.isolation.plugins.insert(name.clone(), isolation);
            }
            config.plugin_transports.extend(plugin.transport.map(|transport| (name.clone(), transport)));
            let mut workers = config.workers;
            plugin.workers.apply(&mut workers);
            config.plugin_workers.insert(name.clone(), workers);
            config.plugin_sessions.insert(name.clone(), plugin.sessions.over(config.sessions));
            config.plugin_sandboxes.insert(name.clone(), plugin.sandbox(config.sandbox));
        }
        Ok(())
    }
}

impl PluginConfig {
    /// The first key that says something about workers, and whether it is about their sandbox.
    fn said_of_workers(&self) -> Option<(&'static str, bool)> {
        let keys = [
            ("grant", true, self.grant.is_some()),
            ("limits", true, self.limits.is_some()),
            ("sandbox", true, self.sandbox.is_some()),
            ("workers", false, self.workers != WorkersConfig::default()),
            ("transport", false, self.transport.is_some()),
        ];
        keys.into_iter().find(|(.., is_said)| *is_said).map(|(key, is_sandbox, _)| (key, is_sandbox))
    }

    fn check_workers(&self, name: &str) -> Result<(), Error> {
        if let (Some((key, is_sandbox)), Some(Isolation::InProcess)) =
            (self.said_of_workers(), self.isolation)
        {
            let effect = if is_sandbox { "would not be enforced" } else { "would have no effect" };
            return Err(Error::setup(format!(
                "configuration: `{key}` of [plugins.{name}] {effect}, because `isolation` there is \"in_process\". \
                 Say `isolation = \"worker\"`, or take `{key}` out"
            )));
        }
        if self.transport == Some(Transport::SharedMemory) && !cfg!(target_os = "linux") {
            return Err(Error::setup(format!(
                "configuration: `transport` of [plugins.{name}] is \"shared_memory\", which needs Linux. Say \
                 `transport = \"socket\"`, or take it out"
            )));
        }
        Ok(())
    }

    fn sandbox(&self, policy: Policy) -> Sandbox {
        Sandbox {
            grant: self.grant.clone().unwrap_or_default(),
            limits: self.limits.clone().unwrap_or_default(),
            policy: self.sandbox.unwrap_or(policy),
        }
    }
}

impl WorkersConfig {
    fn apply(&self, limits: &mut WorkerLimits) {
        set(&mut limits.min, self.min);
        set(&mut limits.max, self.max);
        set(&mut limits.idle, self.idle);
        set(&mut limits.recycle_after, self.recycle_after);
        set(&mut limits.threads_max, self.threads_max);
        set(&mut limits.start_timeout, self.start_timeout);
        set(&mut limits.crash_budget, self.crash_budget);
        set(&mut limits.crash_window, self.crash_window);
    }
}

impl SessionsConfig {
    fn over(&self, mut limits: SessionLimits) -> SessionLimits {
        set(&mut limits.max, self.max);
        set(&mut limits.idle, self.idle);
        limits
    }
}

impl EngineConfig {
    pub(crate) fn apply(&self, config: &mut engine::Config) {
        set(&mut config.threads, self.threads);
        set(&mut config.blocking_threads_max, self.blocking_threads_max);
        set(&mut config.async_calls_max, self.async_calls_max);
        set(&mut config.foreach_concurrency, self.foreach_concurrency);
        set(&mut config.cancel_grace, self.cancel_grace);
        set(&mut config.shutdown_grace, self.shutdown_grace);
        set(&mut config.finished_runs_max, self.finished_runs_max);
        set(&mut config.open_runs_max, self.open_runs_max);
        set(&mut config.runs_under_way_max, self.runs_under_way_max);
        set(&mut config.unread_max, self.unread_max);
        set(&mut config.recoveries_max, self.recoveries_max);
        set(&mut config.records_kept, self.records_kept);
        set(&mut config.nesting_max, self.nesting_max);
        set(&mut config.history, self.history);
    }
}

impl LoaderConfig {
    pub(crate) fn apply(&self, config: &mut RegistryConfig) {
        set(&mut config.file_bytes_max, self.file_bytes_max);
        set(&mut config.result_bytes_max, self.result_bytes_max);
        set(&mut config.instances_max, self.instances_max);
        set(&mut config.call_depth_max, self.call_depth_max);
        config.sessions = self.sessions.over(config.sessions);
    }
}

fn set<T: Copy>(target: &mut T, value: Option<T>) {
    *target = value.unwrap_or(*target);
}

/// What `config.<key>` is in expressions.
pub(crate) type ConfigValues = BTreeMap<Box<str>, Payload>;

pub(crate) fn values(table: &toml::Table) -> ConfigValues {
    table.iter().map(|(key, value)| (key.as_str().into(), Payload::from(value_to_json(value)))).collect()
}

/// A TOML table as JSON; dates and times become strings, numbers that JSON does not have become `null`.
pub(crate) fn to_json(table: &toml::Table) -> serde_json::Value {
    table.iter().map(|(key, value)| (key.clone(), value_to_json(value))).collect()
}

fn value_to_json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.iter().map(value_to_json).collect(),
        toml::Value::Table(table) => to_json(table),
    }
}

fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fault =
        |error| serde::de::Error::custom(format!("duration `{text}` {error}, such as \"2s\" or \"500ms\""));
    duration::parse(&text).map(Some).map_err(fault)
}

#[cfg(test)]
mod tests;
