//! The passes: every peer once on every shape, then all of it again, so that what else the machine does hits all alike.

use crate::graph::{Graph, Shape};
use crate::peers::{Name, Peer};
use crate::trial::{Check, Trial};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::time::Duration;

/// A peer that would need longer than this for one run gets fewer nodes, or fewer runs.
const RUN_MAX: Duration = Duration::from_secs(20);
/// From so many nodes on, smaller graphs of the shape are tried first.
const NODES_TRIED_FIRST: usize = 100_000;
/// How much larger each next graph is that is tried.
const GROWTH: usize = 10;

/// What one peer took for one shape.
pub(crate) struct Series {
    pub(crate) peer: Name,
    pub(crate) shape: Shape,
    /// Nodes of the graph; fewer than the shape has if all would take too long.
    pub(crate) nodes: usize,
    /// A run each.
    pub(crate) runs: Vec<Duration>,
    /// Why there are fewer nodes or runs than were asked for.
    pub(crate) note: Option<String>,
}

impl Series {
    /// Nanoseconds a node: the median of the runs, the fastest and the slowest.
    pub(crate) fn per_node(&self) -> Spread {
        let nanoseconds = |run: &Duration| run.as_secs_f64() * 1e9 / self.nodes as f64;
        Spread::of(self.runs.iter().map(nanoseconds).collect())
    }
}

/// A median with its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |ix: usize| values.get(ix).copied().unwrap_or(f64::NAN);
        let (upper, last) = (values.len() / 2, values.len().saturating_sub(1));
        let lower = upper - usize::from(upper > 0 && values.len().is_multiple_of(2));
        Self { median: f64::midpoint(at(lower), at(upper)), min: at(0), max: at(last) }
    }
}

/// A peer on a shape, ready to be measured.
struct Entry {
    peer: usize,
    trial: &'static Trial,
    passes: usize,
    series: Series,
}

