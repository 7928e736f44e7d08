//! Switching between single-user and multi-user mode, and the current environment of the former. Nothing that runs is ended
//! by it.

use super::table::Sessions;
use crate::config::Mode;
use crate::environment::EnvironmentName;
use crate::service::Service;
use jackfield_plugin_api::prelude::*;
use std::time::{Duration, Instant};

/// How often a switch that waits looks whether code still runs.
const POLL: Duration = Duration::from_millis(10);

/// What to switch to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwitchMode {
    /// The mode.
    mode: Mode,
    /// How long to wait for code that runs, in milliseconds; 0 refuses at once. New calls wait meanwhile.
    #[serde(default)]
    wait_ms: u64,
}

/// What was switched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Switched {
    /// The mode now.
    mode: Mode,
    /// The mode before.
    before: Mode,
    /// Sessions that were closed, because the new mode has none of their kind: those of users, or the current one.
    closed_sessions: Vec<String>,
}

/// What to use from now on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UseEnvironment {
    /// The environment.
    environment: String,
    /// What becomes of the session that was current.
    #[serde(default)]
    old: OldSession,
}

/// What becomes of a session that is current no more.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OldSession {
    /// It stays open, and can be named.
    #[default]
    Keep,
    /// It is closed, unless it runs code: then nothing is changed.
    Close,
}

/// What is used from now on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Used {
    /// The environment.
    environment: String,
    /// The session that was current.
    old_session: Option<String>,
    /// Whether that is open.
    is_old_open: bool,
}

/// `mode_switch`
pub(crate) fn switch_mode(ctx: &Context, service: &Service, p: &SwitchMode) -> Result<Switched, Error> {
    let sessions = &service.sessions;
    let before = {
        let mut table = sessions.lock();
        if table.is_switching {
            return Err(Error::new("python.mode", "the mode is being switched already"));
        }
        if table.mode == p.mode {
            return Ok(Switched { mode: p.mode, before: p.mode, closed_sessions: Vec::new() });
        }
        table.is_switching = true;
        table.mode
    };
    let idle = wait_until_idle(ctx, sessions, Duration::from_millis(p.wait_ms));
    let leaving = match idle {
        Ok(()) => {
            let mut table = sessions.lock();
            table.mode = p.mode;
            match p.mode {
                Mode::SingleUser => table.of_users(),
                Mode::MultiUser => table.current.iter().cloned().collect(),
            }
        }
        Err(error) => {
            settle(sessions);
            return Err(error);
        }
    };
    for id in &leaving {
        sessions.end(id, "the mode was switched");
    }
    settle(sessions);
    Ok(Switched { mode: p.mode, before, closed_sessions: leaving })
}

fn settle(sessions: &Sessions) {
    sessions.lock().is_switching = false;
    sessions.settled.notify_all();
}

fn wait_until_idle(ctx: &Context, sessions: &Sessions, patience: Duration) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let busy: Vec<String> =
            sessions.list().iter().filter(|it| it.line.is_busy()).map(|it| it.id.clone()).collect();
        if busy.is_empty() {
            return Ok(());
        }
        if ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        if started.elapsed() >= patience {
            let message = format!(
                "code runs in {} after {} ms, and switching the mode ends none; wait longer (`wait_ms`), or cancel it",
                busy.join(", "),
                patience.as_millis()
            );
            return Err(
                Error::new("python.mode_busy", message).details(&serde_json::json!({ "sessions": busy }))
            );
        }
        std::thread::sleep(POLL);
    }
}

/// `env_use`
pub(crate) fn use_environment(ctx: &Context, service: &Service, p: &UseEnvironment) -> Result<Used, Error> {
    let name = EnvironmentName::parse(&p.environment)?;
    if name == service.default_environment {
        service.make_default_environment(ctx)?;
    }
    service.environments.get(&name)?;
    let sessions = &service.sessions;
    let mut table = sessions.lock();
    if table.mode != Mode::SingleUser {
        let message = "there is a current environment in single-user mode only; `mode_switch` changes to it";
        return Err(Error::new("python.mode", message).permanent());
    }
    let old = table.current.clone();
    let is_same = table.environment == name;
    if is_same || old.is_none() {
        table.environment = name;
        return Ok(Used {
            environment: table.environment.to_string(),
            is_old_open: old.is_some(),
            old_session: old,
        });
    }
    if matches!(p.old, OldSession::Close) {
        let busy = old.as_ref().and_then(|id| table.session(id)).is_some_and(|it| it.line.is_busy());
        if busy {
            let message = "the current session runs code; wait for it, or keep the session (`old: \"keep\"`)";
            return Err(Error::new("python.session_busy", message));
        }
    }
    table.current = None;
    table.environment = name.clone();
    drop(table);
    let is_closed = matches!(p.old, OldSession::Close)
        && old.as_ref().is_some_and(|id| sessions.end(id, "another environment is used"));
    Ok(Used { environment: name.to_string(), is_old_open: old.is_some() && !is_closed, old_session: old })
}
