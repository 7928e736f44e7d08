//! What is installed in an environment, and changes of it.

use super::create::{InstallHow, check_requirements};
use super::store::{Environment, io_error, python_in};
use super::{EnvironmentName, timeout, timeout_ms};
use crate::service::Service;
use crate::uv::{Job, arguments};
use jackfield_plugin_api::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An installed package.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

/// Packages to install.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Install {
    /// The environment.
    environment: String,
    /// Packages, as `pip` takes them: `six`, `idna>=3`.
    #[schemars(length(min = 1))]
    packages: Vec<String>,
    /// Whether they come from the cache only.
    #[serde(default)]
    offline: bool,
    /// Limit, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
}

/// What became of the packages of an environment.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Changed {
    /// The environment.
    environment: String,
    /// What was asked for, one by one.
    packages: Vec<PackageResult>,
    /// Everything that is different now, also packages that others need.
    changes: Vec<PackageChange>,
    /// Open sessions, which may still have the old packages in memory: close and open them to be sure.
    restart_sessions: Vec<String>,
}

/// What became of one package.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageResult {
    /// As it was asked for.
    requested: String,
    /// Its name.
    name: String,
    /// The version that is installed now; absent if none is.
    version: Option<String>,
    /// What happened.
    status: PackageStatus,
}

/// What happened to a package.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PackageStatus {
    /// It was not there before.
    Installed,
    /// It has another version now.
    Updated,
    /// It is as it was.
    Unchanged,
    /// It is not there any more.
    Removed,
    /// It was not there, and is not.
    Absent,
}

/// A difference.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageChange {
    /// Name of the package.
    name: String,
    /// Version before; absent if it was not there.
    before: Option<String>,
    /// Version now; absent if it is not there.
    after: Option<String>,
}

/// Installed packages by their normalized name.
type Known = BTreeMap<String, Package>;

/// Everything installed in the environment at `path`, by name.
pub(crate) fn list(ctx: &Context, service: &Service, path: &Path) -> Result<Vec<Package>, Error> {
    let python = python_in(path);
    let said = service.uv.run(Job {
        arguments: arguments([&"pip", &"list", &"--python", &python, &"--format", &"json"]),
        ctx,
        timeout: timeout(60_000),
        is_offline: true,
        is_shown: false,
    })?;
    serde_json::from_str(&said.stdout).map_err(|error| {
        Error::new("python.uv", format!("the list of packages by `uv` is not understood: {error}"))
    })
}

fn known(ctx: &Context, service: &Service, path: &Path) -> Result<Known, Error> {
    Ok(list(ctx, service, path)?.into_iter().map(|it| (normalized(&it.name), it)).collect())
}

/// A name as the index compares it (PEP 503).
fn normalized(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            other => out.push(other.to_ascii_lowercase()),
        }
    }
    out
}

/// The name at the beginning of a requirement; `None` for a path or an address.
fn name_of(requirement: &str) -> Option<String> {
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let (name, rest) = requirement.trim().split_at(end.unwrap_or(requirement.trim().len()));
    let is_requirement = !name.is_empty() && !rest.contains('/') || rest.trim_start().starts_with('@');
    is_requirement.then(|| normalized(name))
}

/// `uv pip install` of single packages.
pub(crate) fn install_into(
    ctx: &Context,
    service: &Service,
    path: &Path,
    packages: &[String],
    how: InstallHow,
) -> Result<(), Error> {
    let mut given = pip(path, "install");
    given.extend(packages.iter().map(OsString::from));
    run(ctx, service, given, how)
}

/// `uv pip install` of a list that another environment was frozen to: nothing beside it.
pub(crate) fn install_list(
    ctx: &Context,
    service: &Service,
    path: &Path,
    list: &Path,
    how: InstallHow,
) -> Result<(), Error> {
    let mut given = pip(path, "install");
    given.extend(arguments([&"--no-deps", &"--requirements", &list]));
    run(ctx, service, given, how)
}

fn pip(path: &Path, what: &str) -> Vec<OsString> {
    arguments([&"pip", &what, &"--python", &python_in(path)])
}

fn run(ctx: &Context, service: &Service, given: Vec<OsString>, how: InstallHow) -> Result<(), Error> {
    let job = Job {
        arguments: given,
        ctx,
        timeout: timeout(how.timeout_ms),
        is_offline: how.is_offline,
        is_shown: true,
    };
    service.uv.run(job).map(drop)
}

