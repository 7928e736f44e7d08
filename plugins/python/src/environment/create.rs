//! `env_create`, `env_clone`, `env_delete`.

use super::packages::{freeze_text, install_into, list};
use super::store::{Environment, Record};
use super::{EnvironmentName, profile, timeout, timeout_ms};
use crate::service::Service;
use crate::uv::{Job, arguments};
use jackfield_plugin_api::prelude::*;
use std::path::PathBuf;
use std::time::Duration;

/// What to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateEnvironment {
    /// Its name: letters, digits, `.`, `_` and `-`.
    pub(crate) name: String,
    /// Its interpreter: a version such as `3.12`, or a path; that of the configuration if absent.
    #[serde(default)]
    pub(crate) python: Option<String>,
    /// Packages of a profile: base, data-science, machine-learning, web, or one of the configuration.
    #[serde(default)]
    pub(crate) profile: Option<String>,
    /// Packages, as `pip` takes them: `six`, `idna>=3`.
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    /// Whether an environment stays whose packages could not be installed.
    #[serde(default)]
    pub(crate) keep_failed: bool,
    /// Whether packages come from the cache only.
    #[serde(default)]
    pub(crate) offline: bool,
    /// Limit, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    pub(crate) timeout_ms: u64,
}

/// What was made, or was there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Created {
    /// Its name.
    name: String,
    /// Its directory.
    path: PathBuf,
    /// Its interpreter.
    python: PathBuf,
    /// The version of that.
    version: String,
    /// Whether this call made it.
    created: bool,
    /// What is installed, as `name==version`.
    packages: Vec<String>,
}

pub(crate) fn create(ctx: &Context, service: &Service, p: &CreateEnvironment) -> Result<Created, Error> {
    let name = EnvironmentName::parse(&p.name)?;
    let mut packages = match &p.profile {
        Some(wanted) => profile::packages(wanted, &service.settings.profiles)?,
        None => Vec::new(),
    };
    packages.extend(p.packages.iter().cloned());
    check_requirements(&packages)?;
    let _lock = service.environments.lock(&name, ctx, timeout(p.timeout_ms))?;
    if let Some(found) = service.environments.find(&name)? {
        check_same(&found, p, service)?;
        return created(ctx, service, &found, false);
    }
    service.environments.remove(&name)?;
    let made = make(ctx, service, &name, p, &packages);
    let environment = match made {
        Ok(environment) => environment,
        Err(error) if p.keep_failed && service.environments.find(&name)?.is_some() => {
            return Err(error.context(format!("environment `{name}` was kept without all of its packages")));
        }
        Err(error) => {
            service.environments.remove(&name).map_err(|left| {
                Error::new(error.kind(), format!("{}\n{}", error.message(), left.message()))
            })?;
            return Err(error.context(format!("environment `{name}` was not made")));
        }
    };
    created(ctx, service, &environment, true)
}

/// `uv venv`, then packages. With `keep_failed` it is complete before those are there.
fn make(
    ctx: &Context,
    service: &Service,
    name: &EnvironmentName,
    p: &CreateEnvironment,
    packages: &[String],
) -> Result<Environment, Error> {
    let path = service.environments.path_of(name);
    let requested = p.python.clone().or_else(|| service.settings.python.clone());
    let interpreter = service.interpreters.resolve(ctx, &service.uv, requested.as_deref())?;
    service.uv.run(Job {
        arguments: arguments([&"venv", &"--quiet", &"--no-project", &"--python", &interpreter.path, &path]),
        ctx,
        timeout: timeout(p.timeout_ms),
        is_offline: true,
        is_shown: true,
    })?;
    let mut record = Record::new(requested, interpreter.version, interpreter.path);
    record.profile.clone_from(&p.profile);
    record.packages = sorted(packages);
    if p.keep_failed {
        service.environments.complete(name, &record)?;
    }
    if !packages.is_empty() {
        install_into(
            ctx,
            service,
            &path,
            packages,
            InstallHow { is_offline: p.offline, timeout_ms: p.timeout_ms },
        )?;
    }
    service.environments.complete(name, &record)
}

/// How packages are fetched.
#[derive(Clone, Copy)]
pub(crate) struct InstallHow {
    pub(crate) is_offline: bool,
    pub(crate) timeout_ms: u64,
}

fn created(ctx: &Context, service: &Service, found: &Environment, is_new: bool) -> Result<Created, Error> {
    let packages = if is_new && found.record.packages.is_empty() {
        Vec::new()
    } else {
        list(ctx, service, &found.path)?.iter().map(|it| format!("{}=={}", it.name, it.version)).collect()
    };
    Ok(Created {
        name: found.name.to_string(),
        path: found.path.clone(),
        python: found.python(),
        version: found.record.python.clone(),
        created: is_new,
        packages,
    })
}

fn sorted(packages: &[String]) -> Vec<String> {
    let mut packages = packages.to_vec();
    packages.sort();
    packages.dedup();
    packages
}

