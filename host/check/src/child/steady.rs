//! Many calls of one method with parameters that are known to come back: for what only shows in numbers.

use super::call::Calling;
use super::state::allocated_bytes;
use super::watch::Over;
use super::{Around, Child};
use crate::job::{End, Method, Place, Seen};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Calls between two looks at the memory: first few, then, where the memory grows, so many that allocators have settled.
const CALLS: [usize; 2] = [250, 4000];
/// Fewer calls than this say nothing about memory.
const CALLS_MIN: usize = 50;
/// Bytes a call that are not given back. Less is the noise of allocators.
const LEAK_BYTES_MIN: u64 = 8;
/// Looks. Whatever is made once is made before the first, and each later one that finds more counts.
const LOOKS: usize = 5;
/// Calls of each of the two threads.
const CALLS_OF_THREAD: usize = 200;

/// What is done.
pub(super) struct Steady {
    /// Parameters of calls that come back quickly.
    pub(super) params: Vec<String>,
    /// Whether to call from two threads at once.
    pub(super) threads: bool,
    /// Each part is cut short after so long.
    pub(super) time_max: Duration,
}

impl Child {
    pub(super) fn steady(&mut self, around: &Around, method: &Method, steady: Steady) -> Result<(), Over> {
        let steady = Arc::new(steady);
        let instance = self.instance(around)?;
        let calling = self.calling(around.table, &instance, method);
        // longer than any part takes, so that what does not end by then hangs
        let patience = 10 * steady.time_max + Duration::from_secs(30);
        let work = |own: &Arc<Steady>| (Arc::clone(own), calling.clone());

        let (own, with) = work(&steady);
        let begun = "calling it over and over";
        let ends = around.doer.within(patience, &mut self.teller, begun, move || own.ends(&with))??;
        let (own, with, firsts) = (Arc::clone(&steady), calling.clone(), ends.clone());
        let differs = around
            .doer
            .within(patience, &mut self.teller, begun, move || own.compare(&with, &firsts, Place::Again))??;
        self.tell_all(differs)?;
        let (own, with) = work(&steady);
        let leak = around.doer.within(patience, &mut self.teller, begun, move || own.leak(&with))??;
        self.tell_all(leak.map(Seen::Leaks))?;

        let second = self.instance(around)?;
        let other = Calling { instance: Arc::clone(&second), ..calling.clone() };
        let (own, firsts, place) = (Arc::clone(&steady), ends.clone(), Place::SecondInstance);
        let differs = around.doer.within(patience, &mut self.teller, place.as_str(), move || {
            own.compare(&other, &firsts, place)
        })??;
        self.tell_all(differs)?;
        self.end(&around.doer, second)?;

        if steady.threads {
            let (own, with) = work(&steady);
            let place = Place::Threads;
            let differs = around.doer.within(patience, &mut self.teller, place.as_str(), move || {
                own.twice_at_once(&with, &ends, place)
            })??;
            self.tell_all(differs)?;
        }
        drop(calling);
        self.end(&around.doer, instance)
    }

    fn tell_all(&mut self, seen: Option<Seen>) -> Result<(), Over> {
        seen.iter().try_for_each(|seen| self.teller.tell(seen))
    }
}

impl Steady {
    /// How each call ends now.
    fn ends(&self, calling: &Calling) -> Result<Vec<End>, Over> {
        self.params.iter().map(|params| calling.make_here(params)).collect()
    }

