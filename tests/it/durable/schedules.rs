//! Schedules through the public interface, by a clock that the tests set; and through the command.

use super::{ENGINES, wait_until};
use jackfield::{Config, Engine, Error, Host, Isolation, NewSchedule, RunQuery, RunStatus, Timestamp, json};
use jackfield_tests::{Bench, SetClock};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A bench whose clock stands at the beginning of 2026.
fn bench(engine: Engine) -> (Bench, Arc<SetClock>) {
    let clock = Arc::new(SetClock::at("2026-01-01T00:00:00Z"));
    let own = clock.clone();
    (Bench::with(&["echo"], move |builder| builder.engine(engine).clock(own)), clock)
}

fn put_forward(bench: &Bench, clock: &SetClock, by: Duration) {
    clock.put_forward(by);
    bench.host().clock_changed();
}

fn ids(bench: &Bench) -> Vec<String> {
    let query = RunQuery { limit: 100, ..RunQuery::default() };
    let page = bench.host().query(&query).expect("runs can be listed");
    let mut ids: Vec<_> = page.runs.into_iter().map(|run| run.run_id).collect();
    ids.sort();
    ids
}

/// Whether the schedule has noted the end of all its runs, and has none to start: it would skip its next start otherwise.
fn is_idle(bench: &Bench, id: &str) -> bool {
    let info = bench.host().schedules().get(id).expect("it is there");
    info.active.is_empty() && info.queued == 0
}

/// A workflow with a schedule in its document.
fn hourly() -> jackfield::Value {
    json!({
        "id": "hourly",
        "schedule": { "every": "1h", "input": { "for": "${event.scheduled_at}" } },
        "steps": [{ "id": "a", "plugin": "echo", "method": "echo", "parameters": { "for": "${input.for}" } }],
        "output": "${steps.a.output.for}",
    })
}

#[test]
fn a_registered_workflow_runs_by_its_schedule_until_it_is_forgotten() {
    for engine in ENGINES {
        let (bench, clock) = bench(engine());
        let host = bench.host();
        host.register(&bench.check(hourly())).expect("it is new");
        for hour in 1..=3 {
            wait_until(|| is_idle(&bench, "hourly"));
            put_forward(&bench, &clock, HOUR);
            let id = format!("hourly@2026-01-01T{hour:02}:00:00Z");
            wait_until(|| ids(&bench).last() == Some(&id));
            let outcome = host.get(&id).expect("it was started").wait(None).expect("it ends");
            assert_eq!(outcome.status, RunStatus::Completed);
            assert_eq!(outcome.output.value(), &json!(format!("2026-01-01T{hour:02}:00:00.000Z")));
        }
        host.unregister("hourly", None).expect("it is known");
        assert!(host.schedules().list().is_empty());
    }
}

#[test]
fn schedules_can_be_paused_triggered_looked_ahead_and_made_up_for() {
    for engine in ENGINES {
        let (bench, clock) = bench(engine());
        let host = bench.host();
        host.register(&bench.check(hourly())).expect("it is new");
        let schedules = host.schedules();
        let new = NewSchedule::new(
            "hourly",
            r#"{"cron": "0 12 * * *", "timezone": "Europe/Vienna", "input": {"for": 1}}"#,
        );
        let made = schedules.create(new.id("noon")).expect("it is fine");
        assert_eq!((&*made.id, made.started), ("noon", 0));
        let next = schedules.next("noon", 2).expect("it is there");
        assert_eq!(next[0].at.to_rfc3339(), "2026-01-01T11:00:00.000Z");
        schedules.pause("noon", "holidays").expect("it is there");
        schedules.pause("hourly", "").expect("it is there");
        put_forward(&bench, &clock, 12 * HOUR);
        let triggered = schedules.trigger("noon").expect("nothing is open");
        host.get(&triggered.run_id).expect("it was started").wait(None).expect("it ends");
        assert_eq!(ids(&bench), [triggered.run_id.to_string()], "nothing else was started");
        let time = |text: &str| Timestamp::from_rfc3339(text).expect("it is a time");
        let made = schedules.backfill("noon", time("2025-12-30T00:00:00Z"), time("2026-01-01T11:00:00Z"));
        assert_eq!(made.expect("they are past").len(), 3);
        wait_until(|| ids(&bench).len() == 4);
        wait_until(|| is_idle(&bench, "noon"));
        schedules.resume("noon").expect("it is there");
        put_forward(&bench, &clock, 23 * HOUR);
        wait_until(|| ids(&bench).contains(&"noon@2026-01-02T11:00:00Z".to_owned()));
        schedules.remove("noon").expect("it is there");
        assert!(schedules.get("noon").is_err());
        let own = schedules.remove("hourly").unwrap_err().to_string();
        assert!(own.contains("stands in the document of its workflow"), "{own}");
    }
}

