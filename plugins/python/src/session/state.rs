//! One session: what it was opened with, its interpreter while it has one, and what is known of it.

use super::line::{Line, Turn};
use super::terms::{Begin, Bounds, Ended};
use super::worker::{Handle, Worker};
use crate::config::Limits;
use crate::environment::EnvironmentName;
use crate::service::Service;
use jackfield_plugin_api::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A session.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: Option<String>,
    pub(crate) environment: EnvironmentName,
    /// A directory of its own: the working directory unless another was asked for, and where figures go.
    pub(crate) files: PathBuf,
    pub(crate) cwd: PathBuf,
    env: BTreeMap<String, String>,
    limits: Limits,
    pub(crate) line: Arc<Line>,
    opened: Instant,
    state: Mutex<State>,
}

/// What a session is opened with.
pub(crate) struct Setup {
    pub(crate) id: String,
    pub(crate) user: Option<String>,
    pub(crate) environment: EnvironmentName,
    pub(crate) files: PathBuf,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) limits: Limits,
}

struct State {
    worker: Option<Worker>,
    /// How to end the interpreter from elsewhere.
    handle: Option<Handle>,
    /// Why the variables are gone, until somebody has been told.
    lost: Option<String>,
    version: String,
    starts: u64,
    executions: u64,
    last_activity: Instant,
    is_closed: bool,
}

/// What is known of a session.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct SessionInfo {
    /// Its id.
    pub(crate) session: String,
    /// Whose it is.
    pub(crate) user: Option<String>,
    /// Its environment.
    pub(crate) environment: String,
    /// Process of its interpreter; absent while it has none.
    pub(crate) pid: Option<u32>,
    /// Whether code runs in it, it waits for some, or its interpreter is gone.
    pub(crate) state: SessionState,
    /// Calls that wait for it.
    pub(crate) waiting: usize,
    /// Memory of its interpreter, in bytes; absent where the system does not tell.
    pub(crate) rss_bytes: Option<u64>,
    /// Executions so far.
    pub(crate) executions: u64,
    /// How old it is, in milliseconds.
    pub(crate) age_ms: u64,
    /// Since when nothing was asked of it, in milliseconds.
    pub(crate) idle_ms: u64,
    /// When something was asked of it last, in milliseconds since 1970.
    pub(crate) last_activity_ms: u64,
    /// Its working directory.
    pub(crate) cwd: PathBuf,
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionState {
    /// Nothing.
    Idle,
    /// It runs code.
    Busy,
    /// It has no interpreter: not yet, or not any more. The next call starts one.
    Stopped,
}

/// What a started interpreter means for who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fresh {
    /// Whether it had been started before.
    pub(crate) is_prewarmed: bool,
    /// Why the variables of the session are gone.
    pub(crate) lost: Option<String>,
}