    /// Bytes that each call leaves behind, if it does.
    fn leak(&self, calling: &Calling) -> Result<Option<u64>, Over> {
        let mut found = None;
        for (calls, time_max) in CALLS.into_iter().zip([self.time_max, 3 * self.time_max]) {
            let (calls, bytes) = self.memory(calling, calls, time_max)?;
            found = leak(calls, &bytes);
            if found.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Calls between two looks, and what was allocated at each.
    fn memory(
        &self,
        calling: &Calling,
        calls_max: usize,
        time_max: Duration,
    ) -> Result<(usize, Vec<u64>), Over> {
        let mut bytes = Vec::new();
        let mut calls = usize::MAX;
        // the first round is for whatever is made once, and tells how many calls there is time for
        for round in 0..=LOOKS {
            let until = Instant::now() + time_max / (LOOKS as u32 + 1);
            let mut made = 0;
            while made < calls {
                for params in &self.params {
                    calling.make_here(params)?;
                    made += 1;
                }
                if round == 0 && (made >= calls_max || Instant::now() >= until) {
                    calls = made;
                }
            }
            if round > 0 {
                bytes.extend(allocated_bytes());
            }
        }
        Ok((calls, bytes))
    }

    /// The first call that ends in another way than before.
    fn compare(&self, calling: &Calling, firsts: &[End], place: Place) -> Result<Option<Seen>, Over> {
        for (call, (params, first)) in self.params.iter().zip(firsts).enumerate() {
            let then = calling.make_here(params)?;
            if !is_alike(calling.method.pure, first, &then) {
                return Ok(Some(Seen::Differs { place, call, first: first.clone(), then }));
            }
        }
        Ok(None)
    }

    fn twice_at_once(&self, calling: &Calling, firsts: &[End], place: Place) -> Result<Option<Seen>, Over> {
        let is_found = AtomicBool::new(false);
        let until = Instant::now() + self.time_max;
        let body = || -> Result<Option<Seen>, Over> {
            for _ in 0..CALLS_OF_THREAD.div_ceil(self.params.len().max(1)) {
                if is_found.load(Ordering::Relaxed) || Instant::now() >= until {
                    break;
                }
                if let Some(seen) = self.compare(calling, firsts, place)? {
                    is_found.store(true, Ordering::Relaxed);
                    return Ok(Some(seen));
                }
            }
            Ok(None)
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(body);
            let own = body()?;
            let other = other.join().map_err(|_| Over)??;
            Ok(own.or(other))
        })
    }
}

/// Whether a call may end so after an equal one has ended as `first`. Of a method that is not pure nothing is known but that it
/// must not fall apart.
fn is_alike(is_pure: bool, first: &End, then: &End) -> bool {
    match (first, then) {
        _ if !is_pure => !is_broken(then) || is_broken(first),
        (End::Text(first), End::Text(then)) => first == then || is_same_json(first, then),
        (End::Failed { kind: first, .. }, End::Failed { kind: then, .. }) => first == then,
        (first, then) => std::mem::discriminant(first) == std::mem::discriminant(then),
    }
}

fn is_broken(end: &End) -> bool {
    matches!(end, End::NoText(_) | End::Panicked(_) | End::Unsupported(_) | End::BadStatus(_))
}

/// The same but for the order of keys.
fn is_same_json(a: &str, b: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    parse(a).is_some_and(|a| Some(a) == parse(b))
}

/// Bytes that each call leaves behind, if there are more at every look.
fn leak(calls: usize, bytes: &[u64]) -> Option<u64> {
    let (first, last) = (bytes.first()?, bytes.last()?);
    let least = LEAK_BYTES_MIN * calls as u64;
    let grows = bytes.len() > 2 && bytes.windows(2).all(|two| two[1] >= two[0] + least);
    (calls >= CALLS_MIN && grows).then(|| (last - first) / (calls * (bytes.len() - 1)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grows_at_every_look_is_a_leak() {
        assert_eq!(leak(100, &[0, 1600, 3200, 4800]), Some(16));
        assert_eq!(leak(100, &[0, 1600, 1600, 4800]), None, "it stood still once");
        assert_eq!(leak(100, &[0, 100, 200, 300]), None, "a byte a call");
        assert_eq!(leak(10, &[0, 1600, 3200, 4800]), None, "too few calls");
        assert_eq!(leak(100, &[]), None);
    }
}
