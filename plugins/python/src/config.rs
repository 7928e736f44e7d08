//! The configuration of an instance, and the service that lives as long as the instance does.

use crate::service::Service;
use etcetera::BaseStrategy;
use indexmap::IndexMap;
use jackfield_plugin_api::prelude::*;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Configuration of the plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where environments and the files of sessions are kept; `jackfield/python` in the user's data directory if absent.
    pub(crate) dir: Option<PathBuf>,
    /// The program `uv`; looked up in `PATH` if absent.
    pub(crate) uv: Option<PathBuf>,
    /// Interpreter of environments that name none: a version such as `3.12`, or a path. What `uv` finds first if absent.
    pub(crate) python: Option<String>,
    /// Whether packages come from `uv`'s cache only.
    pub(crate) offline: bool,
    /// Address of the package index, in place of the one that `uv` is set up with.
    pub(crate) index_url: Option<String>,
    /// Address that interpreters are fetched from, in place of `uv`'s own.
    pub(crate) python_mirror: Option<String>,
    /// Profiles beside the built-in ones, by name: their packages.
    pub(crate) profiles: IndexMap<String, Vec<String>>,
    /// The environment that is never deleted, and that no user gets by chance.
    pub(crate) admin_environment: String,
    /// The environment that single-user mode begins with; it is made when it is first needed.
    pub(crate) default_environment: String,
    /// The mode that the plugin begins in.
    pub(crate) mode: Mode,
    /// Sessions that have an interpreter at the same time, at most.
    pub(crate) sessions_max: usize,
    /// How long a call waits for a free place for its session, in milliseconds.
    pub(crate) acquire_timeout_ms: u64,
    /// Calls that wait for one session at the same time, at most.
    pub(crate) queue_max: usize,
    /// A session without calls is closed after this time, in milliseconds; 0 for never.
    pub(crate) idle_timeout_ms: u64,
    /// A session is closed at this age, in milliseconds, once it has no call; 0 for never.
    pub(crate) max_age_ms: u64,
    /// What code may take if the call does not say, in milliseconds.
    pub(crate) exec_timeout_ms: u64,
    /// How long interrupted code may take to end before its processes are killed, in milliseconds.
    pub(crate) interrupt_grace_ms: u64,
    /// How long an interpreter may take to start, in milliseconds.
    pub(crate) start_timeout_ms: u64,
    /// Interpreters that are kept started for each environment that has been used.
    pub(crate) prewarm: usize,
    /// What is kept of each output of an execution, in bytes.
    pub(crate) output_bytes_max: usize,
    /// Largest result, and largest output variable, in bytes of JSON.
    pub(crate) result_bytes_max: usize,
    /// How long files that closed sessions have made are kept, in milliseconds.
    pub(crate) keep_files_ms: u64,
    /// Limits of each session that does not bring its own.
    pub(crate) limits: Limits,
    #[serde(skip)]
    service: OnceLock<Service>,
}

/// Who has sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// One current environment with one current session.
    #[default]
    SingleUser,
    /// A session for each user.
    MultiUser,
}

/// What a session may use; enforced by the system (`setrlimit`) on each of its processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Address space, in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// Time of processors, in seconds.
    pub(crate) cpu_seconds: Option<u64>,
    /// Open files.
    pub(crate) open_files: Option<u64>,
    /// Largest file that is written, in bytes.
    pub(crate) file_bytes: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: None,
            uv: None,
            python: None,
            offline: false,
            index_url: None,
            python_mirror: None,
            profiles: IndexMap::new(),
            admin_environment: "admin".into(),
            default_environment: "default".into(),
            mode: Mode::default(),
            sessions_max: 8,
            acquire_timeout_ms: 30_000,
            queue_max: 32,
            idle_timeout_ms: 30 * 60 * 1_000,
            max_age_ms: 24 * 60 * 60 * 1_000,
            exec_timeout_ms: 5 * 60 * 1_000,
            interrupt_grace_ms: 2_000,
            start_timeout_ms: 30_000,
            prewarm: 0,
            output_bytes_max: 1 << 20,
            result_bytes_max: 16 << 20,
            keep_files_ms: 24 * 60 * 60 * 1_000,
            limits: Limits::default(),
            service: OnceLock::new(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("dir", &self.dir).field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Config {
    /// What serves all calls of this instance; ends with it.
    ///
    /// # Errors
    /// `python.no_home` if nobody says where things are kept.
    pub(crate) fn service(&self) -> Result<&Service, Error> {
        if let Some(service) = self.service.get() {
            return Ok(service);
        }
        let dir = match &self.dir {
            Some(dir) => std::path::absolute(dir)?,
            None => default_dir()?,
        };
        let fresh = Service::new(self, dir)?;
        // of two calls that are the first, one is served by what the other made
        Ok(self.service.get_or_init(|| fresh))
    }
}

fn default_dir() -> Result<PathBuf, Error> {
    let base = etcetera::choose_base_strategy().map_err(|error| {
        let message = format!(
            "cannot tell where to keep environments: {error}; set `dir` in the configuration of `python`"
        );
        Error::new("python.no_home", message).permanent()
    })?;
    Ok(base.data_dir().join("jackfield").join("python"))
}
