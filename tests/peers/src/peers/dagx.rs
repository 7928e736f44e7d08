//! dagx: typed tasks, one type for each number of dependencies. Its graphs run once, so each run has one of its own.

use super::{Name, Peer, runtime};
use crate::trial::{Check, Trial};
use anyhow::{Context, Result, bail};
use dagx::{DagRunner, Task, TaskHandle, task};
use std::time::Duration;
use tokio::runtime::Runtime;

pub(crate) struct Dagx {
    runtime: Runtime,
}

impl Dagx {
    pub(crate) fn open(threads: usize) -> Result<Self> {
        Ok(Self { runtime: runtime(threads)? })
    }
}

impl Peer for Dagx {
    fn name(&self) -> Name {
        Name::Dagx
    }

    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
        let dag = graph(trial)?;
        let mut used = None;
        let took = trial.time(check, || {
            let run = async move { (dag.run(|task| drop(tokio::spawn(task))).await, dag) };
            let (outcome, dag) = self.runtime.block_on(self.runtime.spawn(run)).context("dagx panicked")?;
            used = Some(dag);
            outcome.context("dagx failed")
        });
        drop(used);
        took
    }
}

fn graph(trial: &'static Trial) -> Result<DagRunner> {
    let dag = DagRunner::new();
    let mut handles: Vec<TaskHandle<u8>> = Vec::with_capacity(trial.graph.len());
    for node in trial.graph.nodes() {
        let of = |dependency: &u32| &handles[*dependency as usize];
        let handle = match trial.graph.dependencies(node) {
            [] => dag.add_task(Root { trial, node }).into(),
            [a] => dag.add_task(AfterOne { trial, node }).depends_on(of(a)),
            [a, b] => dag.add_task(AfterTwo { trial, node }).depends_on((of(a), of(b))),
            [a, b, c] => dag.add_task(AfterThree { trial, node }).depends_on((of(a), of(b), of(c))),
            more => bail!("node {node} has {} dependencies and there is no task type for that", more.len()),
        };
        handles.push(handle);
    }
    Ok(dag)
}

struct Root {
    trial: &'static Trial,
    node: u32,
}

#[task]
impl Root {
    async fn run(&mut self) -> u8 {
        self.trial.visit(self.node);
        0
    }
}

struct AfterOne {
    trial: &'static Trial,
    node: u32,
}

#[task]
impl AfterOne {
    async fn run(&mut self, _a: &u8) -> u8 {
        self.trial.visit(self.node);
        0
    }
}

struct AfterTwo {
    trial: &'static Trial,
    node: u32,
}

#[task]
impl AfterTwo {
    async fn run(&mut self, _a: &u8, _b: &u8) -> u8 {
        self.trial.visit(self.node);
        0
    }
}

struct AfterThree {
    trial: &'static Trial,
    node: u32,
}

#[task]
impl AfterThree {
    async fn run(&mut self, _a: &u8, _b: &u8, _c: &u8) -> u8 {
        self.trial.visit(self.node);
        0
    }
}
