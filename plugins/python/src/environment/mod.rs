//! Environments: directories made by `uv`, each with a record that is written when it is complete.

mod create;
mod discover;
mod name;
mod packages;
mod profile;
mod store;

pub(crate) use create::{
    CloneEnvironment, CreateEnvironment, Created, DeleteEnvironment, Deleted, clone, create, delete,
};
pub(crate) use discover::{
    Discover, Discovered, InstallPython, InstalledPython, Interpreter, Interpreters, discover, install_python,
};
pub(crate) use name::EnvironmentName;
pub(crate) use packages::{
    Changed, Freeze, Frozen, Install, InstalledPackages, Packages, Sync, Uninstall, Upgrade, freeze, install,
    packages, sync, uninstall, upgrade,
};
pub(crate) use store::{Environment, Environments, Listed};

use crate::service::Service;
use jackfield_plugin_api::Error;
use std::time::Duration;

/// All environments, for `env_list`.
pub(crate) fn list_all(service: &Service) -> Result<Vec<Listed>, Error> {
    let listed = service.environments.all()?.into_iter().map(|environment| Listed {
        python: environment.python(),
        version: environment.record.python.clone(),
        profile: environment.record.profile.clone(),
        created_at_ms: environment.record.created_at_ms,
        is_admin: environment.name == service.admin_environment,
        sessions: service.sessions.of_environment(&environment.name),
        name: environment.name.to_string(),
        path: environment.path,
    });
    Ok(listed.collect())
}

/// What installing may take if the call does not say, in milliseconds.
pub(crate) fn timeout_ms() -> u64 {
    600_000
}

pub(crate) fn timeout(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
