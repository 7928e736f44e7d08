//! How long runs, attempts of steps and commits of the journal take: counted in buckets of fixed bounds. A step adds to a number
//! of the thread that hands it in; what many of them add to the same bucket is added at once.

use crate::run::RunCell;
use crate::traces::{kind_of, method_of};
use jackfield_core::plan::{MethodIx, Plan};
use jackfield_core::run::{CallKey, Fact};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of buckets in nanoseconds: 1, 2 and 5 of each power of ten from a microsecond to 1,000 seconds.
const BOUNDS: [u64; 28] = bounds();
const BUCKETS: usize = BOUNDS.len() + 1;
/// By the number of bits of a time: the first bucket that it may be in.
const FIRST: [u8; 65] = first();
/// Methods that are told apart at most; the rest are one.
const METHODS_MAX: usize = 200;
const OTHER: &str = "other";

const fn bounds() -> [u64; 28] {
    let (mut all, mut nth, mut power) = ([0; 28], 0, 1_000);
    while nth < 28 {
        let step = [1, 2, 5][nth % 3];
        all[nth] = step * power;
        if step == 5 {
            power *= 10;
        }
        nth += 1;
    }
    all
}

const fn first() -> [u8; 65] {
    let (mut all, mut bits) = ([0; 65], 0);
    while bits < 65 {
        let least: u64 = if bits == 0 { 0 } else { 1 << (bits - 1) };
        let mut nth = 0;
        while nth < BOUNDS.len() && least > BOUNDS[nth] {
            nth += 1;
        }
        all[bits] = nth as u8;
        bits += 1;
    }
    all
}

fn bucket(ns: u64) -> usize {
    let mut nth = usize::from(FIRST[64 - ns.leading_zeros() as usize]);
    while nth < BOUNDS.len() && ns > BOUNDS[nth] {
        nth += 1;
    }
    nth
}

/// Times of one thing.
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), sum_ns: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub(crate) fn add(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.add_many(bucket(ns), 1, ns);
    }

    fn add_many(&self, bucket: usize, count: u64, sum_ns: u64) {
        self.counts[bucket].fetch_add(count, Ordering::Relaxed);
        self.sum_ns.fetch_add(sum_ns, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Latency {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let sum_ns = self.sum_ns.load(Ordering::Relaxed);
        let count = counts.iter().sum();
        Latency {
            count,
            p50_us: quantile(&counts, count, 50) / 1_000,
            p99_us: quantile(&counts, count, 99) / 1_000,
            sum_us: sum_ns / 1_000,
            counts: counts.to_vec(),
        }
    }
}

/// The time that so many of a hundred have not exceeded, in nanoseconds; as if times were spread evenly over their bucket.
fn quantile(counts: &[u64; BUCKETS], count: u64, percent: u64) -> u64 {
    let rank = (count * percent).div_ceil(100);
    let mut below = 0;
    for (nth, here) in counts.iter().enumerate().filter(|(_, here)| **here > 0) {
        if below + here >= rank {
            let least = if nth == 0 { 0 } else { BOUNDS[nth - 1] };
            let most = BOUNDS.get(nth).copied().unwrap_or(least);
            let part = u128::from(most - least) * u128::from(rank - below) / u128::from(*here);
            return least + u64::try_from(part).unwrap_or(0);
        }
        below += here;
    }
    0
}

/// How long one thing took since the engine began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Latency {
    /// How often it was done.
    pub count: u64,
    /// Half of the times were no longer, in microseconds; exact to the bucket, which are 1, 2 and 5 of each power of ten.
    pub p50_us: u64,
    /// 99 of 100 were no longer.
    pub p99_us: u64,
    /// All times together.
    pub sum_us: u64,
    /// By bucket; see [`Latency::bounds_s`].
    #[serde(skip)]
    counts: Vec<u64>,
}

impl Latency {
    /// Upper bounds of buckets in seconds, with how many times were in each; the last one has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.iter().map(|ns| *ns as f64 / 1e9).chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().copied())
    }
}

/// How long things took since the engine began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Latencies {
    /// Runs by how they ended, from their start to their end.
    pub runs: BTreeMap<&'static str, Latency>,
    /// Attempts of steps, by `plugin.method`, or by the type of a step that is done by the engine with other runs (`emit`,
    /// `workflow`); from their beginning to their end. At most 200 names; the rest are `other`.
    pub attempts: BTreeMap<String, Latency>,
    /// Commits of the journal; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<Latency>,
}

/// What an engine counts.
#[derive(Default)]
pub(crate) struct Times {
    /// Completed, failed, cancelled, continued.
    runs: [Histogram; 4],
    attempts: Mutex<BTreeMap<Box<str>, Arc<Histogram>>>,
}

