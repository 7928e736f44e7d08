//! What a step costs from a JSON document to its record, with a real plugin method that does nothing. The plugin
//! libraries come from `cargo build --release --workspace`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jackfield::{Config, Host, Isolation, Workflow, json};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Steps of the graphs that are run.
const STEPS: usize = 10_000;
/// Steps of the document that is only compiled.
const DOCUMENT_STEPS: usize = 1_000;

fn host(data_dir: &tempfile::TempDir) -> Host {
    let exe = std::env::current_exe().expect("a running program has a file");
    let plugins: PathBuf = exe.ancestors().nth(2).expect("benches stand two folders below").to_path_buf();
    let mut config = Config::default();
    config.isolation.default = Some(Isolation::InProcess);
    let builder = Host::builder().config(config).plugin_path(plugins).data_dir(data_dir.path());
    builder.build().expect("the host can be built")
}

fn step(id: usize, dependencies: &[usize]) -> Value {
    let mut step = json!({ "id": format!("s{id}"), "plugin": "echo", "method": "noop" });
    if !dependencies.is_empty() {
        step["dependencies"] = dependencies.iter().map(|id| format!("s{id}")).collect();
    }
    step
}

fn document(mode: &str, steps: Vec<Value>) -> String {
    json!({ "id": "bench", "mode": mode, "steps": steps, "output": null }).to_string()
}

fn chain(steps: usize) -> String {
    let of = |id: usize| if id == 0 { step(id, &[]) } else { step(id, &[id - 1]) };
    document("parallel", (0..steps).map(of).collect())
}

fn fan(steps: usize) -> String {
    document("parallel", (0..steps).map(|id| step(id, &[])).collect())
}

/// Layers of 100 steps; each step waits for three of the layer before.
fn layered(steps: usize) -> String {
    const WIDTH: usize = 100;
    let of = |id: usize| match id.checked_sub(WIDTH) {
        None => step(id, &[]),
        Some(above) => {
            let layer = above - above % WIDTH;
            step(id, &[layer + above % WIDTH, layer + (above + 1) % WIDTH, layer + (above + 7) % WIDTH])
        }
    };
    document("parallel", (0..steps).map(of).collect())
}

fn run(host: &Host, workflow: &Workflow) {
    let run = host.start(workflow, json!({})).expect("the run starts");
    let outcome = run.wait(Some(Duration::from_secs(60))).expect("the run ends");
    assert!(outcome.is_completed(), "the run did not complete");
    host.forget(run.id()).expect("a run that has ended can be forgotten");
}

fn benches(criterion: &mut Criterion) {
    let data_dir = tempfile::tempdir().expect("there is room for a folder");
    let host = host(&data_dir);
    let mut group = criterion.benchmark_group("run");
    group.throughput(Throughput::Elements(STEPS as u64)).sample_size(20);
    for (shape, document) in [("chain", chain(STEPS)), ("fan", fan(STEPS)), ("layered", layered(STEPS))] {
        let workflow = host.parse(&document).expect("the document is right");
        group.bench_function(shape, |bencher| bencher.iter(|| run(&host, &workflow)));
    }
    group.finish();
    let mut group = criterion.benchmark_group("definition");
    group.throughput(Throughput::Elements(DOCUMENT_STEPS as u64));
    let document = layered(DOCUMENT_STEPS);
    group.bench_function("json_to_plan", |bencher| bencher.iter(|| host.parse(&document)));
    group.finish();
    host.shutdown();
}

criterion_group!(all, benches);
criterion_main!(all);
