//! `stream`, and the lines of runs: heard while they come, followed, kept for later, rotated, deleted with their run.

use super::{bench, call, kind, one_step, wait_until};
use jackfield::{Engine, RunOptions, RunStatus, TextQuery, TextSource, Value, json};
use jackfield_tests::{Bench, in_time, jackfield_command};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Within this time of its flush a line is to reach whoever watches.
const PROMISED: Duration = Duration::from_millis(100);

/// A host of its own on a journal.
fn durable() -> Bench {
    Bench::with(&["process"], |builder| builder.engine(Engine::durable()))
}

fn stream(script: &str) -> Value {
    json!({ "argv": [script], "shell": true })
}

/// A command on the journal of the bench, with its standard output to read from.
fn started(bench: &Bench, arguments: &[&str]) -> Child {
    let mut command = bench.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("the command starts")
}

#[test]
fn the_result_counts_lines_and_holds_the_last() {
    let bench = bench();
    let script = "seq 1 100; echo oops >&2; printf '{\"progress\": 0.5, \"message\": \"half\"}\\n'; printf 'a\\377b\\n'";
    let mut parameters = stream(script);
    parameters["last_lines"] = json!(2);
    let ended = call(&bench, "stream", parameters).unwrap();
    assert_eq!((&ended["stdout_lines"], &ended["stderr_lines"]), (&json!(101), &json!(1)));
    assert_eq!((&ended["last_lines"], &ended["is_lossy"]), (&json!(["100", "a\u{fffd}b"]), &json!(true)));
    let failed = call(&bench, "stream", stream("echo why >&2; exit 3"));
    assert_eq!(kind(&failed), "process.exit");
    assert_eq!(failed.unwrap_err().details.value()["stderr"], json!(["why"]));
}

#[test]
fn lines_of_a_run_are_kept_with_where_they_came_from() {
    let bench = durable();
    let mut document = one_step("stream", stream("echo one; sleep 0.05; echo two >&2"));
    document["steps"].as_array_mut().unwrap().push(json!(
        { "id": "then", "plugin": "process", "method": "run", "parameters": stream("echo three >&2") }
    ));
    let finished = bench.start_with(document, json!({}), RunOptions::id("a/B")).finish().completed();
    assert_eq!(finished.status(), RunStatus::Completed);
    let read = |query: TextQuery| {
        let found = bench.host().run_lines("a/B", &query).unwrap();
        found
            .lines
            .iter()
            .map(|line| (line.seq, line.step.clone(), line.from, line.text.clone()))
            .collect::<Vec<_>>()
    };
    let expected = [
        (0, "it".to_owned(), TextSource::Stdout, "one".to_owned()),
        (1, "it".to_owned(), TextSource::Stderr, "two".to_owned()),
        (2, "then".to_owned(), TextSource::Stderr, "three".to_owned()),
    ];
    assert_eq!(read(TextQuery::default()), expected);
    assert_eq!(read(TextQuery { from: 2, ..TextQuery::default() }), expected[2..]);
    assert_eq!(read(TextQuery { step: Some("it".into()), ..TextQuery::default() }), expected[..2]);
    assert!(read(TextQuery { step: Some("the".into()), ..TextQuery::default() }).is_empty());
}

/// The script writes down when it flushed each line; it goes on when it is told that the line has come.
#[test]
fn a_line_reaches_who_follows_at_once() {
    in_time(line_reaches_who_follows);
}

fn line_reaches_who_follows() {
    let bench = bench();
    let script = "while read -r go; do date +%s%N; done < go";
    let fifo = bench.dir().join("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("it works").success());
    let mut parameters = stream(script);
    parameters["cwd"] = json!(bench.dir());
    bench.write("long.json", one_step("stream", parameters).to_string());
    let mut host = started(&bench, &["run", "long.json", "--durable", "--run-id", "long"]);
    // opens when the script reads
    let mut go = fs::File::options().write(true).open(&fifo).expect("it works");
    let mut follower = started(&bench, &["--json", "runs", "logs", "long", "--follow", "--step", "it"]);
    let mut lines = BufReader::new(follower.stdout.take().expect("it works")).lines();
    let mut late = Vec::new();
    for n in 0..9 {
        writeln!(go, "{n}").expect("it works");
        let line: Value =
            serde_json::from_str(&lines.next().expect("it works").expect("it works")).expect("it works");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it works");
        let flushed =
            Duration::from_nanos(line["text"].as_str().expect("it works").parse().expect("it works"));
        assert_eq!((line["seq"].as_u64(), &line["from"]), (Some(n), &json!("stdout")));
        late.push(now.saturating_sub(flushed));
    }
    late.sort();
    assert!(late[4] < PROMISED, "{late:?}");
    // the end of the script is the end of the run and of who follows it
    drop(go);
    assert!(host.wait().expect("it works").success());
    assert!(lines.next().is_none());
    assert!(follower.wait().expect("it works").success());
    // and afterwards all of it can still be read
    let kept = bench.cli(&["runs", "logs", "long", "--json"]).exits(0).stdout;
    assert_eq!(kept.lines().count(), 9);
    let shown = bench.cli(&["runs", "logs", "long", "--from", "8", "--follow"]).exits(0).stdout;
    assert!(shown.lines().count() == 1 && shown.contains("  it: "), "{shown}");
}

/// Sends a request to the process that owns the journal; what it answers until it closes.
fn ask(bench: &Bench, path: &str) -> String {
    let mut socket = UnixStream::connect(bench.data_dir().join("jackfield.sock")).expect("somebody serves");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it works");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it works");
    answer
}

