//! Documents with a million steps: checked and run without recursion, without quadratic time, in bounded memory.

use jackfield_tests::{Bench, CliOutput, chain, fan};

const STEPS: usize = 1_000_000;

/// Address space of the command: 4 KiB a step, for text, model, plan and history together, threads included.
const MEMORY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

fn command(bench: &Bench, arguments: &[&str]) -> CliOutput {
    bench.cli_within(MEMORY_BYTES_MAX, arguments)
}

fn checked_and_run(document: &str, steps: usize) {
    let bench = Bench::new(&["echo"]);
    bench.write("big.json", document);
    let checked = command(&bench, &["validate", "big.json", "--json"]).exits(0).json();
    assert_eq!(checked["valid"], true);
    let run = command(&bench, &["run", "big.json", "--json", "-q", "--steps-max", "3"]).exits(0).json();
    assert_eq!(run["completed_steps"], steps);
    assert_eq!(run["steps_omitted"], steps - 3);
    assert_eq!(run["output"], "done");
}

#[test]
#[ignore = "slow: a million steps without optimisation take more than ten seconds"]
fn a_chain_of_a_million_steps_is_checked_and_run() {
    checked_and_run(&chain(STEPS), STEPS);
}

#[test]
#[ignore = "slow: a million steps without optimisation take more than ten seconds"]
fn a_fan_of_a_million_steps_is_checked_and_run() {
    checked_and_run(&fan(STEPS), STEPS + 2);
}

#[test]
fn a_chain_and_a_fan_of_some_thousand_steps_are_checked_and_run() {
    checked_and_run(&chain(20_000), 20_000);
    checked_and_run(&fan(20_000), 20_002);
}

#[test]
fn a_command_that_takes_too_much_memory_is_stopped() {
    let bench = Bench::new(&[]);
    bench.write("big.json", chain(1_000));
    let starved = bench.cli_within(1024 * 1024, &["validate", "big.json"]);
    assert_ne!(starved.code, 0, "the bound of these tests holds: {starved:?}");
}
