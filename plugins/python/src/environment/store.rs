//! Where environments lie. `DIR/envs/NAME` is one as soon as it holds its record, which is written last: whatever breaks
//! off before leaves a directory without a record, which the next creation or `maintain` removes. A file lock keeps those
//! apart who make, change or remove one environment, in one process or in several.

use super::EnvironmentName;
use jackfield_plugin_api::prelude::*;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const RECORD: &str = "jackfield-env.json";
const FORMAT: u32 = 1;
const LOCK_POLL: Duration = Duration::from_millis(10);

/// The directory of all environments.
#[derive(Clone, Debug)]
pub(crate) struct Environments {
    dir: PathBuf,
}

/// A complete environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) name: EnvironmentName,
    pub(crate) path: PathBuf,
    pub(crate) record: Record,
}

/// What is kept of how an environment was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    /// As it was asked for.
    pub(crate) requested_python: Option<String>,
    /// Version of the interpreter.
    pub(crate) python: String,
    /// The interpreter that it was made from.
    pub(crate) interpreter: PathBuf,
    pub(crate) profile: Option<String>,
    /// As they were asked for, sorted.
    pub(crate) packages: Vec<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at_ms: u64,
}

/// An environment in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) name: String,
    /// Its directory.
    pub(crate) path: PathBuf,
    /// Its interpreter.
    pub(crate) python: PathBuf,
    /// The version of that.
    pub(crate) version: String,
    /// The profile that it was made with.
    pub(crate) profile: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub(crate) created_at_ms: u64,
    /// Whether it is the one of the administrator.
    pub(crate) is_admin: bool,
    /// Sessions that are open in it.
    pub(crate) sessions: Vec<String>,
}

/// The right to make, change or remove one environment, until it is dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Record {
    pub(crate) fn new(requested_python: Option<String>, python: String, interpreter: PathBuf) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let created_at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self {
            format: FORMAT,
            requested_python,
            python,
            interpreter,
            profile: None,
            packages: Vec::new(),
            created_at_ms,
        }
    }
}

impl Environment {
    /// Its interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        python_in(&self.path)
    }
}

/// The interpreter of the environment in a directory.
pub(crate) fn python_in(path: &Path) -> PathBuf {
    if cfg!(windows) { path.join("Scripts").join("python.exe") } else { path.join("bin").join("python") }
}

/// An error of the file system, which names what failed on which path.
pub(crate) fn io_error(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::new("python.io", format!("{action} `{}`: {error}", path.display()))
        .details(&serde_json::json!({ "path": path }))
}

impl Environments {
    /// # Errors
    /// If the directory cannot be made.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&dir).map_err(|error| io_error("cannot make the directory", &dir, &error))?;
        Ok(Self { dir })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path_of(&self, name: &EnvironmentName) -> PathBuf {
        self.dir.join(name.as_str())
    }

