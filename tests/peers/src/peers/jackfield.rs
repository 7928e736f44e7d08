//! Jackfield as an application has it: a host, a checked document, a plugin library, and the history of the run.

use super::{Name, Peer};
use crate::graph::Graph;
use crate::trial::{self, Check, Trial};
use anyhow::{Context, Result, bail, ensure};
use jackfield::{Config, EventKind, Host, HostBuilder, Isolation, Run, Workflow, json};
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a run may take.
const RUN_MAX: Duration = Duration::from_secs(120);

/// Where `echo.noop` comes from.
pub(crate) type HostSource<'a> = dyn Fn(HostBuilder) -> Result<HostBuilder> + 'a;

pub(crate) struct Jackfield {
    host: Host,
    /// By shape and size.
    workflows: HashMap<(&'static str, usize), Workflow>,
    _data_dir: TempDir,
}

impl Jackfield {
    pub(crate) fn open(source: &HostSource<'_>, threads: usize) -> Result<Self> {
        let data_dir = tempfile::tempdir()?;
        let mut config = Config::default();
        config.isolation.default = Some(Isolation::InProcess);
        let builder = Host::builder().config(config).threads(threads).data_dir(data_dir.path());
        let host = source(builder)?.build()?;
        Ok(Self { host, workflows: HashMap::new(), _data_dir: data_dir })
    }

    fn workflow(&mut self, graph: &Graph) -> Result<Workflow> {
        let key = (graph.shape.name(), graph.len());
        if let Some(known) = self.workflows.get(&key) {
            return Ok(known.clone());
        }
        let workflow = self.host.parse(&document(graph))?;
        self.workflows.insert(key, workflow.clone());
        Ok(workflow)
    }
}

impl Peer for Jackfield {
    fn name(&self) -> Name {
        Name::Jackfield
    }

    fn run(&mut self, trial: &'static Trial, _: Check) -> Result<Duration> {
        let workflow = self.workflow(&trial.graph)?;
        let started = Instant::now();
        let run = self.host.start(&workflow, json!({}))?;
        let outcome = run.wait(Some(RUN_MAX));
        let took = started.elapsed();
        let outcome = outcome.with_context(|| format!("the run goes on after {RUN_MAX:?}"))?;
        ensure!(outcome.is_completed(), "the run ended as {}", outcome.status.as_str());
        verify(&trial.graph, &run)?;
        self.host.forget(run.id())?;
        Ok(took)
    }
}

impl Drop for Jackfield {
    fn drop(&mut self) {
        self.host.shutdown();
    }
}

fn document(graph: &Graph) -> String {
    let step = |node: u32| {
        let mut step = json!({ "id": format!("s{node}"), "plugin": "echo", "method": "noop" });
        let dependencies = graph.dependencies(node);
        if !dependencies.is_empty() {
            step["dependencies"] = dependencies.iter().map(|id| format!("s{id}")).collect();
        }
        step
    };
    let steps: Vec<Value> = graph.nodes().map(step).collect();
    json!({ "id": "peers", "mode": "parallel", "steps": steps, "output": null }).to_string()
}

/// That the history tells of one attempt of every step, after those of its dependencies.
fn verify(graph: &Graph, run: &Run) -> Result<()> {
    let mut places = vec![0; graph.len()];
    let (mut next_seq, mut place) = (0, 0);
    loop {
        let events = run.wait_records(next_seq, Duration::ZERO);
        let Some(last) = events.last() else { break };
        next_seq = last.seq + 1;
        for event in events.iter().filter(|event| event.event == EventKind::StepCompleted) {
            let path = event.step.as_deref().context("a completed step has a path")?;
            let node: usize = path.strip_prefix('s').unwrap_or(path).parse()?;
            place += 1;
            let earlier = std::mem::replace(&mut places[node], place);
            ensure!(earlier == 0 && event.attempt == 1, "step `{path}` ran more than once");
        }
    }
    if let Some(missing) = places.iter().position(|place| *place == 0) {
        bail!("step `s{missing}` of {} did not run", graph.len());
    }
    trial::verify_order(graph, &places)
}
