//! What a call through the loader costs beside a direct one. The plugin libraries come from
//! `cargo build --release --workspace`.

use criterion::{Criterion, criterion_group, criterion_main};
use jackfield_core::model::Isolation;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, Methods, StepAddress};
use jackfield_loader::{Registry, RegistryConfig};
use std::hint::black_box;

fn call(parameters: Payload) -> Call {
    Call::new(parameters, StepAddress::new("run", "step"))
}

fn benches(criterion: &mut Criterion) {
    let data_dir = tempfile::tempdir().expect("there is room for a folder");
    let exe = std::env::current_exe().expect("a running program has a file");
    let plugins = exe.ancestors().nth(2).expect("benches stand two folders below");
    let mut config = RegistryConfig::new(data_dir.path()).directory(plugins);
    config.isolation.default = Some(Isolation::InProcess);
    let registry = Registry::open(config).expect("plugins are found");
    registry.load(&["echo"]).expect("echo can be opened");
    let version = registry.catalog().versions("echo")[0].version.clone();
    let bind = |method: &str| registry.bind("echo", &version, method, None).expect("echo has the method");
    let mut group = criterion.benchmark_group("call");
    let nothing = call(Payload::trusted("{}"));
    let noop = bind("noop");
    group.bench_function("noop", |bencher| bencher.iter(|| noop.call(black_box(&nothing))));
    for bytes in [200, 64 * 1024, 1024 * 1024] {
        let text = Payload::encode(&serde_json::json!({ "text": "x".repeat(bytes - 11) }));
        let request = call(text.clone());
        let echo = bind("echo");
        group.bench_function(format!("echo_{bytes}"), |bencher| {
            bencher.iter(|| echo.call(black_box(&request)))
        });
        group.bench_function(format!("direct_copy_{bytes}"), |bencher| {
            bencher.iter(|| black_box(text.as_bytes()).to_vec());
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
