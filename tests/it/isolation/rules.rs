//! Who decides where a plugin runs.

use super::{put_witness, step, steps, with};
use jackfield::{Config, Host, Value, json};
use jackfield_tests::{Bench, bundled_plugin, jackfield_command, worker_program};
use std::fs;
use std::io::ErrorKind;

fn bench(config: &'static str) -> Bench {
    let bench = Bench::with(&[], move |builder| builder.config(Config::parse(config).expect("it is right")));
    put_witness(&bench, &[]);
    bench
}

fn runs_here(bench: &Bench, isolation: Option<&str>) -> bool {
    let step = step("a", "witness.where");
    let step = isolation.map_or(step.clone(), |isolation| with(step, "isolation", isolation));
    let finished = bench.run(steps(vec![step]), json!({})).completed();
    finished.output()["pid"] == std::process::id()
}

#[test]
fn a_step_goes_before_the_plugins_entry_and_that_before_the_default() {
    let strange = bench("");
    assert!(!runs_here(&strange, None), "a plugin that did not come with the program");
    let trusted = bench("[isolation]\ndefault = \"in_process\"");
    assert!(runs_here(&trusted, None));
    assert!(!runs_here(&trusted, Some("worker")));
    let entry = bench("[isolation]\ndefault = \"in_process\"\n[plugins.witness]\nisolation = \"worker\"");
    assert!(!runs_here(&entry, None));
    let trusted = bench("[isolation]\ndefault = \"worker\"\n[plugins.witness]\nisolation = \"in_process\"");
    assert!(runs_here(&trusted, Some("in_process")));
}

#[test]
fn a_step_takes_no_plugin_into_the_host_that_the_configuration_keeps_out() {
    for config in ["", "[plugins.witness]\nisolation = \"worker\"", "[isolation]\ndefault = \"worker\""] {
        let bench = bench(config);
        let here = with(step("a", "witness.where"), "isolation", "in_process");
        let workflow = bench.check(steps(vec![here]));
        let refused = bench.host().start(&workflow, json!({})).err().unwrap().to_string();
        assert!(refused.contains("`in_process`") && refused.contains("[plugins.witness]"), "{refused}");
    }
}

#[test]
fn steps_of_one_method_may_run_in_different_places() {
    let bench = bench("[isolation]\ndefault = \"in_process\"");
    let there = with(step("there", "witness.where"), "isolation", "worker");
    let finished = bench.run(steps(vec![step("here", "witness.where"), there]), json!({})).completed();
    let pid = |step: &str| finished.step_output(step)["pid"].clone();
    assert_eq!(pid("here"), std::process::id());
    assert_ne!(pid("there"), std::process::id());
}

#[test]
fn a_wish_of_the_plugin_counts_towards_a_worker_only() {
    for (wish, default, is_here) in [("worker", "in_process", false), ("in_process", "worker", false)] {
        let text: &'static str = format!("[isolation]\ndefault = \"{default}\"").leak();
        let bench =
            Bench::with(&[], move |builder| builder.config(Config::parse(text).expect("it is right")));
        put_witness(&bench, &[("ISOLATION", &format!("\"\\\"isolation\\\":\\\"{wish}\\\",\""))]);
        assert_eq!(runs_here(&bench, None), is_here, "{wish} {default}");
    }
}

#[test]
fn what_undoes_a_step_runs_where_it_says() {
    let bench = Bench::new(&["echo"]);
    put_witness(&bench, &[]);
    let undone = |isolation: Option<&str>| -> Value {
        let mut undo = json!({ "plugin": "witness", "method": "where" });
        if let Some(isolation) = isolation {
            undo["isolation"] = isolation.into();
        }
        let bad =
            json!({ "id": "bad", "type": "fail", "error": { "type": "so.that", "message": "it is undone" } });
        let finished =
            bench.run(steps(vec![with(step("a", "echo.noop"), "compensate", undo), bad]), json!({}));
        let event = finished.events.iter().find(|it| it.event == jackfield::EventKind::StepCompensated);
        json!(event.expect("it was undone").value)
    };
    assert_eq!(undone(None)["pid"], std::process::id());
    assert_ne!(undone(Some("worker"))["pid"], std::process::id());
}

#[test]
fn plugins_beside_the_program_run_in_it_and_others_do_not() {
    let bench = Bench::new(&[]);
    bench.write("jackfield.toml", "");
    put_witness(&bench, &[]);
    let program = bench.dir().join("jackfield");
    fs::copy(jackfield_command(), &program).unwrap();
    let call = |plugin_path: bool| -> Value {
        let mut command = std::process::Command::new(&program);
        command.current_dir(bench.dir()).args(["plugin", "call", "witness.where", "--data-dir", "d"]);
        if plugin_path {
            command.arg("--plugin-path").arg(bench.dir().join("elsewhere"));
        }
        command.stdin(std::process::Stdio::null());
        let output = loop {
            match command.output() {
                // a process that another test has started holds the file that was just written, until it has begun its own program
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                output => break output.unwrap(),
            }
        };
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    assert_eq!(call(false)["parent"], std::process::id(), "the program itself answers");
    fs::rename(bench.plugin_dir(), bench.dir().join("elsewhere")).unwrap();
    assert_ne!(call(true)["parent"], std::process::id(), "a child of the program answers");
}

#[test]
fn without_a_program_for_workers_only_trusted_plugins_can_be_called() {
    let bench = bench("");
    let host = |worker: Option<&str>| {
        let builder = Host::builder().data_dir(bench.data_dir()).plugin_path(bench.plugin_dir());
        let builder = match worker {
            Some(path) => builder.worker_path(path),
            None => builder,
        };
        builder.build().unwrap()
    };
    let said = |host: &Host| host.plugin("witness").expect_err("it cannot be asked").to_string();
    let none = said(&host(None));
    assert!(none.contains("put `jackfield-worker` beside this one"), "{none}");
    let missing = said(&host(Some("nowhere/jackfield-worker")));
    assert!(missing.contains("nowhere/jackfield-worker"), "{missing}");
    assert_eq!(host(Some(worker_program().to_str().unwrap())).plugin("witness").unwrap().len(), 1);
}

#[test]
fn methods_of_the_application_run_in_the_application() {
    let bench = Bench::with(&[], |builder| {
        builder.method("app", "1.0.0", "f", |_: Value| Ok::<_, jackfield::MethodError>(1))
    });
    let _ = bundled_plugin("echo");
    let workflow = bench.check(steps(vec![with(step("a", "app.f"), "isolation", "worker")]));
    let refused = bench.host().start(&workflow, json!({})).err().unwrap().to_string();
    assert!(refused.contains("cannot run in a worker"), "{refused}");
}
