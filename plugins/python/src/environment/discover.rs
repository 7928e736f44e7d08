//! Interpreters of this machine, and fetching others.

use super::{timeout, timeout_ms};
use crate::service::Service;
use crate::uv::{Job, Uv, arguments};
use jackfield_child::{Capped, Child, Program, read_lines};
use jackfield_plugin_api::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long an interpreter may take to say what it is.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const PROBE_ANSWER_MAX: usize = 64 << 10;
/// Prints what is asked of an interpreter in one line.
const PROBE: &str =
    "import sys,platform;print('%d.%d.%d|%s|%s'%(sys.version_info[:3]+(platform.machine(),sys.executable)))";

/// What to look for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discover {}

/// What there is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Discovered {
    /// Interpreters, those of `uv` and those in `PATH`; broken ones last.
    pub(crate) interpreters: Vec<Interpreter>,
}

/// An interpreter.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Interpreter {
    /// Its file.
    pub(crate) path: PathBuf,
    /// Its version; absent if it is broken.
    pub(crate) version: Option<String>,
    /// The kind of processor it is made for; absent if it is broken.
    pub(crate) arch: Option<String>,
    /// Such as `cpython`.
    pub(crate) implementation: Option<String>,
    /// Whether `uv` has fetched it.
    pub(crate) is_managed: bool,
    /// Why it does not work.
    pub(crate) error: Option<String>,
}

/// An interpreter to make environments from.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

/// What requests have been resolved to: asking `uv` again would run every interpreter in `PATH`.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    known: Mutex<HashMap<String, Resolved>>,
}

#[derive(Deserialize)]
struct UvPython {
    version: String,
    path: Option<PathBuf>,
    arch: String,
    implementation: String,
}

impl Interpreters {
    /// The interpreter that is meant by a version or a path.
    ///
    /// # Errors
    /// `python.no_interpreter`, `python.broken_interpreter`.
    pub(crate) fn resolve(&self, ctx: &Context, uv: &Uv, request: Option<&str>) -> Result<Resolved, Error> {
        let key = request.unwrap_or_default().to_owned();
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key).filter(|known| known.path.exists()) {
            return Ok(known.clone());
        }
        let path = match request {
            Some(path) if is_path(path) => PathBuf::from(path),
            _ => find(ctx, uv, request)?,
        };
        let found = probe(&path).map_err(|reason| {
            let message = format!("the interpreter `{}` does not work: {reason}", path.display());
            Error::new("python.broken_interpreter", message).permanent()
        })?;
        let resolved = Resolved { path: found.executable.unwrap_or(path), version: found.version };
        lock().insert(key, resolved.clone());
        Ok(resolved)
    }
}

fn is_path(text: &str) -> bool {
    text.contains('/') || text.contains('\\')
}

fn find(ctx: &Context, uv: &Uv, request: Option<&str>) -> Result<PathBuf, Error> {
    let mut given = arguments([&"python", &"find", &"--no-project", &"--system"]);
    if let Some(request) = request {
        if request.starts_with('-') || request.contains(['\0', '\n']) {
            return Err(Error::validation(format!("`{}` is no version of Python", request.escape_debug())));
        }
        given.push(request.into());
    }
    let said = uv.try_run(Job {
        arguments: given,
        ctx,
        timeout: timeout(60_000),
        is_offline: true,
        is_shown: false,
    })?;
    if said.exit.is_success() {
        return Ok(PathBuf::from(said.stdout.trim_end()));
    }
    let wanted = request.map_or_else(|| "Python".to_owned(), |it| format!("Python `{it}`"));
    let message = format!(
        "there is no {wanted} on this machine; `discover` lists what there is, `python_install` fetches another:\n{}",
        last_lines(&said.stderr)
    );
    Err(Error::new("python.no_interpreter", message).permanent())
}

/// Warnings about other interpreters come first, what is wrong comes last.
fn last_lines(stderr: &str) -> String {
    let from = stderr.rfind("error:").unwrap_or_default();
    stderr[from..].trim().to_owned()
}

struct Probed {
    version: String,
    arch: String,
    executable: Option<PathBuf>,
}

