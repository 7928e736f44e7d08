//! Locks, signals and counters of the code whose interleavings are checked: the real ones, or those of the model.
//!
//! `model` is what the product would do under every interleaving of its threads; `CONTRIBUTING.md` says how to run
//! it.

#[cfg(not(all(test, feature = "loom")))]
pub(crate) use self::real::{AtomicUsize, Condvar, Looks, Mutex, Ordering};

#[cfg(all(test, feature = "loom"))]
pub(crate) use self::modelled::{AtomicUsize, Condvar, Looks, Mutex, Ordering};

#[cfg(not(all(test, feature = "loom")))]
mod real {
    pub(crate) use parking_lot::{Condvar, Mutex};
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    /// How often a thread that spins looks before it asks what time it is.
    const LOOKS: u32 = 32;
    /// After this long a thread that spins lets others have its processor now and then.
    const POLITE_AFTER: Duration = Duration::from_micros(5);

    /// How long a thread goes on looking for something.
    pub(crate) struct Looks {
        begun: Instant,
        limit: Duration,
        made: u32,
    }

    impl Looks {
        pub(crate) fn new(limit: Duration) -> Self {
            Self { begun: Instant::now(), limit, made: 0 }
        }

        /// To be asked after each look: whether there is time for another.
        pub(crate) fn is_another_due(&mut self) -> bool {
            std::hint::spin_loop();
            self.made += 1;
            if self.made < LOOKS {
                return true;
            }
            self.made = 0;
            let spent = self.begun.elapsed();
            if spent >= POLITE_AFTER && spent < self.limit {
                std::thread::yield_now();
            }
            spent < self.limit
        }
    }
}

#[cfg(all(test, feature = "loom"))]
mod modelled {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
    use std::ops::{Deref, DerefMut};
    use std::time::Duration;

    /// Looks of a thread that spins; more would only multiply the interleavings.
    const LOOKS: u32 = 2;

    /// `parking_lot`'s lock, made of the model's.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    /// Empty only while its thread waits for a signal.
    pub(crate) struct Guard<'a, T> {
        mutex: &'a Mutex<T>,
        inner: Option<loom::sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            Guard { mutex: self, inner: Some(self.0.lock().expect("no thread of a model panics")) }
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.inner.as_ref().expect("held")
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.inner.as_mut().expect("held")
        }
    }

    #[derive(Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    pub(crate) struct WaitTimeoutResult;

    impl WaitTimeoutResult {
        pub(crate) fn timed_out(&self) -> bool {
            true
        }
    }

    impl Condvar {
        pub(crate) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
            let held = guard.inner.take().expect("held");
            guard.inner = Some(self.0.wait(held).expect("no thread of a model panics"));
        }

        /// The model knows no time: no signal comes in time.
        pub(crate) fn wait_for<T>(&self, guard: &mut Guard<'_, T>, _: Duration) -> WaitTimeoutResult {
            drop(guard.inner.take());
            *guard = guard.mutex.lock();
            WaitTimeoutResult
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    pub(crate) struct Looks(u32);

    impl Looks {
        pub(crate) fn new(_: Duration) -> Self {
            Self(LOOKS)
        }

        pub(crate) fn is_another_due(&mut self) -> bool {
            self.0 -= 1;
            self.0 > 0
        }
    }
}
