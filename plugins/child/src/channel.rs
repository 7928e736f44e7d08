//! A conversation with a long-lived program: frames of a length in four bytes, most significant first, and that many bytes.
//!
//! On Unix the program has it as its standard input, a socket that it reads from *and writes to*. What it prints goes to
//! standard output and error as ever and cannot disturb the conversation. On Windows the answers come by standard output, which
//! the program has to keep free.

use std::io::{self, BufReader, Read, Write};

#[cfg(unix)]
type Reads = std::os::unix::net::UnixStream;
#[cfg(unix)]
type Writes = std::os::unix::net::UnixStream;
#[cfg(windows)]
type Reads = std::process::ChildStdout;
#[cfg(windows)]
type Writes = std::process::ChildStdin;

/// Longest frame that is believed, in bytes: 64 MiB.
pub const FRAME_LEN_MAX: usize = 64 << 20;

/// How much is read at once, in bytes: many small frames.
const BUFFER_LEN: usize = 64 << 10;

/// Both directions.
pub struct Channel {
    sender: Sender,
    receiver: Receiver,
}

/// What goes to the program. Dropping it ends the program's input.
pub struct Sender {
    to: Writes,
    pending: Vec<u8>,
}

/// What comes from the program.
pub struct Receiver {
    from: BufReader<Reads>,
}

impl Channel {
    #[cfg(unix)]
    pub(crate) fn over(socket: Reads) -> io::Result<Self> {
        let to = socket.try_clone()?;
        Ok(Self::new(to, socket))
    }

    #[cfg(windows)]
    pub(crate) fn over(to: Writes, from: Reads) -> Self {
        Self::new(to, from)
    }

    fn new(to: Writes, from: Reads) -> Self {
        let sender = Sender { to, pending: Vec::new() };
        Self { sender, receiver: Receiver { from: BufReader::with_capacity(BUFFER_LEN, from) } }
    }

    /// The two directions, for two threads.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

impl Sender {
    /// Puts a frame behind those that [`Sender::flush`] is going to send.
    ///
    /// # Errors
    /// If it is longer than [`FRAME_LEN_MAX`].
    pub fn push(&mut self, frame: &[u8]) -> io::Result<()> {
        let len = u32::try_from(frame.len()).ok().filter(|_| frame.len() <= FRAME_LEN_MAX);
        let len = len.ok_or_else(|| too_long(frame.len()))?;
        self.pending.extend_from_slice(&len.to_be_bytes());
        self.pending.extend_from_slice(frame);
        Ok(())
    }

    /// Sends what has been pushed; waits until the program has room for it.
    ///
    /// # Errors
    /// If the program has ended or closed the conversation.
    pub fn flush(&mut self) -> io::Result<()> {
        let sent = self.to.write_all(&self.pending).and_then(|()| self.to.flush());
        self.pending.clear();
        if self.pending.capacity() > BUFFER_LEN {
            self.pending = Vec::new();
        }
        sent
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// As [`Sender::push`] and [`Sender::flush`].
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.push(frame)?;
        self.flush()
    }
}

#[cfg(unix)]
impl Sender {
    /// Ends the program's input.
    pub fn finish(&mut self) {
        // the other direction holds the socket open; it may be closed already
        let _ = self.to.shutdown(std::net::Shutdown::Write);
    }

    /// Ends both directions, whoever holds the other end: the receiver comes to its end.
    pub fn abort(self) {
        // it may be closed already
        let _ = self.to.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(windows)]
impl Sender {
    /// Ends the program's input when the sender is dropped, and not before.
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as on other systems")]
    pub fn finish(&mut self) {}

    /// Ends the program's input. The receiver ends with the program.
    pub fn abort(self) {}
}

#[cfg(unix)]
impl Drop for Sender {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Receiver {
    /// The next frame; `None` if the program has closed the conversation between two of them.
    ///
    /// # Errors
    /// If it ends within a frame, or announces one that is too long.
    pub fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut len = [0; 4];
        let got = self.from.read(&mut len)?;
        if got == 0 {
            return Ok(None);
        }
        self.from.read_exact(&mut len[got..])?;
        let len = u32::from_be_bytes(len) as usize;
        if len > FRAME_LEN_MAX {
            return Err(too_long(len));
        }
        let mut frame = vec![0; len];
        self.from.read_exact(&mut frame)?;
        Ok(Some(frame))
    }

    /// Whether more has been read already, so that [`Receiver::receive`] is likely not to wait.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.from.buffer().is_empty()
    }
}

fn too_long(len: usize) -> io::Error {
    let message = format!("a frame of {len} bytes, at most {FRAME_LEN_MAX} are allowed");
    io::Error::new(io::ErrorKind::InvalidData, message)
}
