//! The usual engine on tokio: a coordinator spawns what is ready into a `JoinSet`, and what a finished task leads to.

use super::{Name, Peer, runtime};
use crate::trial::{Check, Trial};
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

pub(crate) struct Coordinator {
    runtime: Runtime,
}

impl Coordinator {
    pub(crate) fn open(threads: usize) -> Result<Self> {
        Ok(Self { runtime: runtime(threads)? })
    }
}

impl Peer for Coordinator {
    fn name(&self) -> Name {
        Name::JoinSet
    }

    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
        let waits = trial.in_degrees().to_vec();
        trial.time(check, || {
            self.runtime
                .block_on(self.runtime.spawn(coordinate(trial, waits)))
                .context("the coordinator panicked")?
        })
    }
}

async fn coordinate(trial: &'static Trial, mut waits: Vec<u32>) -> Result<()> {
    let mut tasks = JoinSet::new();
    let spawn = |tasks: &mut JoinSet<u32>, node: u32| {
        tasks.spawn(async move {
            trial.visit(node);
            node
        });
    };
    trial.graph.roots().for_each(|root| spawn(&mut tasks, root));
    while let Some(ended) = tasks.join_next().await {
        for next in trial.graph.successors(ended.context("a task panicked")?) {
            let waits = &mut waits[*next as usize];
            *waits -= 1;
            if *waits == 0 {
                spawn(&mut tasks, *next);
            }
        }
    }
    Ok(())
}
