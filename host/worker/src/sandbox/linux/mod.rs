//! Linux: in which order the parts are put in force, and what of them is lacking.

mod calls;
mod files;
mod privileges;

use super::{Enforced, Grant, Policy, Sandbox, SandboxError};
use std::fs;
use std::path::PathBuf;

/// First Landlock that keeps a process from cutting files that it may not write: Linux 6.2.
const ABI_FILES: u32 = 3;
/// First Landlock that keeps signals within the sandbox: Linux 6.12.
const ABI_SIGNALS: u32 = 6;

pub(super) fn apply(sandbox: &Sandbox, readable: &[PathBuf]) -> Result<Enforced, SandboxError> {
    let mut enforced = Enforced::default();
    enforced.rlimits = note(&mut enforced, privileges::limit(&sandbox.limits));
    if sandbox.policy == Policy::Off {
        enforced.missing.push("files, network, other programs, signals (`sandbox = \"off\"`)".to_owned());
        return Ok(enforced);
    }
    check_threads(&mut enforced)?;
    check_environment(&sandbox.grant)?;
    enforced.privileges = note(&mut enforced, privileges::drop(&sandbox.grant));
    restrict_files(&sandbox.grant, readable, &mut enforced)?;
    let signals = calls::Signals { are_scoped: enforced.landlock_abi.is_some_and(|abi| abi >= ABI_SIGNALS) };
    enforced.seccomp = note(&mut enforced, calls::restrict(&sandbox.grant, signals));
    if sandbox.grant.exec && !signals.are_scoped {
        // a worker with children has to signal them, and which ones is not known before they exist
        enforced.missing.push(format!(
            "signals to other processes (with `exec`, Landlock {ABI_SIGNALS} of Linux 6.12 is needed)"
        ));
    }
    Ok(enforced)
}

/// Whether a part is in force; if not, why.
fn note(enforced: &mut Enforced, outcome: Result<(), String>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(lack) => {
            enforced.missing.push(lack);
            false
        }
    }
}

/// Landlock and seccomp restrict the calling thread and those that it starts.
fn check_threads(enforced: &mut Enforced) -> Result<(), SandboxError> {
    match fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => Ok(()),
        Ok(count) => Err(SandboxError::Threads(count)),
        Err(error) => {
            enforced.missing.push(format!("other threads, `/proc/self/task` cannot be read ({error})"));
            Ok(())
        }
    }
}

/// The kernel keeps the first environment of a process in its memory, so removing variables now would hide nothing.
fn check_environment(grant: &Grant) -> Result<(), SandboxError> {
    let names = std::env::vars_os().map(|(name, _)| name);
    let refused: Vec<_> = names.filter(|name| !grant.has_variable(name)).collect();
    if refused.is_empty() { Ok(()) } else { Err(SandboxError::Environment(refused)) }
}

fn restrict_files(grant: &Grant, readable: &[PathBuf], enforced: &mut Enforced) -> Result<(), SandboxError> {
    match files::restrict(grant, readable)? {
        Ok(abi) => {
            if abi < ABI_FILES {
                enforced.missing.push(format!(
                    "cutting files that may not be written (Landlock {ABI_FILES} of Linux 6.2 is needed, \
                     this kernel has Landlock {abi})"
                ));
            }
            enforced.landlock_abi = Some(abi);
        }
        Err(lack) => enforced.missing.push(lack),
    }
    Ok(())
}
