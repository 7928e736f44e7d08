//! When schedules are due, over changes of the clock too; what their input is; what is refused.

use super::*;
use std::collections::BTreeMap;

fn spec(text: &str) -> Spec {
    Spec::parse(text, None).unwrap_or_else(|findings| panic!("{text}: {findings:?}"))
}

fn time(text: &str) -> Timestamp {
    let at = DateTime::parse_from_rfc3339(text).unwrap();
    Timestamp(u64::try_from(at.timestamp_nanos_opt().unwrap()).unwrap())
}

/// The `count` occurrences after `after`, without milliseconds.
fn after(spec: &Spec, after: &str, count: usize) -> Vec<String> {
    let next = |at: &Timestamp| spec.next(Timestamp(0), *at);
    let times = std::iter::successors(spec.next(Timestamp(0), time(after)), next);
    times.take(count).map(|at| at.to_rfc3339().replace(".000Z", "Z")).collect()
}

fn in_vienna(cron: &str) -> Spec {
    spec(&format!(r#"{{"cron": "{cron}", "timezone": "Europe/Vienna"}}"#))
}

#[test]
fn cron_counts_by_the_wall_clock_of_its_time_zone() {
    let daily = in_vienna("30 8 * * MON-FRI");
    assert_eq!(
        after(&daily, "2026-03-26T12:00:00Z", 3),
        ["2026-03-27T07:30:00Z", "2026-03-30T06:30:00Z", "2026-03-31T06:30:00Z"]
    );
    let seconds = spec(r#"{"cron": "*/20 * * * * *"}"#);
    assert_eq!(after(&seconds, "2026-01-01T00:00:10Z", 2), ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z"]);
    let leap = spec(r#"{"cron": "0 0 29 2 *"}"#);
    assert_eq!(after(&leap, "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    let either = spec(r#"{"cron": "0 0 1 * MON"}"#);
    assert_eq!(
        after(&either, "2026-07-27T12:00:00Z", 2),
        ["2026-08-01T00:00:00Z", "2026-08-03T00:00:00Z"],
        "the first of the month or a Monday"
    );
}

#[test]
fn a_fixed_time_that_does_not_exist_starts_when_the_clock_has_been_put_forward() {
    // in Vienna 02:00 to 03:00 does not exist on 2026-03-29
    assert_eq!(
        after(&in_vienna("30 2 * * *"), "2026-03-27T12:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
}

#[test]
fn a_fixed_time_that_exists_twice_starts_the_first_time_only() {
    // in Vienna 02:00 to 03:00 comes twice on 2026-10-25
    assert_eq!(
        after(&in_vienna("30 2 * * *"), "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn repeated_times_follow_the_clock_over_both_changes() {
    let quarterly = in_vienna("*/30 * * * *");
    assert_eq!(
        after(&quarterly, "2026-03-29T00:30:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
        "nothing is made up for in the hour that does not exist"
    );
    assert_eq!(
        after(&quarterly, "2026-10-25T00:00:00Z", 4),
        ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"],
        "both hours of the same name count"
    );
}

#[test]
fn every_counts_time_that_passes_whatever_clocks_say() {
    let spec = spec(r#"{"every": "90m"}"#);
    let since = time("2026-03-29T00:00:00Z");
    let first = spec.next(since, Timestamp(0)).unwrap();
    assert_eq!(first, time("2026-03-29T01:30:00Z"));
    assert_eq!(spec.next(since, first), Some(time("2026-03-29T03:00:00Z")));
    assert_eq!(spec.when.previous(since, first), Some(first));
    assert_eq!(spec.when.previous(since, time("2026-03-29T01:29:59Z")), None, "not when it begins");
    assert_eq!(spec.next(since, Timestamp(u64::MAX)), None);
}

#[test]
fn one_point_in_time_comes_once() {
    let spec = spec(r#"{"at": "2030-01-31T09:00:00+01:00"}"#);
    assert_eq!(after(&spec, "2026-01-01T00:00:00Z", 2), ["2030-01-31T08:00:00Z"]);
    assert_eq!(
        spec.when.previous(Timestamp(0), time("2031-01-01T00:00:00Z")),
        Some(time("2030-01-31T08:00:00Z"))
    );
}

#[test]
fn jitter_is_the_same_for_the_same_occurrence_and_differs_between_schedules() {
    let most = Duration::from_secs(60);
    let all: Vec<_> = (0..200).map(|nth| jitter("a", Timestamp(nth * 3_600_000_000_000), most)).collect();
    assert!(all.iter().all(|it| *it < most));
    assert!(all.iter().any(|it| *it > most / 2) && all.iter().any(|it| *it < most / 2));
    assert_eq!(jitter("a", Timestamp(0), most), all[0]);
    assert_ne!(jitter("b", Timestamp(0), most), all[0]);
    assert_eq!(jitter("a", Timestamp(5), Duration::ZERO), Duration::ZERO);
}

fn due(spec: &Spec, after: &str, now: &str, late: u64, most: usize) -> DueNow {
    let late = Duration::from_secs(late);
    spec.due_between("s", (time("2026-01-01T00:00:00Z"), time(after), time(now)), |_| late, most)
}

#[test]
fn what_is_due_comes_oldest_first_and_what_is_too_late_is_left_out() {
    let spec = spec(r#"{"every": "1h"}"#);
    let (after, now) = ("2026-01-01T02:00:00Z", "2026-01-01T07:10:00Z");
    let hours = |hours: &[u32]| -> Vec<_> {
        hours.iter().map(|hour| time(&format!("2026-01-01T{hour:02}:00:00Z"))).collect()
    };
    let all = due(&spec, after, now, 86_400, 10);
    assert_eq!((all.start, all.has_missed), (hours(&[3, 4, 5, 6, 7]), false));
    let late = due(&spec, after, now, 2 * 3600, 10);
    assert_eq!((late.start, late.has_missed), (hours(&[6, 7]), true));
    let most = due(&spec, after, now, 86_400, 3);
    assert_eq!((most.start, most.has_missed), (hours(&[5, 6, 7]), true));
    let none = due(&spec, after, now, 0, 10);
    assert_eq!((none.start, none.last, none.has_missed), (vec![], Some(hours(&[7])[0]), true));
    assert_eq!(due(&spec, now, now, 86_400, 10), DueNow::default());
}

#[test]
fn what_is_behind_does_not_move_the_times_of_every() {
    let spec = spec(r#"{"every": "1h"}"#);
    let found = due(&spec, "2026-01-01T02:30:00Z", "2026-01-01T04:30:00Z", 86_400, 10);
    assert_eq!(found.start, [time("2026-01-01T03:00:00Z"), time("2026-01-01T04:00:00Z")]);
}

#[test]
fn an_occurrence_that_is_held_back_by_jitter_holds_back_those_behind_it() {
    let spec = spec(r#"{"every": "1s", "jitter": "30s"}"#);
    let (since, now) = (time("2026-01-01T00:00:00Z"), time("2026-01-01T00:01:00Z"));
    let found = spec.due_between("s", (since, since, now), |_| Duration::from_secs(3600), 1_000);
    let last = *found.start.last().unwrap();
    assert_eq!(found.start.len() as u64, last.since(since).as_secs(), "all of them up to there");
    assert!(found.start.iter().all(|at| spec.due("s", *at) <= now));
    assert!(spec.due("s", spec.next(since, last).unwrap()) > now, "the next one is not due");
}

#[test]
fn the_input_is_made_of_what_started_the_run() {
    let spec = spec(
        r#"{"on_event": "e", "input": {"who": "${event.name}", "of": "${workflow.id} ${workflow.version} ${workflow.run_id}", "k": "${config.k}"}}"#,
    );
    let event = Payload::parse(r#"{"name": "x"}"#).unwrap();
    let config = BTreeMap::from([("k".into(), Payload::trusted("7"))]);
    let occasion = Occasion {
        event: &event,
        workflow: "w",
        version: "1.0.0",
        run_id: "r",
        config: &config,
        now: Timestamp(0),
    };
    let input = spec.input.as_ref().unwrap().render(&occasion).unwrap();
    assert_eq!(input.as_str().replace(' ', ""), r#"{"who":"x","of":"w1.0.0r","k":7}"#);
    let failed = spec.input.unwrap().render(&Occasion { event: &Payload::null(), ..occasion });
    assert!(failed.is_err());
}

#[test]
fn each_fault_names_its_field_and_place_and_a_way_out() {
    for (text, at, message, hint) in [
        (r#"{"cron": "61 * * * *"}"#, 9, "`cron`: `61 * * * *` is no cron expression: ", "The fields are"),
        (r#"{"cron": "* * *"}"#, 9, "`cron`: `* * *` is no cron expression: ", "The fields are"),
        (r#"{"cron": "0 0 30 2 *"}"#, 9, "is no cron expression: there is no such day", "The fields are"),
        (
            r#"{"cron": "@daily", "timezone": "Europe/Viena"}"#,
            31,
            "`timezone`: there is no time zone `Europe/Viena`",
            "Did you mean `Europe/Vienna`?",
        ),
        (r#"{"every": "999ms"}"#, 10, "`every`: 999ms is shorter than a second", "Write \"1s\""),
        (r#"{"at": "2030-01-31"}"#, 7, "`at`: `2030-01-31` is no time", "Write it like"),
        (r#"{"every": "1h", "timezone": "UTC"}"#, 28, "`timezone` has no meaning here", "Remove it."),
        (r#"{"on_event": "e", "catch_up": "1h"}"#, 30, "`catch_up` has no meaning here", "Remove it."),
        (r#"{"on_event": "e", "jitter": "1s"}"#, 28, "`jitter` has no meaning here", "Remove it."),
        (r#"{"every": "1h", "jitter": "25h"}"#, 26, "`jitter`: 1d1h is longer than 24h", ""),
        (r#"{"every": "1h", "input": "${input.x}"}"#, 28, "`input` has no meaning here", "sees `event`"),
        (
            r#"{"every": "1h", "at": "2030-01-01T00:00:00Z"}"#,
            16,
            "`every`, `at` exclude each other",
            "Keep one",
        ),
        (r#"{"enabled": true}"#, 0, "`schedule` has none of", "exactly one"),
        (r#"{"every": "1h", "overlap": "wait"}"#, 27, "`overlap` cannot be `wait`", "`queue`"),
    ] {
        let findings = Spec::parse(text, None).unwrap_err();
        let first = &findings[0];
        assert_eq!((findings.len(), first.at), (1, at), "{text}: {findings:?}");
        assert!(first.message.contains(message), "{text}: {}", first.message);
        assert!(first.hint.contains(hint), "{text}: {}", first.hint);
    }
    let keys = BTreeSet::from(["known".into()]);
    let findings = Spec::parse(r#"{"every": "1h", "input": "${config.knwn}"}"#, Some(&keys)).unwrap_err();
    assert_eq!(findings[0].hint, "Did you mean `config.known`?");
}
