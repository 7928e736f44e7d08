//! The command as users start it: a process with arguments, an exit code, and two streams.

use crate::artifacts::jackfield_command;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct CliOutput {
    /// The exit code; 128 and the number of the signal if one ended it.
    pub code: i32,
    /// Results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl CliOutput {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the command writes UTF-8");
        Self {
            code: output.status.code().unwrap_or(128),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The result as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// Checks the exit code.
    ///
    /// # Panics
    /// If it is another; with all that was printed.
    #[track_caller]
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// The command with the surroundings of a test: nothing of the user's settings reaches it.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(jackfield_command());
    command.current_dir(home).stdin(Stdio::null());
    let ours = ["JACKFIELD_PLUGIN_PATH", "JACKFIELD_SERVER", "JACKFIELD_TOKEN", "JACKFIELD_CA"];
    for name in ours.into_iter().chain(["RUST_LOG", "NO_COLOR", "RUST_BACKTRACE"]) {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("OTEL_")) {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env("XDG_CONFIG_HOME", home).env("XDG_DATA_HOME", home);
    command
}

/// What a command may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Address space.
    pub memory_bytes_max: u64,
    /// Time of processors, in which waiting for them does not count.
    pub processor_seconds_max: u64,
}

/// The same command, started by a shell that limits it.
pub(crate) fn limited(command: &Command, limits: Limits) -> Command {
    let mut shell = Command::new("sh");
    let Limits { memory_bytes_max, processor_seconds_max } = limits;
    let script = format!(
        "ulimit -v {}; ulimit -t {processor_seconds_max}; exec \"$0\" \"$@\"",
        memory_bytes_max / 1024
    );
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(command.get_current_dir().expect("tests say where")).stdin(Stdio::null());
    shell
}

pub(crate) fn run(mut command: Command) -> CliOutput {
    CliOutput::of(&command.output().expect("the command was built"))
}
