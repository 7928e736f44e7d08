//! What the loader is told.

use crate::isolation::IsolationRules;
use crate::trust::TrustConfig;
use jackfield_core::trace::SpanSink;
use jackfield_plugin_api::worker::{Policy, Sandbox};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where plugins are, where the loader keeps its own files, and its limits.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Directories whose files are plugins; what lies deeper is not looked at.
    pub directories: Vec<PathBuf>,
    /// The loader keeps its files in `plugins/` below it.
    pub data_dir: PathBuf,
    /// Largest plugin file in bytes; 512 MiB unless set.
    pub file_bytes_max: u64,
    /// Largest result of a call in bytes; 64 MiB unless set.
    pub result_bytes_max: usize,
    /// Most instances of one plugin version, counting those that wait for given-up calls; 8 unless set.
    pub instances_max: usize,
    /// How many calls from plugin to plugin may follow on each other; 16 unless set.
    pub call_depth_max: usize,
    /// Which plugins may be used.
    pub trust: TrustConfig,
    /// Configurations of plugins by name, handed to each of their instances.
    pub plugins: BTreeMap<String, Value>,
    /// Where plugins run; `worker` for all unless set.
    pub isolation: IsolationRules,
    /// What worker processes are started from; without it only plugins that run in this process can be called.
    pub worker_program: Option<WorkerProgram>,
    /// How many workers there are of a plugin version, and for how long.
    pub workers: WorkerLimits,
    /// The same for plugins by name, in place of `workers`.
    pub plugin_workers: BTreeMap<String, WorkerLimits>,
    /// How the host and workers of plugins by name exchange what they say; [`Transport::Socket`] for all others.
    pub plugin_transports: BTreeMap<String, Transport>,
    /// How many sessions a plugin version may have, and for how long.
    pub sessions: SessionLimits,
    /// The same for plugins by name, in place of `sessions`.
    pub plugin_sessions: BTreeMap<String, SessionLimits>,
    /// What becomes of workers on a system that cannot enforce their sandbox; [`Policy::Required`] unless set.
    pub sandbox: Policy,
    /// Sandboxes of the workers of plugins by name. A plugin that has none here is granted nothing, with `sandbox`.
    pub plugin_sandboxes: BTreeMap<String, Sandbox>,
    /// Where spans of calls to workers and between plugins go; without it none are made.
    pub spans: Option<Arc<dyn SpanSink>>,
}

/// The program of a worker.
#[derive(Clone, Debug)]
pub struct WorkerProgram {
    /// Its file.
    pub path: PathBuf,
    /// The name that it is started under, if not the path.
    pub name: Option<OsString>,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// How a host and a worker exchange what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// By a socket; on Linux, what is large goes through memory that both share.
    #[default]
    Socket,
    /// All of it by shared memory, which takes a twentieth of the time for small calls and keeps a processor busy for some
    /// 50 us after each. Linux only.
    SharedMemory,
}

/// How many sessions a plugin version may have at a time, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// At most so many; 64 unless set. Calls of others wait until one is over.
    pub max: usize,
    /// A session ends when it has had no call for so long; 5 minutes unless set.
    pub idle: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { max: 64, idle: Duration::from_secs(300) }
    }
}

/// How many worker processes there are of one plugin version, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Workers that stay, also without work; 0 unless set.
    pub min: usize,
    /// Workers at most; 4 unless set. As many again may wait for calls that were given up.
    pub max: usize,
    /// How long a worker waits for work before it ends; 60 s unless set.
    pub idle: Duration,
    /// A worker ends after so many calls; 0, as it is unless set, means never.
    pub recycle_after: u64,
    /// Calls of blocking and inline methods in one worker at a time; 64 unless set. Others wait.
    pub threads_max: u32,
    /// How long a worker may take to open its plugin and take over the state of another version, or to hand over its own; 10 s
    /// unless set.
    pub start_timeout: Duration,
    /// How long a call may take to return after it was told to stop; then its worker is killed. 2 s unless set.
    pub grace: Duration,
    /// Crashes within the window that are borne; one more, and the plugin is quarantined. 10 unless set.
    pub crash_budget: u32,
    /// See `crash_budget`; 60 s unless set.
    pub crash_window: Duration,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            min: 0,
            max: 4,
            idle: Duration::from_secs(60),
            recycle_after: 0,
            threads_max: 64,
            start_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(2),
            crash_budget: 10,
            crash_window: Duration::from_secs(60),
        }
    }
}

impl RegistryConfig {
    /// No plugins, with the default limits.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            directories: Vec::new(),
            data_dir: data_dir.into(),
            file_bytes_max: 512 << 20,
            result_bytes_max: 64 << 20,
            instances_max: 8,
            call_depth_max: 16,
            trust: TrustConfig::default(),
            plugins: BTreeMap::new(),
            isolation: IsolationRules::default(),
            worker_program: None,
            workers: WorkerLimits::default(),
            plugin_workers: BTreeMap::new(),
            plugin_transports: BTreeMap::new(),
            sessions: SessionLimits::default(),
            plugin_sessions: BTreeMap::new(),
            sandbox: Policy::default(),
            plugin_sandboxes: BTreeMap::new(),
            spans: None,
        }
    }

    /// With one directory more.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directories.push(directory.into());
        self
    }

    #[cfg(unix)]
    pub(crate) fn worker_limits(&self, plugin: &str) -> WorkerLimits {
        self.plugin_workers.get(plugin).copied().unwrap_or(self.workers)
    }

    #[cfg(unix)]
    pub(crate) fn transport(&self, plugin: &str) -> Transport {
        self.plugin_transports.get(plugin).copied().unwrap_or_default()
    }

    #[cfg(unix)]
    pub(crate) fn sandbox(&self, plugin: &str) -> Sandbox {
        let of_plugin = self.plugin_sandboxes.get(plugin).cloned();
        of_plugin.unwrap_or_else(|| Sandbox { policy: self.sandbox, ..Sandbox::default() })
    }

    pub(crate) fn session_limits(&self, plugin: &str) -> SessionLimits {
        self.plugin_sessions.get(plugin).copied().unwrap_or(self.sessions)
    }

    pub(crate) fn plugin_config(&self, name: &str) -> String {
        self.plugins.get(name).map_or_else(|| "{}".to_owned(), Value::to_string)
    }
}
