//! What a worker may use up. Limits hold under every policy.

use crate::actions::Action;
use crate::child::{self, Order};
use crate::{run, sandbox};

#[test]
fn memory_beyond_the_limit_is_not_allocated() {
    for policy in ["required", "off"] {
        let with = |bytes: u64| format!("sandbox = '{policy}'\nlimits = {{ memory_bytes_max = {bytes} }}");
        let allocate = [Action::Allocate(512 << 20)];
        assert_eq!(run(&with(256 << 20), &allocate).only(), Err(libc::ENOMEM));
        assert_eq!(run(&with(2 << 30), &allocate).only().unwrap(), "allocated");
    }
}

#[test]
fn memory_is_limited_without_a_word_about_it() {
    assert_eq!(run("", &[Action::Allocate(5 << 30)]).only(), Err(libc::ENOMEM));
}

#[test]
fn files_beyond_the_limit_are_not_opened() {
    assert_eq!(run("limits = { open_files_max = 32 }", &[Action::OpenMany]).only(), Err(libc::EMFILE));
    assert_eq!(run("", &[Action::OpenMany]).only(), Err(libc::EMFILE));
    let raised = run("limits = { open_files_max = 15000 }", &[Action::OpenMany]);
    assert_eq!(raised.only().unwrap(), "10000 open");
}

#[test]
fn a_worker_that_has_used_up_its_processor_time_is_killed() {
    let sandbox = sandbox("limits = { cpu_seconds_max = 1 }");
    let signal = child::deadly(&Order { sandbox, actions: vec![Action::Burn], ..Order::default() });
    assert!([libc::SIGXCPU, libc::SIGKILL].contains(&signal), "{signal}");
}

#[test]
fn a_worker_leaves_no_dump() {
    assert_eq!(run("", &[Action::CoreLimit]).only().unwrap(), "Some(0)");
}

#[test]
fn anonymous_shared_memory_stays_possible() {
    assert_eq!(run("", &[Action::SharedMemory]).only().unwrap(), "x read");
}
