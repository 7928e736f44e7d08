//! METG(50 %): the smallest body at which runs still take at most twice the ideal time (minimum effective task
//! granularity; Slaughter et al., Task Bench, SC 2020).

use super::document::{Work, document};
use super::job::Job;
use super::load::Load;
use super::runs::nanos;
use super::spread::Spread;
use super::verify::Expected;
use anyhow::{Context, Result};
use jackfield::Host;
use std::time::{Duration, Instant};

/// Half of the ideal.
const EFFICIENCY: f64 = 0.5;
/// Where the search begins, in nanoseconds.
const BODY_NS_START: f64 = 1_000.0;
/// Where it ends upwards: a machine that cannot keep half of its threads busy with this is busy with other things.
pub(crate) const BODY_MAX: Duration = Duration::from_millis(1);
/// Where it ends downwards: bodies are timed by a clock that takes about as long to read.
const BODY_NS_MIN: f64 = 50.0;
/// How exact the answer is.
const PRECISION: f64 = 1.03;
/// Steps that an efficiency is measured over at least,
const STEPS_MIN: usize = 10_000;
/// unless that takes longer than this.
const POINT_TIME_MAX: Duration = Duration::from_millis(300);

/// The METG in microseconds for the graph and the output of `job`, one run at a time; `None` if there is none.
pub(crate) fn find(host: &Host, job: &Job) -> Result<Option<f64>> {
    let found = bisect(|body_ns| Ok(efficiency(host, job, body_ns)? >= EFFICIENCY))?;
    Ok(found.map(|body_ns| body_ns / 1_000.0))
}

/// The smallest body that is enough, in nanoseconds, if all larger ones are enough too.
fn bisect(mut is_enough: impl FnMut(f64) -> Result<bool>) -> Result<Option<f64>> {
    let mut is_enough = |body_ns: f64| Ok::<_, anyhow::Error>(body_ns >= BODY_NS_MIN && is_enough(body_ns)?);
    let (mut too_small, mut enough) = (BODY_NS_START / 2.0, BODY_NS_START);
    while !is_enough(enough)? {
        if enough >= nanos(BODY_MAX) {
            return Ok(None);
        }
        (too_small, enough) = (enough, (enough * 2.0).min(nanos(BODY_MAX)));
    }
    while too_small < BODY_NS_START && is_enough(too_small)? {
        (too_small, enough) = (too_small / 2.0, too_small);
    }
    while enough / too_small > PRECISION {
        let middle = (enough * too_small).sqrt();
        match is_enough(middle)? {
            true => enough = middle,
            false => too_small = middle,
        }
    }
    Ok(Some(enough))
}

/// The median share of the ideal that runs with bodies of this length reach.
fn efficiency(host: &Host, job: &Job, body_ns: f64) -> Result<f64> {
    let body = Duration::from_nanos(body_ns.round() as u64);
    let job = Job { work: Work { body, ..job.work }, runs: 1, concurrency: 1, ..*job };
    let workflow = host.parse(&document(&job.graph, job.work))?;
    let load = Load { host, workflow: &workflow, runs: 1, concurrency: 1 };
    let expected = Expected { graph: &job.graph, work: job.work, kept: job.history };
    let passes = job.repeats.max(STEPS_MIN / job.graph.steps);
    let mut shares = Vec::with_capacity(passes);
    let (mut last, begun) = (load.go()?, Instant::now());
    while shares.is_empty() || (shares.len() < passes && begun.elapsed() < POINT_TIME_MAX) {
        load.forget(last.runs);
        last = load.go()?;
        shares.push(job.ideal_ns(nanos(body)) / nanos(last.elapsed));
    }
    expected.check(&last.runs)?;
    load.forget(last.runs);
    Ok(Spread::of(shares).context("nothing was measured")?.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_body_that_is_enough_is_found() {
        for limit in [51.0, 120.0, 999.0, 1_000.0, 1_001.0, 47_000.0, 1_000_000.0] {
            let found = bisect(|body| Ok(body >= limit)).unwrap().unwrap();
            assert!((limit..limit * PRECISION * 1.001).contains(&found), "{found} for {limit}");
        }
    }

    #[test]
    fn a_search_without_end_ends() {
        assert_eq!(bisect(|_| Ok(false)).unwrap(), None);
        assert!(bisect(|_| Ok(true)).unwrap().unwrap() < 2.0 * BODY_NS_MIN);
    }
}
