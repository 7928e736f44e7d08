//! tokio without a coordinator: a task that has run spawns one for each node that waited for it alone.

use super::{Name, Peer, runtime};
use crate::trial::{Check, Trial};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

pub(crate) struct Spawning {
    runtime: Runtime,
}

/// Knows when all has run: when all leaves have.
struct Ending {
    leaves: AtomicUsize,
    ended: Notify,
}

impl Spawning {
    pub(crate) fn open(threads: usize) -> Result<Self> {
        Ok(Self { runtime: runtime(threads)? })
    }
}

impl Peer for Spawning {
    fn name(&self) -> Name {
        Name::Tokio
    }

    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
        let roots: Vec<u32> = trial.graph.roots().collect();
        let leaves = AtomicUsize::new(trial.graph.leaves().count());
        let ending = Arc::new(Ending { leaves, ended: Notify::new() });
        trial.time(check, || {
            let all = async move {
                roots.into_iter().for_each(|root| spawn(trial, root, &ending));
                ending.ended.notified().await;
            };
            self.runtime.block_on(self.runtime.spawn(all)).context("a task panicked")
        })
    }
}

fn spawn(trial: &'static Trial, node: u32, ending: &Arc<Ending>) {
    let ending = ending.clone();
    tokio::spawn(async move {
        trial.visit(node);
        let successors = trial.graph.successors(node);
        if successors.is_empty() && ending.leaves.fetch_sub(1, Ordering::AcqRel) == 1 {
            ending.ended.notify_one();
        }
        successors.iter().filter(|next| trial.release(**next)).for_each(|next| spawn(trial, *next, &ending));
    });
}
