//! The memory that this process shares with one worker: offered with the hello, used once the worker says that it does, and
//! looked at by a thread that waits for the end of a call, so that no other thread has to be woken for it.

use super::answer::Answer;
use super::crash::Killed;
use super::ear::Ear;
use super::outbox::Outbox;
use super::pool::Pool;
use super::talk::Worker;
use crate::config::Transport;
use crate::shared::{
    Bell, Consumer, Direction, FEATURE, FEATURE_ALL, LOOK_FOR_ANSWER_MAX, Memory, Producer, Words, look_max,
    send_with,
};
use jackfield_plugin_api::worker::{BrokenFrame, Ready};
use parking_lot::Mutex;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

/// How often it looks before it looks at the clock.
const LOOKS: u32 = 64;

pub(crate) struct Share {
    transport: Transport,
    memory: Arc<Memory>,
    /// Of what the worker says.
    words: Words,
    bell: Bell,
    /// Until it is handed over.
    file: Mutex<Option<OwnedFd>>,
}

impl Share {
    /// Memory for one worker; `None` if the system has none and it was not asked for.
    ///
    /// # Errors
    /// If it was asked for and the system has none.
    pub(crate) fn new(transport: Transport) -> io::Result<Option<Self>> {
        match (Self::create(transport), transport) {
            (Ok(share), _) => Ok(Some(share)),
            // large payloads go through the socket as well
            (Err(_), Transport::Socket) => Ok(None),
            (Err(error), Transport::SharedMemory) => Err(io::Error::new(
                error.kind(),
                format!(
                    "the system shares no memory, which `transport = \"shared_memory\"` asks for: {error}"
                ),
            )),
        }
    }

    fn create(transport: Transport) -> io::Result<Self> {
        let (memory, file) = Memory::create()?;
        let words = Consumer::new(&memory, Direction::ToHost).words().clone();
        Ok(Self { transport, memory, words, bell: Bell::new()?, file: Mutex::new(Some(file)) })
    }

    /// What the hello says of it.
    pub(crate) fn features(&self) -> Vec<String> {
        let all = self.takes_all().then_some(FEATURE_ALL);
        [FEATURE].into_iter().chain(all).map(str::to_owned).collect()
    }

    fn takes_all(&self) -> bool {
        self.transport == Transport::SharedMemory
    }

    /// Sends the first bytes of the conversation, and with them the memory.
    ///
    /// # Errors
    /// If the socket does not take them.
    pub(crate) fn hand_over(&self, socket: &UnixStream, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.lock().take().ok_or(io::ErrorKind::NotFound)?;
        send_with(socket, bytes, [file.as_fd(), self.bell.as_fd()])
    }

    /// Opens the ways that the worker says it uses.
    ///
    /// # Errors
    /// If it cannot be read, or does not use what was asked for.
    pub(super) fn agree(&self, ready: &[u8], ear: &mut Ear, outbox: &mut Outbox) -> Result<(), BrokenFrame> {
        let features = Ready::decode(ready)?.features;
        let offers = |feature| features.iter().any(|it| it == feature);
        if self.takes_all() && !offers(FEATURE_ALL) {
            return Err(BrokenFrame::Body(
                "it does not offer shared memory, which the configuration asks for",
            ));
        }
        if offers(FEATURE) {
            ear.open(Consumer::new(&self.memory, Direction::ToHost), self.takes_all());
            outbox.open(Producer::new(&self.memory, Direction::ToWorker), self.takes_all());
        }
        Ok(())
    }

    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Somebody looks at what the worker says and need not be woken.
    pub(super) fn looks(&self) {
        self.bell.hush();
        self.words.reader_looks();
    }

    /// Nobody looks any more. False if there is something already.
    pub(super) fn sleep(&self) -> bool {
        self.words.reader_sleeps();
        !self.words.has_something()
    }
}

impl Worker {
    /// Hears what this worker says until there is an answer to so many bytes, for a short time at most, if everything that it says comes by
    /// shared memory and nobody else listens at the moment.
    pub(super) fn look_for(self: &Arc<Self>, answer: &Answer, bytes: usize, pool: &Pool) {
        let Some(share) = self.share.as_ref().filter(|share| share.takes_all()) else { return };
        let Some(mut ear) = self.ear.try_lock().filter(|ear| ear.has_all_in_ring()) else { return };
        share.words.reader_looks();
        let until = Instant::now() + look_max(LOOK_FOR_ANSWER_MAX, bytes);
        let mut looks = 0;
        while !answer.is_there() && (looks % LOOKS != 0 || Instant::now() < until) {
            looks += 1;
            let heard = match ear.next_in_ring() {
                Ok(Some(frame)) => self.heard(&mut ear, frame, pool),
                Ok(None) => self.flush_rest(),
                Err(broken) => Err(broken),
            };
            if let Err(broken) = heard {
                self.kill(Killed::Broken(broken.to_string()));
                break;
            }
            std::hint::spin_loop();
        }
        drop(ear);
        if !share.sleep() {
            // the thread that listens may not have seen it; it is there as long as the worker is
            let _ = share.bell.ring();
        }
    }

    /// Writes what there was no room for, unless another thread does.
    fn flush_rest(&self) -> Result<(), BrokenFrame> {
        match self.outbox.try_lock() {
            Some(mut outbox) if !outbox.is_empty() => outbox.flush(&self.socket),
            _ => Ok(()),
        }
    }
}
