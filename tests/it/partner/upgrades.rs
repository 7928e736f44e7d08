//! `jf.state/1`: what a plugin knows goes over to its newer version while the host runs on.

use super::{step, steps};
use jackfield::json;
use jackfield_tests::{Bench, Counter};

/// Puts a version of the plugin `counter` into place.
fn put(bench: &Bench, version: &str, takes_over: Option<bool>) {
    let to = bench.plugin_file(&format!("counter-{version}"));
    let counter = Counter::new("counter", version);
    match takes_over {
        Some(takes_over) => counter.compile_with_state(&to, takes_over),
        None => counter.compile(&to),
    }
}

/// The version that answers, and how often it has been called.
fn next(bench: &Bench) -> String {
    let document = steps(vec![step("a", "counter.next", json!({}), json!({}))]);
    let finished = bench.run(&document, json!({})).completed();
    finished.output().as_str().expect("it is a text").to_owned()
}

#[test]
fn the_newer_version_goes_on_where_the_older_one_was() {
    let bench = Bench::new(&[]);
    put(&bench, "1.0.0", Some(true));
    assert_eq!([next(&bench), next(&bench)], ["1.0.0:1", "1.0.0:2"]);
    put(&bench, "1.1.0", Some(true));
    bench.host().rescan();
    assert_eq!([next(&bench), next(&bench)], ["1.1.0:3", "1.1.0:4"]);
    put(&bench, "2.0.0", None);
    bench.host().rescan();
    assert_eq!(next(&bench), "2.0.0:1", "it takes no state over");
}

#[test]
fn a_version_that_cannot_use_the_state_is_kept_out_and_the_older_one_goes_on() {
    let bench = Bench::new(&[]);
    put(&bench, "1.0.0", Some(true));
    assert_eq!(next(&bench), "1.0.0:1");
    put(&bench, "1.1.0", Some(false));
    std::fs::remove_file(bench.plugin_file("counter-1.0.0")).unwrap();
    // however often it is looked at
    for nth in 2..4 {
        let changes = bench.host().rescan();
        assert!(changes.added.is_empty() && changes.removed.is_empty(), "{changes:?}");
        assert_eq!(next(&bench), format!("1.0.0:{nth}"), "the older one is still had, without its file");
    }
    let problems = bench.host().plugin_problems();
    let problem = problems.iter().find(|it| it.code == "plugin.state_refused").expect("it is told");
    let said = "does not take over the state of version 1.0.0: its count is beyond me";
    assert!(problem.message.contains(said), "{problem:?}");
    put(&bench, "1.2.0", Some(true));
    bench.host().rescan();
    assert_eq!(next(&bench), "1.2.0:4", "one that can use it takes over from the one that went on");
}

#[test]
fn a_version_that_nobody_has_called_has_nothing_to_hand_over() {
    let bench = Bench::new(&[]);
    put(&bench, "1.0.0", Some(true));
    let _ = bench.host();
    put(&bench, "1.1.0", Some(false));
    bench.host().rescan();
    assert_eq!(next(&bench), "1.1.0:1");
}
