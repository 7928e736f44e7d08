//! What serves the calls of one instance of the plugin: environments, sessions, and the thread that closes sessions whose time
//! is over. Everything ends with it.

use crate::config::{Config, Limits};
use crate::environment::{
    CreateEnvironment, EnvironmentName, Environments, Interpreters, create, timeout_ms,
};
use crate::session::{Sessions, Spares};
use crate::uv::Uv;
use indexmap::IndexMap;
use jackfield_plugin_api::{Context, Error};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The driver, as it is written to where interpreters load it from.
const DRIVER: &str = include_str!("../driver/jackfield_driver.py");
const DRIVER_FILE: &str = "jackfield_driver.py";
/// Shortest and longest time between two looks at whether the time of sessions is over.
const LOOK_MIN: Duration = Duration::from_millis(20);
const LOOK_MAX: Duration = Duration::from_secs(10);

/// What of the configuration is needed again and again.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) python: Option<String>,
    pub(crate) profiles: IndexMap<String, Vec<String>>,
    pub(crate) queue_max: usize,
    pub(crate) acquire_timeout_ms: u64,
    pub(crate) exec_timeout_ms: u64,
    pub(crate) interrupt_grace: Duration,
    pub(crate) output_bytes_max: usize,
    pub(crate) result_bytes_max: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_age: Duration,
    pub(crate) keep_files: Duration,
    pub(crate) limits: Limits,
}

/// The service of one instance.
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) uv: Uv,
    pub(crate) interpreters: Interpreters,
    pub(crate) environments: Environments,
    pub(crate) admin_environment: EnvironmentName,
    pub(crate) default_environment: EnvironmentName,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) spares: Arc<Spares>,
    /// Where the files of sessions lie.
    pub(crate) session_dir: PathBuf,
    reaper: Option<Reaper>,
}

/// The thread that closes sessions whose time is over.
struct Reaper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Service {
    /// # Errors
    /// If the directories cannot be made, or a name in the configuration is none.
    pub(crate) fn new(config: &Config, dir: PathBuf) -> Result<Self, Error> {
        let environments = Environments::open(dir.join("envs"))?;
        let session_dir = dir.join("sessions");
        let driver = put_driver(&dir)?;
        let default_environment = EnvironmentName::parse(&config.default_environment)
            .map_err(|error| error.context("`default_environment` in the configuration of `python`"))?;
        let admin_environment = EnvironmentName::parse(&config.admin_environment)
            .map_err(|error| error.context("`admin_environment` in the configuration of `python`"))?;
        if config.sessions_max == 0 {
            return Err(Error::validation(
                "`sessions_max` in the configuration of `python` is 0; at least 1 is needed",
            ));
        }
        let settings = settings(config);
        let sessions = Arc::new(Sessions::new(
            session_dir.clone(),
            config.sessions_max,
            config.mode,
            default_environment.clone(),
        ));
        let reaper = Reaper::start(&sessions, settings.idle_timeout, settings.max_age)?;
        Ok(Self {
            uv: Uv::of(config, &dir),
            interpreters: Interpreters::default(),
            environments,
            admin_environment,
            default_environment,
            sessions,
            spares: Spares::new(config.prewarm, driver, Duration::from_millis(config.start_timeout_ms)),
            session_dir,
            reaper,
            settings,
        })
    }

    pub(crate) fn exec_timeout(&self, wanted_ms: Option<u64>) -> Duration {
        Duration::from_millis(wanted_ms.unwrap_or(self.settings.exec_timeout_ms))
    }

    pub(crate) fn acquire_timeout(&self, wanted_ms: Option<u64>) -> Duration {
        Duration::from_millis(wanted_ms.unwrap_or(self.settings.acquire_timeout_ms))
    }

    /// # Errors
    /// `python.admin_environment` if it is the administrator's.
    pub(crate) fn refuse_admin(&self, name: &EnvironmentName, what: &str) -> Result<(), Error> {
        if *name != self.admin_environment {
            return Ok(());
        }
        let message = format!("environment `{name}` is the administrator's and is never {what}");
        Err(Error::new("python.admin_environment", message).permanent())
    }

    /// The environment that single-user mode begins with is there as soon as it is needed.
    ///
    /// # Errors
    /// As `env_create`.
    pub(crate) fn make_default_environment(&self, ctx: &Context) -> Result<(), Error> {
        if self.environments.find(&self.default_environment)?.is_some() {
            return Ok(());
        }
        let wanted = CreateEnvironment {
            name: self.default_environment.to_string(),
            python: None,
            profile: None,
            packages: Vec::new(),
            keep_failed: false,
            offline: true,
            timeout_ms: timeout_ms(),
        };
        create(ctx, self, &wanted).map(drop)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.take() {
            reaper.stop();
        }
        self.spares.close();
        self.sessions.end_all("the host ended");
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        python: config.python.clone(),
        profiles: config.profiles.clone(),
        queue_max: config.queue_max,
        acquire_timeout_ms: config.acquire_timeout_ms,
        exec_timeout_ms: config.exec_timeout_ms,
        interrupt_grace: Duration::from_millis(config.interrupt_grace_ms),
        output_bytes_max: config.output_bytes_max,
        result_bytes_max: config.result_bytes_max,
        idle_timeout: Duration::from_millis(config.idle_timeout_ms),
        max_age: Duration::from_millis(config.max_age_ms),
        keep_files: Duration::from_millis(config.keep_files_ms),
        limits: config.limits,
    }
}

/// Writes the driver to a directory of this version of it, unless it is there; another process may do the same.
fn put_driver(dir: &Path) -> Result<PathBuf, Error> {
    let home = dir.join(format!("driver-{}-{:08x}", env!("CARGO_PKG_VERSION"), checksum(DRIVER)));
    let file = home.join(DRIVER_FILE);
    let failed = |error: std::io::Error| {
        Error::new("python.io", format!("cannot write the driver to `{}`: {error}", file.display()))
    };
    if std::fs::read(&file).is_ok_and(|there| there == DRIVER.as_bytes()) {
        return Ok(home);
    }
    std::fs::create_dir_all(&home).map_err(failed)?;
    let partial = home.join(format!("{DRIVER_FILE}.{}", std::process::id()));
    std::fs::write(&partial, DRIVER).map_err(failed)?;
    std::fs::rename(&partial, &file).map_err(failed)?;
    Ok(home)
}

/// FNV-1a: tells versions of the driver apart.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Reaper {
    /// `None` if no session ever ends by itself.
    fn start(sessions: &Arc<Sessions>, idle: Duration, age: Duration) -> Result<Option<Self>, Error> {
        let shortest = [idle, age].into_iter().filter(|it| !it.is_zero()).min();
        let Some(shortest) = shortest else { return Ok(None) };
        let pause = (shortest / 4).clamp(LOOK_MIN, LOOK_MAX);
        let (sessions, stop) = (Arc::clone(sessions), Arc::new((Mutex::new(false), Condvar::new())));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("jf-python-reaper".into()).spawn(move || {
            let (is_over, changed) = &*told;
            let mut guard = is_over.lock().unwrap_or_else(PoisonError::into_inner);
            while !*guard {
                guard = changed.wait_timeout(guard, pause).unwrap_or_else(PoisonError::into_inner).0;
                if !*guard {
                    drop(guard);
                    sessions.expire(idle, age);
                    guard = is_over.lock().unwrap_or_else(PoisonError::into_inner);
                }
            }
        })?;
        Ok(Some(Self { stop, thread }))
    }

    fn stop(self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        // it ends as soon as it has seen that
        let _ = self.thread.join();
    }
}
