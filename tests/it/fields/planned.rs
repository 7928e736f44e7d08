//! What a schedule does, by a clock that stands still: when it is due, what it starts, what it makes up for.

use jackfield::{Clock, Config, Engine, Host, ScheduleInfo, Value, json};
use jackfield_tests::{Bench, SetClock};
use std::sync::Arc;
use std::time::{Duration, Instant};

const START: &str = "2026-03-01T00:00:00Z";
const PATIENCE: Duration = Duration::from_secs(60);

/// `is_made`, and if it is: `is_paused`, `next`, `is_delayed`, `starts_on_news`, `input` of a run that is triggered, what becomes
/// of a `second` one, and how many starts are `made_up_for` after one and a half hours without a host.
pub(super) fn of(document: &Value) -> Value {
    let clock = Arc::new(SetClock::at(START));
    let bench = Bench::new(&[]);
    let (mut view, before) = seen(&host(&bench, &clock, document));
    let Some(before) = before else { return view };
    clock.put_forward(Duration::from_secs(5_400));
    let later = host(&bench, &clock, document);
    let now = clock.now();
    wait_until(|| info(&later).is_some_and(|info| info.next.is_none_or(|next| next > now)));
    let after = info(&later).map_or(0, |info| starts(&info));
    later.shutdown();
    view["made_up_for"] = (after - before).into();
    view
}

/// A host on the journal of the bench that knows the workflow.
fn host(bench: &Bench, clock: &Arc<SetClock>, document: &Value) -> Host {
    let mut made = None;
    // the one before may take a moment to let the journal go
    wait_until(|| {
        let mut config = Config::default();
        config.engine.shutdown_grace = Some(Duration::ZERO);
        let builder = Host::builder().config(config).data_dir(bench.data_dir());
        made = builder.engine(Engine::durable()).clock(clock.clone()).build().ok();
        made.is_some()
    });
    let host = made.expect("it was built");
    let workflow = host.parse(&document.to_string()).expect("it was right before");
    host.register(&workflow).expect("it is new, or the same");
    host
}

/// What is seen of the first host, and how many starts there were; it has ended then.
fn seen(host: &Host) -> (Value, Option<u64>) {
    let schedules = host.schedules();
    let Some(made) = info(host) else { return (json!({ "is_made": false }), None) };
    let planned = schedules.next("w", 3).expect("it is there");
    let emit = json!({ "id": "emit", "steps": [{ "id": "e", "type": "emit", "event": "news", "data": {} }] });
    let emit = host.parse(&emit.to_string()).expect("it is right");
    let _ = host.start(&emit, json!({})).expect("it starts").wait(None).expect("it ends");
    let starts_on_news = info(host).is_some_and(|info| starts(&info) > 0);
    let mut view = json!({
        "is_made": true,
        "is_paused": made.paused.is_some(),
        "next": planned.iter().map(|start| start.at.to_rfc3339()).collect::<Vec<_>>(),
        "is_delayed": planned.iter().any(|start| start.due != start.at),
        "starts_on_news": starts_on_news,
    });
    if !starts_on_news {
        let triggered = schedules.trigger("w").expect("nothing is open");
        let run = host.get(&triggered.run_id).expect("it was started");
        let output = || run.report(10).steps.get("a").and_then(|step| step.output.clone());
        wait_until(|| output().is_some());
        view["input"] = output().expect("it is there").value()["x"].clone();
        view["second"] = match schedules.trigger("w") {
            Ok(triggered) if triggered.is_queued => "queued".into(),
            Ok(_) => "started".into(),
            Err(_) => "refused".into(),
        };
    }
    let count = info(host).map(|info| starts(&info));
    host.shutdown();
    (view, count)
}

fn info(host: &Host) -> Option<ScheduleInfo> {
    host.schedules().list().pop()
}

/// Starts that were made, left out because a run is open, or wait.
fn starts(info: &ScheduleInfo) -> u64 {
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
