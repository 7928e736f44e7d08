//! A slow interpreter of one parallel scope of calls, written to be obviously right: it looks at everything again
//! whenever something has settled. Only for documents whose result does not depend on which step is faster.

use std::collections::BTreeMap;

/// How a step of a random document is made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) dependencies: Vec<usize>,
    pub(crate) rule: Rule,
    pub(crate) when: bool,
    pub(crate) critical: bool,
    /// The first attempt that succeeds.
    pub(crate) good: u32,
    pub(crate) attempts_max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    NoneFailed,
    AllCompleted,
    AllSettled,
    AnyFailed,
    AnyCompleted,
    Completed(u32),
}

/// Statuses and attempts of all steps once nothing can go on.
pub(crate) fn interpret(steps: &[Plan]) -> BTreeMap<usize, (&'static str, u32)> {
    let mut ends: BTreeMap<usize, (&'static str, u32)> = BTreeMap::new();
    loop {
        let next = (0..steps.len()).find(|step| {
            !ends.contains_key(step) && steps[*step].dependencies.iter().all(|on| ends.contains_key(on))
        });
        let Some(next) = next else { return ends };
        let end = settle(&steps[next], &ends);
        ends.insert(next, end);
    }
}

fn settle(step: &Plan, ends: &BTreeMap<usize, (&'static str, u32)>) -> (&'static str, u32) {
    let count = |status| step.dependencies.iter().filter(|on| ends[on].0 == status).count() as u32;
    let (completed, failed, all) = (count("completed"), count("failed"), step.dependencies.len() as u32);
    let fires = all == 0
        || match step.rule {
            Rule::NoneFailed => completed + failed > 0,
            Rule::AllCompleted => completed == all,
            Rule::AllSettled => true,
            Rule::AnyFailed => failed > 0,
            Rule::AnyCompleted => completed > 0,
            Rule::Completed(n) => completed >= n,
        };
    if !fires || !step.when {
        return ("skipped", 0);
    }
    if step.good <= step.attempts_max { ("completed", step.good) } else { ("failed", step.attempts_max) }
}
