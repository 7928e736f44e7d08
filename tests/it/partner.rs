//! What host and plugin do together during a call: the same in the host's process and in workers.
#![cfg(target_os = "linux")]

mod cancels;
mod features;
mod heartbeats;
mod peers;
mod sessions;
mod traces;
mod unclean;
mod upgrades;

use jackfield::{Config, Isolation, LogLevel, RunListener, Value, json};
use jackfield_tests::Bench;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Far longer than a call takes that stops when it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// Where the plugins of a bench run.
const BOTH: [Isolation; 2] = [Isolation::InProcess, Isolation::Worker];

/// A bench whose plugins all run there; `change` has the last word.
fn bench_with(
    isolation: Isolation,
    plugins: &[&str],
    change: impl FnOnce(&mut Config) + Send + 'static,
) -> Bench {
    Bench::with(plugins, move |builder| builder.config(config(isolation, change)))
}

/// A bench whose methods' log lines are heard.
fn bench_that_tells(isolation: Isolation, plugins: &[&str], heard: &Arc<Heard>) -> Bench {
    let heard = Arc::clone(heard);
    Bench::with(plugins, move |builder| builder.config(config(isolation, |_| ())).listener(heard))
}

fn config(isolation: Isolation, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.isolation.default = Some(isolation);
    config.engine.cancel_grace = Some(GRACE);
    config.engine.shutdown_grace = Some(Duration::ZERO);
    change(&mut config);
    config
}

/// The log lines of methods: run, step, message.
#[derive(Default)]
struct Heard(Mutex<BTreeSet<String>>);

impl Heard {
    #[track_caller]
    fn wait_for(&self, line: &str) {
        crate::isolation::wait_until(line, || self.0.lock().expect("no test panics here").contains(line));
    }
}

impl RunListener for Heard {
    fn log(&self, run_id: &str, step: &str, _: LogLevel, message: &str, _: &str) {
        let line = format!("{run_id} {step} {message}");
        self.0.lock().expect("no test panics here").insert(line);
    }

    fn progress(&self, _: &str, _: &str, _: f64, _: &str) {}

    fn output_line(&self, _: &str, _: &str, _: bool, _: &str) {}
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
