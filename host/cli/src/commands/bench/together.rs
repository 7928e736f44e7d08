//! Threads that begin together.

use anyhow::{Context, Result};
use parking_lot::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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

/// Does `each` for all numbers below `count`, on `threads` threads, of which each takes the next number when it is done
/// with one. What came of each number, in their order, and the time from the first beginning to the last end.
///
/// # Errors
/// The first that `each` has; what others have begun is still done, and nothing further.
pub(crate) fn share<T: Send>(
    threads: usize,
    count: usize,
    each: impl Fn(usize) -> Result<T> + Sync,
) -> Result<(Vec<T>, Duration)> {
    let next = AtomicUsize::new(0);
    let one = || -> Result<_> {
        let (mut done, begun) = (Vec::new(), Instant::now());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok((done, begun, Instant::now()));
            }
            done.push((number, each(number).inspect_err(|_| next.store(count, Ordering::Relaxed))?));
        }
    };
    let clients = together(threads, one)?.into_iter().collect::<Result<Vec<_>>>()?;
    let begun = clients.iter().map(|it| it.1).min();
    let ended = clients.iter().map(|it| it.2).max();
    let elapsed = begun.zip(ended).map_or(Duration::ZERO, |(begun, ended)| ended - begun);
    let mut all: Vec<(usize, T)> = clients.into_iter().flat_map(|it| it.0).collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    Ok((all.into_iter().map(|(_, it)| it).collect(), elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn every_number_is_taken_once_and_an_error_ends_it() {
        let (squares, _) = share(3, 100, |number| Ok(number * number)).unwrap();
        assert_eq!(squares, (0..100).map(|number| number * number).collect::<Vec<_>>());
        let taken = AtomicUsize::new(0);
        let refused = share(1, 100, |number| {
            taken.fetch_add(1, Ordering::Relaxed);
            if number == 7 { bail!("seven") } else { Ok(()) }
        });
        assert_eq!((refused.unwrap_err().to_string(), taken.into_inner()), ("seven".into(), 8));
    }
}
