//! Schedules by a clock that the tests set: nothing here waits for time to pass.

use super::kit::Kit;
use super::lab::{Lab, PATIENCE, expand, plan, ports};
use super::memory_store::MemoryStore;
use crate::{Compile, Config, Engine, EngineError, Ports, ScheduleRequest};
use jackfield_core::journal::RunQuery;
use jackfield_core::payload::Payload;
use jackfield_core::ports::Clock;
use jackfield_core::run::RunStatus;
use jackfield_core::schedule::Spec;
use jackfield_core::time::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// 2026-01-01T00:00:00Z
const START: Timestamp = Timestamp(1_767_225_600_000_000_000);

/// A workflow that ends at once, and one that ends when the gate is opened.
const QUICK: &str = r#"{"id":"quick","steps":[{"id":"a",@value,"parameters":{"value":"${input}"}}]}"#;
const SLOW: &str = r#"{"id":"slow","steps":[{"id":"a",@gate,"parameters":{"value":1}}]}"#;

#[derive(Default)]
struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// An engine with a clock that stands still until it is put forward.
struct Bench {
    lab: Lab,
    clock: Arc<SetClock>,
}

impl Bench {
    fn new(store: Option<&Arc<MemoryStore>>) -> Self {
        Self::at(START, store, Config::default(), Arc::default())
    }

    fn at(now: Timestamp, store: Option<&Arc<MemoryStore>>, config: Config, kit: Arc<Kit>) -> Self {
        let clock = Arc::new(SetClock(Mutex::new(now)));
        let compile: Compile = Arc::new(|document| Ok(plan(document)));
        let ports = Ports { clock: clock.clone(), compile: Some(compile), ..ports(&kit) };
        let config = Config { shutdown_grace: Duration::from_millis(1), ..config };
        let engine = match store {
            Some(store) => Engine::durable(config, ports, store.clone()),
            None => Engine::new(config, ports),
        };
        Self { lab: Lab { engine: engine.unwrap(), kit, store: None }, clock }
    }

    fn engine(&self) -> &Engine {
        &self.lab.engine
    }

    /// Makes a workflow known as hosts do.
    fn register(&self, document: &str) {
        let plan = plan(document);
        self.engine().register(&expand(document), plan).unwrap();
    }

    fn add(&self, workflow: &str, spec: &str) -> Result<(), EngineError> {
        let spec = Arc::new(Spec::parse(spec, None).unwrap());
        let request =
            ScheduleRequest { id: Some("s".into()), workflow: workflow.into(), version: None, spec };
        self.engine().create_schedule(request).map(drop)
    }

    fn put_forward(&self, by: Duration) {
        self.note_ends();
        let mut now = self.clock.0.lock();
        *now = now.after(by);
        drop(now);
        self.engine().clock_changed();
    }

    /// Waits until schedules know of all runs that have ended.
    fn note_ends(&self) {
        let has_ended = |run: &Arc<str>| self.engine().get(run).is_ok_and(|run| run.status().is_terminal());
        let is_noted = || !self.engine().schedules().iter().flat_map(|it| &it.active).any(has_ended);
        if self.engine().inner.config.fires_schedules {
            self.wait_until(is_noted);
        }
    }

    /// Ids of all runs, sorted.
    fn runs(&self) -> Vec<String> {
        let page = self.engine().query(&RunQuery { limit: 1_000, ..RunQuery::default() }).unwrap();
        let mut ids: Vec<_> = page.runs.into_iter().map(|run| run.run_id).collect();
        ids.sort();
        ids
    }

    #[track_caller]
    fn wait_for_runs(&self, ids: &[&str]) {
        self.eventually(|| self.runs() == ids, || format!("{:?} instead of {ids:?}", self.runs()));
    }

