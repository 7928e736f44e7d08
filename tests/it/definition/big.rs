//! Documents with a million steps: checked and run without recursion, without quadratic time, in bounded memory.

use jackfield_tests::{Bench, CliOutput, Limits, chain, fan, skipped_chain};

const STEPS: usize = 1_000_000;

/// Address space of the command: 4 KiB a step, for text, model, plan and history together, threads included.
const MEMORY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Time of processors for each 100,000 steps. Without optimisation some 2 s are needed; anything that takes time in
/// proportion to the square of the steps needs a minute for the first 100,000.
const PROCESSOR_SECONDS_MAX: u64 = 20;

fn command(bench: &Bench, steps: usize, arguments: &[&str]) -> CliOutput {
    let processor_seconds_max = PROCESSOR_SECONDS_MAX * (steps as u64).div_ceil(100_000);
    bench.cli_within(Limits { memory_bytes_max: MEMORY_BYTES_MAX, processor_seconds_max }, arguments)
}

fn checked_and_run(document: &str, steps: usize) {
    ends_with(document, steps, steps);
}

/// Checks and runs a document of `steps` steps, of which `completed` run.
fn ends_with(document: &str, steps: usize, completed: usize) {
    let bench = Bench::new(&["echo"]);
    bench.write("big.json", document);
    let checked = command(&bench, steps, &["validate", "big.json", "--json"]).exits(0).json();
    assert_eq!(checked["valid"], true);
    let arguments = ["run", "big.json", "--json", "-q", "--steps-max", "3"];
    let run = command(&bench, steps, &arguments).exits(0).json();
    assert_eq!(run["completed_steps"], completed);
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
fn a_chain_and_a_fan_of_a_hundred_thousand_steps_are_checked_and_run() {
    checked_and_run(&chain(100_000), 100_000);
    checked_and_run(&fan(100_000), 100_002);
}

#[test]
fn a_chain_of_a_hundred_thousand_steps_that_are_all_skipped_ends() {
    ends_with(&skipped_chain(100_000), 100_000, 0);
}

#[test]
fn a_command_that_takes_too_much_memory_is_stopped() {
    let bench = Bench::new(&[]);
    bench.write("big.json", chain(1_000));
    let limits = Limits { memory_bytes_max: 1024 * 1024, processor_seconds_max: PROCESSOR_SECONDS_MAX };
    let starved = bench.cli_within(limits, &["validate", "big.json"]);
    assert_ne!(starved.code, 0, "the bound of these tests holds: {starved:?}");
}
