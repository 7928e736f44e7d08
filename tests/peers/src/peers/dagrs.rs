//! dagrs: all nodes start at once, and order comes from what they receive, so a node waits for a message from each
//! dependency and sends one to each successor.

use super::{Name, Peer, runtime};
use crate::trial::{Check, Trial};
use anyhow::{Context, Result, ensure};
use dagrs::async_trait::async_trait;
use dagrs::{
    Action, Content, DagrsError, DefaultNode, EnvVar, ErrorCode, Graph, InChannels, Node, NodeTable,
    OutChannels, Output,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

pub(crate) struct Dagrs {
    runtime: Runtime,
}

impl Dagrs {
    pub(crate) fn open(threads: usize) -> Result<Self> {
        Ok(Self { runtime: runtime(threads)? })
    }
}

impl Peer for Dagrs {
    fn name(&self) -> Name {
        Name::Dagrs
    }

    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
        let mut graph = graph(trial)?;
        let mut used = None;
        let took = trial.time(check, || {
            let run = async move { (graph.async_start().await, graph) };
            let (report, graph) = self.runtime.block_on(self.runtime.spawn(run)).context("dagrs panicked")?;
            used = Some(graph);
            let report = report.context("dagrs failed")?;
            ensure!(report.node_failed == 0, "dagrs says that {} nodes failed", report.node_failed);
            Ok(())
        });
        drop(used);
        took
    }
}

fn graph(trial: &'static Trial) -> Result<Graph> {
    let (mut table, mut graph) = (NodeTable::new(), Graph::new());
    let add = |node: u32| {
        let made = DefaultNode::with_action(format!("s{node}"), Visit { trial, node }, &mut table);
        let id = made.id();
        graph.add_node(made).map(|_| id)
    };
    let ids: Vec<_> = trial.graph.nodes().map(add).collect::<Result<_, _>>()?;
    for node in trial.graph.nodes() {
        let successors: Vec<_> =
            trial.graph.successors(node).iter().map(|next| ids[*next as usize]).collect();
        if !successors.is_empty() {
            graph.add_edge(ids[node as usize], successors)?;
        }
    }
    graph.set_env(EnvVar::new(table));
    Ok(graph)
}

struct Visit {
    trial: &'static Trial,
    node: u32,
}

#[async_trait]
impl Action for Visit {
    async fn run(&self, inputs: &mut InChannels, outputs: &mut OutChannels, _: Arc<EnvVar>) -> Output {
        let received = inputs.map(|message| message.is_ok()).await;
        if received.contains(&false) {
            return failed("a dependency sent nothing");
        }
        self.trial.visit(self.node);
        if outputs.broadcast(Content::new(())).await.iter().all(Result::is_ok) {
            Output::empty()
        } else {
            failed("a successor did not listen")
        }
    }
}

fn failed(why: &'static str) -> Output {
    Output::error(DagrsError::new(ErrorCode::DgRun0006NodeExecutionFailed, why))
}
