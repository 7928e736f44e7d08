//! The gap between two generations of a run, step by step: an engine is there only for moments.

use super::lab::plan;
use jackfield_core::payload::Payload;
use jackfield_core::plan::Channel;
use jackfield_core::run::{CancelMode, Command, Fact, History, RunState, RunStatus, Start};
use jackfield_core::time::{Nanos, Timestamp};
use std::sync::Arc;

#[test]
fn what_comes_in_between_two_generations_is_kept_for_the_next() {
    let plan = plan(
        r#"{"id":"w","steps":[{"id":"a","type":"receive","queue":"q","when":"input == 2"},
        {"id":"n","type":"continue_as_new","input":2}]}"#,
    );
    let start = Start {
        run_id: "run".into(),
        input: Payload::parse("1").unwrap(),
        config: Arc::default(),
        seed: 1,
        host_concurrency: 1,
        until: None,
        history: History::Full,
        parent: None,
        carried: None,
        key: None,
        queued: None,
        delayed_until: None,
    };
    let mut commands = Vec::new();
    let mut state = RunState::start(plan.clone(), start.clone(), Timestamp(0), &mut commands);
    let Some(Command::Continue(next)) = commands.pop() else { panic!("it asks for nothing else") };
    let outcome = Ok(Payload::parse(r#"{"version":"1.2.3"}"#).unwrap());
    state.apply(Timestamp(1), Fact::Outcome { key: next.key, duration: Nanos::ZERO, outcome }, &mut commands);
    assert_eq!(state.status(), RunStatus::Continued);
    let sent = Fact::Sent { channel: Channel::Queue, name: "q".into(), data: Payload::string("late") };
    state.apply(Timestamp(2), sent, &mut commands);
    let cancel = Fact::Cancel { mode: CancelMode::Graceful, reason: "enough".into() };
    state.apply(Timestamp(2), cancel, &mut commands);

    let next = state.next_generation().unwrap();
    assert_eq!(next.version.unwrap().to_string(), "1.2.3");
    assert_eq!((next.input.as_str(), next.carried.generation, next.facts.len()), ("2", 2, 1));
    let start = Start { input: next.input, carried: Some(Arc::new(next.carried)), ..start };
    let mut state = RunState::start(plan, start, Timestamp(3), &mut commands);
    assert_eq!(state.step_output("a").unwrap().as_str(), r#""late""#);
    assert_eq!((state.generation(), state.unread()), (2, 0));
    next.facts.into_iter().for_each(|fact| state.apply(Timestamp(3), fact, &mut commands));
    assert_eq!(state.status(), RunStatus::Cancelled);
}
