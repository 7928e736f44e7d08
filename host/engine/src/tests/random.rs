//! Random graphs of random outcomes come out as the slow interpreter says, on one thread and on two.

use super::lab::Lab;
use super::reference::{Plan, Rule, interpret};
use jackfield_core::run::{RunStatus, StepStatus};
use serde_json::{Value, json};

/// A generator of numbers that look random (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn random_step(dice: &mut Dice, before: usize) -> Plan {
    let mut dependencies: Vec<usize> = Vec::new();
    for _ in 0..dice.below(4) {
        if before > 0 {
            dependencies.push(dice.below(before as u64) as usize);
        }
    }
    dependencies.sort_unstable();
    dependencies.dedup();
    let many = dependencies.len() as u64;
    let rule = match dice.below(if many > 0 { 6 } else { 1 }) {
        0 => Rule::NoneFailed,
        1 => Rule::AllCompleted,
        2 => Rule::AllSettled,
        3 => Rule::AnyFailed,
        4 => Rule::AnyCompleted,
        _ => Rule::Completed(1 + dice.below(many) as u32),
    };
    let attempts_max = 1 + dice.below(3) as u32;
    let good = if dice.chance(60) { 1 } else { 1 + dice.below(4) as u32 };
    Plan { dependencies, rule, when: dice.chance(85), critical: false, good, attempts_max }
}

fn random_steps(seed: u64) -> Vec<Plan> {
    let mut dice = Dice(seed);
    let count = 1 + dice.below(24) as usize;
    let mut steps: Vec<Plan> = (0..count).map(|before| random_step(&mut dice, before)).collect();
    if dice.chance(30) {
        // Only one may be critical and fail: which of two came first would be a matter of luck.
        let chosen = dice.below(count as u64) as usize;
        let is_watched =
            steps.iter().any(|step| step.rule == Rule::AnyFailed && step.dependencies.contains(&chosen));
        steps[chosen].critical = !is_watched;
    }
    steps
}

fn document(steps: &[Plan], seed: u64) -> Value {
    const METHODS: [&str; 4] = ["fail", "fail_blocking", "fail_later", "fail"];
    let step = |(nth, plan): (usize, &Plan)| {
        let rule = match plan.rule {
            Rule::NoneFailed => json!("none_failed"),
            Rule::AllCompleted => json!("all_completed"),
            Rule::AllSettled => json!("all_settled"),
            Rule::AnyFailed => json!("any_failed"),
            Rule::AnyCompleted => json!("any_completed"),
            Rule::Completed(n) => json!({ "completed": n }),
        };
        let dependencies: Vec<_> = plan.dependencies.iter().map(|on| format!("s{on}")).collect();
        let mut step = json!({
            "id": format!("s{nth}"), "plugin": "t", "method": METHODS[(seed as usize + nth) % 4],
            "parameters": { "good": plan.good, "value": nth }, "critical": plan.critical,
            "when": if plan.when { "input.yes" } else { "!input.yes" },
            "retry": { "max_attempts": plan.attempts_max, "backoff": "none" },
        });
        if !dependencies.is_empty() {
            step["dependencies"] = json!(dependencies);
            step["trigger_rule"] = rule;
        }
        step
    };
    let steps: Vec<_> = steps.iter().enumerate().map(step).collect();
    let mut document = json!({ "id": "w", "mode": "parallel", "steps": steps });
    if seed.is_multiple_of(3) {
        document["max_concurrency"] = json!(1 + seed % 4);
    }
    document
}

/// Compares one run. A critical failure cuts a run short: then whatever has a status of its own has the right one.
fn compare(lab: &Lab, seed: u64) {
    let steps = random_steps(seed);
    let ended = lab.run_with(&document(&steps, seed).to_string(), r#"{"yes":true}"#);
    let expected = interpret(&steps);
    let fails = steps.iter().enumerate().any(|(nth, step)| step.critical && expected[&nth].0 == "failed");
    let end = if fails { RunStatus::Failed } else { RunStatus::Completed };
    assert_eq!(ended.status, end, "seed {seed}: {steps:#?} {:#?}", ended.report);
    for (nth, (status, attempts)) in expected {
        let shown = ended.step(&format!("s{nth}"));
        if fails && shown.status == StepStatus::Cancelled {
            continue;
        }
        assert_eq!(
            (shown.status.as_str(), shown.attempts),
            (status, attempts),
            "seed {seed}, step {nth}: {steps:#?}"
        );
    }
}

#[test]
fn random_graphs_end_as_a_slow_interpreter_says() {
    for threads in [1, 2] {
        let lab = Lab::with(crate::Config { threads, ..Default::default() });
        for seed in 0..400 {
            compare(&lab, seed);
        }
    }
}
