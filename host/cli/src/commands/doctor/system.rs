//! The machine: its clock, its limits, and what of its kernel keeps plugins apart.

use super::findings::Findings;
use crate::settings::{Settings, this_program};
use anyhow::{Context, Result};
use jackfield_worker::sandbox::{Enforced, Policy, Sandbox, apply};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KERNEL: &str = "isolation";

/// The first of January 2026.
const THIS_WAS_WRITTEN: Duration = Duration::from_secs(1_767_225_600);
/// Descriptors besides those of connections.
#[cfg(unix)]
const OWN_FILES: u64 = 256;

pub(super) fn clock(findings: &mut Findings) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if since < THIS_WAS_WRITTEN {
        findings.problem(
            "clock",
            "the clock shows a time before this program was written",
            "Set it: timers, schedules and certificates go by it.",
        );
    } else {
        findings.ok("clock", "the clock shows a possible time");
    }
}

#[cfg(unix)]
pub(super) fn open_files(settings: &Settings, findings: &mut Findings) {
    use rustix::process::{Resource, getrlimit};
    let limits = getrlimit(Resource::Nofile);
    let (now, most) = (limits.current.unwrap_or(u64::MAX), limits.maximum.unwrap_or(u64::MAX));
    let server = settings.server();
    let connections = server.limits.connections_max.unwrap_or(5_000) as u64;
    // `serve` takes what the system allows
    let wanted = if server.listen.is_empty() { 1_024 } else { connections + OWN_FILES };
    let message = format!("{now} files may be open, {most} if asked for");
    if most < wanted {
        let remedy = "Raise the limit (`ulimit -Hn`, `LimitNOFILE=` of the unit), or lower `connections_max` of [server.limits].";
        findings.problem("limits", format!("{message}; {wanted} are needed"), remedy);
    } else {
        findings.ok("limits", message);
    }
}

#[cfg(not(unix))]
pub(super) fn open_files(_: &Settings, _: &mut Findings) {}

/// What a worker could be kept from, tried in a process of its own.
pub(super) fn kernel(findings: &mut Findings) {
    match tried() {
        Ok(Enforced { missing, landlock_abi, .. }) if missing.is_empty() => {
            let version = landlock_abi.map(|abi| format!(" (Landlock {abi})")).unwrap_or_default();
            findings.ok(KERNEL, format!("sandboxes of workers can be enforced{version}"));
        }
        Ok(Enforced { missing, .. }) => findings.problem(
            KERNEL,
            format!("sandboxes of workers cannot be enforced: {}", missing.join("; ")),
            "Use a kernel that can, or accept it with `sandbox = \"best_effort\"` under [isolation]; see docs/sandbox.md.",
        ),
        Err(error) => findings.problem(
            KERNEL,
            format!("no process could be put in a sandbox: {error:#}"),
            "Plugins that run in workers do not start; see docs/sandbox.md.",
        ),
    }
    #[cfg(target_os = "linux")]
    linux(findings);
}

#[cfg(target_os = "linux")]
fn linux(findings: &mut Findings) {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    let memory = memfd_create("jackfield-doctor", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
    match memory.and_then(|file| ftruncate(&file, 4096)) {
        Ok(()) => findings.ok(KERNEL, "memory can be shared with workers (memfd)"),
        Err(error) => findings.problem(
            KERNEL,
            format!("memory cannot be shared with workers: memfd_create: {error}"),
            "Allow it in the container's seccomp profile; `transport = \"shared_memory\"` does not work without.",
        ),
    }
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => findings.ok(KERNEL, "processes can be watched without races (pidfd)"),
        Err(error) => findings.note(
            KERNEL,
            format!("the kernel has no pidfd: {error}"),
            "Linux 5.3 has it; in a container its seccomp profile may forbid it.",
        ),
    }
}

fn tried() -> Result<Enforced> {
    let mut command = Command::new(this_program());
    let output = command
        .arg("sandbox-probe")
        // what is not granted must not be there
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .context("this program cannot be started once more")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let told = serde_json::from_slice(&output.stdout);
    told.with_context(|| format!("it ended with {}: {}", output.status, said.trim()))
}

/// Puts this process in the sandbox of a plugin that is granted nothing. What is in force then.
///
/// # Errors
/// If a part is refused that should not be.
pub(crate) fn apply_sandbox() -> Result<Enforced> {
    Ok(apply(&Sandbox { policy: Policy::BestEffort, ..Sandbox::default() }, &[])?)
}
