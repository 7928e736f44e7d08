//! Those that are compared. Each runs a graph and says how long that took, as its documentation would have it done.

mod coordinator;
mod dagrs;
mod dagx;
mod jackfield;
mod rayon;
mod sequential;
mod spawning;
mod taskflow;

pub(crate) use jackfield::HostSource;

use crate::trial::{Check, Trial};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::Path;
use std::time::Duration;

/// The name of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// This engine: a real plugin method, timeouts, full history
    Jackfield,
    /// One thread over function pointers: the floor
    Sequential,
    /// A scope, one spawn for each node that is ready
    Rayon,
    /// Tokio, one spawn for each node that is ready, no coordinator
    Tokio,
    /// Tokio, a coordinator that counts what nodes wait for: the usual engine
    JoinSet,
    /// The crate dagx
    Dagx,
    /// The crate dagrs
    Dagrs,
    /// Taskflow, in C++
    Taskflow,
}

impl Name {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Jackfield => "Jackfield",
            Self::Sequential => "sequential loop",
            Self::Rayon => "rayon scope",
            Self::Tokio => "tokio spawn",
            Self::JoinSet => "tokio JoinSet",
            Self::Dagx => "dagx 0.3.1",
            Self::Dagrs => "dagrs 0.9.0",
            Self::Taskflow => "Taskflow",
        }
    }

    /// What must be known to read its figures: what is inside the measured time, what is missing.
    pub(crate) fn remark(self) -> &'static str {
        match self {
            Self::Jackfield => {
                "plugin method through the ABI, default timeouts, full history; document checked before"
            }
            Self::Sequential => "no scheduling at all",
            Self::Rayon | Self::Tokio => "no history; graph and counters made before",
            Self::JoinSet => "no history; graph made before, counters copied before",
            Self::Dagx => {
                "no history, results kept; nodes added before, layers and channels made in the run, one layer after the other"
            }
            Self::Dagrs => "no history; graph made before, its check and partition are part of its start",
            Self::Taskflow => "no history; graph made before and used again",
        }
    }
}

/// One of those that are compared.
pub(crate) trait Peer {
    fn name(&self) -> Name;

    /// Runs the graph once and looks whether that was done rightly. Answers how long the run took, without what can be
    /// prepared or cleaned up at another time.
    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration>;
}

/// Makes a peer ready that runs nodes on so many threads.
pub(crate) fn open(
    name: Name,
    threads: usize,
    host: &HostSource<'_>,
    taskflow: Option<&Path>,
) -> Result<Box<dyn Peer>> {
    let opened: Result<Box<dyn Peer>> = match name {
        Name::Jackfield => jackfield::Jackfield::open(host, threads).map(boxed),
        Name::Sequential => Ok(boxed(sequential::Sequential)),
        Name::Rayon => rayon::Rayon::open(threads).map(boxed),
        Name::Tokio => spawning::Spawning::open(threads).map(boxed),
        Name::JoinSet => coordinator::Coordinator::open(threads).map(boxed),
        Name::Dagx => dagx::Dagx::open(threads).map(boxed),
        Name::Dagrs => dagrs::Dagrs::open(threads).map(boxed),
        Name::Taskflow => taskflow::Taskflow::open(taskflow, threads).map(boxed),
    };
    opened.with_context(|| format!("{} cannot be used", name.text()))
}

fn boxed<P: Peer + 'static>(peer: P) -> Box<dyn Peer> {
    Box::new(peer)
}

/// So many threads, and no more: what peers have to coordinate runs on them as well, as a task. A coordinator on the
/// thread that waits would be one thread more, and wake another one for every node of a chain.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).build()?)
}

#[cfg(test)]
mod tests;