/// Does something to an environment, and tells what is different afterwards.
fn change(
    ctx: &Context,
    service: &Service,
    name: &str,
    requested: &[String],
    how: InstallHow,
    act: impl FnOnce(&Environment) -> Result<(), Error>,
) -> Result<Changed, Error> {
    let name = EnvironmentName::parse(name)?;
    let environment = service.environments.get(&name)?;
    let _lock = service.environments.lock(&name, ctx, timeout(how.timeout_ms))?;
    let before = known(ctx, service, &environment.path)?;
    // their interpreters have looked around already
    service.spares.discard(&name);
    act(&environment)?;
    let after = known(ctx, service, &environment.path)?;
    let packages = requested.iter().map(|it| result(it, &before, &after)).collect();
    let restart_sessions = service.sessions.of_environment(&name);
    Ok(Changed {
        environment: name.to_string(),
        packages,
        changes: changes(&before, &after),
        restart_sessions,
    })
}

fn result(requested: &str, before: &Known, after: &Known) -> PackageResult {
    let name = name_of(requested).unwrap_or_else(|| requested.to_owned());
    let (old, new) = (before.get(&name), after.get(&name));
    let status = match (old, new) {
        (None, Some(_)) => PackageStatus::Installed,
        (Some(old), Some(new)) if old.version != new.version => PackageStatus::Updated,
        (Some(_), Some(_)) => PackageStatus::Unchanged,
        (Some(_), None) => PackageStatus::Removed,
        (None, None) => PackageStatus::Absent,
    };
    PackageResult { requested: requested.to_owned(), name, version: new.map(|it| it.version.clone()), status }
}

fn changes(before: &Known, after: &Known) -> Vec<PackageChange> {
    let version = |known: &Known, name: &String| known.get(name).map(|it| it.version.clone());
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let all = names.into_iter().map(|name| PackageChange {
        name: name.clone(),
        before: version(before, name),
        after: version(after, name),
    });
    all.filter(|it| it.before != it.after).collect()
}

pub(crate) fn install(ctx: &Context, service: &Service, p: &Install) -> Result<Changed, Error> {
    check_requirements(&p.packages)?;
    let how = InstallHow { is_offline: p.offline, timeout_ms: p.timeout_ms };
    change(ctx, service, &p.environment, &p.packages, how, |environment| {
        install_into(ctx, service, &environment.path, &p.packages, how)
    })
}

/// Packages to bring up to date.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upgrade {
    /// The environment.
    environment: String,
    /// Packages; all of the environment if absent.
    #[serde(default)]
    packages: Vec<String>,
    /// Limit, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
}

pub(crate) fn upgrade(ctx: &Context, service: &Service, p: &Upgrade) -> Result<Changed, Error> {
    check_requirements(&p.packages)?;
    let how = InstallHow { is_offline: false, timeout_ms: p.timeout_ms };
    let mut packages = p.packages.clone();
    if packages.is_empty() {
        let name = EnvironmentName::parse(&p.environment)?;
        let environment = service.environments.get(&name)?;
        packages = list(ctx, service, &environment.path)?.into_iter().map(|it| it.name).collect();
    }
    change(ctx, service, &p.environment, &packages, how, |environment| {
        if packages.is_empty() {
            return Ok(());
        }
        let mut given = pip(&environment.path, "install");
        given.push("--upgrade".into());
        given.extend(packages.iter().map(OsString::from));
        run(ctx, service, given, how)
    })
}

/// Packages to remove.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Uninstall {
    /// The environment.
    environment: String,
    /// Names of packages.
    #[schemars(length(min = 1))]
    packages: Vec<String>,
    /// Limit, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
}

pub(crate) fn uninstall(ctx: &Context, service: &Service, p: &Uninstall) -> Result<Changed, Error> {
    check_requirements(&p.packages)?;
    let how = InstallHow { is_offline: true, timeout_ms: p.timeout_ms };
    change(ctx, service, &p.environment, &p.packages, how, |environment| {
        let mut given = pip(&environment.path, "uninstall");
        given.extend(p.packages.iter().map(OsString::from));
        run(ctx, service, given, how)
    })
}

/// An environment to look into.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Packages {
    /// The environment.
    environment: String,
}

/// What is installed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InstalledPackages {
    /// The environment.
    environment: String,
    /// Its packages by name.
    packages: Vec<Package>,
}