/// Asks an interpreter what it is; the reason if it does not answer.
fn probe(path: &Path) -> Result<Probed, String> {
    let program = Program::new(path).arguments(["-I", "-c", PROBE]);
    let (child, streams) = Child::start(&program, |_| ()).map_err(|error| error.to_string())?;
    let collect = |from: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut kept = Capped::new(PROBE_ANSWER_MAX);
            if let Some(from) = from {
                // what can be read is what counts
                let _ = read_lines(from, 0, |bytes| kept.add(bytes), |_| ());
            }
            String::from_utf8_lossy(kept.bytes()).into_owned()
        })
    };
    let stdout = collect(streams.output.map(|it| Box::new(it) as _));
    let stderr = collect(streams.errors.map(|it| Box::new(it) as _));
    let exit = child.wait(PROBE_TIMEOUT);
    if exit.is_none() {
        child.kill();
        return Err(format!("it did not answer within {} s", PROBE_TIMEOUT.as_secs()));
    }
    let stdout = stdout.join().unwrap_or_default();
    let mut parts = stdout.trim().split('|');
    match (exit, parts.next(), parts.next(), parts.next()) {
        (Some(exit), Some(version), Some(arch), Some(executable)) if exit.is_success() => Ok(Probed {
            version: version.to_owned(),
            arch: arch.to_owned(),
            executable: Some(executable).filter(|it| !it.is_empty()).map(PathBuf::from),
        }),
        (exit, ..) => {
            let how = exit.map_or_else(String::new, |exit| exit.to_string());
            let stderr = stderr.join().unwrap_or_default();
            Err(format!("it ended with {how} and says: {}", stderr.trim()))
        }
    }
}

pub(crate) fn discover(ctx: &Context, service: &Service) -> Result<Discovered, Error> {
    let said = service.uv.run(Job {
        arguments: arguments([&"python", &"list", &"--only-installed", &"--output-format", &"json"]),
        ctx,
        timeout: timeout(60_000),
        is_offline: true,
        is_shown: false,
    })?;
    let listed: Vec<UvPython> = serde_json::from_str(&said.stdout).map_err(|error| {
        Error::new("python.uv", format!("the list of interpreters by `uv` is not understood: {error}"))
    })?;
    let mut interpreters = Vec::new();
    let mut seen = BTreeSet::new();
    for found in listed {
        let Some(path) = found.path else { continue };
        if seen.insert(path.clone()) {
            interpreters.push(Interpreter {
                is_managed: path.components().any(|it| it.as_os_str() == "uv"),
                path,
                version: Some(found.version),
                arch: Some(found.arch),
                implementation: Some(found.implementation),
                error: None,
            });
        }
    }
    // `uv` leaves out those that do not work
    for path in in_path(std::env::var_os("PATH").as_deref()) {
        if ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        if seen.insert(path.clone()) {
            interpreters.push(described(path));
        }
    }
    interpreters.sort_by_key(|it| it.error.is_some());
    Ok(Discovered { interpreters })
}

fn described(path: PathBuf) -> Interpreter {
    let none =
        Interpreter { path, version: None, arch: None, implementation: None, is_managed: false, error: None };
    match probe(&none.path) {
        Ok(found) => Interpreter { version: Some(found.version), arch: Some(found.arch), ..none },
        Err(reason) => Interpreter { error: Some(reason), ..none },
    }
}

/// Files in `PATH` that are called as interpreters of Python 3 are.
fn in_path(path: Option<&OsStr>) -> Vec<PathBuf> {
    let dirs = path.into_iter().flat_map(std::env::split_paths);
    let entries = dirs.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_interpreter));
    named.map(|entry| entry.path()).collect()
}

fn is_interpreter(name: &str) -> bool {
    let name = name.strip_suffix(".exe").unwrap_or(name);
    let Some(rest) = name.strip_prefix("python3") else { return name == "python" };
    rest.is_empty() || rest.strip_prefix('.').is_some_and(|minor| minor.parse::<u8>().is_ok())
}

/// What to fetch.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstallPython {
    /// A version such as `3.13`; or the path of an interpreter, which is taken as it is.
    version: String,
    /// Whether nothing may be fetched.
    #[serde(default)]
    offline: bool,
    /// Limit, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
}

/// What was fetched, or was there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InstalledPython {
    /// Its file.
    path: PathBuf,
    /// Its version.
    version: String,
    /// Whether this call fetched it.
    installed: bool,
}

pub(crate) fn install_python(
    ctx: &Context,
    service: &Service,
    p: &InstallPython,
) -> Result<InstalledPython, Error> {
    let resolve = || service.interpreters.resolve(ctx, &service.uv, Some(&p.version));
    match resolve() {
        Ok(found) => {
            return Ok(InstalledPython { path: found.path, version: found.version, installed: false });
        }
        Err(error) if is_path(&p.version) || error.kind() != "python.no_interpreter" => return Err(error),
        Err(_) => {}
    }
    service.uv.run(Job {
        arguments: arguments([&"python", &"install", &"--no-bin", &p.version]),
        ctx,
        timeout: timeout(p.timeout_ms),
        is_offline: p.offline,
        is_shown: true,
    })?;
    let found = resolve()?;
    Ok(InstalledPython { path: found.path, version: found.version, installed: true })
}
