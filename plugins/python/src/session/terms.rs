//! What is said between a session and its interpreter.

use super::capture::Printed;
use crate::config::Limits;
use indexmap::IndexMap;
use jackfield_child::Exit;
use jackfield_plugin_api::prelude::*;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to start.
#[derive(Debug)]
pub(crate) struct StartSpec<'a> {
    /// The environment's interpreter.
    pub(crate) python: &'a Path,
    /// The directory of the environment.
    pub(crate) environment: &'a Path,
    /// The directory of the driver.
    pub(crate) driver: &'a Path,
    pub(crate) timeout: Duration,
}

/// What makes an interpreter that of one session.
#[derive(Debug, Serialize)]
pub(crate) struct Begin<'a> {
    op: &'static str,
    cwd: &'a Path,
    env: &'a BTreeMap<String, String>,
    limits: BTreeMap<&'static str, [i64; 2]>,
}

/// What bounds an execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) output_bytes_max: usize,
    pub(crate) is_shown: bool,
}

/// How an execution ended.
pub(crate) enum End {
    /// The driver answered. If it was told to interrupt the code before, this says why.
    Answered(Box<Answer>, Option<Reason>),
    /// It was killed because it did not react.
    Killed(Reason),
    /// The process ended by itself.
    Died(Exit),
}

/// Why code is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Timeout,
    Cancelled,
}

/// The driver's answer to a request to execute.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) not_json: Vec<String>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) error: Option<CodeError>,
    pub(crate) files: Vec<ProducedFile>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) stray_chars: u64,
    pub(crate) result: Box<RawValue>,
    pub(crate) outputs: IndexMap<String, Box<RawValue>>,
}

/// Everything that is known of an execution.
pub(crate) struct Ended {
    pub(crate) end: End,
    pub(crate) stdout: Printed,
    pub(crate) stderr: Printed,
    /// From the limit, or the wish to cancel, to the interrupt.
    pub(crate) interrupted_after: Option<Duration>,
}

/// Why code failed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CodeError {
    /// Type of the exception, with its module unless that is a built-in one.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Its text.
    pub(crate) message: String,
    /// The traceback as Python prints it; empty if there is none.
    pub(crate) traceback: String,
    /// Line of the code, counted from 1.
    pub(crate) line: Option<u64>,
}

/// A file that code has made or changed in the working directory.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProducedFile {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Its length, in bytes.
    pub(crate) bytes: u64,
    /// Whether it was not there before.
    pub(crate) is_new: bool,
}

/// A figure that code has left open in matplotlib, as PNG.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Figure {
    /// Its file.
    pub(crate) path: PathBuf,
    /// The length of that, in bytes.
    pub(crate) bytes: u64,
}

impl<'a> Begin<'a> {
    pub(crate) fn new(cwd: &'a Path, env: &'a BTreeMap<String, String>, limits: &Limits) -> Self {
        let wanted = [
            ("RLIMIT_AS", limits.memory_bytes),
            ("RLIMIT_CPU", limits.cpu_seconds),
            ("RLIMIT_NOFILE", limits.open_files),
            ("RLIMIT_FSIZE", limits.file_bytes),
        ];
        let limits = wanted.into_iter().filter_map(|(name, value)| {
            let value = i64::try_from(value?).unwrap_or(i64::MAX);
            Some((name, [value, value]))
        });
        Self { op: "begin", cwd, env, limits: limits.collect() }
    }
}
