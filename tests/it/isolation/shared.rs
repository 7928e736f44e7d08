//! Memory that is shared with a worker: what a worker can do with it that it cannot do with a socket, and what the setting
//! says where it means nothing.

use super::{bench_with, put_witness, step, steps, with};
use jackfield::{Config, Host, Transport, json};
use jackfield_tests::{Bench, compile_c};

/// A bench with the plugin `liar`, which can see its own mappings.
fn bench(transport: Transport) -> Bench {
    let bench = bench_with(&["echo"], move |config| {
        config.isolation.workers.crash_budget = Some(1_000);
        let text = "[plugins.liar]\nsandbox = 'off'";
        config.plugins.extend(Config::parse(text).expect("it is right").plugins);
        config.plugins.get_mut("liar").expect("it was put there").transport = Some(transport);
    });
    compile_c("tests/fixtures/scribbler.c", &bench.plugin_file("liar"), &[("_REENTRANT", "1")]);
    bench
}

/// Calls a method until a call is failed because of what its worker did.
#[track_caller]
fn found_out(bench: &Bench, method: &str) -> String {
    for _ in 0..200 {
        // large enough for the shared memory in either direction
        let call = with(step("a", method), "parameters", json!({ "text": "x".repeat(100_000) }));
        let finished = bench.run(steps(vec![with(call, "timeout", "500ms")]), json!({}));
        let Some(error) = &finished.report.error else {
            // what was taken is whole, whatever is written into the memory meanwhile
            assert_eq!(finished.output().as_str().map(str::len), Some(99_998), "{method}");
            continue;
        };
        assert_ne!(&*error.kind, "liar.blind", "{error:?}");
        if &*error.kind == "plugin.crash" {
            return error.message.to_string();
        }
        // a position that is written back to what it was hides what came in between: such a call does not return
        assert_eq!(&*error.kind, "timeout", "{error:?}");
    }
    panic!("`{method}` was never found out");
}

#[test]
fn a_worker_that_writes_impossible_positions_is_ended_and_the_host_goes_on() {
    for transport in [Transport::Socket, Transport::SharedMemory] {
        for method in ["liar.ahead", "liar.behind"] {
            let bench = bench(transport);
            let message = found_out(&bench, method);
            assert!(message.contains("positions in the shared memory cannot be"), "{method}: {message}");
            let next = bench.run(steps(vec![step("a", "liar.honest")]), json!({})).completed();
            assert_eq!(next.output().as_str().map(str::len), Some(99_998));
        }
    }
}

#[test]
fn rubbish_in_the_shared_memory_costs_its_own_calls_and_nothing_else() {
    for transport in [Transport::Socket, Transport::SharedMemory] {
        let bench = bench(transport);
        for _ in 0..30 {
            // rubbish may also look like the begin of something long, of which the rest never comes
            let call = with(step("a", "liar.rubbish"), "timeout", "500ms");
            let finished = bench.run(steps(vec![call]), json!({}));
            match &finished.report.error {
                Some(error) => {
                    let kinds = ["plugin.crash", "validation", "payload.too_large", "timeout"];
                    assert!(kinds.contains(&&*error.kind), "{error:?}");
                }
                // bytes of a text may be others, but it is a text, and checked after it was taken
                None => assert!(finished.output().is_string()),
            }
            let healthy = with(step("a", "echo.echo"), "parameters", json!({ "n": 1 }));
            assert_eq!(bench.run(steps(vec![healthy]), json!({})).completed().output()["n"], 1);
        }
    }
}

#[test]
fn what_is_said_of_workers_has_the_plugin_run_in_them_or_is_refused() {
    let bench = bench(Transport::SharedMemory);
    for (key, text) in [("workers", "{ max = 1 }"), ("transport", "'shared_memory'")] {
        let text = format!("[plugins.liar]\nisolation = 'in_process'\n{key} = {text}");
        let config = Config::parse(&text).unwrap();
        let built = Host::builder().data_dir(bench.data_dir()).config(config).build();
        let error = built.err().unwrap().to_string();
        assert!(error.contains(&format!("`{key}` of [plugins.liar] would have no effect")), "{error}");
        assert!(error.contains("isolation = \"worker\""), "{error}");
    }
    put_witness(&bench, &[]);
    let parent = |keys: &str| {
        bench.write(
            "jackfield.toml",
            format!("[isolation]\ndefault = 'in_process'\n[plugins.witness]\n{keys}"),
        );
        bench.cli(&["plugin", "call", "witness.where"]).exits(0).json()["parent"].clone()
    };
    assert_eq!(parent(""), std::process::id(), "it runs in the command, which this process has started");
    for keys in ["workers = { max = 1 }", "transport = 'socket'", "transport = 'shared_memory'"] {
        assert_ne!(parent(keys), std::process::id(), "{keys}");
    }
}
