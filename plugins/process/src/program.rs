//! The parameters by which all methods name a program.

use crate::PLUGIN;
use crate::masked::Mask;
use jackfield_child::{Environment, Inherit, Input, Program};
use jackfield_plugin_api::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Characters of a command line that messages show.
const SHOWN_MAX: usize = 200;

/// Declares parameters with the fields that all methods share. A macro, because serde does not refuse unknown fields of
/// structures that are put together by `flatten`.
macro_rules! parameters {
    ($(#[$attribute:meta])* $name:ident { $($fields:tt)* }) => {
        $(#[$attribute])*
        // not `Debug`: there are secrets in it
        #[derive(Clone, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            /// The program, a name in `PATH` or a path, and its arguments. No shell sees them unless `shell` is set.
            #[schemars(length(min = 1))]
            argv: Vec<String>,
            /// Whether the first of `argv` is a script for the system's shell, and the others its `$1`, `$2` and so on.
            #[serde(default)]
            shell: bool,
            /// Working directory; that of the host if absent. Relative programs are taken from it.
            cwd: Option<std::path::PathBuf>,
            /// Environment variables to add.
            #[serde(default)]
            env: std::collections::BTreeMap<String, String>,
            /// The same, for secrets: their values are replaced by `***` wherever the program prints them.
            #[serde(default)]
            secret_env: std::collections::BTreeMap<String, String>,
            /// Variables of the host to leave out.
            #[serde(default)]
            env_remove: Vec<String>,
            /// Variables of the host to hand on, and no others; all if absent, none if empty.
            env_inherit: Option<Vec<String>>,
            $($fields)*
        }
    };
}

/// The program that such parameters name.
macro_rules! named {
    ($p:expr) => {
        $crate::program::Named {
            argv: &$p.argv,
            shell: $p.shell,
            cwd: $p.cwd.as_deref(),
            env: &$p.env,
            secret_env: &$p.secret_env,
            env_remove: &$p.env_remove,
            env_inherit: $p.env_inherit.as_deref(),
        }
    };
}

pub(crate) use {named, parameters};

/// A program as parameters name it.
pub(crate) struct Named<'p> {
    pub(crate) argv: &'p [String],
    pub(crate) shell: bool,
    pub(crate) cwd: Option<&'p Path>,
    pub(crate) env: &'p BTreeMap<String, String>,
    pub(crate) secret_env: &'p BTreeMap<String, String>,
    pub(crate) env_remove: &'p [String],
    pub(crate) env_inherit: Option<&'p [String]>,
}

impl Named<'_> {
    /// Its name for messages.
    pub(crate) fn shown(&self) -> String {
        if self.shell {
            return "the script".to_owned();
        }
        let argv = self.argv.join(" ");
        match argv.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("`{}…`", &argv[..end]),
            None => format!("`{argv}`"),
        }
    }

    /// What must not be shown.
    pub(crate) fn mask(&self) -> Mask {
        Mask::new(self.secret_env.values())
    }

    /// The program as it is to be started.
    pub(crate) fn program(&self, input: Input) -> Result<Program, Error> {
        let Some((first, rest)) = self.argv.split_first() else {
            return Err(Error::validation("`argv` is empty; it begins with the program"));
        };
        if let Some(both) = self.secret_env.keys().find(|name| self.env.contains_key(*name)) {
            return Err(Error::validation(format!("`{both}` stands in `env` and in `secret_env`")));
        }
        let mut program = match self.shell {
            false => Program::new(first).arguments(rest),
            true if rest.is_empty() => Program::shell(first),
            true if cfg!(windows) => {
                let message = "with `shell` the shell of Windows takes a script and no arguments";
                return Err(Error::validation(message));
            }
            true => {
                let mut program = Program::shell(first);
                // what the shell calls itself
                program.arguments.push("sh".into());
                program.arguments.extend(rest.iter().map(Into::into));
                program
            }
        };
        program.cwd = self.cwd.map(PathBuf::from);
        program.environment = self.environment();
        program.input = input;
        Ok(program)
    }

    fn environment(&self) -> Environment {
        Environment {
            inherit: match self.env_inherit {
                None => Inherit::All,
                Some([]) => Inherit::Nothing,
                Some(names) => Inherit::Only(names.iter().map(Into::into).collect()),
            },
            remove: self.env_remove.iter().map(Into::into).collect(),
            set: self
                .env
                .iter()
                .chain(self.secret_env)
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

/// A length of time in milliseconds. What is longer than ten years, which clocks cannot all count, is as long as that.
pub(crate) fn length(ms: u64) -> Duration {
    const MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    Duration::from_millis(ms).min(MAX)
}

/// Why nothing was started, as the plugin says it.
pub(crate) fn not_started(error: &jackfield_child::StartError) -> Error {
    error.of(PLUGIN)
}