#[test]
fn what_is_wrong_with_a_schedule_is_told_by_its_place() {
    let (bench, _) = bench(Engine::memory());
    bench.host().register(&bench.check(hourly())).expect("it is new");
    let new = NewSchedule::new("hourly", r#"{"cron": "0 25 * * *", "timezone": "Nowhere"}"#).id("s");
    let Err(Error::Invalid(invalid)) = bench.host().schedules().create(new) else { panic!("it is accepted") };
    let found: Vec<_> = invalid.diagnostics.iter().map(|it| (&*it.pointer, it.column)).collect();
    assert_eq!(found, [("/cron", 10), ("/timezone", 36)]);
}

#[test]
fn an_event_that_a_step_emits_to_all_starts_runs_that_wait_for_it() {
    for engine in ENGINES {
        let (bench, _) = bench(engine());
        let host = bench.host();
        let listener = json!({
            "id": "listener",
            "schedule": { "on_event": "news", "overlap": "queue" },
            "steps": [{ "id": "a", "type": "set", "variables": { "x": "${input.n}" } }],
            "output": "${vars.x}",
        });
        host.register(&bench.check(listener)).expect("it is new");
        let emit = json!({ "id": "emit", "mode": "sequential", "steps": [
            { "id": "each", "type": "foreach", "items": "[1, 2, 3]", "steps": [
                { "id": "e", "type": "emit", "event": "news", "data": { "n": "${item}" } } ] } ] });
        let _ = bench.start(emit, json!({})).finish().completed();
        let started =
            || -> Vec<_> { ids(&bench).into_iter().filter(|id| id.starts_with("listener@")).collect() };
        wait_until(|| started().len() == 3);
        let mut outputs: Vec<_> = started()
            .iter()
            .map(|id| {
                host.get(id).expect("it is there").wait(None).expect("it ends").output.as_str().to_owned()
            })
            .collect();
        outputs.sort();
        assert_eq!(outputs, ["1", "2", "3"], "one run for each, with its data");
    }
}

#[test]
fn the_command_has_a_say_in_schedules() {
    let bench = Bench::new(&["echo"]);
    let job = json!({ "id": "job", "steps": [
        { "id": "a", "plugin": "echo", "method": "echo", "parameters": { "event": "${input}" } }] });
    let none = bench.cli(&["schedule", "list"]).exits(2);
    assert!(none.stderr.contains("there is no journal"), "{}", none.stderr);
    {
        let mut config = Config::default();
        config.isolation.default = Some(Isolation::InProcess);
        let builder = Host::builder().config(config).data_dir(bench.data_dir());
        let builder = builder.plugin_path(bench.plugin_dir());
        let host = builder.engine(Engine::durable()).build().expect("it is the first");
        let workflow = host.parse(&job.to_string()).expect("it is right");
        host.register(&workflow).expect("it is new");
        host.shutdown();
    }
    let add = |arguments: &[&str]| bench.cli(&[&["schedule", "add", "job"], arguments].concat());
    let at_eight = ["--id", "eight", "--cron", "0 8 * * *", "--timezone", "Europe/Vienna", "--json"];
    let mut added = None;
    // the host above may take a moment to let the journal go
    wait_until(|| {
        let output = add(&at_eight);
        let is_done = output.code == 0;
        added = Some(output);
        is_done
    });
    let added = added.expect("it was tried").json();
    assert_eq!((&added["id"], &added["schedule"]["cron"]), (&json!("eight"), &json!("0 8 * * *")));
    let taken = add(&at_eight).exits(2);
    assert!(taken.stderr.contains("a schedule `eight` exists already"), "{}", taken.stderr);
    let wrong = add(&["--cron", "0 25 * * *"]).exits(1);
    assert!(wrong.stderr.contains("`cron`: `0 25 * * *` is no cron expression"), "{}", wrong.stderr);
    let neither = add(&[]).exits(2);
    assert!(neither.stderr.contains("--cron"), "{}", neither.stderr);

    let next = bench.cli(&["schedule", "next", "eight", "--count", "2", "--json"]).exits(0).json();
    let times: Vec<_> = next["next"].as_array().expect("a list").iter().map(|it| it["at"].as_str()).collect();
    assert_eq!(times.len(), 2);
    assert!(
        times.iter().flatten().all(|at| at.contains("T06:00:00") || at.contains("T07:00:00")),
        "{times:?}"
    );

    let _ = bench.cli(&["schedule", "pause", "eight"]).exits(0);
    let listed = bench.cli(&["schedule", "list", "--json"]).exits(0).json();
    assert_eq!(listed["schedules"][0]["paused"], "paused from the command line");
    let shown = bench.cli(&["schedule", "list"]).exits(0);
    assert!(shown.stdout.starts_with("eight  paused"), "{}", shown.stdout);
    let _ = bench.cli(&["schedule", "resume", "eight"]).exits(0);

    let triggered = bench.cli(&["schedule", "trigger", "eight", "--json"]).exits(0).json();
    let run_id = triggered["run_id"].as_str().expect("it was started");
    let ended = bench.cli(&["runs", "wait", run_id, "--json"]).exits(0).json();
    assert_eq!(ended["steps"]["a"]["output"]["event"]["schedule"], json!(null), "no input was asked for");

    let past = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T23:00:00Z"];
    let made = bench.cli(&[&["schedule", "backfill", "eight", "--json"], &past[..]].concat()).exits(0).json();
    let ids: Vec<_> =
        made["starts"].as_array().expect("a list").iter().map(|it| it["run_id"].clone()).collect();
    assert_eq!(ids, ["eight@2026-01-01T07:00:00Z", "eight@2026-01-02T07:00:00Z"]);
    let _ = bench.cli(&["runs", "wait", "eight@2026-01-01T07:00:00Z"]).exits(0);

    let _ = bench.cli(&["schedule", "remove", "eight"]).exits(0);
    let gone = bench.cli(&["schedule", "next", "eight"]).exits(2);
    assert!(gone.stderr.contains("no schedule `eight`"), "{}", gone.stderr);
}