    #[track_caller]
    fn eventually(&self, is_so: impl Fn() -> bool, what: impl Fn() -> String) {
        let begin = Instant::now();
        while !is_so() {
            assert!(begin.elapsed() < PATIENCE, "{} {:?}", what(), self.engine().schedules());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[track_caller]
    fn wait_until(&self, is_so: impl Fn() -> bool) {
        self.eventually(is_so, || "it never came true:".into());
    }

    fn ends_as(&self, run: &str) -> Option<RunStatus> {
        self.engine().get(run).unwrap().wait(Some(PATIENCE))
    }

    /// What the schedule has started, skipped and queued.
    fn counts(&self) -> (u64, u64, usize) {
        let info = self.engine().schedule("s").unwrap();
        (info.started, info.skipped, info.queued)
    }
}

/// Tries `test` in memory and on a journal.
fn on_both(test: impl Fn(&Bench)) {
    test(&Bench::new(None));
    test(&Bench::new(Some(&Arc::default())));
}

#[test]
fn each_time_that_comes_starts_one_run_with_its_input() {
    on_both(|bench| {
        bench.register(QUICK);
        bench.add("quick", r#"{"cron": "0 * * * *", "input": {"for": "${event.scheduled_at}"}}"#).unwrap();
        bench.put_forward(MINUTE);
        bench.put_forward(HOUR - MINUTE);
        bench.wait_for_runs(&["s@2026-01-01T01:00:00Z"]);
        assert_eq!(bench.ends_as("s@2026-01-01T01:00:00Z"), Some(RunStatus::Completed));
        bench.put_forward(HOUR);
        bench.wait_for_runs(&["s@2026-01-01T01:00:00Z", "s@2026-01-01T02:00:00Z"]);
        assert_eq!(bench.ends_as("s@2026-01-01T02:00:00Z"), Some(RunStatus::Completed));
        let run = bench.engine().get("s@2026-01-01T02:00:00Z").unwrap();
        assert_eq!(run.step_output("a").unwrap().value()["for"], "2026-01-01T02:00:00.000Z");
        assert_eq!(bench.counts(), (2, 0, 0));
    });
}

#[test]
fn a_document_brings_its_schedule_and_the_newest_version_counts() {
    on_both(|bench| {
        let document = |version: &str, schedule: &str| {
            format!(
                r#"{{"id":"w","version":"{version}",{schedule}"steps":[{{"id":"a",@value,"parameters":{{"value":1}}}}]}}"#
            )
        };
        bench.register(&document("1.0.0", r#""schedule":{"every":"1h"},"#));
        bench.put_forward(HOUR);
        bench.wait_for_runs(&["w@2026-01-01T01:00:00Z"]);
        bench.engine().pause_schedule("w", "not now").unwrap();
        // the same once more changes nothing
        bench.register(&document("1.0.0", r#""schedule":{"every":"1h"},"#));
        let info = bench.engine().schedule("w").unwrap();
        assert_eq!((info.started, info.paused.as_deref(), info.in_document), (1, Some("not now"), true));
        bench.engine().resume_schedule("w").unwrap();
        bench.register(&document("2.0.0", r#""schedule":{"every":"3h"},"#));
        bench.register(&document("1.5.0", ""));
        let next = bench.engine().next_of_schedule("w", 1).unwrap();
        assert_eq!(next[0].at, START.after(HOUR * 4));
        bench.engine().unregister("w", Some(&semver::Version::new(2, 0, 0))).unwrap();
        assert!(bench.engine().schedules().is_empty(), "version 1.5.0 has none");
        // one that was added by hand is not taken over
        bench.register(QUICK);
        let spec = Arc::new(Spec::parse(r#"{"every": "1h"}"#, None).unwrap());
        let (id, workflow) = (Some("w".into()), "quick".into());
        bench.engine().create_schedule(ScheduleRequest { id, workflow, version: None, spec }).unwrap();
        let again = document("3.0.0", r#""schedule":{"every":"1h"},"#);
        let refused = bench.engine().register(&expand(&again), plan(&again));
        assert!(matches!(refused, Err(EngineError::ScheduleExists(_))), "{refused:?}");
    });
}

#[test]
fn overlap_says_what_happens_while_a_run_has_not_ended() {
    for (overlap, counts) in [("skip", (1, 2, 0)), ("queue", (1, 0, 2)), ("allow", (3, 0, 0))] {
        on_both(|bench| {
            bench.register(SLOW);
            bench.add("slow", &format!(r#"{{"every": "1h", "overlap": "{overlap}"}}"#)).unwrap();
            for hour in 1..=3 {
                bench.put_forward(HOUR);
                bench.wait_until(|| {
                    let (started, skipped, queued) = bench.counts();
                    started + skipped + queued as u64 == hour
                });
            }
            assert_eq!(bench.counts(), counts, "{overlap}");
            bench.lab.kit.open_gate();
            let all = if overlap == "skip" { 1 } else { 3 };
            bench.wait_until(|| bench.runs().len() == all);
            bench.runs().iter().for_each(|run| assert_eq!(bench.ends_as(run), Some(RunStatus::Completed)));
            bench.wait_until(|| bench.engine().schedule("s").unwrap().active.is_empty());
            bench.put_forward(HOUR);
            bench.wait_until(|| bench.runs().len() == all + 1);
        });
    }
}

#[test]
fn a_new_run_takes_the_place_of_one_that_has_not_ended() {
    on_both(|bench| {
        bench.register(r#"{"id":"slow","steps":[{"id":"a","type":"wait","duration":"1h"}]}"#);
        bench.add("slow", r#"{"every": "1m", "overlap": "cancel_running"}"#).unwrap();
        bench.put_forward(MINUTE);
        bench.wait_for_runs(&["s@2026-01-01T00:01:00Z"]);
        bench.put_forward(MINUTE);
        bench.wait_for_runs(&["s@2026-01-01T00:01:00Z", "s@2026-01-01T00:02:00Z"]);
        assert_eq!(bench.ends_as("s@2026-01-01T00:01:00Z"), Some(RunStatus::Cancelled));
        assert!(!bench.engine().get("s@2026-01-01T00:02:00Z").unwrap().status().is_terminal());
    });
}

/// A schedule on a journal, whose host ends at once; another one begins `later`.
fn after_a_rest(spec: &str, later: Duration) -> Bench {
    let store = Arc::new(MemoryStore::default());
    let first = Bench::new(Some(&store));
    first.register(QUICK);
    first.add("quick", spec).unwrap();
    first.engine().shutdown();
    let second = Bench::at(START.after(later), Some(&store), Config::default(), Arc::default());
    second.register(QUICK);
    second
}

#[test]
fn missed_starts_are_made_up_for_as_far_back_as_catch_up_says() {
    let none = after_a_rest(r#"{"every": "1h", "overlap": "allow"}"#, HOUR * 5 + MINUTE);
    none.put_forward(HOUR);
    none.wait_for_runs(&["s@2026-01-01T06:00:00Z"]);
    let some = after_a_rest(r#"{"every": "1h", "overlap": "allow", "catch_up": "2h"}"#, HOUR * 5 + MINUTE);
    // they are tried again until the workflow is registered
    some.put_forward(MINUTE);
    some.wait_for_runs(&["s@2026-01-01T04:00:00Z", "s@2026-01-01T05:00:00Z"]);
    let newest = after_a_rest(r#"{"every": "1h", "catch_up": "1d"}"#, HOUR * 5 + MINUTE);
    newest.put_forward(MINUTE);
    newest.wait_for_runs(&["s@2026-01-01T05:00:00Z"]);
    assert_eq!(newest.counts(), (1, 4, 0));
}

/// What has to be so whenever the host ends: `act` makes one start, which is `runs` of them.
fn crash_after_every_write(spec: &str, ids: &[&str], act: impl Fn(&Bench)) {
    for writes in 0.. {
        let store = Arc::new(MemoryStore::default());
        let first = Bench::new(Some(&store));
        first.register(QUICK);
        first.add("quick", spec).unwrap();
        let before = store.writes().len();
        store.set_room(Some(writes));
        act(&first);
        let over = || first.runs() == ids && first.counts().2 == 0;
        let begin = Instant::now();
        while store.writes().len() < before + writes && !over() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_micros(200));
        }
        let is_last = store.writes().len() < before + writes;
        let content = Arc::new(MemoryStore::holding(store.content()));
        let later = START.after(HOUR + MINUTE);
        let second = Bench::at(later, Some(&content), Config::default(), Arc::default());
        second.register(QUICK);
        second.put_forward(MINUTE);
        second.wait_for_runs(ids);
        for id in ids {
            assert_eq!(second.ends_as(id), Some(RunStatus::Completed), "after {writes} writes");
        }
        second.wait_until(|| second.counts().2 == 0);
        store.set_room(None);
        if is_last {
            // how many there are depends on what is written together
            assert!(writes >= 2, "{writes}");
            return;
        }
    }
}

#[test]
fn an_occurrence_starts_one_run_whenever_the_host_ends() {
    let spec = r#"{"every": "1h", "catch_up": "1h"}"#;
    crash_after_every_write(spec, &["s@2026-01-01T01:00:00Z"], |bench| bench.put_forward(HOUR));
}

#[test]
fn an_event_starts_a_run_with_its_data() {
    on_both(|bench| {
        bench.register(QUICK);
        bench.add("quick", r#"{"on_event": "news", "overlap": "queue"}"#).unwrap();
        let emit = |event: &str| {
            let emit = format!(
                r#"{{"id":"e","steps":[{{"id":"x","type":"emit","event":"{event}","data":{{"n":7}}}}]}}"#
            );
            let run = bench.lab.start(&emit, "null");
            assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        };
        emit("other");
        emit("news");
        bench.wait_until(|| bench.counts() == (1, 0, 0));
        let info = bench.engine().schedule("s").unwrap();
        let run = info.last_run.unwrap();
        assert!(run.starts_with("s@event-"), "{run}");
        assert_eq!(bench.ends_as(&run), Some(RunStatus::Completed));
        assert_eq!(bench.engine().get(&run).unwrap().step_output("a").unwrap().value()["n"], 7);
        bench.engine().pause_schedule("s", "").unwrap();
        emit("news");
        assert_eq!(bench.counts(), (1, 0, 0), "it is paused");
        assert!(bench.engine().next_of_schedule("s", 3).unwrap().is_empty());
    });
}

#[test]
fn the_same_emit_after_a_restart_starts_nothing_new() {
    let store = Arc::new(MemoryStore::default());
    let bench = Bench::new(Some(&store));
    bench.register(QUICK);
    bench.add("quick", r#"{"on_event": "news", "overlap": "allow"}"#).unwrap();
    let key = jackfield_core::run::CallKey {
        instance: jackfield_core::run::InstanceIx(0),
        step: jackfield_core::plan::StepIx(0),
        attempt: 1,
        is_undo: false,
    };
    for _ in 0..2 {
        bench.engine().inner.tell_schedules("news", "1", ("r", key)).unwrap();
        bench.wait_until(|| bench.counts() == (1, 0, 0));
    }
    bench.engine().inner.tell_schedules("news", "1", ("r2", key)).unwrap();
    bench.wait_until(|| bench.counts() == (2, 0, 0));
    assert_eq!(bench.runs().len(), 2);
}

#[test]
fn a_paused_schedule_starts_nothing_and_goes_on_from_then_on() {
    on_both(|bench| {
        bench.register(QUICK);
        bench.add("quick", r#"{"every": "1h", "catch_up": "1d"}"#).unwrap();
        bench.engine().pause_schedule("s", "holidays").unwrap();
        let info = bench.engine().schedule("s").unwrap();
        assert_eq!((info.paused.as_deref(), info.next), (Some("holidays"), None));
        bench.put_forward(HOUR * 3 + MINUTE);
        bench.engine().resume_schedule("s").unwrap();
        bench.put_forward(HOUR);
        bench.wait_for_runs(&["s@2026-01-01T04:00:00Z"]);
        let disabled = bench.engine();
        disabled.remove_schedule("s").unwrap();
        bench.add("quick", r#"{"every": "1h", "enabled": false}"#).unwrap();
        assert!(bench.engine().schedule("s").unwrap().paused.is_some());
        bench.put_forward(HOUR);
        assert_eq!(bench.runs().len(), 1);
    });
}

#[test]
fn a_run_can_be_wanted_now() {
    on_both(|bench| {
        bench.register(SLOW);
        bench.add("slow", r#"{"every": "1h"}"#).unwrap();
        bench.engine().pause_schedule("s", "").unwrap();
        let triggered = bench.engine().trigger_schedule("s", None).unwrap();
        assert!(!triggered.is_queued && bench.runs() == [triggered.run_id.to_string()]);
        let busy = bench.engine().trigger_schedule("s", None).unwrap_err();
        assert!(busy.to_string().contains(&*triggered.run_id), "{busy}");
        let data = bench.engine().trigger_schedule("s", Some(&Payload::null())).unwrap_err();
        assert!(matches!(data, EngineError::ScheduleNoData(_)), "{data}");
        bench.lab.kit.open_gate();
        assert_eq!(bench.ends_as(&triggered.run_id), Some(RunStatus::Completed));
        bench.wait_until(|| bench.engine().schedule("s").unwrap().active.is_empty());
        bench.engine().trigger_schedule("s", None).unwrap();
        let unknown = bench.engine().trigger_schedule("t", None).unwrap_err();
        assert!(matches!(unknown, EngineError::ScheduleNotFound(_)), "{unknown}");
    });
}

#[test]
fn times_that_have_passed_are_made_up_for_once() {
    on_both(|bench| {
        bench.register(QUICK);
        bench.add("quick", r#"{"cron": "0 */6 * * *"}"#).unwrap();
        let from = Timestamp(START.0 - 86_400_000_000_000);
        let made = bench.engine().backfill_schedule("s", from, START).unwrap();
        assert_eq!(made.len(), 5, "both ends count");
        assert!(made.iter().all(|it| it.is_new) && made[0].at == from);
        bench.wait_until(|| bench.counts() == (5, 0, 0));
        assert!(bench.runs().contains(&"s@2025-12-31T06:00:00Z".to_owned()), "{:?}", bench.runs());
        let again = bench.engine().backfill_schedule("s", from, START).unwrap();
        assert!(again.len() == 5 && again.iter().all(|it| !it.is_new));
        assert_eq!(bench.runs().len(), 5);
        for (from, to, why) in [
            (START, from, "ends before it begins"),
            (from, START.after(HOUR), "ends in the future"),
            (Timestamp(0), START, "more than 1000 times"),
        ] {
            let refused = bench.engine().backfill_schedule("s", from, to).unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
        }
    });
}

#[test]
fn jitter_delays_a_start_by_what_next_says() {
    on_both(|bench| {
        bench.register(QUICK);
        bench.add("quick", r#"{"every": "1h", "jitter": "50m"}"#).unwrap();
        let next = bench.engine().next_of_schedule("s", 3).unwrap();
        let delay = next[0].due.since(next[0].at);
        assert!(delay > MINUTE && delay < MINUTE * 50, "{delay:?}");
        assert_eq!(next[0].at, START.after(HOUR));
        bench.put_forward(HOUR + delay - MINUTE);
        bench.put_forward(MINUTE);
        bench.wait_for_runs(&["s@2026-01-01T01:00:00Z"]);
    });
}

#[test]
fn what_cannot_be_started_now_is_tried_again_and_what_never_can_is_told() {
    on_both(|bench| {
        bench.register(QUICK);
        bench.add("quick", r#"{"every": "1h", "overlap": "queue"}"#).unwrap();
        bench.engine().unregister("quick", None).unwrap();
        bench.put_forward(HOUR);
        bench.wait_until(|| bench.engine().schedule("s").unwrap().error.is_some());
        let error = bench.engine().schedule("s").unwrap().error.unwrap();
        assert!(error.contains("no workflow `quick` is registered"), "{error}");
        bench.register(QUICK);
        bench.put_forward(Duration::from_secs(2));
        bench.wait_for_runs(&["s@2026-01-01T01:00:00Z"]);
        bench.wait_until(|| bench.engine().schedule("s").unwrap().error.is_none());
        bench.engine().remove_schedule("s").unwrap();
        bench.add("quick", r#"{"every": "1h", "input": "${event.none}"}"#).unwrap();
        bench.put_forward(HOUR);
        bench.wait_until(|| bench.engine().schedule("s").unwrap().error.is_some());
        assert_eq!(bench.counts(), (0, 0, 0));
    });
}

#[test]
fn an_engine_that_leaves_schedules_alone_keeps_what_is_to_be_started_for_the_next_one() {
    let store = Arc::new(MemoryStore::default());
    let config = Config { fires_schedules: false, ..Config::default() };
    let first = Bench::at(START, Some(&store), config, Arc::default());
    first.register(SLOW);
    first.add("slow", r#"{"every": "1h", "overlap": "queue"}"#).unwrap();
    let run = first.engine().trigger_schedule("s", None).unwrap().run_id;
    assert!(first.engine().trigger_schedule("s", None).unwrap().is_queued);
    first.put_forward(HOUR);
    first.lab.kit.open_gate();
    assert_eq!(first.ends_as(&run), Some(RunStatus::Completed));
    assert_eq!(first.runs().len(), 1);
    first.engine().shutdown();
    let second = Bench::at(START.after(HOUR), Some(&store), Config::default(), first.lab.kit.clone());
    second.register(SLOW);
    second.put_forward(Duration::from_secs(2));
    second.wait_until(|| second.runs().len() == 3);
}

#[test]
fn what_makes_no_schedule_is_refused() {
    on_both(|bench| {
        bench.register(r#"{"id":"w","input_schema":{"required":["a"]},"steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#);
        let refused = bench.add("w", r#"{"every": "1h"}"#).unwrap_err();
        assert!(refused.to_string().contains("\"a\" is a required property"), "{refused}");
        bench.add("w", r#"{"every": "1h", "input": {"a": 1}}"#).unwrap();
        let refused = bench.add("w", r#"{"every": "1h", "input": {"a": 1}}"#).unwrap_err();
        assert!(matches!(refused, EngineError::ScheduleExists(_)), "{refused}");
        let refused = bench.add("v", r#"{"every": "1h"}"#).unwrap_err();
        assert!(matches!(refused, EngineError::WorkflowNotFound(_)), "{refused}");
        bench.engine().remove_schedule("s").unwrap();
        let refused = bench.add("w", r#"{"at": "2025-01-01T00:00:00Z", "input": {"a": 1}}"#).unwrap_err();
        assert!(matches!(refused, EngineError::SchedulePast { .. }), "{refused}");
    });
}
