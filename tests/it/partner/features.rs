//! A worker program that is older than its host: what both know works, and what only the host knows is refused by name.

use super::{config, step, steps};
use jackfield::{Isolation, json};
use jackfield_tests::{Bench, Counter, compile_program};

#[test]
fn an_older_worker_program_serves_everything_but_heartbeats() {
    let bench = Bench::with(&[], |builder| builder.config(config(Isolation::Worker, |_| ())));
    Counter::new("counter", "1.0.0").compile(&bench.plugin_file("counter"));
    let program = bench.dir().join("old-worker");
    compile_program("tests/fixtures/old_worker.c", &program);
    let old = Bench::with(&[], {
        let plugins = bench.plugin_dir();
        move |builder| {
            let builder = builder.config(config(Isolation::Worker, |_| ()));
            builder.plugin_path(plugins).worker_path(program)
        }
    });
    let run = |more| old.run(steps(vec![step("a", "counter.next", json!({}), more)]), json!({}));
    assert_eq!(run(json!({ "session": "s" })).completed().output(), "old");
    let refused = run(json!({ "heartbeat_timeout": "1m" }));
    let error = refused.error();
    assert_eq!((&*error.kind, error.attempts), ("plugin.unavailable", 1));
    assert!(error.message.contains("passes no heartbeats on"), "{error:?}");
    assert_eq!(run(json!({})).completed().output(), "old", "it goes on");
}
