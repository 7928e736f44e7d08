//! The threads of a worker to which everything comes by shared memory. Whoever has made a call looks for the next one a
//! while; then it sleeps until the host wakes it. Who makes a call does not wake the next to look: the host does, if it
//! has something more while nobody looks. So calls that follow each other are made by one thread and wake none.

use crate::WorkerError;
use crate::shared::{Inlet, Shared};
use crate::wire::Frame;
use jackfield_loader::shared::{LARGE_BYTES_MIN, Words};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Ring {
    inlet: Mutex<Inlet>,
    words: Words,
    /// Threads that sleep.
    asleep: AtomicUsize,
}

impl Ring {
    pub(crate) fn new(shared: &Shared) -> Self {
        let inlet = shared.inlet();
        let words = inlet.words().clone();
        Self { inlet: Mutex::new(inlet), words, asleep: AtomicUsize::new(0) }
    }

    /// Waits for the next frame; a thread that has just served one with so many bytes does not sleep at once.
    ///
    /// # Errors
    /// If the host is not to be understood.
    pub(crate) fn next(&self, mut served: Option<usize>) -> Result<Frame, WorkerError> {
        loop {
            // taken before looking, so that whoever rings it afterwards wakes this thread
            let seen = self.words.bytes_bell();
            if let Some(mut inlet) = self.inlet.try_lock() {
                self.words.reader_looks();
                let next = match served {
                    Some(bytes) => inlet.look(bytes)?,
                    None if inlet.is_within() => inlet.look(LARGE_BYTES_MIN)?,
                    None => inlet.next()?,
                };
                drop(inlet);
                if let Some(frame) = next {
                    return Ok(frame);
                }
                self.words.reader_sleeps();
                if self.words.has_something() {
                    continue;
                }
            }
            // another thread reads: before it makes a call it rings, if there is something more, or says that nobody looks
            served = None;
            self.asleep.fetch_add(1, Ordering::SeqCst);
            self.words.wait_for_bytes(seen, None);
            self.asleep.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// This thread looks no more for a while.
    pub(crate) fn leave(&self) {
        self.words.reader_sleeps();
        if self.words.has_something() {
            self.words.ring_bytes_bell();
        }
    }

    /// Whether no thread could be woken.
    pub(crate) fn is_deserted(&self) -> bool {
        self.asleep.load(Ordering::SeqCst) == 0
    }
}
