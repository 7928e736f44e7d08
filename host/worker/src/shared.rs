//! The memory that the host shares with this process, if it does: where frames come from and go to besides the socket.

use crate::WorkerError;
use crate::process::die;
use crate::wire::Frame;
use jackfield_loader::shared::{
    Bell, Consumer, Direction, FEATURE, FEATURE_ALL, FrameReader, LARGE_BYTES_MIN, LOOK_FOR_CALL_MAX, Memory,
    Producer, Words, look_max,
};
use jackfield_plugin_api::worker::{BODY_BYTES_MAX, Hello};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it looks before it looks at the clock.
const LOOKS: u32 = 64;

/// What the host has handed over.
pub(crate) struct Shared {
    memory: Arc<Memory>,
    bell: Arc<Bell>,
    takes_all: bool,
}

impl Shared {
    pub(crate) fn new(memory: Arc<Memory>, bell: Bell, hello: &Hello) -> Self {
        let takes_all = hello.features.iter().any(|feature| feature == FEATURE_ALL);
        Self { memory, bell: Arc::new(bell), takes_all }
    }

    /// Whether frames of every size go this way.
    pub(crate) fn takes_all(&self) -> bool {
        self.takes_all
    }

    pub(crate) fn outlet(&self) -> Outlet {
        let ring = Producer::new(&self.memory, Direction::ToHost);
        Outlet { ring, bell: Arc::clone(&self.bell), takes_all: self.takes_all }
    }

    pub(crate) fn inlet(&self) -> Inlet {
        let ring = Consumer::new(&self.memory, Direction::ToWorker);
        Inlet { ring, frames: FrameReader::default(), bell: Arc::clone(&self.bell) }
    }
}

/// Where frames to the host go.
pub(crate) struct Outlet {
    ring: Producer,
    bell: Arc<Bell>,
    takes_all: bool,
}

impl Outlet {
    pub(crate) fn features(&self) -> Vec<String> {
        let all = self.takes_all.then_some(FEATURE_ALL);
        [FEATURE].into_iter().chain(all).map(str::to_owned).collect()
    }

    pub(crate) fn takes_all(&self) -> bool {
        self.takes_all
    }

    /// Writes a frame; waits for room where there is none.
    pub(crate) fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        for mut rest in [head, body] {
            loop {
                let put = self.ring.put(rest).map_err(|_| io::ErrorKind::InvalidData)?;
                rest = &rest[put..];
                if rest.is_empty() {
                    break;
                }
                self.publish()?;
                wait_for_room(self.ring.words());
            }
        }
        self.publish()
    }

    fn publish(&mut self) -> io::Result<()> {
        self.ring.publish();
        if self.ring.words().take_reader_sleeps() { self.bell.ring() } else { Ok(()) }
    }
}

fn wait_for_room(words: &Words) {
    if look(look_max(LOOK_FOR_CALL_MAX, LARGE_BYTES_MIN), || words.has_room().then_some(())).is_some() {
        return;
    }
    let seen = words.room_bell();
    words.writer_sleeps();
    if !words.has_room() {
        // a host that is gone takes this process along
        words.wait_for_room(seen, None);
    }
}

/// Where frames of the host come from.
pub(crate) struct Inlet {
    ring: Consumer,
    frames: FrameReader,
    bell: Arc<Bell>,
}

impl Inlet {
    pub(crate) fn words(&self) -> &Words {
        self.ring.words()
    }

    /// The next frame, if all of it is there.
    ///
    /// # Errors
    /// If the host is not to be understood.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, WorkerError> {
        let next = self.frames.next(&mut self.ring, |_| BODY_BYTES_MAX)?;
        if self.ring.take_writer_sleeps() {
            self.bell.ring()?;
        }
        Ok(next.map(|(kind, call, body)| Frame { kind, call, body }))
    }

    /// The next frame, looked for again and again for a while after a frame with so many bytes.
    ///
    /// # Errors
    /// If the host is not to be understood.
    pub(crate) fn look(&mut self, bytes: usize) -> Result<Option<Frame>, WorkerError> {
        look(look_max(LOOK_FOR_CALL_MAX, bytes), || self.next().transpose()).transpose()
    }

    /// A frame that the host has announced and is writing.
    ///
    /// # Errors
    /// If the host is not to be understood.
    pub(crate) fn announced(&mut self) -> Result<Frame, WorkerError> {
        loop {
            // it is large, or it would not have been announced
            if let Some(frame) = self.look(LARGE_BYTES_MIN)? {
                return Ok(frame);
            }
            self.sleep(self.words().bytes_bell());
        }
    }

    /// Whether a frame has begun and is not complete.
    pub(crate) fn is_within(&self) -> bool {
        self.frames.is_within()
    }

    /// Sleeps until there is more to read, if there is nothing already. A host that is gone takes this process along.
    fn sleep(&self, seen: u32) {
        let words = self.words();
        words.reader_sleeps();
        if !words.has_something() {
            words.wait_for_bytes(seen, None);
        }
    }
}

/// Looks for something again and again for a while.
fn look<T>(patience: Duration, mut next: impl FnMut() -> Option<T>) -> Option<T> {
    let (until, mut looks) = (Instant::now() + patience, 0);
    loop {
        if let Some(found) = next() {
            return Some(found);
        }
        looks += 1;
        if looks % LOOKS == 0 && Instant::now() >= until {
            return None;
        }
        std::hint::spin_loop();
    }
}

/// Ends this process when the host ends the conversation; for workers whose threads do not read the socket.
pub(crate) fn die_with(mut socket: impl io::Read + Send + 'static) -> io::Result<()> {
    const STACK_BYTES: usize = 64 << 10;
    let watch = move || {
        // a host that shares memory says nothing here any more
        let _ = socket.read(&mut [0]);
        die()
    };
    std::thread::Builder::new().name("host".into()).stack_size(STACK_BYTES).spawn(watch).map(drop)
}
