//! `diagnostics` and `maintain`.

use crate::config::Mode;
use crate::environment::{Interpreter, discover};
use crate::service::Service;
use crate::session::SessionInfo;
use crate::uv::{Job, arguments};
use jackfield_plugin_api::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What to tell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Diagnose {
    /// Whether to look for interpreters, which runs each of them.
    #[serde(default = "yes")]
    discover: bool,
}

fn yes() -> bool {
    true
}

/// How the plugin is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Diagnostics {
    /// Whether `uv` can be used.
    is_initialized: bool,
    /// Version of `uv`.
    uv_version: Option<String>,
    /// Why `uv` cannot be used.
    uv_error: Option<String>,
    /// Who has sessions.
    mode: Mode,
    /// The environment that is never deleted.
    admin_environment: String,
    /// The environment of single-user mode.
    current_environment: String,
    /// Environments.
    total_environments: usize,
    /// Open sessions.
    total_sessions: usize,
    /// Sessions that have an interpreter.
    active_sessions: usize,
    /// How many may have one.
    sessions_max: usize,
    /// Interpreters that are started and belong to no session yet.
    spare_interpreters: usize,
    /// Interpreters of this machine.
    available_python_installations: Vec<Interpreter>,
    /// The sessions.
    sessions: Vec<SessionInfo>,
    /// Where environments lie.
    environment_dir: PathBuf,
}

pub(crate) fn diagnose(ctx: &Context, service: &Service, p: &Diagnose) -> Result<Diagnostics, Error> {
    let version = service.uv.version(ctx);
    let found = if p.discover && version.is_ok() { discover(ctx, service)?.interpreters } else { Vec::new() };
    let sessions = service.sessions.infos();
    let (uv_version, uv_error) = match version {
        Ok(version) => (Some(version), None),
        Err(error) => (None, Some(error.message().to_owned())),
    };
    Ok(Diagnostics {
        is_initialized: uv_version.is_some(),
        uv_version,
        uv_error,
        mode: service.sessions.mode(),
        admin_environment: service.admin_environment.to_string(),
        current_environment: service.sessions.current_environment().to_string(),
        total_environments: service.environments.all()?.len(),
        total_sessions: sessions.len(),
        active_sessions: service.sessions.seats.taken(),
        sessions_max: service.sessions.seats.max(),
        spare_interpreters: service.spares.count(),
        available_python_installations: found,
        sessions,
        environment_dir: service.environments.dir().to_owned(),
    })
}

/// What to tidy up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Maintain {
    /// Whether unused entries of `uv`'s cache are removed, too. Other programs use that cache as well.
    #[serde(default)]
    prune_cache: bool,
}

/// What was tidied up.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Maintained {
    /// Environments that were never completed, or not removed completely.
    removed_environments: Vec<String>,
    /// Sessions whose time was over.
    closed_sessions: Vec<String>,
    /// Directories with files of closed sessions that were old enough.
    removed_files: Vec<PathBuf>,
    /// What `uv` says about its cache.
    cache: Option<String>,
}

pub(crate) fn maintain(ctx: &Context, service: &Service, p: &Maintain) -> Result<Maintained, Error> {
    let closed_sessions = service.sessions.expire(service.settings.idle_timeout, service.settings.max_age);
    let removed_environments = service.environments.remove_incomplete()?;
    let in_use: BTreeSet<PathBuf> = service.sessions.list().iter().map(|it| it.files.clone()).collect();
    let removed_files = remove_files(&service.session_dir, &in_use, service.settings.keep_files)?;
    let cache = if p.prune_cache {
        let said = service.uv.run(Job {
            arguments: arguments([&"cache", &"prune"]),
            ctx,
            timeout: Duration::from_secs(600),
            is_offline: true,
            is_shown: true,
        })?;
        Some(said.stderr.trim().to_owned())
    } else {
        None
    };
    Ok(Maintained { removed_environments, closed_sessions, removed_files, cache })
}

/// Removes directories of sessions that nobody uses and nothing has changed in for `keep`.
fn remove_files(dir: &Path, in_use: &BTreeSet<PathBuf>, keep: Duration) -> Result<Vec<PathBuf>, Error> {
    let mut removed = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(removed) };
    for entry in entries {
        let path = entry?.path();
        if in_use.contains(&path)
            || newest_change(&path).is_none_or(|at| at.elapsed().is_ok_and(|age| age < keep))
        {
            continue;
        }
        std::fs::remove_dir_all(&path).map_err(|error| {
            Error::new("python.io", format!("cannot remove `{}`: {error}", path.display()))
        })?;
        removed.push(path);
    }
    removed.sort();
    Ok(removed)
}

/// When the directory was changed last: it, or something directly in it.
fn newest_change(path: &Path) -> Option<SystemTime> {
    let own = path.metadata().and_then(|it| it.modified()).ok()?;
    let inside = std::fs::read_dir(path).ok()?.flatten();
    let changes = inside.filter_map(|entry| entry.metadata().and_then(|it| it.modified()).ok());
    Some(changes.fold(own, SystemTime::max))
}
