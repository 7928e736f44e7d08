//! The floor: one thread calls a function for each node, in topological order.

use super::{Name, Peer};
use crate::trial::{Check, Trial};
use anyhow::Result;
use std::hint::black_box;
use std::time::Duration;

type Body = fn(&Trial, u32);

pub(crate) struct Sequential;

impl Peer for Sequential {
    fn name(&self) -> Name {
        Name::Sequential
    }

    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
        let bodies: Vec<(Body, u32)> =
            trial.graph.nodes().map(|node| (black_box(Trial::visit as Body), node)).collect();
        trial.time(check, || {
            bodies.iter().for_each(|(body, node)| body(trial, *node));
            Ok(())
        })
    }
}
