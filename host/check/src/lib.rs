//! The conformance tool: puts a plugin to the test and says what does not keep to its own word or to the ABI.
//!
//! Every meeting with the plugin happens in a process of its own, in the sandbox of a worker to which nothing is granted but
//! an empty directory. So a plugin that crashes is a finding, and one that deletes what it is told to delete finds nothing.
//! The process is this program again, started as [`Options::program`] says; it does what [`examine`] does. To look at a
//! plugin with a debugger all of it can happen in this process.
//!
//! `job` is what the two processes say to each other, `child` the one that meets the plugin, `life` its start and end as
//! seen from outside, `generate` the parameters, `checks` what is asked and what the answers mean.

mod checks;
mod child;
mod generate;
mod job;
mod life;
mod report;

pub use child::examine;
pub use report::{Code, Finding, MethodReport, Report, Waiver};

pub use jackfield_loader::WorkerProgram;
pub use jackfield_plugin_api::worker::Policy;

use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// How a plugin is checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that runs [`examine`]. Without one the plugin is met in this process, where there is no sandbox, where
    /// what it prints is not seen, and which ends with it if it crashes.
    pub program: Option<WorkerProgram>,
    /// What parameters are generated from: the same seed, the same parameters.
    pub seed: u64,
    /// Generated parameters for each method.
    pub calls: usize,
    /// Configurations of plugins by name. Without one it is generated from its schema.
    pub configs: BTreeMap<String, Value>,
    /// What becomes of the check on a system that cannot enforce the sandbox.
    pub sandbox: Policy,
    /// Findings that are not to count.
    pub waivers: Vec<Waiver>,
}

/// Why nothing can be said about a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The file cannot be read.
    #[error("`{}` cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// There is no directory for the plugin to work in, or no process for it.
    #[error("the plugin cannot be run")]
    Run(#[from] io::Error),
    /// The process that is to meet the plugin cannot do so, for reasons of its own.
    #[error("the plugin cannot be run: {0}")]
    Child(String),
}

/// Checks the plugin file at `file`.
///
/// # Errors
/// If nothing can be said about it, because something else than the plugin is in the way.
pub fn check(file: &Path, options: &Options) -> Result<Report, CheckError> {
    checks::run(file, options)
}
