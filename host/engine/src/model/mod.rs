//! Models of the hand-over, run under every interleaving of their threads that loom finds worth trying. A lost
//! wake-up shows as a deadlock: the model's threads sleep and nobody is left to wake them.
//!
//! The code checked is the product's own, on the model's locks; what stands around it is written again as small as
//! it gets.

mod cancel;
mod lane;
mod offer;
mod pool;

use crate::lane::Lane;
use loom::sync::Arc;
use std::time::Duration;

/// Runs `model` under every interleaving with at most so many preemptions, or fewer if `LOOM_MAX_PREEMPTIONS` says
/// so: with a fourth thread, or a second meeting, a third preemption takes minutes.
fn explore(preemptions_max: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = builder.preemption_bound.map_or(preemptions_max, |bound| bound.min(preemptions_max));
    builder.preemption_bound = Some(bound);
    builder.check(model);
}

/// A lane whose threads look around before they sleep, or do not.
fn lane<R>(spins: bool) -> Arc<Lane<R>> {
    Arc::new(Lane::spinning(if spins { Duration::MAX } else { Duration::ZERO }))
}

/// A place where threads wait until so many have come.
struct Meeting {
    missing: crate::sync::Mutex<usize>,
    complete: crate::sync::Condvar,
}

impl Meeting {
    fn new(count: usize) -> Self {
        Self { missing: crate::sync::Mutex::new(count), complete: Default::default() }
    }

    fn meet(&self) {
        let mut missing = self.missing.lock();
        *missing -= 1;
        self.complete.notify_all();
        while *missing > 0 {
            self.complete.wait(&mut missing);
        }
    }
}
