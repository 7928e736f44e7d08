//! What one worker says, from wherever it comes: the socket, or the memory that it shares with this process.

use super::inbox::{Frame, Inbox, Next};
use crate::shared::{Consumer, FrameReader};
use jackfield_plugin_api::worker::{BrokenFrame, Kind};
use std::os::unix::net::UnixStream;

/// How often a frame that has begun is looked at again before its end is waited for.
const LOOKS: u32 = 2_000;

pub(crate) struct Ear {
    inbox: Inbox,
    shared: Option<Shared>,
    /// It was broken: nothing more is heard.
    is_deaf: bool,
}

struct Shared {
    ring: Consumer,
    frames: FrameReader,
    /// Every frame comes there.
    has_all: bool,
    /// The next frame comes there.
    is_announced: bool,
}

impl Ear {
    pub(crate) fn new(result_bytes_max: u32) -> Self {
        Self { inbox: Inbox::new(result_bytes_max), shared: None, is_deaf: false }
    }

    /// From now on frames may come by shared memory: all of them, or those that are announced.
    pub(crate) fn open(&mut self, ring: Consumer, has_all: bool) {
        self.shared = Some(Shared { ring, frames: FrameReader::default(), has_all, is_announced: false });
    }

    /// Whether frames are found without a look at the socket.
    pub(crate) fn has_all_in_ring(&self) -> bool {
        !self.is_deaf && self.shared.as_ref().is_some_and(|shared| shared.has_all)
    }

    /// The next frame from a socket that does not block, or from the shared memory.
    ///
    /// # Errors
    /// If the worker says what it may not.
    pub(crate) fn next(&mut self, socket: &UnixStream) -> Result<Next, BrokenFrame> {
        if let Some(frame) = self.next_in_ring()? {
            return Ok(Next::Frame(frame));
        }
        if self.shared.as_ref().is_some_and(|shared| shared.is_announced) {
            // what the socket has comes after it; only the end of the worker is looked for there
            return if has_ended(socket) { self.last() } else { Ok(Next::Nothing) };
        }
        match self.inbox.next(socket)? {
            Next::Frame(Frame { kind: Kind::Shared, .. }) => match &mut self.shared {
                Some(shared) if !shared.has_all => {
                    shared.is_announced = true;
                    self.next(socket)
                }
                _ => self.refuse("it announces shared memory where there is none"),
            },
            Next::Frame(_) if self.has_all_in_ring() => self.refuse("it belongs into the shared memory"),
            Next::End => self.last(),
            next => Ok(next),
        }
    }

    /// What a worker that has ended had still put into the shared memory.
    fn last(&mut self) -> Result<Next, BrokenFrame> {
        Ok(self.next_in_ring()?.map_or(Next::End, Next::Frame))
    }

    /// The next frame of the shared memory, if it is to be looked for there.
    ///
    /// # Errors
    /// If the worker says what it may not.
    pub(crate) fn next_in_ring(&mut self) -> Result<Option<Frame>, BrokenFrame> {
        let Some(shared) = self.shared.as_mut().filter(|shared| shared.has_all || shared.is_announced) else {
            return Ok(None);
        };
        if self.is_deaf {
            return Ok(None);
        }
        let mut looks = LOOKS;
        let next = loop {
            let next = shared.frames.next(&mut shared.ring, |kind| self.inbox.bytes_max(kind));
            if shared.ring.take_writer_sleeps() {
                shared.ring.words().ring_room_bell();
            }
            match next {
                Ok(None) if shared.frames.is_within() && looks > 0 => {
                    looks -= 1;
                    std::hint::spin_loop();
                }
                next => break next,
            }
        };
        self.is_deaf = next.is_err();
        let frame = next?.map(|(kind, call, body)| Frame { kind, call, body });
        shared.is_announced &= frame.is_none();
        Ok(frame)
    }

    fn refuse(&mut self, reason: &'static str) -> Result<Next, BrokenFrame> {
        self.is_deaf = true;
        Err(BrokenFrame::Body(reason))
    }
}

/// Whether the other side has closed a socket from which nothing is read.
fn has_ended(socket: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(socket, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // what cannot be looked at is looked at again
    let looked = poll(&mut fds, Some(&now));
    looked.is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR)
}
