//! What happens on a system that lacks something, and to a worker that was not started properly.

use crate::actions::Action;
use crate::child::{Before, Order, order};
use crate::{Answer, run, sandbox};

fn lacking(text: &str, call: i64, errno: i32) -> Answer {
    let before = Before::Lacks { call, errno };
    order(&Order { sandbox: sandbox(text), before, actions: vec![Action::Udp], ..Order::default() })
}

#[test]
fn everything_is_enforced_and_reported() {
    let enforced = run("", &[]).applied.unwrap();
    assert!(enforced.seccomp && enforced.rlimits && enforced.privileges, "{enforced:?}");
    assert!(enforced.landlock_abi.is_some_and(|abi| abi >= 3), "{enforced:?}");
    assert!(enforced.missing.is_empty(), "{enforced:?}");
}

#[test]
fn without_landlock_a_worker_is_refused_with_the_reason_or_runs_with_what_there_is() {
    for (errno, reason) in [(libc::ENOSYS, "has no Landlock"), (libc::EOPNOTSUPP, "is not enabled")] {
        let call = libc::SYS_landlock_create_ruleset;
        let refusal = lacking("", call, errno).applied.unwrap_err();
        assert!(refusal.contains(reason) && refusal.contains("best_effort"), "{refusal}");
        let mut best = lacking("sandbox = 'best_effort'", call, errno);
        let udp = best.results.pop().unwrap();
        assert_eq!(udp.unwrap_err().0, Some(libc::EPERM));
        let enforced = best.applied.unwrap();
        assert!(enforced.seccomp && enforced.landlock_abi.is_none(), "{enforced:?}");
        assert!(enforced.missing.len() == 1 && enforced.missing[0].contains(reason), "{enforced:?}");
    }
}

#[test]
fn without_landlock_signals_of_a_worker_with_programs_are_named_as_missing() {
    let text = "sandbox = 'best_effort'\ngrant = { exec = true }";
    let enforced = lacking(text, libc::SYS_landlock_create_ruleset, libc::ENOSYS).applied.unwrap();
    assert!(enforced.missing.iter().any(|lack| lack.starts_with("signals to other")), "{enforced:?}");
}

#[test]
fn without_filters_of_calls_a_worker_is_refused_with_the_reason_or_runs_with_what_there_is() {
    let refusal = lacking("", libc::SYS_seccomp, libc::EINVAL).applied.unwrap_err();
    assert!(refusal.contains("seccomp fails"), "{refusal}");
    let mut best = lacking("sandbox = 'best_effort'", libc::SYS_seccomp, libc::EINVAL);
    assert!(best.results.pop().unwrap().is_ok());
    let enforced = best.applied.unwrap();
    assert!(!enforced.seccomp && enforced.landlock_abi.is_some(), "{enforced:?}");
}

#[test]
fn a_sandbox_that_is_off_says_so() {
    let enforced = run("sandbox = 'off'", &[]).applied.unwrap();
    assert!(enforced.rlimits && !enforced.seccomp && enforced.landlock_abi.is_none(), "{enforced:?}");
    assert!(enforced.missing.iter().any(|lack| lack.contains("off")), "{enforced:?}");
}

#[test]
fn variables_that_are_not_granted_are_not_hidden_afterwards_but_refused() {
    let with = |text: &str| {
        let extra_env = Some("SMTP_PASSWORD".to_owned());
        let actions = vec![Action::Variables];
        order(&Order { sandbox: sandbox(text), extra_env, actions, ..Order::default() })
    };
    let refusal = with("").applied.unwrap_err();
    assert!(refusal.contains("`SMTP_PASSWORD`") && refusal.contains("grant.env"), "{refusal}");
    let granted = with("grant = { env = ['SMTP_PASSWORD'] }").only().unwrap();
    assert!(granted.split(' ').any(|name| name == "SMTP_PASSWORD"), "{granted}");
}

#[test]
fn path_comes_with_exec_only() {
    let names = |text| run(text, &[Action::Variables]).only().unwrap();
    let has_path = |names: &str| names.split(' ').any(|name| name == "PATH");
    assert!(std::env::var_os("PATH").is_some());
    assert!(!has_path(&names("")));
    assert!(has_path(&names("grant = { exec = true }")));
}

#[test]
fn a_process_with_other_threads_is_refused() {
    let answer = order(&Order { before: Before::Thread, ..Order::default() });
    assert!(answer.applied.unwrap_err().contains("one thread, it has 2"));
}

#[test]
fn a_path_that_cannot_be_granted_is_named_with_its_key() {
    for (text, expected) in [
        ("grant = { fs = { read = ['/nowhere'] } }", "`/nowhere` of `grant.fs.read`: No such file"),
        ("grant = { fs = { write = ['/nowhere'] } }", "`/nowhere` of `grant.fs.write`: No such file"),
        ("grant = { fs = { read = ['etc'] } }", "`etc` of `grant.fs.read`: the path is not absolute"),
    ] {
        let refusal = run(text, &[]).applied.unwrap_err();
        assert!(refusal.contains(expected), "{refusal}");
    }
    let order_with = Order { readable: vec!["/nowhere/p.so".into()], ..Order::default() };
    let refusal = order(&order_with).applied.unwrap_err();
    assert!(refusal.contains("`/nowhere/p.so` readable"), "{refusal}");
}