impl Session {
    pub(crate) fn new(setup: Setup) -> Arc<Self> {
        let cwd = setup.cwd.unwrap_or_else(|| setup.files.clone());
        let state = State {
            worker: None,
            handle: None,
            lost: None,
            version: String::new(),
            starts: 0,
            executions: 0,
            last_activity: Instant::now(),
            is_closed: false,
        };
        Arc::new(Self {
            id: setup.id,
            user: setup.user,
            environment: setup.environment,
            files: setup.files,
            cwd,
            env: setup.env,
            limits: setup.limits,
            line: Arc::default(),
            opened: Instant::now(),
            state: Mutex::new(state),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is an interpreter. `None` if there was one.
    ///
    /// # Errors
    /// `python.at_capacity`, `python.no_environment`, `python.start` and so on.
    pub(crate) fn ready(
        &self,
        ctx: &Context,
        service: &Service,
        patience: Duration,
        _: &Turn,
    ) -> Result<Option<Fresh>, Error> {
        {
            let mut state = self.lock();
            state.last_activity = Instant::now();
            match state.worker.as_ref().map(|worker| worker.handle().exit()) {
                Some(None) => return Ok(None),
                Some(Some(exit)) => {
                    state.lost = Some(format!("its interpreter had ended with {exit}"));
                    drop((state.worker.take(), state.handle.take()));
                }
                None => {}
            }
        }
        let environment = service.environments.get(&self.environment)?;
        let seat = service.sessions.seats.take(ctx, patience)?;
        make_dir(&self.files)?;
        let (mut worker, is_prewarmed) = service.spares.take(&environment)?;
        worker.begin(&Begin::new(&self.cwd, &self.env, &self.limits), seat)?;
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            worker.close();
            return Err(super::line::gone("it was closed while its interpreter started"));
        }
        state.handle = Some(worker.handle());
        worker.version().clone_into(&mut state.version);
        state.worker = Some(worker);
        state.starts += 1;
        Ok(Some(Fresh { is_prewarmed, lost: state.lost.take() }))
    }

    /// Executes a request in the interpreter that [`Session::ready`] has seen to.
    ///
    /// # Errors
    /// As [`Worker::execute`].
    pub(crate) fn execute(
        &self,
        ctx: &Context,
        request: &[u8],
        bounds: Bounds,
        _: &Turn,
    ) -> Result<Ended, Error> {
        let worker = self.lock().worker.take();
        let mut worker = worker.ok_or_else(|| super::line::gone("it was closed just before"))?;
        let ended = worker.execute(ctx, request, bounds);
        let mut state = self.lock();
        state.executions += 1;
        state.last_activity = Instant::now();
        match &ended {
            Ok(Ended { end: super::terms::End::Answered(..), .. }) if !state.is_closed => {
                state.worker = Some(worker)
            }
            Ok(Ended { end: super::terms::End::Died(exit), .. }) => {
                state.lost = Some(format!("its interpreter died ({exit})"));
                state.handle = None;
            }
            _ => {
                state.lost =
                    Some("its interpreter was killed because it did not react to an interrupt".into());
                state.handle = None;
            }
        }
        ended
    }

    /// Number of the next execution.
    pub(crate) fn next_execution(&self) -> u64 {
        self.lock().executions + 1
    }

    pub(crate) fn version(&self) -> String {
        self.lock().version.clone()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.live_handle().map(|handle| handle.id())
    }

    fn live_handle(&self) -> Option<Handle> {
        self.lock().handle.clone().filter(|handle| handle.exit().is_none())
    }

    /// Ends it: nobody is served any more, code that runs is killed.
    pub(crate) fn end(&self, why: &str) {
        self.line.close(why);
        let (worker, handle) = {
            let mut state = self.lock();
            state.is_closed = true;
            (state.worker.take(), state.handle.take())
        };
        match (worker, handle) {
            (Some(worker), _) => worker.close(),
            // it is executing
            (None, Some(handle)) => handle.kill(),
            (None, None) => {}
        }
        // only if it is empty: what was produced stays for a while
        let _ = std::fs::remove_dir(&self.files);
    }

    /// Whether it is to end by itself, and why.
    pub(crate) fn expired(&self, idle: Duration, age: Duration) -> Option<String> {
        if self.line.is_busy() || self.line.waiting() > 0 {
            return None;
        }
        let idle_for = self.lock().last_activity.elapsed();
        if !idle.is_zero() && idle_for >= idle {
            return Some(format!("nothing was asked of it for {} ms", idle.as_millis()));
        }
        if !age.is_zero() && self.opened.elapsed() >= age {
            return Some(format!("it was {} ms old", age.as_millis()));
        }
        None
    }

    pub(crate) fn info(&self) -> SessionInfo {
        let pid = self.pid();
        let state = self.lock();
        let idle = state.last_activity.elapsed();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let activity = match (self.line.is_busy(), pid) {
            (true, _) => SessionState::Busy,
            (false, Some(_)) => SessionState::Idle,
            (false, None) => SessionState::Stopped,
        };
        SessionInfo {
            session: self.id.clone(),
            user: self.user.clone(),
            environment: self.environment.to_string(),
            pid,
            state: activity,
            waiting: self.line.waiting(),
            rss_bytes: pid.and_then(resident_bytes),
            executions: state.executions,
            age_ms: millis(self.opened.elapsed()),
            idle_ms: millis(idle),
            last_activity_ms: millis(now.saturating_sub(idle)),
            cwd: self.cwd.clone(),
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn make_dir(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|error| {
        Error::new("python.io", format!("cannot make the directory `{}`: {error}", path.display()))
    })
}

/// Memory of a process, as the kernel of Linux tells it.
fn resident_bytes(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
