//! Facts and starts on their way through the journal, and back.

use super::*;
use crate::failure::Failure;
use crate::plan::{Channel, StepIx};
use crate::run::{CallKey, CancelMode, Carried, Fact, Forked, InstanceIx, Parent, Retried, TimerId, Unread};
use crate::time::{Nanos, Timestamp};
use std::collections::HashMap;

fn key(attempt: u32) -> CallKey {
    CallKey { instance: InstanceIx(3), step: StepIx(70_000), attempt, is_undo: attempt == 2 }
}

fn outcome(attempt: u32, outcome: Result<Payload, Failure>) -> Fact {
    Fact::Outcome { key: key(attempt), duration: Nanos(123_456), outcome: outcome.map_err(Box::new) }
}

fn failure() -> Failure {
    Failure {
        details: Payload::trusted(r#"{"a":[1,"ü"]}"#),
        step: "probe[3].fetch".into(),
        attempts: 7,
        retryable: false,
        ..Failure::new("http.503", "no luck")
    }
}

fn all_kinds() -> Vec<Fact> {
    let mut all = first_kinds();
    all.extend(second_kinds());
    all.extend([Fact::Began(key(2)), Fact::Admitted, retried(), forked()]);
    all
}

fn retried() -> Fact {
    let failed = Some((InstanceIx(3), StepIx(70_000)));
    Fact::Retried(Box::new(Retried { keep: 300, failed, from: Some("a".into()) }))
}

fn forked() -> Fact {
    let input = Some(Payload::trusted("[1]"));
    Fact::Forked(Box::new(Forked { run_id: "r".into(), at: "a".into(), input }))
}

fn second_kinds() -> Vec<Fact> {
    vec![
        Fact::Pause { reason: "hold on".into() },
        Fact::Resume,
        Fact::Sent { channel: Channel::Event, name: "paid".into(), data: Payload::trusted("[1]") },
        Fact::Sent { channel: Channel::Queue, name: "inbox".into(), data: Payload::null() },
    ]
}

fn first_kinds() -> Vec<Fact> {
    vec![
        outcome(1, Ok(Payload::null())),
        outcome(2, Ok(Payload::trusted(r#"{"rows":17}"#))),
        outcome(3, Err(failure())),
        Fact::Timer(TimerId(5)),
        Fact::Cancel { mode: CancelMode::Kill, reason: "enough".into() },
        Fact::Cancel { mode: CancelMode::Graceful, reason: "".into() },
    ]
}

fn read(bytes: &[u8], start: Timestamp, blobs: &Blobs) -> Result<Vec<Batch>, Damage> {
    let blobs: HashMap<_, _> = blobs.iter().cloned().collect();
    Batches::new(bytes, start, &|id| blobs.get(&id).cloned()).collect()
}

fn text(batches: &[Batch]) -> String {
    format!("{batches:?}")
}

#[test]
fn facts_of_every_kind_come_back_as_they_were() {
    let start = Timestamp(1_000_000_000);
    let (mut bytes, mut blobs) = (Vec::new(), Blobs::new());
    let wanted = [
        Batch { at: start, facts: all_kinds() },
        // the clock was set back to before the start
        Batch { at: Timestamp(5), facts: vec![Fact::Timer(TimerId(u64::MAX))] },
    ];
    for batch in &wanted {
        encode_batch(start, batch.at, &batch.facts, &mut bytes, &mut blobs);
    }
    assert!(blobs.is_empty());
    assert_eq!(text(&read(&bytes, start, &blobs).unwrap()), text(&wanted));
}

#[test]
fn a_step_without_a_result_takes_some_fifteen_bytes() {
    let mut bytes = Vec::new();
    let facts = [outcome(1, Ok(Payload::null()))];
    encode_batch(Timestamp(0), Timestamp(60_000_000_000), &facts, &mut bytes, &mut Blobs::new());
    assert!(bytes.len() <= 20, "{} bytes", bytes.len());
}

#[test]
fn a_long_value_stands_elsewhere_once_and_is_missed_if_it_is_gone() {
    let long = Payload::string(&"x".repeat(INLINE_LEN_MAX));
    let (mut bytes, mut blobs) = (Vec::new(), Blobs::new());
    encode_batch(Timestamp(0), Timestamp(1), &[outcome(1, Ok(long.clone()))], &mut bytes, &mut blobs);
    assert!(bytes.len() < 100);
    let back = read(&bytes, Timestamp(0), &blobs).unwrap();
    let Fact::Outcome { outcome: Ok(result), .. } = &back[0].facts[0] else { panic!("{back:?}") };
    assert_eq!(result.as_str(), long.as_str());
    let missing = read(&bytes, Timestamp(0), &Blobs::new()).unwrap_err();
    assert_eq!(missing, Damage::NoBlob(BlobId::of(long.as_bytes())));
}

#[test]
fn bytes_that_were_cut_or_changed_are_an_error_and_never_a_panic() {
    let (mut bytes, mut blobs) = (Vec::new(), Blobs::new());
    encode_batch(Timestamp(0), Timestamp(9), &all_kinds(), &mut bytes, &mut blobs);
    for len in 1..bytes.len() {
        assert!(read(&bytes[..len], Timestamp(0), &blobs).is_err(), "cut to {len} bytes");
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            // it may still make sense, or not; it must not bring the host down or take all its memory
            let _ = read(&damaged, Timestamp(0), &blobs);
        }
    }
}

/// `facts` as they are written.
fn hex_of(facts: &[Fact]) -> String {
    let (mut bytes, mut blobs) = (Vec::new(), Blobs::new());
    encode_batch(Timestamp(1), Timestamp(1_001), facts, &mut bytes, &mut blobs);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_format_of_facts_does_not_change() {
    // written by the first version that had a journal: every later one must read it
    assert_eq!(hex_of(&first_kinds()), include_str!("facts-1.hex").trim());
    // kinds that came later
    assert_eq!(hex_of(&second_kinds()), include_str!("facts-2.hex").trim());
    assert_eq!(hex_of(&[Fact::Began(key(2)), Fact::Admitted]), "d00f020703f0a204020108");
    assert_eq!(hex_of(&[retried()]), "d00f0109ac020103f0a204010161");
    assert_eq!(hex_of(&[Fact::Recovered]), "d00f010b");
    assert_eq!(hex_of(&[forked()]), "d00f010a017201610101035b315d");
}

#[test]
fn the_start_comes_back_and_other_rules_are_refused() {
    let start = StoredStart {
        rules: RULES,
        at: Timestamp(7),
        input: Payload::trusted(r#"{"a": [1, 2.50]}"#),
        config: [("k".into(), Payload::trusted("\"v\""))].into(),
        seed: u64::MAX,
        host_concurrency: 9,
        until: Some("last".into()),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        parent: Some(Parent {
            run_id: "above".into(),
            key: key(1),
            is_detached: true,
            generation: 3,
            depth: 2,
        }),
        carried: Some(Carried {
            line: 77,
            generation: 4,
            unread: vec![Unread {
                channel: Channel::Queue,
                name: "q".into(),
                data: Payload::trusted(r#"{"a": 1}"#),
            }],
            custom_status: Payload::trusted("[2]"),
            status_version: 5,
            followers: vec!["child".into()],
        }),
        key: Some("customer-1".into()),
        queued: Some("the run before it".into()),
        delayed_until: Some(Timestamp(9)),
        methods: BlobId::of(b"methods"),
    };
    let text = serde_json::to_string(&start).unwrap();
    assert_eq!(format!("{:?}", StoredStart::parse(&text).unwrap()), format!("{start:?}"));
    // written before there were traces and generations
    let mut older: serde_json::Value = serde_json::from_str(&text).unwrap();
    for later in ["traceparent", "carried", "key", "queued", "delayed_until"] {
        assert!(older.as_object_mut().unwrap().remove(later).is_some());
    }
    assert!(older["parent"].as_object_mut().unwrap().remove("generation").is_some());
    let older = StoredStart::parse(&older.to_string()).unwrap();
    assert_eq!((&*older.traceparent, older.carried, older.parent.unwrap().generation), ("", None, 1));
    assert_eq!((older.key, older.queued, older.delayed_until), (None, None, None));
    let other = text.replace("\"rules\":1", "\"rules\":77");
    assert_eq!(StoredStart::parse(&other).unwrap_err(), Damage::Rules(77));
    assert!(matches!(StoredStart::parse("[]"), Err(Damage::Start(_))));
}
