//! What to start, and the checks before anything runs.

use crate::StartError;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program with its arguments and surroundings.
#[derive(Debug)]
pub struct Program {
    /// Name, looked up in `PATH`, or path, taken from the working directory if it is relative.
    pub name: OsString,
    /// Arguments. No shell sees them.
    pub arguments: Vec<OsString>,
    /// Working directory; that of this process if absent.
    pub cwd: Option<PathBuf>,
    /// Environment variables.
    pub environment: Environment,
    /// Standard input.
    pub input: Input,
}

/// What of this process' environment a program gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Inherit {
    /// All variables.
    #[default]
    All,
    /// None.
    Nothing,
    /// Those with these names.
    Only(Vec<OsString>),
}

/// The environment of a program. Its values are never shown: they may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// What it gets of this process' own.
    pub inherit: Inherit,
    /// Names that are taken away from that.
    pub remove: Vec<OsString>,
    /// Variables that are added, in the place of others of the same name.
    pub set: Vec<(OsString, OsString)>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.set.iter().map(|(name, _)| name).collect();
        f.debug_struct("Environment")
            .field("inherit", &self.inherit)
            .field("remove", &self.remove)
            .field("set", &names)
            .finish()
    }
}

/// What a program reads.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing: its input is at its end at once.
    #[default]
    Empty,
    /// What is written to [`Streams::input`](crate::Streams).
    Piped,
    /// This file, from where it stands.
    File(File),
    /// A conversation: [`Streams::channel`](crate::Streams).
    Channel,
}

impl Environment {
    /// Every variable that the program gets.
    fn resolve(&self) -> Vec<(OsString, OsString)> {
        let is_wanted = |name: &OsString| match &self.inherit {
            Inherit::All => true,
            Inherit::Nothing => false,
            Inherit::Only(names) => names.contains(name),
        };
        let is_free =
            |name: &OsString| !self.remove.contains(name) && !self.set.iter().any(|(other, _)| other == name);
        let inherited = std::env::vars_os().filter(|(name, _)| is_wanted(name) && is_free(name));
        inherited.chain(self.set.iter().cloned()).collect()
    }
}

impl Program {
    /// A program without arguments, in the directory and with the environment of this process, with nothing to read.
    pub fn new(name: impl Into<OsString>) -> Self {
        Self {
            name: name.into(),
            arguments: Vec::new(),
            cwd: None,
            environment: Environment::default(),
            input: Input::default(),
        }
    }

    /// `script` as the system's shell runs it.
    pub fn shell(script: impl Into<OsString>) -> Self {
        let (name, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("/bin/sh", "-c") };
        let mut program = Self::new(name);
        program.arguments = vec![flag.into(), script.into()];
        program
    }

    /// The same program with these arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// The command for it, without its input, once it is sure that there is such a program and directory.
    pub(crate) fn command(&self) -> Result<Command, StartError> {
        self.check_texts()?;
        let cwd = self.directory()?;
        let environment = self.environment.resolve();
        let path = environment.iter().find(|(name, _)| is_path(name)).map(|(_, value)| value.as_os_str());
        let mut command = Command::new(find(&self.name, path, &cwd)?);
        command.args(&self.arguments).current_dir(&cwd);
        command.env_clear().envs(environment);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// What the system would refuse without saying which.
    fn check_texts(&self) -> Result<(), StartError> {
        let has_nul = |text: &OsStr| text.as_encoded_bytes().contains(&0);
        if self.name.is_empty() {
            return Err(StartError::Invalid("the name of the program is empty".into()));
        }
        if has_nul(&self.name) || self.arguments.iter().any(|it| has_nul(it)) {
            let message = "a NUL character cannot stand in the name or the arguments of a program";
            return Err(StartError::Invalid(message.into()));
        }
        for (name, value) in &self.environment.set {
            let shown = name.to_string_lossy();
            if name.is_empty() || name.as_encoded_bytes().contains(&b'=') || has_nul(name) {
                let message = format!("`{shown}` cannot be the name of an environment variable");
                return Err(StartError::Invalid(message));
            }
            if has_nul(value) {
                let message = format!("a NUL character cannot stand in the environment variable `{shown}`");
                return Err(StartError::Invalid(message));
            }
        }
        Ok(())
    }

    fn directory(&self) -> Result<PathBuf, StartError> {
        let Some(cwd) = &self.cwd else {
            return std::env::current_dir()
                .map_err(|error| StartError::NoDirectory { path: ".".into(), reason: error.to_string() });
        };
        let refuse = |reason: String| StartError::NoDirectory { path: cwd.clone(), reason };
        let full = std::path::absolute(cwd).map_err(|error| refuse(error.to_string()))?;
        match full.metadata() {
            Ok(found) if found.is_dir() => Ok(full),
            Ok(_) => Err(refuse("it is no directory".into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(refuse("there is no such directory; make it before".into()))
            }
            Err(error) => Err(refuse(error.to_string())),
        }
    }
}

fn is_path(name: &OsStr) -> bool {
    if cfg!(windows) { name.eq_ignore_ascii_case("PATH") } else { name == "PATH" }
}

/// The file of the program called `name`, looked for as the program's own surroundings say.
fn find(name: &OsStr, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, StartError> {
    let error = match which::which_in(name, path, cwd) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    let has_directory = Path::new(name).components().count() > 1;
    let candidates: Vec<PathBuf> = if has_directory {
        vec![cwd.join(name)]
    } else {
        path.into_iter().flat_map(std::env::split_paths).map(|directory| directory.join(name)).collect()
    };
    let not_executable = |path: &Path, reason: &str| {
        Err(StartError::NotExecutable { path: path.to_path_buf(), reason: reason.into() })
    };
    for candidate in &candidates {
        match candidate.metadata() {
            Ok(found) if found.is_dir() && has_directory => {
                return not_executable(candidate, "it is a directory");
            }
            Ok(found) if found.is_file() => {
                let reason =
                    "it may not be executed; allow it (`chmod +x`), or name its interpreter as the program";
                return not_executable(candidate, reason);
            }
            _ => {}
        }
    }
    let looked_in = match (has_directory, path) {
        (true, _) => format!("there is no `{}`", cwd.join(name).display()),
        (false, None) => "its environment has no `PATH`".to_owned(),
        (false, Some(path)) => format!("{error} in `{}`", path.to_string_lossy()),
    };
    Err(StartError::NotFound { program: name.to_string_lossy().into_owned(), looked_in })
}
