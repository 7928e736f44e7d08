//! A run for the pool finds a thread, also if the last one is just going.

use super::{explore, lane};
use crate::lane::{Lane, Next};
use crate::pool::Places;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::time::Duration;

struct Pool {
    lane: Arc<Lane<()>>,
    places: Places,
    served: AtomicUsize,
}

impl Pool {
    /// As `Inner::pool_thread`; a thread that is started for a run is this one again.
    fn serve(&self) {
        loop {
            match self.lane.next(Some(Duration::ZERO)) {
                Next::Run(()) => {
                    self.served.fetch_add(1, Ordering::SeqCst);
                }
                Next::Idle | Next::Stopped => {
                    if !(self.places.leave(&self.lane) && self.places.take(1)) {
                        return;
                    }
                }
            }
        }
    }
}

#[test]
fn a_run_pushed_while_the_only_thread_goes_is_served() {
    explore(3, || {
        let pool =
            Arc::new(Pool { lane: lane(false), places: Places::default(), served: AtomicUsize::new(0) });
        assert!(pool.places.take(1));
        let going = {
            let pool = pool.clone();
            thread::spawn(move || pool.serve())
        };
        for _ in 0..2 {
            if pool.lane.push(()) && pool.places.take(1) {
                pool.serve();
            }
        }
        going.join().unwrap();
        assert_eq!(pool.served.load(Ordering::SeqCst), 2);
    });
}
