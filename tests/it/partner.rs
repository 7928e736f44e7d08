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

use jackfield::{Config, Isolation, LogLevel, RunListener, Transport, Value, json};
use jackfield_tests::Bench;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Far longer than a call takes that stops when it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// Where the plugins of a bench run.
const BOTH: [Isolation; 2] = [Isolation::InProcess, Isolation::Worker];

/// Where plugins run, and how workers are reached.
#[derive(Clone, Copy, Debug)]
enum Place {
    InProcess,
    Worker,
    WorkerBySharedMemory,
}

/// All of them.
const EVERYWHERE: [Place; 3] = [Place::InProcess, Place::Worker, Place::WorkerBySharedMemory];

/// Plugins that are reached by shared memory where that is asked for.
const BY_SHARED_MEMORY: [&str; 8] =
    ["partner", "echo", "fault", "json", "witness", "mirror", "slow-cancel", "counter"];

impl From<Isolation> for Place {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::InProcess => Self::InProcess,
            Isolation::Worker => Self::Worker,
        }
    }
}

/// A bench whose plugins all run there; `change` has the last word.
fn bench_with(
    place: impl Into<Place>,
    plugins: &[&str],
    change: impl FnOnce(&mut Config) + Send + 'static,
) -> Bench {
    let place = place.into();
    Bench::with(plugins, move |builder| builder.config(config(place, change)))
}

/// A bench whose methods' log lines are heard.
fn bench_that_tells(place: impl Into<Place>, plugins: &[&str], heard: &Arc<Heard>) -> Bench {
    let (heard, place) = (Arc::clone(heard), place.into());
    Bench::with(plugins, move |builder| builder.config(config(place, |_| ())).listener(heard))
}

fn config(place: impl Into<Place>, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    let place = place.into();
    config.isolation.default = match place {
        Place::InProcess => Some(Isolation::InProcess),
        Place::Worker | Place::WorkerBySharedMemory => Some(Isolation::Worker),
    };
    if let Place::WorkerBySharedMemory = place {
        for plugin in BY_SHARED_MEMORY {
            config.plugins.entry(plugin.into()).or_default().transport = Some(Transport::SharedMemory);
        }
    }
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

fn bench(place: impl Into<Place>, plugins: &[&str]) -> Bench {
    bench_with(place, plugins, |_| ())
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
