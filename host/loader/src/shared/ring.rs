//! One ring: bytes in, bytes out, and the words by which sleepers are woken.
//!
//! Positions count bytes from the start of the conversation and wrap around at 2^32. `tail` is written by the producer,
//! `head` by the consumer, each only to tell the other.

use super::memory::{Control, Memory};
use super::{BrokenRing, RING_BYTES};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::Duration;

/// What a producer keeps to itself, at most, while it has more: the other side can read what is there meanwhile.
const UNPUBLISHED_BYTES_MAX: u32 = 16 << 10;

/// Which ring of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the host says.
    ToWorker,
    /// What the worker says.
    ToHost,
}

/// The end that writes.
pub struct Producer {
    words: Words,
    tail: u32,
    published: u32,
}

/// The end that reads.
pub struct Consumer {
    words: Words,
    head: u32,
    /// Room was made since the writer was last asked whether it waits for some.
    has_made_room: bool,
}

/// The words that both sides see. Nothing in them is believed further than that a sleeper is woken too early or too late.
#[derive(Clone)]
pub struct Words {
    memory: Arc<Memory>,
    direction: Direction,
}

impl Producer {
    /// The end of a ring of which nothing has been used so far.
    #[must_use]
    pub fn new(memory: &Arc<Memory>, direction: Direction) -> Self {
        Self { words: Words { memory: Arc::clone(memory), direction }, tail: 0, published: 0 }
    }

    /// The words of its ring.
    #[must_use]
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Copies as many bytes as there is room for, and answers how many those are. The other side sees them after
    /// [`Producer::publish`], or earlier if they are many.
    ///
    /// # Errors
    /// If the positions cannot be.
    pub fn put(&mut self, bytes: &[u8]) -> Result<usize, BrokenRing> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = self.tail.wrapping_sub(self.words.control().head.load(Ordering::Acquire)) as usize;
            let free = RING_BYTES.checked_sub(used).ok_or(BrokenRing)?;
            let unpublished = self.tail.wrapping_sub(self.published);
            let part = rest.len().min(free).min((UNPUBLISHED_BYTES_MAX - unpublished) as usize);
            if part == 0 && unpublished == 0 {
                break;
            }
            let (now, later) = rest.split_at(part);
            self.words.memory.write(self.words.direction, self.tail as usize % RING_BYTES, now);
            self.tail = self.tail.wrapping_add(part as u32);
            rest = later;
            if part == 0 || self.tail.wrapping_sub(self.published) >= UNPUBLISHED_BYTES_MAX {
                self.publish();
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Lets the other side see what was put. Whether it sleeps is asked with [`Words::take_reader_sleeps`].
    pub fn publish(&mut self) {
        self.published = self.tail;
        self.words.control().tail.store(self.tail, Ordering::Release);
    }
}

impl Consumer {
    /// The end of a ring of which nothing has been used so far.
    #[must_use]
    pub fn new(memory: &Arc<Memory>, direction: Direction) -> Self {
        Self { words: Words { memory: Arc::clone(memory), direction }, head: 0, has_made_room: false }
    }

    /// The words of its ring.
    #[must_use]
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Appends at most `bytes_max` bytes of what is there to `to`, and answers how many those are.
    ///
    /// # Errors
    /// If the positions cannot be.
    pub fn take(&mut self, to: &mut Vec<u8>, bytes_max: usize) -> Result<usize, BrokenRing> {
        let there = self.words.control().tail.load(Ordering::Acquire).wrapping_sub(self.head) as usize;
        if there > RING_BYTES {
            return Err(BrokenRing);
        }
        let taken = there.min(bytes_max);
        if taken > 0 {
            self.words.memory.read(self.words.direction, self.head as usize % RING_BYTES, to, taken);
            self.head = self.head.wrapping_add(taken as u32);
            self.words.control().head.store(self.head, Ordering::Release);
            self.has_made_room = true;
        }
        Ok(taken)
    }

    /// Whether the writer has to be woken because there is room; answers so once.
    #[must_use]
    pub fn take_writer_sleeps(&mut self) -> bool {
        std::mem::take(&mut self.has_made_room) && taken(&self.words.control().writer_sleeps)
    }
}

impl Words {
    fn control(&self) -> &Control {
        self.memory.control(self.direction)
    }

    /// Whether there is something to read.
    #[must_use]
    pub fn has_something(&self) -> bool {
        let control = self.control();
        control.tail.load(Ordering::SeqCst) != control.head.load(Ordering::SeqCst)
    }

    /// Whether there is room to write.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let control = self.control();
        let used = control.tail.load(Ordering::SeqCst).wrapping_sub(control.head.load(Ordering::SeqCst));
        used as usize != RING_BYTES
    }

    /// Says that nobody reads; whoever says so looks once more with [`Words::has_something`] before it sleeps.
    pub fn reader_sleeps(&self) {
        say(&self.control().reader_sleeps);
    }

    /// Says that somebody looks at the ring all the time and need not be woken.
    pub fn reader_looks(&self) {
        self.control().reader_sleeps.store(0, Ordering::Relaxed);
    }

    /// Whether the reader has said that it sleeps and nobody has woken it yet.
    #[must_use]
    pub fn is_reader_asleep(&self) -> bool {
        self.control().reader_sleeps.load(Ordering::Relaxed) != 0
    }

    /// Whether the reader has to be woken; answers so once.
    #[must_use]
    pub fn take_reader_sleeps(&self) -> bool {
        taken(&self.control().reader_sleeps)
    }

