//! Threads that begin together.

use anyhow::{Context, Result};
use parking_lot::RwLock;
use std::thread;

/// Does `work` on `threads` threads at once and returns what each came to.
///
/// # Errors
/// If the system gives no thread; then those that were there do their work too, for nothing.
pub(crate) fn together<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Result<Vec<T>> {
    // held until all are there: a lock and no barrier, at which they would wait for ever for one that never came
    let gate = RwLock::new(());
    thread::scope(|scope| {
        let closed = gate.write();
        let spawn = |_| {
            thread::Builder::new().spawn_scoped(scope, || {
                drop(gate.read());
                work()
            })
        };
        let running: std::io::Result<Vec<_>> = (0..threads).map(spawn).collect();
        drop(closed);
        let running = running.with_context(|| format!("cannot start {threads} threads"))?;
        Ok(running.into_iter().map(|it| it.join().expect("measuring does not panic")).collect())
    })
}
