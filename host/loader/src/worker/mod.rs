//! Plugins in worker processes: a pool of them for each plugin version, which starts them, hands them calls, and takes
//! the blame apart when one ends.
//!
//! ```text
//! method -> pool -> worker (one process; one thread here that reads what it says)
//!             \-> clock (one thread: starts processes, watches graces, idle times and back-off)
//! ```
//!
//! A pool's state stands behind one lock. Nobody holds it while answering a call. A worker that does
//! anything but what the protocol allows is killed; whatever it says before is not believed further than its own calls.

mod answer;
mod asked;
mod clock;
mod crash;
mod ear;
mod inbox;
mod lines;
mod method;
mod offers;
mod outbox;
mod pool;
mod probe;
mod process;
mod seats;
mod share;
mod supervisor;
mod talk;
mod ungranted;

pub(crate) use method::WorkerMethod;
pub(crate) use pool::{Pool, PoolSetup};
pub(crate) use probe::{Probed, describe};
pub(crate) use supervisor::Supervisor;