    /// Says that the writer waits for room; whoever says so looks once more with [`Words::has_room`] before it sleeps.
    pub fn writer_sleeps(&self) {
        say(&self.control().writer_sleeps);
    }

    /// What [`Words::wait_for_bytes`] compares with; to be taken before looking whether there is something.
    #[must_use]
    pub fn bytes_bell(&self) -> u32 {
        self.control().bytes_bell.load(Ordering::SeqCst)
    }

    /// Sleeps until [`Words::ring_bytes_bell`] after `seen` was taken, for `patience` at most if there is one.
    pub fn wait_for_bytes(&self, seen: u32, patience: Option<Duration>) {
        self.memory.sleep(&self.control().bytes_bell, seen, patience);
    }

    /// Wakes one thread that waits for bytes.
    pub fn ring_bytes_bell(&self) {
        self.memory.wake(&self.control().bytes_bell);
    }

    /// The same as [`Words::bytes_bell`] for room to write.
    #[must_use]
    pub fn room_bell(&self) -> u32 {
        self.control().room_bell.load(Ordering::SeqCst)
    }

    /// The same as [`Words::wait_for_bytes`] for room to write.
    pub fn wait_for_room(&self, seen: u32, patience: Option<Duration>) {
        self.memory.sleep(&self.control().room_bell, seen, patience);
    }

    /// Wakes the thread that waits for room.
    pub fn ring_room_bell(&self) {
        self.memory.wake(&self.control().room_bell);
    }
}

fn say(word: &AtomicU32) {
    word.store(1, Ordering::SeqCst);
    // what the other side has done before it saw this word is seen by whoever looks once more
    fence(Ordering::SeqCst);
}

fn taken(word: &AtomicU32) -> bool {
    // what was published or freed before is seen by whoever says afterwards that it sleeps
    fence(Ordering::SeqCst);
    word.load(Ordering::Relaxed) != 0 && word.swap(0, Ordering::SeqCst) != 0
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn ring() -> (Arc<Memory>, Producer, Consumer) {
        let (memory, _) = Memory::create().unwrap();
        let producer = Producer::new(&memory, Direction::ToHost);
        let consumer = Consumer::new(&memory, Direction::ToHost);
        (memory, producer, consumer)
    }

    #[test]
    fn bytes_come_out_as_they_went_in_wherever_the_ring_begins_again() {
        let (_memory, mut producer, mut consumer) = ring();
        let sent: Vec<u8> = (0..5_000_000_u32).map(|nth| (nth % 251) as u8).collect();
        let (mut put, mut got, mut turn) = (0, Vec::new(), 0_usize);
        while got.len() < sent.len() {
            turn += 1;
            let upto = (put + turn * 977 % 300_000).min(sent.len());
            put += producer.put(&sent[put..upto]).unwrap();
            producer.publish();
            consumer.take(&mut got, turn * 1_303 % 400_000).unwrap();
        }
        assert!(got == sent);
    }

    #[test]
    fn a_full_ring_takes_nothing_and_says_so() {
        let (_memory, mut producer, mut consumer) = ring();
        let much = vec![7; RING_BYTES + 5];
        assert_eq!(producer.put(&much), Ok(RING_BYTES));
        assert!(!producer.words().has_room() && consumer.words().has_something());
        assert_eq!(producer.put(b"x"), Ok(0));
        assert_eq!(consumer.take(&mut Vec::new(), 3), Ok(3));
        assert_eq!(producer.put(b"abcde"), Ok(3));
    }

    #[test]
    fn positions_that_cannot_be_are_refused_on_both_ends() {
        for lie in [RING_BYTES as u32 + 1, u32::MAX, 1 << 31] {
            let (memory, mut producer, mut consumer) = ring();
            memory.control(Direction::ToHost).tail.store(lie, Ordering::SeqCst);
            assert_eq!(consumer.take(&mut Vec::new(), 1), Err(BrokenRing));
            memory
                .control(Direction::ToHost)
                .head
                .store(lie.wrapping_neg().wrapping_sub(1) | 1, Ordering::SeqCst);
            memory.control(Direction::ToHost).head.store(1, Ordering::SeqCst);
            assert_eq!(producer.put(b"x"), Err(BrokenRing), "the reader is ahead of the writer");
        }
    }

    #[test]
    fn what_was_taken_is_out_of_the_others_reach() {
        let (memory, mut producer, mut consumer) = ring();
        producer.put(b"checked").unwrap();
        producer.publish();
        let mut got = Vec::new();
        consumer.take(&mut got, 100).unwrap();
        memory.write(Direction::ToHost, 0, b"changed");
        assert_eq!(got, b"checked");
    }

    #[test]
    fn a_sleeper_is_woken_by_whoever_finds_it_asleep() {
        let (_memory, mut producer, mut consumer) = ring();
        let reader = std::thread::spawn(move || {
            let (words, mut got) = (consumer.words().clone(), Vec::new());
            while got.len() < 100_000 {
                let bell = words.bytes_bell();
                words.reader_sleeps();
                if !words.has_something() {
                    words.wait_for_bytes(bell, None);
                }
                consumer.take(&mut got, 100_000).unwrap();
            }
            got.len()
        });
        for _ in 0..100_000 {
            assert_eq!(producer.put(b"x"), Ok(1));
            producer.publish();
            if producer.words().take_reader_sleeps() {
                producer.words().ring_bytes_bell();
            }
        }
        assert_eq!(reader.join().unwrap(), 100_000);
    }
}
