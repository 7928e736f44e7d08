//! What keeps a worker to what its plugin was granted: limits, files, system calls, privileges. docs/sandbox.md says
//! what each grant allows; this module decides what is enforced and what becomes of a system that cannot.
//!
//! The host starts the worker with [`Grant::environment`] and nothing else; the worker calls [`apply`] while it is
//! single-threaded and before it opens the plugin. Nothing of it can be taken back.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
#[path = "linux/mod.rs"]
mod system;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
)))]
#[path = "other.rs"]
mod system;

pub use jackfield_plugin_api::worker::{FsGrant, Grant, Limits, Policy, Sandbox};

use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;

/// What [`apply`] did, for the log and for the list of workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Enforced {
    /// Version of the kernel's Landlock that restricts files; `None` if it restricts nothing.
    pub landlock_abi: Option<u32>,
    /// Whether a filter of system calls is in place.
    pub seccomp: bool,
    /// Whether the limits are in place.
    pub rlimits: bool,
    /// Whether the process has given up its privileges and cannot gain any.
    pub privileges: bool,
    /// What is not enforced, one sentence fragment each; empty if everything is.
    pub missing: Vec<String>,
}

/// Why a worker must not run its plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The policy is [`Policy::Required`] and something cannot be enforced on this system.
    #[error(
        "the sandbox cannot be enforced on this system: {}. Use a kernel that can, or accept what is not \
         enforced with `sandbox = \"best_effort\"` or `sandbox = \"off\"` for this plugin",
        .0.join("; ")
    )]
    Unavailable(Vec<String>),
    /// A path that is granted cannot be opened.
    #[error(
        "cannot grant `{}` of `grant.{key}`: {source}. Create it, or take it off the list",
        path.display()
    )]
    Path {
        /// The key of the configuration: `fs.read` or `fs.write`.
        key: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The plugin's own files, which the worker names itself, cannot be opened.
    #[error("cannot make `{}` readable for the plugin: {source}", path.display())]
    Readable {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Variables that are not granted were handed to the process, where a plugin can read them whatever is done later.
    #[error(
        "the worker was started with the environment variables `{}`, which are not granted. Start it with \
         those of `Grant::environment` only, or grant them in `grant.env`",
        shown(.0)
    )]
    Environment(Vec<OsString>),
    /// Other threads are running, which the kernel would leave unrestricted.
    #[error("the sandbox must be applied while the process has one thread, it has {0}")]
    Threads(usize),
}

fn shown(names: &[OsString]) -> String {
    names.iter().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("`, `")
}

/// Restricts this process to what `sandbox` grants, plus reading the files and directories in `readable` (the plugin's
/// file) and what every process needs: libraries, certificates, time zones, `/dev/null`, random numbers.
///
/// Limits are set under every policy, `off` included.
///
/// # Errors
/// If other threads are running, a variable of the environment or a path is not what the grant says, or, under
/// [`Policy::Required`], something cannot be enforced. Part of it may be in force by then: the process must end.
pub fn apply(sandbox: &Sandbox, readable: &[PathBuf]) -> Result<Enforced, SandboxError> {
    let enforced = system::apply(sandbox, readable)?;
    if sandbox.policy == Policy::Required && !enforced.missing.is_empty() {
        return Err(SandboxError::Unavailable(enforced.missing));
    }
    Ok(enforced)
}
