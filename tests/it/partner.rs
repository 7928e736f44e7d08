//! What host and plugin do together during a call: the same in the host's process and in workers.
#![cfg(target_os = "linux")]

mod heartbeats;
mod sessions;

use jackfield::{Config, Isolation, Value, json};
use jackfield_tests::Bench;
use std::time::Duration;

/// Where the plugins of a bench run.
const BOTH: [Isolation; 2] = [Isolation::InProcess, Isolation::Worker];

/// A bench whose plugins all run there; `change` has the last word.
fn bench_with(
    isolation: Isolation,
    plugins: &[&str],
    change: impl FnOnce(&mut Config) + Send + 'static,
) -> Bench {
    Bench::with(plugins, move |builder| {
        let mut config = Config::default();
        config.isolation.default = Some(isolation);
        config.engine.cancel_grace = Some(Duration::from_millis(200));
        config.engine.shutdown_grace = Some(Duration::ZERO);
        change(&mut config);
        builder.config(config)
    })
}

fn bench(isolation: Isolation, plugins: &[&str]) -> Bench {
    bench_with(isolation, plugins, |_| ())
}

/// A call of `PLUGIN.METHOD` as a step, with more fields.
fn step(id: &str, method: &str, parameters: Value, more: Value) -> Value {
    let (plugin, method) = method.split_once('.').expect("it is PLUGIN.METHOD");
    let mut step = json!({ "id": id, "plugin": plugin, "method": method, "parameters": parameters });
    let fields = step.as_object_mut().expect("it is an object");
    fields.extend(more.as_object().cloned().unwrap_or_default());
    step
}

fn steps(steps: Vec<Value>) -> Value {
    json!({ "id": "w", "steps": steps })
}
