//! What is on its way to a worker. Whoever has something to say writes as much as the socket or the shared memory takes at
//! once; the rest is written by the worker's thread when there is room, so that nobody waits for a worker that does not
//! read.

use crate::shared::{LARGE_BYTES_MIN, Producer};
use jackfield_core::payload::Payload;
use jackfield_plugin_api::worker::{BrokenFrame, HEAD_BYTES, Head, Kind, NO_CALL};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::os::unix::net::UnixStream;

/// How often a full ring is looked at again before its reader is left to itself.
const LOOKS: u32 = 2_000;

/// Part of a frame.
enum Chunk {
    Bytes(Vec<u8>),
    Payload(Payload),
}

impl Chunk {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Payload(payload) => payload.as_str().as_bytes(),
        }
    }
}

/// Where a part of a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Socket,
    Ring,
}

/// The shared memory, once the worker has said that it reads it.
struct Shared {
    ring: Producer,
    /// Frames of every size go there.
    takes_all: bool,
}

/// Chunks in order; of the first some bytes may have been written.
#[derive(Default)]
pub(crate) struct Outbox {
    chunks: VecDeque<(Way, Chunk)>,
    written: usize,
    shared: Option<Shared>,
}

impl Outbox {
    /// From now on there is another way: for all frames, or for the large ones.
    pub(crate) fn open(&mut self, ring: Producer, takes_all: bool) {
        self.shared = Some(Shared { ring, takes_all });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Where there has to be room before more can be written.
    pub(crate) fn waits_for(&self) -> Option<Way> {
        self.chunks.front().map(|(way, _)| *way)
    }

    /// Says in the shared memory that its reader is to wake this side. False if there is room already.
    pub(crate) fn sleep_for_room(&self) -> bool {
        let Some(Shared { ring, .. }) = &self.shared else { return true };
        ring.words().writer_sleeps();
        !ring.words().has_room()
    }

    /// Puts a frame behind the others; `payload` is the end of its body.
    ///
    /// # Errors
    /// If it is too long.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        call: u64,
        body: &[u8],
        payload: Option<&Payload>,
    ) -> Result<(), BrokenFrame> {
        let body_bytes = body.len() + payload.map_or(0, Payload::len);
        let head = Head::new(kind, call, body_bytes)?.encode();
        let way = match &self.shared {
            Some(shared) if shared.takes_all => Way::Ring,
            Some(_) if body_bytes >= LARGE_BYTES_MIN => {
                let announcement = Head { body_bytes: 0, kind: Kind::Shared, call: NO_CALL };
                self.push_chunk(Way::Socket, Chunk::Bytes(announcement.encode().to_vec()));
                Way::Ring
            }
            _ => Way::Socket,
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend(head);
        bytes.extend(body);
        self.push_chunk(way, Chunk::Bytes(bytes));
        if let Some(payload) = payload {
            self.push_chunk(way, Chunk::Payload(payload.clone()));
        }
        Ok(())
    }

    fn push_chunk(&mut self, way: Way, chunk: Chunk) {
        if !chunk.as_bytes().is_empty() {
            self.chunks.push_back((way, chunk));
        }
    }

    /// Puts bytes that belong to a frame behind the others.
    pub(crate) fn push_rest(&mut self, bytes: Vec<u8>) {
        self.push_chunk(Way::Socket, Chunk::Bytes(bytes));
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// If the worker has broken the shared memory. A socket whose conversation has ended shows when it is read.
    pub(crate) fn flush(&mut self, socket: &UnixStream) -> Result<(), BrokenFrame> {
        while let Some((way, _)) = self.chunks.front() {
            let is_stuck = match way {
                Way::Socket => self.flush_socket(socket).is_err(),
                Way::Ring => !self.flush_ring()?,
            };
            if is_stuck {
                break;
            }
        }
        Ok(())
    }

    fn flush_socket(&mut self, mut socket: &UnixStream) -> io::Result<()> {
        let bytes_of = |at: usize| match self.chunks.get(at) {
            Some((Way::Socket, chunk)) => chunk.as_bytes(),
            _ => &[],
        };
        let (first, second) = (&bytes_of(0)[self.written..], bytes_of(1));
        match socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                self.advance(written);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether all that was to go into the ring has found room.
    fn flush_ring(&mut self) -> Result<bool, BrokenFrame> {
        let (mut is_room, mut looks) = (true, 0);
        while is_room && let Some((Way::Ring, chunk)) = self.chunks.front() {
            let Some(shared) = &mut self.shared else { break };
            let rest = &chunk.as_bytes()[self.written..];
            let put = shared.ring.put(rest)?;
            // a reader that is at it makes room at once
            looks = if put == 0 { looks + 1 } else { 0 };
            is_room = put > 0 || (looks < LOOKS && !shared.ring.words().is_reader_asleep());
            self.advance(put);
        }
        if let Some(Shared { ring, .. }) = &mut self.shared {
            ring.publish();
            if ring.words().take_reader_sleeps() {
                ring.words().ring_bytes_bell();
            }
        }
        Ok(is_room)
    }

    fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some((_, first)) = self.chunks.front() {
            let len = first.as_bytes().len();
            if self.written < len {
                return;
            }
            self.written -= len;
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_a_full_socket_does_not_take_is_written_later_in_order() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut outbox = Outbox::default();
        let mut expected: Vec<u8> = Vec::new();
        for nth in 0..40_u8 {
            let bytes = vec![nth; 50_000 + usize::from(nth)];
            expected.extend(Head::new(Kind::Call, nth.into(), bytes.len() + 3).unwrap().encode());
            expected.extend(&bytes);
            outbox.push(Kind::Call, nth.into(), &bytes, Some(&Payload::string("p"))).unwrap();
            expected.extend(b"\"p\"");
            outbox.flush(&ours).unwrap();
        }
        assert!(!outbox.is_empty(), "the socket takes less");
        let reader = std::thread::spawn(move || {
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).unwrap();
            read
        });
        while !outbox.is_empty() {
            outbox.flush(&ours).unwrap();
            std::thread::yield_now();
        }
        drop(ours);
        assert!(reader.join().unwrap() == expected);
    }
}
