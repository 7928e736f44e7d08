//! All sessions: whose they are, which one is current, opening and closing them.

use super::line::{Turn, gone};
use super::seats::Seats;
use super::state::{Fresh, Session, SessionInfo, Setup};
use crate::config::{Limits, Mode};
use crate::environment::EnvironmentName;
use crate::service::Service;
use jackfield_plugin_api::prelude::*;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest id of a session or user, in bytes.
const ID_LEN_MAX: usize = 256;
/// Closed sessions of which it is still known why.
const CLOSED_KNOWN_MAX: usize = 256;

/// The sessions of an instance.
pub(crate) struct Sessions {
    pub(crate) seats: Arc<Seats>,
    dir: PathBuf,
    pub(super) table: Mutex<Table>,
    /// Told when a switch of mode is over.
    pub(super) settled: Condvar,
}

pub(super) struct Table {
    by_id: BTreeMap<String, Arc<Session>>,
    by_user: HashMap<String, String>,
    closed: VecDeque<(String, String)>,
    last: u64,
    pub(super) mode: Mode,
    pub(super) is_switching: bool,
    pub(super) environment: EnvironmentName,
    pub(super) current: Option<String>,
}

/// Which session is meant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) session: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) environment: Option<&'a str>,
}

/// A session, and whether it is for one call only.
pub(crate) struct Found {
    pub(crate) session: Arc<Session>,
    pub(crate) is_new: bool,
    pub(crate) is_for_one_call: bool,
}

/// What to open.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OpenSession {
    /// Id of the session; made up if absent. One that is open already is returned.
    session: Option<String>,
    /// Whose it is (multi-user mode). A user has one session; it is returned if it is open already.
    user: Option<String>,
    /// Its environment. If absent: in single-user mode the current one, in multi-user mode the one with the fewest sessions.
    environment: Option<String>,
    /// Its working directory; one of its own if absent.
    cwd: Option<PathBuf>,
    /// Environment variables of its process.
    env: BTreeMap<String, String>,
    /// What it may use; as configured if absent.
    limits: Option<Limits>,
    /// How long to wait for a free place, in milliseconds; as configured if absent.
    acquire_timeout_ms: Option<u64>,
}

/// What was opened, or was open.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Opened {
    /// Its id.
    session: String,
    /// Its environment.
    environment: String,
    /// Version of its interpreter.
    version: String,
    /// Process of its interpreter.
    pid: Option<u32>,
    /// Whether this call opened it.
    created: bool,
    /// Whether its interpreter had been started before.
    prewarmed: bool,
    /// Its working directory.
    cwd: PathBuf,
}

/// What to close.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseSession {
    /// Id of the session; or give `user`.
    #[serde(default)]
    session: Option<String>,
    /// Whose session it is.
    #[serde(default)]
    user: Option<String>,
    /// Whether code that runs is ended; otherwise it is a reason to refuse.
    #[serde(default)]
    force: bool,
}

/// What was closed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Closed {
    /// Id of the session.
    session: String,
}