/// Whether what is there is what is asked for.
fn check_same(found: &Environment, p: &CreateEnvironment, service: &Service) -> Result<(), Error> {
    let record = &found.record;
    let mut differs = Vec::new();
    if let Some(python) = p.python.as_ref().filter(|it| !is_of_version(record, it)) {
        differs.push(format!("`python` is {python}, it has {}", record.python));
    }
    if p.profile != record.profile {
        let shown = |profile: &Option<String>| profile.clone().unwrap_or_else(|| "none".into());
        differs.push(format!(
            "`profile` is {}, it was made with {}",
            shown(&p.profile),
            shown(&record.profile)
        ));
    }
    let mut packages = match &p.profile {
        Some(profile) => profile::packages(profile, &service.settings.profiles)?,
        None => Vec::new(),
    };
    packages.extend(p.packages.iter().cloned());
    if p.profile == record.profile && sorted(&packages) != record.packages {
        differs.push(format!(
            "`packages` are [{}], it was made with [{}]",
            sorted(&packages).join(", "),
            record.packages.join(", ")
        ));
    }
    if differs.is_empty() {
        return Ok(());
    }
    let message = format!(
        "there is an environment `{}` already, and it is another one: {}. Delete it, or take another name",
        found.name,
        differs.join("; ")
    );
    Err(Error::new("python.environment_exists", message).permanent())
}

fn is_of_version(record: &Record, wanted: &str) -> bool {
    record.requested_python.as_deref() == Some(wanted)
        || record.python == wanted
        || record.python.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
        || record.interpreter.as_os_str() == wanted
}

/// What could be taken for an option of `uv`, or be several requirements.
pub(crate) fn check_requirements(packages: &[String]) -> Result<(), Error> {
    for (index, package) in packages.iter().enumerate() {
        let reason = if package.trim().is_empty() {
            "it is empty"
        } else if package.trim_start().starts_with('-') {
            "it looks like an option"
        } else if package.contains(['\n', '\r', '\0']) {
            "it has more than one line"
        } else {
            continue;
        };
        let shown = package.escape_debug();
        return Err(Error::validation(format!("`{shown}`, at `packages[{index}]`, is no package: {reason}")));
    }
    Ok(())
}

/// What to copy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloneEnvironment {
    /// The environment to copy.
    from: String,
    /// The name of the copy.
    to: String,
    /// Whether packages come from the cache only.
    #[serde(default)]
    offline: bool,
    /// Limit, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
}

pub(crate) fn clone(ctx: &Context, service: &Service, p: &CloneEnvironment) -> Result<Created, Error> {
    let (from, to) = (EnvironmentName::parse(&p.from)?, EnvironmentName::parse(&p.to)?);
    if from == to {
        return Err(Error::validation(format!("`from` and `to` are both `{from}`")));
    }
    let source = service.environments.get(&from)?;
    let _source_lock = service.environments.lock(&from, ctx, timeout(p.timeout_ms))?;
    let _lock = service.environments.lock(&to, ctx, timeout(p.timeout_ms))?;
    if service.environments.find(&to)?.is_some() {
        let message = format!("there is an environment `{to}` already; delete it, or take another name");
        return Err(Error::new("python.environment_exists", message).permanent());
    }
    service.environments.remove(&to)?;
    let copied = copy(ctx, service, &source, &to, p);
    let environment = match copied {
        Ok(environment) => environment,
        Err(error) => {
            service.environments.remove(&to)?;
            return Err(error.context(format!("environment `{to}` was not made")));
        }
    };
    created(ctx, service, &environment, true)
}

fn copy(
    ctx: &Context,
    service: &Service,
    source: &Environment,
    to: &EnvironmentName,
    p: &CloneEnvironment,
) -> Result<Environment, Error> {
    let path = service.environments.path_of(to);
    let frozen = freeze_text(ctx, service, &source.path)?;
    service.uv.run(Job {
        arguments: arguments([
            &"venv",
            &"--quiet",
            &"--no-project",
            &"--python",
            &source.record.interpreter,
            &path,
        ]),
        ctx,
        timeout: timeout(p.timeout_ms),
        is_offline: true,
        is_shown: true,
    })?;
    let packages: Vec<String> = frozen.lines().map(str::to_owned).collect();
    if !packages.is_empty() {
        let list = path.join("requirements.txt");
        std::fs::write(&list, &frozen)?;
        let how = InstallHow { is_offline: p.offline, timeout_ms: p.timeout_ms };
        super::packages::install_list(ctx, service, &path, &list, how)?;
        std::fs::remove_file(&list)?;
    }
    let mut record = Record::new(
        source.record.requested_python.clone(),
        source.record.python.clone(),
        source.record.interpreter.clone(),
    );
    record.packages = sorted(&packages);
    service.environments.complete(to, &record)
}

/// What to remove.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteEnvironment {
    /// Its name.
    name: String,
    /// Whether open sessions are closed; otherwise they are a reason to refuse.
    #[serde(default)]
    force: bool,
}

/// What was removed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    /// The name of the environment.
    name: String,
    /// Sessions that were closed for it.
    closed_sessions: Vec<String>,
}

/// How long a deletion waits for whoever changes the environment.
const DELETE_PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn delete(ctx: &Context, service: &Service, p: &DeleteEnvironment) -> Result<Deleted, Error> {
    let name = EnvironmentName::parse(&p.name)?;
    service.refuse_admin(&name, "deleted")?;
    service.environments.get(&name)?;
    let _lock = service.environments.lock(&name, ctx, DELETE_PATIENCE)?;
    let open = service.sessions.of_environment(&name);
    if !open.is_empty() && !p.force {
        let message = format!(
            "environment `{name}` has open sessions: {}. Close them, or delete it with `force: true`, which ends them",
            open.join(", ")
        );
        return Err(Error::new("python.environment_in_use", message)
            .permanent()
            .details(&serde_json::json!({ "sessions": open })));
    }
    for session in &open {
        service.sessions.end(session, &format!("its environment `{name}` was deleted"));
    }
    service.spares.discard(&name);
    service.environments.remove(&name)?;
    Ok(Deleted { name: name.to_string(), closed_sessions: open })
}