/// Measures all peers on all shapes. `progress` is told what comes next.
pub(crate) fn measure(
    peers: &mut [Box<dyn Peer>],
    shapes: &[Shape],
    passes: usize,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Series>> {
    let (mut trials, mut entries) = (Trials::default(), Vec::new());
    for shape in shapes {
        for (ix, peer) in peers.iter_mut().enumerate() {
            progress(&format!("warm-up: {}, {}", shape.name(), peer.name().text()));
            entries.push(warm_up(ix, peer.as_mut(), *shape, passes, &mut trials)?);
        }
    }
    for pass in 0..passes {
        progress(&format!("pass {} of {passes}", pass + 1));
        // another one begins each time, so that nobody always follows the same neighbour
        let at = pass % peers.len().max(1);
        for group in entries.chunk_by_mut(|a, b| a.series.shape == b.series.shape) {
            group.rotate_left(at);
            for entry in group.iter_mut().filter(|entry| pass < entry.passes) {
                let took = run(peers[entry.peer].as_mut(), entry.trial, Check::Count)?;
                entry.series.runs.push(took);
            }
            group.rotate_right(at);
        }
    }
    Ok(entries.into_iter().map(|entry| entry.series).collect())
}

/// Runs the shape once with its order checked, untimed; a large one in growing parts, as far as the peer gets.
fn warm_up(
    ix: usize,
    peer: &mut dyn Peer,
    shape: Shape,
    passes: usize,
    trials: &mut Trials,
) -> Result<Entry> {
    let (mut times, mut note) = (Vec::new(), None);
    let sizes = sizes(shape.nodes());
    let mut reached = 0;
    for (nodes, next) in sizes.iter().zip(sizes[1..].iter().map(Some).chain([None])) {
        reached = *nodes;
        times.push(run(peer, trials.get(shape, reached)?, Check::Order)?);
        let expected = expected_next(&times);
        if let Some(next) = next.filter(|_| expected > RUN_MAX) {
            note =
                Some(format!("{reached} nodes only: {next} would take some {:.0} s", expected.as_secs_f64()));
            break;
        }
    }
    let took = times.last().copied().unwrap_or_default();
    let passes = if took > RUN_MAX { 1 } else { passes };
    if took > RUN_MAX {
        note = Some(format!("one run only: each takes some {:.0} s", took.as_secs_f64()));
    }
    let series = Series { peer: peer.name(), shape, nodes: reached, runs: Vec::new(), note };
    Ok(Entry { peer: ix, trial: trials.get(shape, reached)?, passes, series })
}

fn run(peer: &mut dyn Peer, trial: &'static Trial, check: Check) -> Result<Duration> {
    let shape = trial.graph.shape.name();
    peer.run(trial, check).with_context(|| format!("{} on {shape}", peer.name().text()))
}

/// The sizes that are tried one after the other, up to `nodes`.
fn sizes(nodes: usize) -> Vec<usize> {
    if nodes < NODES_TRIED_FIRST {
        return vec![nodes];
    }
    vec![nodes / (GROWTH * GROWTH), nodes / GROWTH, nodes]
}

/// What a graph ten times larger than the last is going to take: in proportion, or more if the last step was worse.
fn expected_next(times: &[Duration]) -> Duration {
    let [.., last] = times else { return Duration::ZERO };
    let grew = match times {
        [.., before, last] => last.as_secs_f64() / before.as_secs_f64().max(1e-9),
        _ => 0.0,
    };
    last.mul_f64(grew.max(GROWTH as f64))
}

/// Graphs are made once for all peers.
#[derive(Default)]
struct Trials(BTreeMap<(Shape, usize), &'static Trial>);

impl Trials {
    fn get(&mut self, shape: Shape, nodes: usize) -> Result<&'static Trial> {
        if let Some(known) = self.0.get(&(shape, nodes)) {
            return Ok(known);
        }
        let trial = Trial::leak(Graph::new(shape, nodes)?);
        self.0.insert((shape, nodes), trial);
        Ok(trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    type Log = Rc<RefCell<Vec<(Name, usize, Check)>>>;

    /// Takes as long as it says, without doing so.
    struct Pretender {
        name: Name,
        a_node: fn(usize) -> Duration,
        log: Log,
    }

    impl Peer for Pretender {
        fn name(&self) -> Name {
            self.name
        }

        fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
            let nodes = trial.graph.len();
            self.log.borrow_mut().push((self.name, nodes, check));
            Ok((self.a_node)(nodes) * u32::try_from(nodes).unwrap())
        }
    }

    fn pretend(name: Name, a_node: fn(usize) -> Duration, shape: Shape, passes: usize) -> (Series, Log) {
        let log = Log::default();
        let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(Pretender { name, a_node, log: log.clone() })];
        let mut all = measure(&mut peers, &[shape], passes, |_| {}).unwrap();
        (all.pop().unwrap(), log)
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 9.0, 1.0]), Spread { median: 3.0, min: 1.0, max: 9.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert!(Spread::of(vec![]).median.is_nan());
    }

    #[test]
    fn every_pass_runs_every_peer_and_begins_with_another() {
        let log = Log::default();
        let pretender = |name| -> Box<dyn Peer> {
            Box::new(Pretender { name, a_node: |_| Duration::from_nanos(7), log: log.clone() })
        };
        let mut peers = vec![pretender(Name::Rayon), pretender(Name::Tokio), pretender(Name::Dagx)];
        let all = measure(&mut peers, &[Shape::Chain, Shape::Tree], 2, |_| {}).unwrap();
        let names: Vec<Name> = log.borrow().iter().map(|(name, ..)| *name).collect();
        let (r, t, d) = (Name::Rayon, Name::Tokio, Name::Dagx);
        assert_eq!(names, [r, t, d, r, t, d, r, t, d, r, t, d, t, d, r, t, d, r]);
        assert!(
            all.iter().all(|series| series.runs.len() == 2 && (series.per_node().median - 7.0).abs() < 1e-9)
        );
        assert_eq!(all.iter().map(|series| series.peer).collect::<Vec<_>>(), [r, t, d, r, t, d]);
    }

    #[test]
    fn order_is_checked_before_time_is_taken() {
        let (_, log) = pretend(Name::Rayon, |_| Duration::ZERO, Shape::Chain, 1);
        let checks: Vec<Check> = log.borrow().iter().map(|(.., check)| *check).collect();
        assert_eq!(checks, [Check::Order, Check::Count]);
    }

    #[test]
    fn a_peer_that_would_need_too_long_gets_fewer_nodes_and_says_so() {
        let (series, log) = pretend(Name::Dagrs, |_| Duration::from_micros(30), Shape::Large, 2);
        assert_eq!((series.nodes, series.runs.len()), (100_000, 2));
        assert_eq!(series.note.unwrap(), "100000 nodes only: 1000000 would take some 30 s");
        assert_eq!(log.borrow().iter().map(|(_, nodes, _)| *nodes).max(), Some(100_000));
        // in proportion it would be quick enough, but it gets slower with size
        let worse = |nodes| Duration::from_nanos(if nodes < 50_000 { 4_000 } else { 12_000 });
        let (series, _) = pretend(Name::Dagrs, worse, Shape::Large, 2);
        assert_eq!(series.note.unwrap(), "100000 nodes only: 1000000 would take some 36 s");
    }

    #[test]
    fn a_peer_that_is_slower_than_it_looked_runs_once() {
        let slow = |nodes| Duration::from_micros(if nodes < 500_000 { 1 } else { 25 });
        let (series, _) = pretend(Name::Dagrs, slow, Shape::Large, 5);
        assert_eq!((series.nodes, series.runs.len()), (1_000_000, 1));
        assert_eq!(series.note.unwrap(), "one run only: each takes some 25 s");
    }

    #[test]
    fn a_failure_names_peer_and_shape() {
        struct Broken;
        impl Peer for Broken {
            fn name(&self) -> Name {
                Name::Rayon
            }
            fn run(&mut self, _: &'static Trial, _: Check) -> Result<Duration> {
                anyhow::bail!("node 3 of 9 did not run")
            }
        }
        let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(Broken)];
        let error = measure(&mut peers, &[Shape::Wave], 1, |_| {}).err().unwrap();
        assert_eq!(format!("{error:#}"), "rayon scope on wave: node 3 of 9 did not run");
    }
}
