//! Frames out and in.

use crate::open::Opened;
use crate::process::die;
use crate::{WorkerError, open};
use jackfield_plugin_api::worker::{
    BODY_BYTES_MAX, Body, HEAD_BYTES, Head, Hello, Kind, NO_CALL, PROTOCOL, Ready, Refusal, feature,
};
use parking_lot::Mutex;
use std::io::{self, BufReader, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// Where frames to the host go, from any thread.
pub(crate) struct Wire {
    socket: Mutex<UnixStream>,
    since: Instant,
}

/// Where frames of the host come from.
pub(crate) struct Reader(BufReader<UnixStream>);

/// A frame that was read.
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u64,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn split(socket: UnixStream) -> io::Result<(Arc<Wire>, Reader)> {
    let writer = socket.try_clone()?;
    let wire = Wire { socket: Mutex::new(writer), since: Instant::now() };
    Ok((Arc::new(wire), Reader(BufReader::with_capacity(READ_BYTES, socket))))
}

impl Wire {
    /// Milliseconds since the conversation began.
    pub(crate) fn age_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sends a frame. Nobody is left to serve if that fails, so the process ends.
    pub(crate) fn send(&self, kind: Kind, call: u64, body: &[u8]) {
        let sent = Head::new(kind, call, body.len())
            .map_err(io::Error::other)
            .and_then(|head| write_both(&mut self.socket.lock(), &head.encode(), body));
        if sent.is_err() {
            die();
        }
    }

    /// Sends a frame with an encoded body.
    pub(crate) fn send_body<'a>(&self, kind: Kind, call: u64, body: &impl Body<'a>) {
        let mut bytes = Vec::with_capacity(256);
        body.encode(&mut bytes);
        self.send(kind, call, &bytes);
    }

    pub(crate) fn send_ready(&self, opened: &Opened) -> io::Result<()> {
        let ready = Ready {
            protocol: PROTOCOL,
            features: feature::ALL.map(str::to_owned).to_vec(),
            unenforced: opened.unenforced.clone(),
            pid: std::process::id(),
            manifest: open::raw(&opened.manifest)?,
        };
        self.send(Kind::Ready, NO_CALL, &ready.encode());
        Ok(())
    }

    pub(crate) fn send_refusal(&self, refusal: &Refusal) -> io::Result<()> {
        self.send(Kind::Refused, NO_CALL, &refusal.encode());
        Ok(())
    }
}

/// Writes both with one call of the system, if it takes them.
fn write_both(socket: &mut UnixStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < head.len() {
        match socket.write_vectored(&[IoSlice::new(&head[written..]), IoSlice::new(body)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    socket.write_all(&body[written - head.len()..])
}

impl Reader {
    /// The next frame; `None` if the host has ended the conversation.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, WorkerError> {
        let mut head = [0; HEAD_BYTES];
        match self.0.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Head { body_bytes, kind, call } = Head::decode(&head, |_| BODY_BYTES_MAX)?;
        let mut body = Vec::with_capacity(body_bytes as usize);
        let read = (&mut self.0).take(body_bytes.into()).read_to_end(&mut body)?;
        if read < body_bytes as usize {
            return Ok(None);
        }
        Ok(Some(Frame { kind, call, body }))
    }

    /// What the host begins with.
    pub(crate) fn hello(&mut self) -> Result<Hello, WorkerError> {
        match self.next()? {
            Some(Frame { kind: Kind::Hello, body, .. }) => Ok(Hello::decode(&body)?),
            _ => Err(WorkerError::NoHello),
        }
    }

    /// Waits until the host has nothing more to say.
    pub(crate) fn until_end(&mut self) {
        while let Ok(Some(frame)) = self.next() {
            if frame.kind == Kind::Shutdown {
                return;
            }
        }
    }
}