pub(crate) fn packages(ctx: &Context, service: &Service, p: &Packages) -> Result<InstalledPackages, Error> {
    let environment = service.environments.get(&EnvironmentName::parse(&p.environment)?)?;
    let packages = list(ctx, service, &environment.path)?;
    Ok(InstalledPackages { environment: environment.name.to_string(), packages })
}

/// An environment to write down.
pub(crate) type Freeze = Packages;

/// An environment, written down.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Frozen {
    /// The environment.
    environment: String,
    /// Its packages, as `name==version`.
    packages: Vec<String>,
    /// The same as the text of a requirements file.
    text: String,
}

pub(crate) fn freeze(ctx: &Context, service: &Service, p: &Freeze) -> Result<Frozen, Error> {
    let environment = service.environments.get(&EnvironmentName::parse(&p.environment)?)?;
    let text = freeze_text(ctx, service, &environment.path)?;
    let packages = text.lines().map(str::to_owned).collect();
    Ok(Frozen { environment: environment.name.to_string(), packages, text })
}

/// What `uv pip freeze` says.
pub(crate) fn freeze_text(ctx: &Context, service: &Service, path: &Path) -> Result<String, Error> {
    let said = service.uv.run(Job {
        arguments: pip(path, "freeze"),
        ctx,
        timeout: timeout(60_000),
        is_offline: true,
        is_shown: false,
    })?;
    Ok(said.stdout)
}

/// What an environment is to have: all of the file and nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sync {
    /// The environment.
    environment: String,
    /// `requirements.txt` in which all versions are pinned, or `pylock.toml`.
    file: PathBuf,
    /// Whether packages come from the cache only.
    #[serde(default)]
    offline: bool,
    /// Limit, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
}

pub(crate) fn sync(ctx: &Context, service: &Service, p: &Sync) -> Result<Changed, Error> {
    let file = std::path::absolute(&p.file)?;
    let text = std::fs::read_to_string(&file).map_err(|error| io_error("cannot read", &file, &error))?;
    if file.extension().is_none_or(|it| it != "toml") {
        check_lines(&text, &file)?;
    }
    let how = InstallHow { is_offline: p.offline, timeout_ms: p.timeout_ms };
    change(ctx, service, &p.environment, &[], how, |environment| {
        let mut given = pip(&environment.path, "sync");
        given.extend(arguments([&"--allow-empty-requirements", &file]));
        run(ctx, service, given, how)
    })
}

/// Names the first line that is neither a requirement, nor an option, nor a comment. What such a line means in detail is for `uv`.
fn check_lines(text: &str, file: &Path) -> Result<(), Error> {
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let code = line.split(" #").next().unwrap_or_default().trim();
        let is_continuation = std::mem::replace(&mut goes_on, code.ends_with('\\'));
        if is_continuation || code.is_empty() || code.starts_with(['#', '-', '.', '/']) {
            continue;
        }
        let name_len = code
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
            .unwrap_or(code.len());
        let rest = code[name_len..].trim_start();
        let begins_well = code.starts_with(|c: char| c.is_ascii_alphanumeric());
        let goes_on_well = rest.is_empty()
            || rest.starts_with(['[', '=', '<', '>', '!', '~', ';', '@', '(', '\\', ':', '+']);
        if !(begins_well && goes_on_well) {
            let message =
                format!("`{}`, line {}, is no requirement: `{}`", file.display(), index + 1, line.trim());
            return Err(
                Error::validation(message).details(&serde_json::json!({ "path": file, "line": index + 1 }))
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_the_index_does() {
        for (requirement, name) in [
            ("Six", "six"),
            ("zope.interface>=5", "zope-interface"),
            ("a__b[x]==1", "a-b"),
            ("x @ file:///y", "x"),
        ] {
            assert_eq!(name_of(requirement).as_deref(), Some(name), "{requirement}");
        }
        assert_eq!(name_of("./dir"), None);
    }

    #[test]
    fn the_first_line_that_is_no_requirement_is_named() {
        let good = "# pinned\nsix==1.17.0 \\\n    --hash=sha256:00\n-r other.txt\nidna==3.7 ; python_version > '3' # why\nx @ file:///y\n";
        check_lines(good, Path::new("r.txt")).unwrap();
        let error = check_lines("six==1.17.0\n\nthis is no requirement\n", Path::new("r.txt")).unwrap_err();
        assert!(error.message().contains("line 3"), "{}", error.message());
        assert!(check_lines("==1.0", Path::new("r.txt")).is_err());
    }
}
