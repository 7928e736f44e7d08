//! Measures what a step costs in runs of different lengths, one run alone and many at a time.

use super::document::document;
use super::figures::{Figures, Length};
use super::graph::Graph;
use super::job::Job;
use super::kernel;
use super::load::Load;
use super::runs::nanos;
use super::spread::Spread;
use super::verify::Expected;
use crate::args::Shape;
use crate::printer::Printer;
use anyhow::{Context, Result};
use jackfield::Host;

/// Steps of the shortest run.
const SHORTEST: usize = 10;
/// Steps of all runs of a repeat at least; short runs are made again and again, one behind the other.
const STEPS_MIN: usize = 1_000;

/// Chains of 10, 100, ... steps: up to the number asked for in one run, up to as many in all runs together.
pub(crate) fn measure(host: &Host, job: &Job, printer: &Printer) -> Result<Figures> {
    let mut growth = Vec::new();
    for at_once in [1, job.concurrency] {
        for steps in lengths(job.graph.steps / at_once) {
            printer.note(&format!("runs of {steps} steps, {at_once} at a time"));
            growth.push(length(host, job, steps, at_once)?);
        }
        if job.concurrency == 1 {
            break;
        }
    }
    let mut alone = growth.iter().filter(|it| it.at_once == 1);
    let longest = alone.next_back().context("there is no run to measure")?;
    Ok(Figures { ns_per_step: Some(longest.ns_per_step), growth, ..Figures::default() })
}

/// Powers of ten below `longest`, and `longest`.
fn lengths(longest: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(SHORTEST), |steps| steps.checked_mul(10));
    powers.take_while(|steps| *steps < longest).chain((longest > 0).then_some(longest)).collect()
}

fn length(host: &Host, job: &Job, steps: usize, at_once: usize) -> Result<Length> {
    let graph = Graph::new(Shape::Chain, steps, None);
    let workflow = host.parse(&document(&graph, job.work))?;
    let runs = at_once.max(STEPS_MIN.div_ceil(steps));
    let load = Load { host, workflow: &workflow, runs, concurrency: at_once };
    let expected = Expected { graph: &graph, work: job.work, kept: job.history };
    let in_all = (steps * runs) as f64;
    let (mut ns, mut written) = (Vec::new(), Vec::new());
    for _ in 0..job.repeats {
        let before = kernel::written_bytes();
        let pass = load.go()?;
        let behind = kernel::written_bytes();
        ns.push(nanos(pass.elapsed) / in_all);
        written.extend(before.zip(behind).map(|(before, behind)| (behind - before) as f64 / in_all));
        expected.check(&pass.runs)?;
        load.forget(pass.runs);
    }
    let ns_per_step = Spread::of(ns).context("nothing was measured")?;
    Ok(Length { steps, runs, at_once, ns_per_step, written_per_step: Spread::of(written) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_go_up_by_ten_to_the_longest() {
        assert_eq!(lengths(1_000), [10, 100, 1_000]);
        assert_eq!(lengths(3_906), [10, 100, 1_000, 3_906]);
        assert_eq!((lengths(3), lengths(0)), (vec![3], vec![]));
    }
}
