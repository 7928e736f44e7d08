//! A durable engine without threads: what its threads would do is done one thing at a time, in an order that a seed
//! decides, on a clock of its own, with faults in between. A seed that fails fails each time:
//! `JACKFIELD_SEED=n cargo test -p jackfield-engine --lib one_seed -- --nocapture`.
//!
//! Everything here drives the engine's own code: state machine, journal, replay, errands, timers, lanes. Only threads, the
//! clock, methods and the store are those of the simulation.

mod documents;
mod faults;
mod judge;
mod methods;
mod play;
mod tests;
mod world;

use crate::planted::Bug;
use std::rc::Rc;
use std::time::Instant;

pub(crate) use self::world::World;

/// The simulated time, on a thread that simulates.
pub(crate) fn now() -> Option<Instant> {
    world().map(|world| world.instant())
}

/// What is otherwise made of time and chance.
pub(crate) fn fresh_id() -> Option<uuid::Uuid> {
    let world = world()?;
    Some(uuid::Uuid::from_u64_pair(world.below(u64::MAX), world.below(u64::MAX)))
}

/// Whether this thread simulates.
pub(crate) fn is_on() -> bool {
    world().is_some()
}

/// The defect of this thread's engine.
pub(crate) fn planted() -> Option<Bug> {
    world().and_then(|world| world.bug)
}

/// Somebody waits for the journal: it writes meanwhile.
pub(crate) fn write_until(lasts: impl Fn() -> bool) {
    let Some(world) = world() else { return };
    while !lasts() {
        if !world.write() && !lasts() {
            world.accuse("somebody waits for the journal, and there is nothing to write");
            return;
        }
    }
}

/// The world of this thread.
fn world() -> Option<Rc<World>> {
    World::current()
}