/// How a run ended.
#[derive(Clone, Copy)]
pub(crate) enum Ended {
    Completed,
    Failed,
    Cancelled,
    Continued,
}

const ENDINGS: [(Ended, &str); 4] = [
    (Ended::Completed, "completed"),
    (Ended::Failed, "failed"),
    (Ended::Cancelled, "cancelled"),
    (Ended::Continued, "continued"),
];

impl Times {
    pub(crate) fn run_ended(&self, how: Ended, took: Duration) {
        self.runs[how as usize].add(took);
    }

    /// Counts the attempts that have ended.
    pub(crate) fn note(&self, run: &RunCell, facts: &[Fact]) {
        let mut same: Option<(What, usize)> = None;
        let (mut count, mut sum_ns) = (0, 0);
        for fact in facts {
            let Fact::Outcome { key, duration, outcome } = fact else { continue };
            // one that was cancelled before it began took no time
            if duration.0 == 0 && outcome.is_err() {
                continue;
            }
            let this = (what(&run.plan, *key), bucket(duration.0));
            if let Some((what, bucket)) = same.filter(|same| *same != this) {
                self.add(run, what, (bucket, count, sum_ns));
                (count, sum_ns) = (0, 0);
            }
            same = Some(this);
            count += 1;
            sum_ns += duration.0;
        }
        if let Some((what, bucket)) = same {
            self.add(run, what, (bucket, count, sum_ns));
        }
    }

    fn add(&self, run: &RunCell, what: What, (bucket, count, sum_ns): (usize, u64, u64)) {
        match what {
            What::Method(method) => {
                let of_methods = run.times.get_or_init(|| {
                    let name = |used: &jackfield_core::plan::MethodUse| {
                        self.of(&format!("{}.{}", used.plugin, used.method))
                    };
                    run.plan.methods.iter().map(name).collect()
                });
                if let Some(histogram) = of_methods.get(method.0 as usize) {
                    histogram.add_many(bucket, count, sum_ns);
                }
            }
            What::Kind(kind) => self.of(kind).add_many(bucket, count, sum_ns),
        }
    }

    fn of(&self, name: &str) -> Arc<Histogram> {
        let mut all = self.attempts.lock();
        if let Some(known) = all.get(name) {
            return known.clone();
        }
        let name = if all.len() < METHODS_MAX { name } else { OTHER };
        all.entry(name.into()).or_default().clone()
    }

    /// Without the journal.
    pub(crate) fn read(&self) -> Latencies {
        let attempts = self.attempts.lock();
        let runs = ENDINGS.iter().map(|(how, word)| (*word, self.runs[*how as usize].read()));
        Latencies {
            runs: runs.collect(),
            attempts: attempts.iter().map(|(name, times)| (name.to_string(), times.read())).collect(),
            journal: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Method(MethodIx),
    Kind(&'static str),
}

fn what(plan: &Plan, key: CallKey) -> What {
    if let Some(plain) = plan.plain(key.step).filter(|_| !key.is_undo) {
        return What::Method(plain.method);
    }
    match method_of(plan, key.step, key.is_undo) {
        Some(method) => What::Method(method),
        None => What::Kind(kind_of(&plan.step(key.step).action)),
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_bucket_whose_bound_it_does_not_exceed() {
        assert_eq!((BOUNDS[0], BOUNDS[1], BOUNDS[2], BOUNDS[27]), (1_000, 2_000, 5_000, 1_000_000_000_000));
        for (nth, bound) in BOUNDS.iter().enumerate() {
            assert_eq!((bucket(*bound), bucket(bound + 1)), (nth, nth + 1), "{bound}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BOUNDS.len()));
    }

    #[test]
    fn quantiles_lie_in_the_bucket_of_the_time_that_they_are_about() {
        let histogram = Histogram::default();
        (0..98).for_each(|_| histogram.add(Duration::from_micros(150)));
        (0..2).for_each(|_| histogram.add(Duration::from_millis(30)));
        let read = histogram.read();
        assert_eq!((read.count, read.sum_us), (100, 98 * 150 + 60_000));
        assert!((100..=200).contains(&read.p50_us), "{read:?}");
        assert!((20_000..=50_000).contains(&read.p99_us), "{read:?}");
        assert_eq!(Histogram::default().read().p99_us, 0);
        let counted: Vec<_> = read.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0.000_2, 98), (0.05, 2)]);
    }

    #[test]
    fn names_are_bounded() {
        let times = Times::default();
        (0..METHODS_MAX + 5).for_each(|nth| times.of(&format!("p.m{nth}")).add(Duration::from_micros(1)));
        let read = times.read();
        assert_eq!(read.attempts.len(), METHODS_MAX + 1);
        assert_eq!(read.attempts[OTHER].count, 5);
    }
}