    /// The environment of this name; `None` if there is none, or none that is complete.
    ///
    /// # Errors
    /// If its record cannot be read.
    pub(crate) fn find(&self, name: &EnvironmentName) -> Result<Option<Environment>, Error> {
        let path = self.path_of(name);
        let file = path.join(RECORD);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(io_error("cannot read", &file, &error)),
        };
        let record: Record = serde_json::from_slice(&text).map_err(|error| {
            let hint = "delete the directory, or restore the file";
            Error::new("python.damaged", format!("`{}` is damaged: {error}; {hint}", file.display()))
                .permanent()
        })?;
        if record.format > FORMAT {
            let message = format!("`{}` is of a newer version of the plugin", file.display());
            return Err(Error::new("python.damaged", message).permanent());
        }
        Ok(Some(Environment { name: name.clone(), path, record }))
    }

    /// The environment of this name.
    ///
    /// # Errors
    /// `python.no_environment`, with those that there are.
    pub(crate) fn get(&self, name: &EnvironmentName) -> Result<Environment, Error> {
        if let Some(found) = self.find(name)? {
            return Ok(found);
        }
        let names: Vec<String> = self.all()?.iter().map(|it| it.name.to_string()).collect();
        let known = if names.is_empty() {
            "there is none yet".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        let message = format!("there is no environment `{name}`; {known}. `env_create` makes one");
        Err(Error::new("python.no_environment", message)
            .permanent()
            .details(&serde_json::json!({ "known": names })))
    }

    /// All complete environments, by name.
    ///
    /// # Errors
    /// If the directory, or a record in it, cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<Environment>, Error> {
        let mut all = Vec::new();
        for name in self.names()? {
            all.extend(self.find(&name)?);
        }
        Ok(all)
    }

    /// Names of everything that looks like an environment, complete or not, in their order.
    fn names(&self) -> Result<Vec<EnvironmentName>, Error> {
        let failed = |error| io_error("cannot read the directory", &self.dir, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && let Some(name) = entry.file_name().to_str() {
                names.extend(EnvironmentName::parse(name));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Waits for the right to change an environment.
    ///
    /// # Errors
    /// `cancelled`; `python.environment_busy` once `patience` is over.
    pub(crate) fn lock(
        &self,
        name: &EnvironmentName,
        ctx: &Context,
        patience: Duration,
    ) -> Result<Lock, Error> {
        let started = Instant::now();
        loop {
            if let Some(lock) = self.try_lock(name)? {
                return Ok(lock);
            }
            if ctx.is_cancelled() {
                return Err(Error::cancelled());
            }
            if started.elapsed() >= patience {
                let message = format!(
                    "environment `{name}` was being changed for {} ms by somebody else",
                    patience.as_millis()
                );
                return Err(Error::new("python.environment_busy", message));
            }
            std::thread::sleep(LOCK_POLL);
        }
    }

    fn try_lock(&self, name: &EnvironmentName) -> Result<Option<Lock>, Error> {
        // no environment begins with a dot, so that the files are never taken for one
        let path = self.dir.join(format!(".{name}.lock"));
        let failed = |error: io::Error| io_error("cannot lock", &path, &error);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Makes the environment one. Called under its lock.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub(crate) fn complete(&self, name: &EnvironmentName, record: &Record) -> Result<Environment, Error> {
        let path = self.path_of(name);
        let (file, partial) = (path.join(RECORD), path.join(format!("{RECORD}.new")));
        let failed = |error: io::Error| io_error("cannot write", &file, &error);
        fs::write(&partial, serde_json::to_vec_pretty(record)?).map_err(failed)?;
        fs::rename(&partial, &file).map_err(failed)?;
        Ok(Environment { name: name.clone(), path, record: record.clone() })
    }

    /// Removes an environment, complete or not; the record goes first, so that what is left when this fails is none. Called under
    /// its lock.
    ///
    /// # Errors
    /// If something in it cannot be removed.
    pub(crate) fn remove(&self, name: &EnvironmentName) -> Result<(), Error> {
        let path = self.path_of(name);
        let failed = |error: io::Error| {
            let reason = io_error("cannot remove the whole of", &path, &error);
            let hint = "what is left is no environment any more; `maintain` tries again";
            Error::new(reason.kind(), format!("{}; {hint}", reason.message()))
                .details(&serde_json::json!({ "path": path }))
        };
        match fs::remove_file(path.join(RECORD)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Removes what broken off creations and deletions have left; the names of those.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub(crate) fn remove_incomplete(&self) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        for name in self.names()? {
            let path = self.path_of(&name);
            if path.join(RECORD).exists() {
                continue;
            }
            // somebody may be making it just now
            let Some(_lock) = self.try_lock(&name)? else { continue };
            if !path.join(RECORD).exists() && path.exists() {
                self.remove(&name)?;
                removed.push(name.to_string());
            }
        }
        Ok(removed)
    }
}
