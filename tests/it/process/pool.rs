//! `pool`: workers that live on, die, are replaced, and are asked too much.

use super::{bench, call, is_alive, kind, one_step, wait_until};
use jackfield::{CancelMode, Failure, Payload, RunStatus, Value, json};
use jackfield_tests::{Bench, workspace};
use std::collections::BTreeSet;
use std::process::Stdio;

/// A worker that does what it is told, and says who it is.
const WORKER: &str = "
import os, sys, time
from jackfield_worker import serve

def answer(request):
    print('noise on fd 1'); sys.stdout.flush(); os.write(1, b'\\xff raw\\n')
    do = request.get('do')
    if do == 'die':
        sys.stderr.write('the last words\\n'); sys.stderr.flush(); os._exit(7)
    if do == 'raise': raise ValueError('no such thing')
    if do == 'sleep': time.sleep(request['s'])
    if do == 'input': return sys.stdin.read()
    return {'pid': os.getpid(), 'n': request.get('n')}

serve(answer)
";

fn pooled() -> Bench {
    let bench = bench();
    let helper = workspace::root().join("examples/patterns/jackfield_worker.py");
    std::fs::copy(helper, bench.dir().join("jackfield_worker.py")).expect("it works");
    bench.write("worker.py", WORKER);
    bench
}

fn parameters(bench: &Bench, settings: &Value, request: Option<Value>) -> Value {
    let mut all = json!({ "argv": ["python3", "worker.py"], "cwd": bench.dir() });
    let object = all.as_object_mut().expect("it works");
    object.extend(settings.as_object().expect("it works").clone());
    object.extend(request.map(|request| ("request".to_owned(), request)));
    all
}

fn ask(bench: &Bench, settings: &Value, request: Value) -> Result<Value, Failure> {
    call(bench, "pool", parameters(bench, settings, Some(request)))
}

fn state(bench: &Bench, settings: &Value) -> Value {
    call(bench, "pool", parameters(bench, settings, None)).expect("it works")
}

