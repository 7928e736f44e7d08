//! Resource limits, and the privileges of a process that runs as root.

use super::super::{Grant, Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};

/// Sets the limits; what is lower already stays.
pub(super) fn limit(limits: &Limits) -> Result<(), String> {
    let all = [
        ("memory_bytes_max", Resource::As, Some(limits.memory_bytes_max)),
        ("open_files_max", Resource::Nofile, Some(limits.open_files_max)),
        ("processes_max", Resource::Nproc, limits.processes_max),
        ("cpu_seconds_max", Resource::Cpu, limits.cpu_seconds_max),
        // a dump of a worker holds the data of whoever called it
        ("core", Resource::Core, Some(0)),
    ];
    for (name, resource, value) in all {
        let Some(value) = value else { continue };
        let value = getrlimit(resource).maximum.map_or(value, |least| least.min(value));
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource, limit).map_err(|error| format!("the limit `{name}` ({error})"))?;
    }
    Ok(())
}

/// Gives up what root may do beyond reading and writing other users' files, which the grant narrows down anyway.
pub(super) fn drop(grant: &Grant) -> Result<(), String> {
    let mut kept = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::FOWNER;
    if grant.net {
        kept |= CapabilitySet::NET_BIND_SERVICE;
    }
    let lack = |error| format!("privileges ({error})");
    set_no_new_privs(true).map_err(lack)?;
    let had = capabilities(None).map_err(lack)?;
    let sets = CapabilitySets {
        effective: had.effective & kept,
        permitted: had.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(lack)
}
