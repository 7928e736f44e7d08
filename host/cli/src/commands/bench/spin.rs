//! The reference for efficiency: the bodies alone, in bare loops on as many threads as the engine has.

use super::together::together;
use anyhow::Result;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the loops of one measurement take, about.
const MEASURED_FOR: Duration = Duration::from_millis(100);
/// How much of it a thread takes on at a time: little, so that one that the system holds up holds up no others, but
/// enough that taking costs nothing.
const TAKEN_AT_A_TIME: Duration = Duration::from_micros(20);

/// Nanoseconds that a body of this length takes on each of `threads` that do nothing else, `bodies` of them at most
/// in all.
pub(crate) fn body_ns(body: Duration, threads: usize, bodies: usize) -> Result<f64> {
    let fitting =
        |time: Duration| usize::try_from(time.as_nanos() / body.as_nanos().max(1)).unwrap_or(usize::MAX);
    let bodies = bodies.min(fitting(MEASURED_FOR).saturating_mul(threads)).max(threads);
    let share = fitting(TAKEN_AT_A_TIME).clamp(1, bodies.div_ceil(threads));
    let taken = AtomicUsize::new(0);
    let ends = together(threads, || bare_loop(body, bodies, share, &taken))?;
    let begun = ends.iter().map(|(begun, _)| *begun).min();
    let ended = ends.iter().map(|(_, ended)| *ended).max();
    let elapsed = begun.zip(ended).map_or(Duration::ZERO, |(begun, ended)| ended - begun);
    Ok(elapsed.as_nanos() as f64 * threads as f64 / bodies as f64)
}

fn bare_loop(body: Duration, bodies: usize, share: usize, taken: &AtomicUsize) -> (Instant, Instant) {
    let begun = Instant::now();
    loop {
        let first = taken.fetch_add(share, Ordering::Relaxed);
        if first >= bodies {
            return (begun, Instant::now());
        }
        for _ in first..bodies.min(first + share) {
            let started = Instant::now();
            while started.elapsed() < body {
                std::hint::spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_at_least_its_time() {
        let body = Duration::from_micros(50);
        for threads in [1, 3] {
            assert!(body_ns(body, threads, 100).unwrap() >= 50_000.0);
        }
        assert!(body_ns(body, 4, 1).unwrap() >= 50_000.0);
    }
}
