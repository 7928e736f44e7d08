//! What a worker may reach and use up is what the configuration grants its plugin.

use super::{bench_with, put_witness, step, steps, wait_until_gone, with, workers};
use jackfield::{Config, Failure, Host, Value, json};
use jackfield_tests::Bench;
use std::net::TcpListener;

/// A bench whose `fault` has these keys under `[plugins.fault]`.
fn bench(keys: &str) -> Bench {
    let text = format!("[plugins.fault]\n{keys}");
    bench_with(&["fault"], move |config| {
        config.plugins.extend(Config::parse(&text).expect("it is right").plugins);
    })
}

fn call(bench: &Bench, method: &str, parameters: Value) -> Result<Value, Failure> {
    let call = with(step("a", &format!("fault.{method}")), "parameters", parameters);
    let finished = bench.run(steps(vec![call]), json!({}));
    match finished.report.error.is_some() {
        true => Err(finished.step_error("a").clone()),
        false => Ok(finished.output().clone()),
    }
}

/// The step fails with what the system says, and is told which key would allow it.
#[track_caller]
fn refused(outcome: Result<Value, Failure>, says: &str, key: &str) {
    let failure = outcome.expect_err("it is not granted");
    assert!(failure.message.contains(says), "{failure:?}");
    let sandbox = &failure.details.value()["sandbox"];
    assert!(sandbox["keys"].as_array().is_some_and(|keys| keys.contains(&key.into())), "{failure:?}");
    let hint = sandbox["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("[plugins.fault]") && hint.contains(key), "{hint}");
}

#[test]
fn files_are_read_only_where_it_is_granted() {
    let none = bench("");
    let file = none.write("file", "12345");
    let read = |bench: &Bench| call(bench, "read_file", json!({ "path": file }));
    refused(read(&none), "Permission denied", "grant.fs.read");
    let directory = bench(&format!("grant = {{ fs = {{ read = [{:?}] }} }}", none.dir()));
    assert_eq!(read(&directory).unwrap(), json!({ "bytes": 5 }));
    refused(
        call(&directory, "read_file", json!({ "path": "/etc/passwd" })),
        "Permission denied",
        "grant.fs.read",
    );
    let off = bench("sandbox = 'off'");
    assert_eq!(read(&off).unwrap(), json!({ "bytes": 5 }));
}

#[test]
fn connections_are_made_only_with_net() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let connect = |bench: &Bench| call(bench, "connect", json!({ "addr": addr }));
    let none = bench("");
    refused(connect(&none), "Operation not permitted", "grant.net");
    refused(call(&none, "connect", json!({ "addr": "localhost:1" })), "name resolution", "grant.net");
    assert_eq!(connect(&bench("grant = { net = true }")).unwrap(), json!({ "peer": addr }));
}

#[test]
fn programs_are_run_and_processes_forked_only_with_exec() {
    let none = bench("");
    let spawn = |bench: &Bench| call(bench, "spawn", json!({ "argv": ["/bin/echo", "hello"] }));
    refused(spawn(&none), "cannot run `/bin/echo`", "grant.exec");
    refused(call(&none, "fork", json!({})), "cannot fork: Operation not permitted", "grant.exec");
    let granted = bench("grant = { exec = true }");
    assert_eq!(spawn(&granted).unwrap(), json!({ "code": 0, "stdout": "hello\n" }));
    let forked = u32::try_from(call(&granted, "fork", json!({})).unwrap()["pid"].as_u64().unwrap()).unwrap();
    assert!(workers(granted.dir()).contains(&forked));
    granted.host().shutdown();
    wait_until_gone(&granted);
}

#[test]
fn the_environment_has_what_is_granted() {
    let variable = |keys: &str| {
        let bench = bench(keys);
        let argv = ["/bin/sh", "-c", "printenv CARGO_MANIFEST_DIR || echo absent"];
        call(&bench, "spawn", json!({ "argv": argv })).unwrap()["stdout"].clone()
    };
    assert_eq!(variable("grant = { exec = true }"), "absent\n");
    assert_eq!(variable("sandbox = 'off'"), "absent\n");
    let granted = variable("grant = { exec = true, env = ['CARGO_MANIFEST_DIR'] }");
    assert_eq!(granted, format!("{}\n", std::env::var("CARGO_MANIFEST_DIR").unwrap()));
}

#[test]
fn memory_beyond_the_limit_costs_one_call_and_is_told() {
    let bench = bench("limits = { memory_bytes_max = 1073741824 }");
    let failure = call(&bench, "allocate", json!({ "bytes": 2_u64 << 30 })).unwrap_err();
    assert_eq!(&*failure.kind, "plugin.crash");
    let details = failure.details.value();
    assert_eq!((&details["plugin"], &details["signal_name"]), (&json!("fault"), &json!("SIGABRT")));
    assert!(
        details["last_lines"].to_string().contains("memory allocation of 2147483648 bytes failed"),
        "{details}"
    );
    assert_eq!(details["sandbox"]["keys"], json!(["limits.memory_bytes_max"]));
    assert_eq!(call(&bench, "allocate", json!({ "bytes": 1000 })).unwrap(), json!(1000));
}

#[test]
fn a_path_that_cannot_be_granted_fails_the_step_with_the_key_and_what_to_do() {
    let bench = bench("grant = { fs = { read = ['/nowhere/at/all'] } }");
    let failure = call(&bench, "allocate", json!({ "bytes": 1 })).unwrap_err();
    assert_eq!(&*failure.kind, "plugin.unavailable");
    for part in
        ["`/nowhere/at/all` of `grant.fs.read`", "Create it, or take it off the list", "[plugin.sandbox]"]
    {
        assert!(failure.message.contains(part), "{part} in {}", failure.message);
    }
}

#[test]
fn a_strange_plugin_in_c_needs_nothing_granted() {
    let bench = bench("");
    put_witness(&bench, &[]);
    let finished = bench.run(steps(vec![step("a", "witness.where")]), json!({})).completed();
    assert_ne!(finished.output()["pid"], std::process::id());
}

#[test]
fn relative_paths_of_the_configuration_are_taken_from_its_directory() {
    let bench = bench("");
    std::fs::create_dir(bench.dir().join("in")).unwrap();
    let file = bench.write("in/file", "123");
    let parameters = json!({ "path": file }).to_string();
    let call = ["plugin", "call", "fault.read_file", "--params", &parameters];
    bench.write("jackfield.toml", "[plugins.fault]\ngrant = { fs = { write = ['in'] } }");
    let refused = bench.cli(&call).exits(1);
    assert!(refused.stderr.contains("Permission denied"), "{}", refused.stderr);
    bench.write("jackfield.toml", "[plugins.fault]\ngrant = { fs = { read = ['in'] } }");
    assert_eq!(bench.cli(&call).exits(0).json(), json!({ "bytes": 3 }));
}

#[test]
fn what_would_not_be_enforced_is_refused() {
    let bench = bench("");
    for (key, text) in
        [("grant", "{ net = true }"), ("limits", "{ open_files_max = 99 }"), ("sandbox", "'required'")]
    {
        let text = format!("[plugins.fault]\nisolation = 'in_process'\n{key} = {text}");
        let config = Config::parse(&text).unwrap();
        let error =
            Host::builder().data_dir(bench.data_dir()).config(config).build().err().unwrap().to_string();
        assert!(error.contains(&format!("`{key}` of [plugins.fault] would not be enforced")), "{error}");
        assert!(error.contains("isolation = \"worker\""), "{error}");
    }
}