impl Sessions {
    pub(crate) fn new(dir: PathBuf, max: usize, mode: Mode, environment: EnvironmentName) -> Self {
        let table = Table {
            by_id: BTreeMap::new(),
            by_user: HashMap::new(),
            closed: VecDeque::new(),
            last: 0,
            mode,
            is_switching: false,
            environment,
            current: None,
        };
        Self { seats: Seats::new(max), dir, table: Mutex::new(table), settled: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that is meant, which may be a new one without an interpreter.
    ///
    /// # Errors
    /// `python.no_session`, `python.mode`, `python.no_environment`, `validation`.
    pub(crate) fn find(&self, ctx: &Context, service: &Service, wanted: Wanted<'_>) -> Result<Found, Error> {
        let open = OpenSession {
            session: wanted.session.map(str::to_owned),
            user: wanted.user.map(str::to_owned),
            environment: wanted.environment.map(str::to_owned),
            ..OpenSession::default()
        };
        if let Some(id) = wanted.session {
            if wanted.user.is_some() {
                return Err(Error::validation("give `session` or `user`, not both"));
            }
            let table = self.lock();
            let session = table.by_id.get(id).cloned().ok_or_else(|| table.unknown(id))?;
            return Ok(Found { session, is_new: false, is_for_one_call: false });
        }
        if wanted.user.is_some() {
            return self.find_or_open(ctx, service, &open, false);
        }
        let is_current = wanted.environment.is_none() && self.lock().mode == Mode::SingleUser;
        if !is_current {
            return self.find_or_open(ctx, service, &open, true);
        }
        let current = {
            let table = self.lock();
            table.current.as_ref().and_then(|id| table.by_id.get(id).cloned())
        };
        match current {
            Some(session) => Ok(Found { session, is_new: false, is_for_one_call: false }),
            None => self.find_or_open(ctx, service, &open, false),
        }
    }

    /// Under one lock, so that two calls never open two for one user.
    fn find_or_open(
        &self,
        ctx: &Context,
        service: &Service,
        p: &OpenSession,
        is_for_one_call: bool,
    ) -> Result<Found, Error> {
        for id in [&p.session, &p.user].into_iter().flatten() {
            check_id(id)?;
        }
        self.wait_for_switch(ctx)?;
        let environment = self.environment_for(ctx, service, p)?;
        let mut table = self.lock();
        if p.user.is_some() && table.mode == Mode::SingleUser {
            let message = "`user` needs multi-user mode; `mode_switch` changes to it, or leave `user` out";
            return Err(Error::new("python.mode", message).permanent());
        }
        let known = p.session.as_ref().or_else(|| p.user.as_ref().and_then(|user| table.by_user.get(user)));
        if let Some(session) = known.and_then(|id| table.by_id.get(id)) {
            check_same(session, p)?;
            return Ok(Found { session: Arc::clone(session), is_new: false, is_for_one_call: false });
        }
        let is_current = p.session.is_none()
            && p.user.is_none()
            && !is_for_one_call
            && table.mode == Mode::SingleUser
            && environment == table.environment;
        if is_current && let Some(session) = table.current.as_ref().and_then(|id| table.by_id.get(id)) {
            return Ok(Found { session: Arc::clone(session), is_new: false, is_for_one_call: false });
        }
        table.last += 1;
        let number = table.last;
        let id = p.session.clone().unwrap_or_else(|| format!("s{number}"));
        if table.by_id.contains_key(&id) {
            return Err(Error::validation(format!("there is a session `{}` already", id.escape_debug())));
        }
        let session = Session::new(Setup {
            id: id.clone(),
            user: p.user.clone(),
            environment,
            files: self.dir.join(format!("{}-{number}", std::process::id())),
            cwd: p.cwd.as_ref().map(std::path::absolute).transpose()?,
            env: p.env.clone(),
            limits: p.limits.unwrap_or(service.settings.limits),
        });
        table.by_id.insert(id.clone(), Arc::clone(&session));
        if let Some(user) = &p.user {
            table.by_user.insert(user.clone(), id.clone());
        }
        if is_current {
            table.current = Some(id);
        }
        Ok(Found { session, is_new: true, is_for_one_call })
    }

    fn environment_for(
        &self,
        ctx: &Context,
        service: &Service,
        p: &OpenSession,
    ) -> Result<EnvironmentName, Error> {
        if let Some(name) = &p.environment {
            let name = EnvironmentName::parse(name)?;
            service.environments.get(&name)?;
            return Ok(name);
        }
        let (mode, current) = {
            let table = self.lock();
            (table.mode, table.environment.clone())
        };
        let name = match mode {
            Mode::SingleUser => current,
            Mode::MultiUser => self.least_loaded(service)?.unwrap_or(current),
        };
        if name == service.default_environment {
            service.make_default_environment(ctx)?;
        }
        Ok(name)
    }

    /// The environment with the fewest sessions, leaving out the administrator's; the first by name of several.
    fn least_loaded(&self, service: &Service) -> Result<Option<EnvironmentName>, Error> {
        let all = service.environments.all()?;
        let table = self.lock();
        let sessions =
            |name: &EnvironmentName| table.by_id.values().filter(|it| it.environment == *name).count();
        let others = all.into_iter().map(|it| it.name).filter(|name| *name != service.admin_environment);
        Ok(others.min_by_key(|name| (sessions(name), name.clone())))
    }

    /// While the mode is being switched nothing new begins.
    fn wait_for_switch(&self, ctx: &Context) -> Result<(), Error> {
        let mut table = self.lock();
        while table.is_switching {
            if ctx.is_cancelled() {
                return Err(Error::cancelled());
            }
            let waited = self.settled.wait_timeout(table, Duration::from_millis(50));
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Closes a session; says whether it was there.
    pub(crate) fn end(&self, id: &str, why: &str) -> bool {
        let session = self.lock().remove(id, why);
        let was_there = session.is_some();
        if let Some(session) = session {
            session.end(why);
        }
        was_there
    }

    /// Ids of those in an environment.
    pub(crate) fn of_environment(&self, name: &EnvironmentName) -> Vec<String> {
        self.list().iter().filter(|it| it.environment == *name).map(|it| it.id.clone()).collect()
    }

    pub(crate) fn list(&self) -> Vec<Arc<Session>> {
        self.lock().by_id.values().cloned().collect()
    }

    pub(crate) fn infos(&self) -> Vec<SessionInfo> {
        self.list().iter().map(|session| session.info()).collect()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.lock().mode
    }

    pub(crate) fn current_environment(&self) -> EnvironmentName {
        self.lock().environment.clone()
    }

    /// Closes those whose time is over; their ids.
    pub(crate) fn expire(&self, idle: Duration, age: Duration) -> Vec<String> {
        let mut closed = Vec::new();
        for session in self.list() {
            let Some(why) = session.expired(idle, age) else { continue };
            // whoever gets a turn before this is not in time
            let Some(turn) = session.line.try_enter() else { continue };
            self.end(&session.id, &why);
            drop(turn);
            closed.push(session.id.clone());
        }
        closed
    }

    /// Closes all of them, at the same time.
    pub(crate) fn end_all(&self, why: &str) {
        let all = self.list();
        std::thread::scope(|scope| {
            for session in &all {
                // one that gets no thread ends with its group
                let _ = std::thread::Builder::new().spawn_scoped(scope, || self.end(&session.id, why));
            }
        });
    }
}

impl Table {
    /// Ids of the sessions that users have, sorted.
    pub(super) fn of_users(&self) -> Vec<String> {
        self.by_id.values().filter(|it| it.user.is_some()).map(|it| it.id.clone()).collect()
    }

    pub(super) fn session(&self, id: &str) -> Option<&Arc<Session>> {
        self.by_id.get(id)
    }

    pub(super) fn remove(&mut self, id: &str, why: &str) -> Option<Arc<Session>> {
        let session = self.by_id.remove(id)?;
        if let Some(user) = &session.user {
            self.by_user.remove(user);
        }
        if self.current.as_deref() == Some(id) {
            self.current = None;
        }
        self.closed.push_back((id.to_owned(), why.to_owned()));
        if self.closed.len() > CLOSED_KNOWN_MAX {
            self.closed.pop_front();
        }
        Some(session)
    }

    fn unknown(&self, id: &str) -> Error {
        match self.closed.iter().rev().find(|(other, _)| other == id) {
            Some((_, why)) => gone(why),
            None => {
                let message =
                    format!("there is no session `{}`; `session_open` opens one", id.escape_debug());
                Error::new("python.no_session", message).permanent()
            }
        }
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.len() > ID_LEN_MAX {
        let message =
            format!("an id of a session or a user has 1 to {ID_LEN_MAX} bytes, this has {}", id.len());
        return Err(Error::validation(message));
    }
    Ok(())
}

/// Whether an open session is what is asked for.
fn check_same(session: &Session, p: &OpenSession) -> Result<(), Error> {
    if let Some(environment) = p.environment.as_ref().filter(|it| **it != session.environment.as_str()) {
        let message = format!(
            "session `{}` is open in environment `{}`, not in `{environment}`; close it first",
            session.id.escape_debug(),
            session.environment
        );
        return Err(Error::new("python.session_exists", message).permanent());
    }
    if p.user.is_some() && session.user != p.user {
        let message = format!("session `{}` is another user's", session.id.escape_debug());
        return Err(Error::new("python.session_exists", message).permanent());
    }
    Ok(())
}

/// `session_open`
pub(crate) fn open(ctx: &Context, service: &Service, p: &OpenSession) -> Result<Opened, Error> {
    let found = service.sessions.find_or_open(ctx, service, p, false)?;
    let patience = service.acquire_timeout(p.acquire_timeout_ms);
    let (turn, fresh) = enter(ctx, service, &found, patience)?;
    let session = &found.session;
    let opened = Opened {
        session: session.id.clone(),
        environment: session.environment.to_string(),
        version: session.version(),
        pid: session.pid(),
        created: found.is_new,
        prewarmed: fresh.is_some_and(|it| it.is_prewarmed),
        cwd: session.cwd.clone(),
    };
    drop(turn);
    Ok(opened)
}

/// A turn in a session that has an interpreter. A new session that cannot get one is gone again.
pub(crate) fn enter(
    ctx: &Context,
    service: &Service,
    found: &Found,
    patience: Duration,
) -> Result<(Turn, Option<Fresh>), Error> {
    let session = &found.session;
    let turn = session.line.enter(ctx, service.settings.queue_max)?;
    match session.ready(ctx, service, patience, &turn) {
        Ok(fresh) => Ok((turn, fresh)),
        Err(error) => {
            if found.is_new {
                service.sessions.end(&session.id, "it could not be opened");
            }
            Err(error)
        }
    }
}

/// `session_close`
pub(crate) fn close(service: &Service, p: &CloseSession) -> Result<Closed, Error> {
    let sessions = &service.sessions;
    let session = {
        let table = sessions.lock();
        let id = match (&p.session, &p.user) {
            (Some(id), None) => id.clone(),
            (None, Some(user)) => table.by_user.get(user).cloned().ok_or_else(|| {
                let message = format!("user `{}` has no session", user.escape_debug());
                Error::new("python.no_session", message).permanent()
            })?,
            _ => return Err(Error::validation("give either `session` or `user`")),
        };
        table.by_id.get(&id).cloned().ok_or_else(|| table.unknown(&id))?
    };
    let turn = session.line.try_enter();
    if turn.is_none() && !p.force {
        let message = format!(
            "session `{}` runs code; close it with `force: true`, which ends that",
            session.id.escape_debug()
        );
        return Err(Error::new("python.session_busy", message));
    }
    sessions.end(&session.id, "it was closed");
    drop(turn);
    Ok(Closed { session: session.id.clone() })
}
