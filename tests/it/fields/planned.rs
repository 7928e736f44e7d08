//! What a schedule does, by a clock that stands still: when it is due, what it starts, what it makes up for.

use jackfield::{Config, Engine, Host, HostBuilder, ScheduleInfo, Value, json};
use jackfield_tests::{Bench, SetClock};
use std::sync::Arc;
use std::time::{Duration, Instant};

const START: &str = "2026-03-01T00:00:00Z";
const PATIENCE: Duration = Duration::from_secs(60);

/// `is_made`, and if it is: `is_paused`, `next`, `is_delayed`, `input` of a run that is triggered, what becomes of a `second` one,
/// `starts_on_news`, and how many starts are `made_up_for` after one and a half hours without a host.
pub(super) fn of(document: &Value) -> Value {
    let clock = Arc::new(SetClock::at(START));
    let bench = {
        let clock = clock.clone();
        Bench::with(&["echo"], move |builder| durable(builder, clock))
    };
    let host = bench.host();
    host.register(&bench.check(document.clone())).expect("it is new");
    let Some(info) = host.schedules().list().pop() else { return json!({ "is_made": false }) };
    let planned = host.schedules().next("w", 3).expect("it is there");
    let mut view = json!({
        "is_made": true,
        "is_paused": info.paused.is_some(),
        "next": planned.iter().map(|start| start.at.to_rfc3339()).collect::<Vec<_>>(),
        "is_delayed": planned.iter().any(|start| start.due != start.at),
    });
    let emit = json!({ "id": "emit", "steps": [{ "id": "e", "type": "emit", "event": "news", "data": {} }] });
    bench.start(emit).finish().completed();
    view["starts_on_news"] = (starts(host) > 0).into();
    if !view["starts_on_news"].as_bool().unwrap_or(false) {
        let triggered = host.schedules().trigger("w").expect("nothing is open");
        let run = host.get(&triggered.run_id).expect("it was started");
        wait_until(|| run.report(10).steps.get("a").is_some_and(|step| step.output.is_some()));
        let set = run.report(10).steps["a"].output.clone().expect("it is there");
        view["input"] = set.value()["x"].clone();
        view["second"] = match host.schedules().trigger("w") {
            Ok(triggered) if triggered.is_queued => "queued".into(),
            Ok(_) => "started".into(),
            Err(_) => "refused".into(),
        };
    }
    let before = starts(host);
    host.shutdown();
    clock.put_forward(Duration::from_secs(5_400));
    view["made_up_for"] = (after_a_rest(&bench, document, &clock) - before).into();
    view
}

fn durable(builder: HostBuilder, clock: Arc<SetClock>) -> HostBuilder {
    builder.engine(Engine::durable()).clock(clock)
}

/// What a host that comes later has made of the schedule once it has looked at it.
fn after_a_rest(bench: &Bench, document: &Value, clock: &Arc<SetClock>) -> u64 {
    let mut config = Config::default();
    config.engine.shutdown_grace = Some(Duration::ZERO);
    let builder = Host::builder().config(config).data_dir(bench.data_dir());
    let host = durable(builder, clock.clone()).build().expect("the journal is free");
    let workflow = host.parse(&document.to_string()).expect("it was right before");
    host.register(&workflow).expect("it is the same");
    let now = clock.now();
    wait_until(|| info(&host).next.is_none_or(|next| next > now));
    let count = starts(&host);
    host.shutdown();
    count
}

fn info(host: &Host) -> ScheduleInfo {
    host.schedules().get("w").expect("it is there")
}

/// Starts that were made, left out because a run is open, or wait.
fn starts(host: &Host) -> u64 {
    let info = info(host);
    info.started + info.skipped + info.queued as u64
}

#[track_caller]
fn wait_until(mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "it never came true");
        std::thread::sleep(Duration::from_millis(1));
    }
}
