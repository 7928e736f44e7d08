//! How plugin versions stand at this moment: where they run, and what is to be said of their workers.

use crate::changes::PluginVersion;
use crate::plugin::PluginEntry;
use crate::registry::Registry;
use jackfield_core::model::Isolation;
use serde::Serialize;
use std::path::PathBuf;

/// How one version of a plugin stands: a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Standing {
    /// Which.
    pub plugin: PluginVersion,
    /// The file that it was found in.
    pub file: PathBuf,
    /// Where its calls are made if their step says nothing about it.
    pub isolation: Isolation,
    /// Its file is gone or has other contents: only runs that began with it still have it.
    pub is_draining: bool,
    /// It is not run any more because of what it did, and is no longer usable once the directories were looked at again.
    pub is_quarantined: bool,
    /// Its workers; all zero if it has none, or never had.
    pub workers: Workers,
}

/// The workers of one plugin version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Workers {
    /// Those there are.
    pub workers: Vec<WorkerStanding>,
    /// Calls that wait for one of them.
    pub waiting: usize,
    /// Calls that all workers were given since the host began, those that are gone too.
    pub calls: u64,
    /// Workers that crashed since the host began.
    pub crashes: u64,
    /// Those of the crashes that count at present against the budget of `crash_budget` within `crash_window`.
    pub recent_crashes: usize,
    /// Crashes that are forgiven within the window; one more and the plugin is quarantined.
    pub crash_budget: u32,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct WorkerStanding {
    /// Its process.
    pub pid: u32,
    /// `starting`, `restoring`, `ready` or `leaving`.
    pub phase: &'static str,
    /// Calls that are in it.
    pub in_flight: usize,
    /// Calls that it was given, those in flight among them.
    pub calls: u64,
    /// Memory of the process that is not swapped out, in bytes; absent where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

impl Registry {
    /// How every usable plugin version stands, and those that drain; by name, newest version first.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let (usable, draining) = {
            let found = self.found.read();
            let needed = found.draining.iter().filter(|entry| self.leases.count(entry.hash) > 0);
            (found.usable.clone(), needed.cloned().collect::<Vec<_>>())
        };
        let of = |entry: &PluginEntry, is_draining| Standing {
            plugin: PluginVersion::of(&entry.manifest),
            file: entry.file.clone(),
            isolation: entry.usual_isolation(&self.surroundings()),
            is_draining,
            is_quarantined: self.store.quarantine.get(entry.hash).is_some(),
            workers: entry.workers(),
        };
        let mut all: Vec<Standing> = usable.iter().map(|entry| of(entry, false)).collect();
        all.extend(draining.iter().map(|entry| of(entry, true)));
        all.sort_by(|a, b| {
            a.plugin.name.cmp(&b.plugin.name).then_with(|| b.plugin.version.cmp(&a.plugin.version))
        });
        all
    }
}

/// What the system says of the memory of a process, in bytes.
#[cfg(unix)]
pub(crate) fn memory_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
