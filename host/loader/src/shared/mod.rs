//! Memory that a host and one of its workers share: a ring of bytes in each direction, which carries the same frames as the
//! socket without a call of the system for each.
//!
//! The memory is a sealed file of the host's, so nobody can make it shorter under the other's feet. A side keeps its own
//! position to itself and believes the other's only after comparing it with the size of the ring. What is read is copied
//! out once, before anybody looks at it: a text that was checked is not in the other's reach any more.
//!
//! A side that has nothing to read, or no room to write, says so in a word of its ring before it sleeps, and whoever
//! changes that wakes it: a worker by that memory (a futex), the host, which sleeps on several descriptors, by an eventfd.

use std::sync::LazyLock;
use std::time::Duration;

mod frames;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(not(target_os = "linux"))]
#[path = "nowhere.rs"]
mod memory;
mod ring;

pub use frames::FrameReader;
pub(crate) use memory::send_with;
pub use memory::{Bell, Memory, keep_freed_memory, receive_hello_head};
pub use ring::{Consumer, Direction, Producer, Words};

/// What hello and ready call it among the features.
pub const FEATURE: &str = "shared_memory/1";

/// The feature by which a host asks that everything goes through the shared memory, not only what is large.
pub const FEATURE_ALL: &str = "shared_memory_all/1";

/// Frames with a body of so many bytes go through the shared memory where both ways are open; see docs/PERFORMANCE.md
/// for the figures behind it.
pub const LARGE_BYTES_MIN: usize = 64 << 10;

/// How long a thread of a worker looks for the next call before it sleeps.
pub const LOOK_FOR_CALL_MAX: Duration = Duration::from_micros(60);

/// How long a caller looks for its answer before it sleeps: several times of what a worker takes to wake up (some 50 us), or
/// both would find each other asleep again and again.
pub(crate) const LOOK_FOR_ANSWER_MAX: Duration = Duration::from_micros(300);

/// How long a thread looks for what is about to come before it sleeps: longer after a value of many `bytes`, which the
/// other side has to take in first. On a machine with one processor nothing comes while a thread looks.
#[must_use]
pub fn look_max(least: Duration, bytes: usize) -> Duration {
    static HAS_OTHERS: LazyLock<bool> =
        LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|count| count.get() > 1));
    if *HAS_OTHERS { least + Duration::from_micros(bytes as u64 / 1024) } else { Duration::ZERO }
}

/// Bytes of a ring; a power of two.
pub(crate) const RING_BYTES: usize = 1 << 20;

/// The positions in a ring cannot be: the other side has overwritten what is not its own, or lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenRing;
