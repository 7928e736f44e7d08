//! The start after a host that did not end as it should.

use jackfield_tests::Bench;

#[test]
fn the_next_start_names_the_plugins_that_were_open_in_a_host_that_crashed_and_says_it_once() {
    let bench = Bench::new(&["echo", "fault"]);
    let call = |method: &str| bench.cli(&["plugin", "call", method, "--params", "{}"]);
    assert_eq!(call("echo.noop").code, 0);
    assert!(!call("echo.noop").stderr.contains("without a shutdown"), "that one had ended as it should");
    let crashed = call("fault.segfault");
    assert_ne!(crashed.code, 0, "{crashed:?}");
    let next = call("echo.noop");
    assert_eq!(next.code, 0, "{next:?}");
    let said = "ended without a shutdown while one plugin was open in it: `fault ";
    assert!(next.stderr.contains(said), "{next:?}");
    assert!(next.stderr.contains("`isolation = \"worker\"` under [plugins.fault]"), "{next:?}");
    assert!(!call("echo.noop").stderr.contains("without a shutdown"));
}

#[test]
fn a_plugin_in_a_worker_is_not_named() {
    let bench = Bench::new(&["fault"]);
    bench.write("jackfield.toml", "[isolation]\ndefault = \"worker\"\n");
    let call = |method: &str| bench.cli(&["plugin", "call", method, "--params", "{}"]);
    assert_eq!(call("fault.segfault").code, 1);
    assert!(!call("fault.error").stderr.contains("without a shutdown"));
}
