//! rayon: a scope in which a node that has run spawns those that waited for it alone.

use super::{Name, Peer};
use crate::trial::{Check, Trial};
use anyhow::Result;
use rayon::{Scope, ThreadPool, ThreadPoolBuilder};
use std::time::Duration;

pub(crate) struct Rayon {
    pool: ThreadPool,
}

impl Rayon {
    pub(crate) fn open(threads: usize) -> Result<Self> {
        Ok(Self { pool: ThreadPoolBuilder::new().num_threads(threads).build()? })
    }
}

impl Peer for Rayon {
    fn name(&self) -> Name {
        Name::Rayon
    }

    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
        let roots: Vec<u32> = trial.graph.roots().collect();
        trial.time(check, || {
            self.pool.scope(|scope| roots.iter().for_each(|root| spawn(scope, trial, *root)));
            Ok(())
        })
    }
}

fn spawn(scope: &Scope<'_>, trial: &'static Trial, node: u32) {
    scope.spawn(move |scope| {
        trial.visit(node);
        let ready = trial.graph.successors(node).iter().filter(|next| trial.release(**next));
        ready.for_each(|next| spawn(scope, trial, *next));
    });
}
