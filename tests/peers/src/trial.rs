//! One graph being run: the body of its nodes, the clock, and the proof that every node ran once and in order.
//!
//! A body must cost next to nothing and still leave traces. It writes a mark of its own node, which says that the node
//! ran, and adds to a counter of its own thread. All marks are there and the counters add up to the number of nodes: then
//! each node ran exactly once. When order is checked, the mark is a place in a sequence that all threads share, which is
//! dear and therefore not timed.

use crate::graph::Graph;
use anyhow::{Result, ensure};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Threads with a counter of their own; those beyond share one.
const THREADS: usize = 256;

/// The next thread's place among the counters. It is shared by all graphs because a thread's place is.
static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// What is looked at when a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// That every node ran once.
    Count,
    /// That too, and that no node ran before one that it depends on. Such a run is not worth timing.
    Order,
}

/// A graph and what its bodies leave behind. It is shared by one run at a time.
pub(crate) struct Trial {
    pub(crate) graph: Graph,
    marks: Box<[AtomicU32]>,
    counters: Box<[Counter]>,
    in_order: AtomicBool,
    sequence: AtomicU32,
    /// What each node still waits for, for peers that have no counters of their own.
    waits: Box<[AtomicU32]>,
    in_degrees: Vec<u32>,
}

#[repr(align(128))]
#[derive(Default)]
struct Counter(AtomicU64);

impl Trial {
    pub(crate) fn new(graph: Graph) -> Self {
        let in_degrees = graph.in_degrees();
        Self {
            marks: graph.nodes().map(|_| AtomicU32::new(0)).collect(),
            counters: (0..=THREADS).map(|_| Counter::default()).collect(),
            in_order: AtomicBool::new(false),
            sequence: AtomicU32::new(0),
            waits: in_degrees.iter().copied().map(AtomicU32::new).collect(),
            in_degrees,
            graph,
        }
    }

    /// Lives as long as the process, as the tasks of most peers must be able to. There is one for each shape and size.
    pub(crate) fn leak(graph: Graph) -> &'static Self {
        Box::leak(Box::new(Self::new(graph)))
    }

    /// The body of a node.
    #[inline]
    pub(crate) fn visit(&self, node: u32) {
        let mark = if self.in_order.load(Ordering::Relaxed) {
            self.sequence.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            1
        };
        self.marks[node as usize].store(mark, Ordering::Relaxed);
        let thread = thread_index();
        let counter = &self.counters[thread].0;
        if thread < THREADS {
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells `node` that one of its dependencies has run; whether it was the last.
    #[inline]
    pub(crate) fn release(&self, node: u32) -> bool {
        let waits = &self.waits[node as usize];
        // whoever sees 1 is the last and alone with it
        waits.load(Ordering::Acquire) == 1 || waits.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// How many nodes each node waits for.
    pub(crate) fn in_degrees(&self) -> &[u32] {
        &self.in_degrees
    }

    /// Times `run`, which calls [`Trial::visit`] for the nodes, and looks whether it did so rightly.
    pub(crate) fn time(&self, check: Check, run: impl FnOnce() -> Result<()>) -> Result<Duration> {
        self.reset(check);
        let started = Instant::now();
        run()?;
        let took = started.elapsed();
        self.verify(check)?;
        Ok(took)
    }

    fn reset(&self, check: Check) {
        self.in_order.store(check == Check::Order, Ordering::Relaxed);
        self.sequence.store(0, Ordering::Relaxed);
        self.marks.iter().for_each(|mark| mark.store(0, Ordering::Relaxed));
        self.counters.iter().for_each(|counter| counter.0.store(0, Ordering::Relaxed));
        let waits = self.waits.iter().zip(&self.in_degrees);
        waits.for_each(|(waits, degree)| waits.store(*degree, Ordering::Relaxed));
    }

    fn verify(&self, check: Check) -> Result<()> {
        let marks: Vec<u32> = self.marks.iter().map(|mark| mark.load(Ordering::Relaxed)).collect();
        let runs: u64 = self.counters.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum();
        let nodes = self.graph.len();
        if let Some(missing) = marks.iter().position(|mark| *mark == 0) {
            anyhow::bail!("node {missing} of {nodes} did not run");
        }
        ensure!(runs == nodes as u64, "{nodes} nodes ran {runs} times");
        if check == Check::Order { verify_order(&self.graph, &marks) } else { Ok(()) }
    }
}

/// That the places at which nodes ran are those of an order in which dependencies come first.
pub(crate) fn verify_order(graph: &Graph, places: &[u32]) -> Result<()> {
    for node in graph.nodes() {
        for dependency in graph.dependencies(node) {
            let early = places[node as usize] <= places[*dependency as usize];
            ensure!(!early, "node {node} ran before node {dependency}, which it depends on");
        }
    }
    Ok(())
}

#[inline]
fn thread_index() -> usize {
    let index = THREAD.get();
    if index == usize::MAX { take_thread_index() } else { index }
}

#[cold]
fn take_thread_index() -> usize {
    let index = NEXT_THREAD.fetch_add(1, Ordering::Relaxed).min(THREADS);
    THREAD.set(index);
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Shape;

    fn outcome(check: Check, nodes: &[u32]) -> String {
        let trial = Trial::new(Graph::new(Shape::Chain, 3).unwrap());
        let run = || {
            nodes.iter().for_each(|node| trial.visit(*node));
            Ok(())
        };
        trial.time(check, run).map_or_else(|error| error.to_string(), |_| "right".to_owned())
    }

    #[test]
    fn a_node_that_does_not_run_or_runs_twice_or_too_early_is_noticed() {
        assert_eq!(outcome(Check::Order, &[0, 1, 2]), "right");
        assert_eq!(outcome(Check::Count, &[0, 2]), "node 1 of 3 did not run");
        assert_eq!(outcome(Check::Count, &[0, 1, 2, 1]), "3 nodes ran 4 times");
        assert_eq!(outcome(Check::Count, &[0, 2, 1]), "right");
        assert_eq!(outcome(Check::Order, &[0, 2, 1]), "node 2 ran before node 1, which it depends on");
    }

    #[test]
    fn a_trial_can_be_run_again_and_counts_all_threads() {
        let trial = Trial::new(Graph::new(Shape::Wave, 10_000).unwrap());
        for _ in 0..2 {
            let visit = |half: u32| {
                trial.graph.nodes().filter(|node| node % 2 == half).for_each(|node| trial.visit(node))
            };
            let run = || {
                std::thread::scope(|scope| {
                    scope.spawn(|| visit(0));
                    visit(1);
                });
                Ok(())
            };
            trial.time(Check::Count, run).unwrap();
        }
    }

    #[test]
    fn the_last_dependency_releases_a_node() {
        let trial = Trial::new(Graph::new(Shape::Wave, 10_000).unwrap());
        assert_eq!((trial.release(301), trial.release(301), trial.release(1)), (false, true, true));
    }
}
