//! Frames out and in.

use crate::open::Opened;
use crate::process::die;
use crate::shared::{Inlet, Outlet, Shared};
use crate::{WorkerError, open};
use jackfield_loader::shared::{LARGE_BYTES_MIN, receive_hello_head};
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
    way: Mutex<Way>,
    since: Instant,
}

/// The way to the host.
struct Way {
    socket: UnixStream,
    shared: Option<Outlet>,
}

/// Where frames of the host come from.
pub(crate) struct Reader {
    socket: BufReader<UnixStream>,
    shared: Option<Inlet>,
}

/// A frame that was read.
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u64,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn split(socket: UnixStream) -> io::Result<(Arc<Wire>, Reader)> {
    let way = Way { socket: socket.try_clone()?, shared: None };
    let reader = Reader { socket: BufReader::with_capacity(READ_BYTES, socket), shared: None };
    Ok((Arc::new(Wire { way: Mutex::new(way), since: Instant::now() }), reader))
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
            .and_then(|head| self.way.lock().write(&head.encode(), body));
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

    /// Says that the plugin is open. What follows may go through `outlet`.
    pub(crate) fn send_ready(&self, opened: &Opened, outlet: Option<Outlet>) -> io::Result<()> {
        let shared = outlet.as_ref().map(Outlet::features).unwrap_or_default();
        let ready = Ready {
            protocol: PROTOCOL,
            features: feature::ALL.into_iter().map(str::to_owned).chain(shared).collect(),
            unenforced: opened.unenforced.clone(),
            pid: std::process::id(),
            manifest: open::raw(&opened.manifest)?,
        };
        let body = ready.encode();
        let head = Head::new(Kind::Ready, NO_CALL, body.len()).map_err(io::Error::other)?;
        let mut way = self.way.lock();
        write_both(&mut way.socket, &head.encode(), &body)?;
        way.shared = outlet;
        Ok(())
    }

    pub(crate) fn send_refusal(&self, refusal: &Refusal) -> io::Result<()> {
        self.send(Kind::Refused, NO_CALL, &refusal.encode());
        Ok(())
    }
}

impl Way {
    fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        match &mut self.shared {
            Some(outlet) if outlet.takes_all() => outlet.write(head, body),
            Some(outlet) if body.len() >= LARGE_BYTES_MIN => {
                let announcement = Head { body_bytes: 0, kind: Kind::Shared, call: NO_CALL };
                write_both(&mut self.socket, &announcement.encode(), &[])?;
                outlet.write(head, body)
            }
            _ => write_both(&mut self.socket, head, body),
        }
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
        match self.socket.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        self.rest(&head)
    }

    /// A frame whose head has been read.
    fn rest(&mut self, head: &[u8; HEAD_BYTES]) -> Result<Option<Frame>, WorkerError> {
        let Head { body_bytes, kind, call } = Head::decode(head, |_| BODY_BYTES_MAX)?;
        if let (Kind::Shared, Some(inlet)) = (kind, &mut self.shared) {
            return inlet.announced().map(Some);
        }
        let mut body = Vec::with_capacity(body_bytes as usize);
        let read = (&mut self.socket).take(body_bytes.into()).read_to_end(&mut body)?;
        if read < body_bytes as usize {
            return Ok(None);
        }
        Ok(Some(Frame { kind, call, body }))
    }

    /// What the host begins with, and the memory that it shares if it does. Nothing may have been read before.
    pub(crate) fn hello(&mut self) -> Result<(Hello, Option<Shared>), WorkerError> {
        let mut head = [0; HEAD_BYTES];
        let handed_over = receive_hello_head(self.socket.get_ref(), &mut head)?;
        match self.rest(&head)? {
            Some(Frame { kind: Kind::Hello, body, .. }) => {
                let hello = Hello::decode(&body)?;
                let shared = handed_over.map(|(memory, bell)| Shared::new(memory, bell, &hello));
                Ok((hello, shared))
            }
            _ => Err(WorkerError::NoHello),
        }
    }

    /// From now on large frames come through `inlet`.
    pub(crate) fn open(&mut self, inlet: Inlet) {
        self.shared = Some(inlet);
    }

    /// What is left when frames come another way.
    pub(crate) fn into_socket(self) -> UnixStream {
        self.socket.into_inner()
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
