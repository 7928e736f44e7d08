//! What is on its way to a worker. Whoever has something to say writes as much as the socket takes at once; the rest is
//! written by the worker's thread when there is room, so that nobody waits for a worker that does not read.

use jackfield_core::payload::Payload;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::os::unix::net::UnixStream;

/// Part of a frame.
pub(crate) enum Chunk {
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

/// Chunks in order; of the first some bytes may have been written.
#[derive(Default)]
pub(crate) struct Outbox {
    chunks: VecDeque<Chunk>,
    written: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn push(&mut self, chunk: Chunk) {
        if !chunk.as_bytes().is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// If the conversation has ended.
    pub(crate) fn flush(&mut self, mut socket: &UnixStream) -> io::Result<()> {
        while let Some(first) = self.chunks.front() {
            let first = &first.as_bytes()[self.written..];
            let second = self.chunks.get(1).map_or(&[][..], Chunk::as_bytes);
            match socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(first) = self.chunks.front() {
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
            expected.extend(&bytes);
            outbox.push(Chunk::Bytes(bytes));
            outbox.push(Chunk::Payload(Payload::string("p")));
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
