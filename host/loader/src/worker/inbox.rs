//! What a worker says, put together from whatever pieces it comes in.

use jackfield_plugin_api::worker::{BrokenFrame, HEAD_BYTES, Head, Kind, TELLING_BYTES_MAX};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;

/// Bytes that are read at a time; what is larger is read where it stays.
const READ_BYTES: usize = 64 << 10;
/// Largest manifest and the like.
const OPENING_BYTES_MAX: u32 = 64 << 20;

/// Largest error of a method with its details.
const ERROR_BYTES_MAX: u32 = 1 << 20;

/// A frame that is complete.
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u64,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Inbox {
    result_bytes_max: u32,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// A frame whose body is not complete.
    begun: Option<Frame>,
    missing: usize,
}

/// What there is to read.
pub(crate) enum Next {
    Frame(Frame),
    /// Nothing more at the moment.
    Nothing,
    /// The worker has ended the conversation.
    End,
}

impl Inbox {
    pub(crate) fn new(result_bytes_max: u32) -> Self {
        let buffer = vec![0; READ_BYTES].into_boxed_slice();
        Self { result_bytes_max, buffer, start: 0, end: 0, begun: None, missing: 0 }
    }

    /// The next frame from a socket that does not block.
    ///
    /// # Errors
    /// If the worker says what it may not.
    pub(crate) fn next(&mut self, socket: &UnixStream) -> Result<Next, BrokenFrame> {
        loop {
            if let Some(frame) = self.complete()? {
                return Ok(Next::Frame(frame));
            }
            match self.read(socket) {
                Ok(0) => return Ok(Next::End),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Nothing),
                // a connection that is broken has ended
                Err(_) => return Ok(Next::End),
            }
        }
    }

    /// A frame from what has been read.
    fn complete(&mut self) -> Result<Option<Frame>, BrokenFrame> {
        if self.begun.is_none() {
            let Some(head) = self.buffer[self.start..self.end].first_chunk::<HEAD_BYTES>() else {
                return Ok(None);
            };
            let Head { body_bytes, kind, call } = Head::decode(head, |kind| self.bytes_max(kind))?;
            self.start += HEAD_BYTES;
            self.missing = body_bytes as usize;
            self.begun = Some(Frame { kind, call, body: Vec::with_capacity(self.missing) });
        }
        if let Some(frame) = &mut self.begun {
            let taken = self.missing.min(self.end - self.start);
            frame.body.extend(&self.buffer[self.start..self.start + taken]);
            self.start += taken;
            self.missing -= taken;
        }
        Ok(if self.missing == 0 { self.begun.take() } else { None })
    }

    fn read(&mut self, mut socket: &UnixStream) -> io::Result<usize> {
        if let Some(frame) = self.begun.as_mut().filter(|_| self.missing >= READ_BYTES) {
            let before = frame.body.len();
            let read = socket.take(self.missing as u64).read_to_end(&mut frame.body);
            let bytes = frame.body.len() - before;
            self.missing -= bytes;
            // what was read before the socket had nothing more counts
            return if bytes > 0 { Ok(bytes) } else { read };
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = socket.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// How long the body of a frame may be; those that only a host sends have none here.
    pub(crate) fn bytes_max(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Result => self.result_bytes_max,
            Kind::Failed | Kind::Panicked | Kind::Unsupported => ERROR_BYTES_MAX,
            Kind::Ready | Kind::Refused => OPENING_BYTES_MAX,
            Kind::BadStatus => 4,
            Kind::TooLarge => 8,
            Kind::Log | Kind::Progress | Kind::Output | Kind::Heartbeat => TELLING_BYTES_MAX,
            // the parameters are not larger than what the other method returns may be
            Kind::CallMethod => self.result_bytes_max.saturating_add(TELLING_BYTES_MAX),
            Kind::NoState
            | Kind::Hello
            | Kind::Call
            | Kind::SaveState
            | Kind::RestoreState
            | Kind::Cancel
            | Kind::Shutdown
            | Kind::Shared
            | Kind::Answered
            | Kind::AnswerFailed => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn frames_are_put_together_from_any_pieces() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut sent = Vec::new();
        let sizes = [0, 1, 70_000, 13, 300_000];
        for (call, size) in (0..).zip(sizes) {
            sent.extend(Head::new(Kind::Result, call, size).unwrap().encode());
            sent.extend(vec![b'x'; size]);
        }
        let writer = std::thread::spawn(move || {
            for piece in sent.chunks(977) {
                theirs.write_all(piece).unwrap();
            }
        });
        let mut inbox = Inbox::new(300_000);
        let mut frames = Vec::new();
        loop {
            match inbox.next(&ours).unwrap() {
                Next::Frame(frame) => frames.push((frame.call, frame.body.len())),
                Next::Nothing => std::thread::yield_now(),
                Next::End => break,
            }
        }
        writer.join().unwrap();
        assert_eq!(frames, (0..).zip(sizes).collect::<Vec<_>>());
    }

    #[test]
    fn frames_that_a_worker_may_not_send_are_refused() {
        for (kind, size) in [(Kind::Result, 11), (Kind::Log, 70_000), (Kind::Call, 1), (Kind::BadStatus, 5)] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(&Head::new(kind, 1, size).unwrap().encode()).unwrap();
            assert!(Inbox::new(10).next(&ours).is_err(), "{kind:?}");
        }
    }
}
