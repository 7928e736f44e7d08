//! What workers and the registry cost beside calls: a crash until the next call has succeeded, finding a thousand plugins
//! again, and the copies that a large call consists of. The plugin library comes from `cargo build --release --workspace`.

use criterion::{Criterion, criterion_group, criterion_main};
use jackfield::{Config, Host, Isolation, RunStatus, Transport, Value, Workflow, json};
use jackfield_tests::compile_c;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Plugins that are found.
const PLUGINS: usize = 1_000;

fn built() -> PathBuf {
    let exe = std::env::current_exe().expect("a running program has a file");
    exe.ancestors().nth(2).expect("benches stand two folders below").to_path_buf()
}

fn workflow(host: &Host, method: &str, parameters: Value) -> Workflow {
    let step = json!({ "id": "a", "plugin": "fault", "method": method, "parameters": parameters });
    host.parse(&json!({ "id": "w", "steps": [step] }).to_string()).expect("it is right")
}

/// From the failure of a call that ended its worker to the result of the next one, which has another worker.
fn restart(criterion: &mut Criterion) {
    for transport in [Transport::Socket, Transport::SharedMemory] {
        let data_dir = tempfile::tempdir().expect("there is room for a folder");
        let plugins = data_dir.path().join("plugins");
        fs::create_dir(&plugins).expect("it is new");
        let library =
            format!("{}jackfield_plugin_fault{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        fs::copy(built().join(&library), plugins.join(&library)).expect("the plugins are built");
        let mut config = Config::default();
        config.isolation.default = Some(Isolation::Worker);
        config.isolation.workers.crash_budget = Some(u32::MAX);
        config.plugins.entry("fault".into()).or_default().transport = Some(transport);
        let builder = Host::builder().config(config).plugin_path(plugins).data_dir(data_dir.path());
        let host =
            builder.worker_path(built().join("jackfield-worker")).build().expect("the host can be built");
        let crash = workflow(&host, "segfault", json!({}));
        let next = workflow(&host, "oversize", json!({ "bytes": 5 }));
        let run = |workflow: &Workflow| {
            let run = host.start(workflow, json!({})).expect("it can be started");
            run.wait(None).expect("it ends").status == RunStatus::Completed
        };
        criterion.bench_function(&format!("workers/restart_{transport:?}"), |bencher| {
            bencher.iter_custom(|times| {
                let mut taken = Duration::ZERO;
                for _ in 0..times {
                    assert!(!run(&crash), "it ends its worker");
                    let begun = Instant::now();
                    assert!(run(&next), "another worker serves it");
                    taken += begun.elapsed();
                }
                taken
            });
        });
        host.shutdown();
    }
}

/// Compiles one plugin, and writes it down under many names.
fn write_plugins(directory: &Path) {
    const NAME: &[u8] = b"plugin-0000";
    let first = directory.join("first");
    compile_c(
        "tests/fixtures/counter.c",
        &first,
        &[("NAME", "\"plugin-0000\""), ("METHOD", "\"next\""), ("VERSION", "\"1.0.0\"")],
    );
    let bytes = fs::read(&first).expect("it was compiled");
    fs::remove_file(&first).expect("it is there");
    let places: Vec<usize> =
        (0..bytes.len() - NAME.len()).filter(|at| bytes[*at..].starts_with(NAME)).collect();
    for nth in 0..PLUGINS {
        let mut bytes = bytes.clone();
        for at in &places {
            bytes[*at..at + NAME.len()].copy_from_slice(format!("plugin-{nth:04}").as_bytes());
        }
        let file = format!("plugin-{nth:04}{}", std::env::consts::DLL_SUFFIX);
        fs::write(directory.join(file), bytes).expect("there is room");
    }
}

/// Building a host that has seen its plugins before.
fn discover(criterion: &mut Criterion) {
    let data_dir = tempfile::tempdir().expect("there is room for a folder");
    let plugins = data_dir.path().join("plugins-to-find");
    fs::create_dir(&plugins).expect("it is new");
    write_plugins(&plugins);
    let host = || {
        let builder = Host::builder().config(Config::default()).plugin_path(&plugins);
        builder.data_dir(data_dir.path()).build().expect("the host can be built")
    };
    // a stamp counts once it is some time old
    std::thread::sleep(Duration::from_secs(3));
    for _ in 0..2 {
        assert_eq!(host().plugins().len(), PLUGINS);
    }
    criterion.bench_function("workers/discover_1000", |bencher| {
        bencher.iter_with_large_drop(host);
    });
}

/// Four copies of 64 KiB: into memory between two threads and out of it, there and back. A call into a worker that copies what
/// it shares before looking at it cannot be faster.
fn copies(criterion: &mut Criterion) {
    const BYTES: usize = 64 << 10;
    /// Whose turn it is: an even number is the caller's.
    static TURN: AtomicU64 = AtomicU64::new(0);
    static SHARED: Mutex<[u8; BYTES]> = Mutex::new([0; BYTES]);
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    let wait_for = |is_mine: fn(u64) -> bool| {
        while !is_mine(TURN.load(Ordering::Acquire)) && !IS_OVER.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    };
    let copy_in = |own: &[u8]| SHARED.lock().expect("nobody panics").copy_from_slice(own);
    let copy_out = |own: &mut [u8]| own.copy_from_slice(&*SHARED.lock().expect("nobody panics"));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut own = vec![0; BYTES];
            while !IS_OVER.load(Ordering::Relaxed) {
                wait_for(|turn| turn % 2 == 1);
                copy_out(&mut own);
                copy_in(&own);
                TURN.fetch_add(1, Ordering::Release);
            }
        });
        let mut own = vec![7; BYTES];
        criterion.bench_function("workers/copies_64k", |bencher| {
            bencher.iter(|| {
                copy_in(&own);
                TURN.fetch_add(1, Ordering::Release);
                wait_for(|turn| turn % 2 == 0);
                copy_out(&mut own);
            });
        });
        IS_OVER.store(true, Ordering::Relaxed);
    });
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(20);
    targets = restart, discover, copies
}
criterion_main!(all);
