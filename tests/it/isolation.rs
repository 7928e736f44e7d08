//! Plugins in worker processes: what a plugin does to its process costs one step and never the host.
#![cfg(target_os = "linux")]

mod crashes;
mod fault;
mod processes;
mod rules;
mod sandbox;
mod shared;
mod soak;
mod talk;

use jackfield::{Config, Isolation, Transport, Value, json};
use jackfield_tests::{Bench, compile_c};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a test waits for something that ought to happen soon.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A bench whose plugins run in workers, except `echo`; `change` has the last word.
fn bench_with(plugins: &[&str], change: impl FnOnce(&mut Config) + Send + 'static) -> Bench {
    Bench::with(plugins, |builder| builder.config(isolated(change)))
}

/// Makes functions tests, each over both transports.
macro_rules! over_both {
    ($($name:ident),+ $(,)?) => {
        mod over_socket {
            $(#[test] fn $name() { super::$name(jackfield::Transport::Socket); })+
        }
        mod over_shared_memory {
            $(#[test] fn $name() { super::$name(jackfield::Transport::SharedMemory); })+
        }
    };
}
use over_both;

/// The same for a change of the configuration: the plugins of these tests are reached this way.
fn over(transport: Transport, change: impl FnOnce(&mut Config)) -> impl FnOnce(&mut Config) {
    move |config| {
        for plugin in ["fault", "witness"] {
            config.plugins.entry(plugin.to_owned()).or_default().transport = Some(transport);
        }
        change(config);
    }
}

fn bench(plugins: &[&str]) -> Bench {
    bench_with(plugins, |_| ())
}

fn isolated(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::parse("[plugins.echo]\nisolation = \"in_process\"").expect("it is right");
    config.isolation.default = Some(Isolation::Worker);
    config.engine.cancel_grace = Some(Duration::from_millis(200));
    config.engine.shutdown_grace = Some(Duration::ZERO);
    change(&mut config);
    config
}

/// Puts the plugin `witness`, which says which process it runs in, on a bench.
fn put_witness(bench: &Bench, defines: &[(&str, &str)]) {
    compile_c("tests/fixtures/witness.c", &bench.plugin_file("witness"), defines);
}

fn step(id: &str, method: &str) -> Value {
    let (plugin, method) = method.split_once('.').expect("it is PLUGIN.METHOD");
    json!({ "id": id, "plugin": plugin, "method": method })
}

fn with(mut step: Value, name: &str, value: impl Into<Value>) -> Value {
    step[name] = value.into();
    step
}

fn steps(steps: Vec<Value>) -> Value {
    json!({ "id": "w", "steps": steps })
}

/// The processes that have a library of this bench open, apart from this one.
pub(crate) fn workers(dir: &Path) -> Vec<u32> {
    let store = dir.join("data/plugins/store");
    let store = store.to_str().expect("the target directory is text");
    let pid = |item: fs::DirEntry| item.file_name().to_str()?.parse::<u32>().ok();
    let all = fs::read_dir("/proc").expect("it is there").filter_map(|item| pid(item.ok()?));
    let others = all.filter(|pid| *pid != std::process::id());
    others
        .filter(|pid| fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains(store)))
        .collect()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < WAIT_MAX, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[track_caller]
fn wait_until_gone(bench: &Bench) {
    wait_until("all workers are gone", || workers(bench.dir()).is_empty());
}