#[test]
fn the_server_gives_lines_by_pages_and_as_events() {
    let bench = bench();
    let mut served = started(&bench, &["serve"]);
    wait_until("it serves", || UnixStream::connect(bench.data_dir().join("jackfield.sock")).is_ok());
    bench.write("short.json", one_step("stream", stream("seq 1 5; sleep 0.2; echo last")).to_string());
    let mut run = started(&bench, &["run", "short.json", "--durable", "--run-id", "s"]);
    wait_until("it has begun", || ask(&bench, "/api/v1/runs/s/logs").contains("\"text\":\"1\""));
    // the events end with the run
    let events = ask(&bench, "/api/v1/runs/s/logs?follow=true&from=4");
    let told: Vec<&str> =
        events.lines().filter(|line| line.starts_with("event: ") || line.starts_with("id: ")).collect();
    assert_eq!(told, ["id: 4", "event: line", "id: 5", "event: line", "event: end"], "{events}");
    assert!(run.wait().unwrap().success());
    let page = ask(&bench, "/api/v1/runs/s/logs?from=1&limit=2&step=it");
    let body: Value = serde_json::from_str(page.split("\r\n\r\n").nth(1).unwrap().trim()).unwrap();
    assert_eq!((&body["next"], &body["lines"][1]["text"]), (&json!(3), &json!("3")));
    assert!(ask(&bench, "/api/v1/runs/none/logs").starts_with("HTTP/1.1 404"));
    assert!(ask(&bench, "/api/v1/runs/s/logs?limit=0").starts_with("HTTP/1.1 400"));
    let pid = rustix::process::Pid::from_raw(i32::try_from(served.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    served.wait().unwrap();
}

#[test]
fn kept_lines_are_bounded_and_go_with_their_run() {
    let bench = bench();
    bench.write(
        "jackfield.toml",
        "[isolation]\ndefault = 'in_process'\n[engine]\nrun_lines_bytes_max = 65536\n",
    );
    for (id, script) in [("much", "seq 1 20000"), ("little", "echo x")] {
        bench.write("flow.json", one_step("stream", stream(script)).to_string());
        bench.cli(&["run", "flow.json", "--durable", "--run-id", id]).exits(0).stdout.clear();
    }
    let place = bench.data_dir().join("journal.lines");
    let size: u64 =
        fs::read_dir(place.join("much")).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).sum();
    assert!((20_000..=80_000).contains(&size), "{size}");
    let kept = bench.cli(&["runs", "logs", "much", "--json"]).exits(0).stdout;
    let lines: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["text"], "20000");
    assert!(lines.len() < 2_000 && lines[0]["seq"].as_u64() > Some(10_000), "{}", lines.len());
    bench.cli(&["runs", "delete", "much"]).exits(0).stdout.clear();
    assert!(!place.join("much").exists() && place.join("little").exists());
    wait_until("it is older than a millisecond", || {
        bench.cli(&["runs", "prune", "--older-than", "1ms"]).exits(0).stdout.clear();
        !place.join("little").exists()
    });
    let gone = bench.cli(&["runs", "logs", "little"]).exits(2).stderr;
    assert!(gone.contains("little"), "{gone}");
}

/// A host that is killed while it writes leaves lines that can be read and added to.
#[test]
fn lines_survive_a_host_that_is_killed() {
    let bench = bench();
    let mut parameters = stream("test -e second && exit 0; : > second; yes line");
    parameters["cwd"] = json!(bench.dir());
    let mut document = one_step("stream", parameters);
    document["steps"][0]["retry"] = json!({ "max_attempts": 2 });
    bench.write("flow.json", document.to_string());
    let mut host = Command::new(jackfield_command());
    host.args(bench.command(&["run", "flow.json", "--durable", "--run-id", "r"]).get_args());
    let mut host = host.current_dir(bench.dir()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let file = bench.data_dir().join("journal.lines/r/00000000000000000000.jsonl");
    wait_until("lines are written", || fs::metadata(&file).is_ok_and(|it| it.len() > 100_000));
    host.kill().unwrap();
    host.wait().unwrap();
    let torn = fs::File::options().append(true).open(&file).unwrap();
    (&torn).write_all(b"{\"seq\":1,\"torn").unwrap();
    bench.cli(&["runs", "wait", "r"]).exits(0).stdout.clear();
    let kept = bench.cli(&["runs", "logs", "r", "--json"]).exits(0).stdout;
    let seqs: Vec<u64> = kept
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert!(seqs.len() > 100 && seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{} lines", seqs.len());
}

#[test]
fn a_log_file_is_put_aside_when_it_is_full() {
    let bench = bench();
    let log = bench.dir().join("out.log");
    let mut parameters = stream("seq -f 'line %04g' 1 300");
    parameters["log"] = json!({ "path": log, "max_bytes": 1000, "keep": 2 });
    call(&bench, "stream", parameters).unwrap();
    let read = |name: &str| fs::read_to_string(bench.dir().join(name));
    assert!(read("out.log").unwrap().ends_with("line 0300\n"));
    let aside = read("out.log.1").unwrap() + &read("out.log").unwrap();
    let numbers: Vec<u32> = aside.lines().map(|line| line[5..].parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    for name in ["out.log", "out.log.1", "out.log.2"] {
        assert!(read(name).unwrap().len() <= 1_010, "{name}");
    }
    assert!(read("out.log.3").is_err());
    let mut parameters = stream("echo x");
    parameters["log"] = json!({ "path": bench.dir().join("none/out.log") });
    assert_eq!(kind(&call(&bench, "stream", parameters)), "process.log");
}