#[test]
fn requests_go_to_workers_that_live_on_whatever_those_print() {
    let bench = pooled();
    let one = json!({ "max": 1 });
    let pids: BTreeSet<u64> = (0..20)
        .map(|n| {
            let answer = ask(&bench, &one, json!({ "n": n })).unwrap();
            assert_eq!(answer["n"], n);
            answer["pid"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(pids.len(), 1);
    assert_eq!(ask(&bench, &one, json!({ "do": "input" })).unwrap(), "", "its input is at its end");
    let raised = ask(&bench, &one, json!({ "do": "raise" }));
    assert_eq!(kind(&raised), "process.worker_error");
    assert!(raised.unwrap_err().message.contains("no such thing"));
    let state = state(&bench, &one);
    assert_eq!((&state["answered"], &state["died"]), (&json!(22), &json!(0)));
}

#[test]
fn a_crash_costs_one_request_and_one_worker() {
    let bench = pooled();
    // quick requests first, so that many are in the worker's hands when it dies
    let steps = json!({ "id": "many", "mode": "parallel", "steps": [{
        "id": "each", "type": "foreach", "items": "lists.range(200)", "max_concurrency": 50, "tolerated_failures": 1,
        "steps": [{ "id": "ask", "plugin": "process", "method": "pool", "parameters":
            parameters(&bench, &json!({ "max": 1 }), Some(json!({ "n": "${item}", "do": "${item == 100 ? 'die' : ''}" }))) }],
    }]});
    let finished = bench.run(steps, json!({})).completed();
    let answers = finished.step_output("each");
    let answers = answers.as_array().unwrap();
    let lost: Vec<usize> = (0..200).filter(|n| answers[*n].is_null()).collect();
    assert_eq!(lost, [100]);
    let answered = |n: usize| answers[n]["n"].as_u64() == Some(n as u64);
    assert!((0..200).all(|n| n == 100 || answered(n)), "{answers:?}");
    let pids: BTreeSet<u64> = answers.iter().filter_map(|answer| answer["pid"].as_u64()).collect();
    assert_eq!(pids.len(), 2);
    let failure = finished.step_error("each[100].ask");
    assert_eq!(&*failure.kind, "process.worker_died");
    assert!(
        // what the worker printed to its other stream may come behind them
        failure.message.contains("exit code 7")
            && format!("{:?}", failure.details).contains("the last words"),
        "{failure:?}"
    );
    assert_eq!(state(&bench, &json!({ "max": 1 }))["died"], 1);
}

#[test]
fn workers_are_started_ahead_and_replaced_after_so_many_requests() {
    let bench = pooled();
    let settings = json!({ "min": 2, "max": 2, "recycle_after": 3, "health": { "every_ms": 60_000 } });
    let warm = state(&bench, &settings);
    assert_eq!((&warm["workers"], warm["pids"].as_array().unwrap().len()), (&json!(2), 2));
    let mut served = std::collections::BTreeMap::<u64, usize>::new();
    for n in 0..12 {
        let answer = ask(&bench, &settings, json!({ "n": n })).unwrap();
        *served.entry(answer["pid"].as_u64().unwrap()).or_default() += 1;
    }
    assert!(served.values().all(|count| *count <= 3) && served.len() >= 4, "{served:?}");
    wait_until("there are two again", || {
        let state = state(&bench, &settings);
        state["recycled"].as_u64() >= Some(2) && state["workers"] == 2
    });
    assert_eq!(state(&bench, &settings)["died"], 0);
}

#[test]
fn a_full_queue_pushes_back() {
    let bench = pooled();
    let settings = json!({ "max": 1, "queue_max": 1, "min": 1, "health": {} });
    let _ready = state(&bench, &settings);
    let start = |request: Value| {
        let all = parameters(&bench, &settings, Some(request));
        bench.host().start_call("process", "pool", Payload::from(all)).unwrap()
    };
    let busy = start(json!({ "do": "sleep", "s": 600 }));
    wait_until("it is at it", || state(&bench, &settings)["idle"] == 0);
    let waiting = start(json!({ "n": 1 }));
    wait_until("one waits", || state(&bench, &settings)["waiting"] == 1);
    let refused = ask(&bench, &settings, json!({ "n": 2 }));
    assert_eq!(kind(&refused), "process.queue_full");
    let failure = refused.unwrap_err();
    assert!(failure.retryable && failure.message.contains("queue_max"), "{failure:?}");
    // giving up the request that is served makes room at once: its worker is replaced
    busy.cancel(CancelMode::Graceful, "enough");
    assert_eq!(waiting.wait(Some(super::PATIENCE)).unwrap().status, RunStatus::Completed);
}

#[test]
fn a_request_that_takes_too_long_costs_its_worker() {
    let bench = pooled();
    let settings = json!({ "max": 1, "timeout_ms": 300 });
    let before = ask(&bench, &json!({ "max": 1 }), json!({})).unwrap();
    let late = ask(&bench, &settings, json!({ "do": "sleep", "s": 600 }));
    assert_eq!(kind(&late), "process.timeout");
    let pid = u32::try_from(before["pid"].as_u64().unwrap()).unwrap();
    wait_until("it is gone", || !is_alive(pid));
    assert_ne!(ask(&bench, &json!({ "max": 1 }), json!({})).unwrap()["pid"], before["pid"]);
}

#[test]
fn a_worker_that_cannot_work_is_an_error_and_no_endless_loop() {
    let bench = pooled();
    bench.write("broken.py", "import nothing_of_this_name");
    let broken = json!({ "argv": ["python3", "broken.py"], "min": 2, "max": 2, "health": {} });
    let failed = ask(&bench, &broken, json!({}));
    assert_eq!(kind(&failed), "process.worker_died");
    assert!(failed.unwrap_err().message.contains("nothing_of_this_name"));
    let missing = ask(&bench, &json!({ "argv": ["no-such-program"] }), json!({}));
    assert_eq!(kind(&missing), "process.not_found");
    // one that runs and does not say that it is well
    let deaf = json!({ "argv": ["sleep", "600"], "max": 1, "health": { "start_ms": 100 } });
    assert_eq!(kind(&ask(&bench, &deaf, json!({}))), "process.worker_died");
}

#[test]
fn there_are_as_many_workers_as_cores_unless_told_otherwise() {
    let bench = pooled();
    let cores = std::thread::available_parallelism().unwrap().get();
    let document = json!({ "id": "many", "steps": [{
        "id": "each", "type": "foreach", "items": "lists.range(40)", "max_concurrency": 40,
        "steps": [{ "id": "ask", "plugin": "process", "method": "pool", "parameters":
            parameters(&bench, &json!({}), Some(json!({ "do": "sleep", "s": 0.02 }))) }],
    }]});
    let finished = bench.run(document, json!({})).completed();
    let answers = finished.step_output("each");
    let pids: BTreeSet<u64> =
        answers.as_array().unwrap().iter().filter_map(|it| it["pid"].as_u64()).collect();
    assert_eq!(pids.len(), cores);
}

#[test]
fn workers_end_with_the_host_even_if_that_is_killed() {
    let bench = pooled();
    let request = json!({ "do": "sleep", "s": 600 });
    let mut document = one_step("pool", parameters(&bench, &json!({}), Some(request)));
    document["steps"].as_array_mut().unwrap().insert(0, json!({
        "id": "who", "plugin": "process", "method": "pool", "parameters": parameters(&bench, &json!({}), Some(json!({}))),
    }));
    document["steps"].as_array_mut().unwrap().insert(
        1,
        json!({
            "id": "tell", "plugin": "process", "method": "run", "parameters": {
                "argv": ["echo \"$1\" > worker"], "shell": true, "cwd": bench.dir(),
            },
        }),
    );
    document["steps"][1]["parameters"]["argv"] =
        json!(["echo \"$1\" > worker", "${string(steps.who.output.pid)}"]);
    bench.write("long.json", document.to_string());
    let mut command = bench.command(&["run", "long.json"]);
    let mut host = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = super::pid_in(&bench, "worker");
    assert!(is_alive(pid));
    host.kill().unwrap();
    host.wait().unwrap();
    wait_until("it ends", || !is_alive(pid));
}
