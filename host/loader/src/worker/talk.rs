//! The conversation with one worker: what anybody tells it, and the thread that hears what it says.

use super::crash::Killed;
use super::inbox::{Frame, Inbox, Next};
use super::lines::{LastLines, Splitter};
use super::outbox::{Chunk, Outbox};
use super::pool::Pool;
use super::process::{End, Process, Started};
use jackfield_core::payload::Payload;
use jackfield_plugin_api::worker::feature::Features;
use jackfield_plugin_api::worker::{BrokenFrame, Head, Kind};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::ioctl_fionbio;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{ChildStderr, ChildStdout};
use std::sync::{Arc, OnceLock};

/// A worker process and the way to it.
pub(crate) struct Worker {
    pub(crate) id: u64,
    pub(crate) process: Process,
    socket: UnixStream,
    outbox: Mutex<Outbox>,
    /// Wakes the thread that listens, when the outbox has something that the socket did not take.
    waker: UnixStream,
    lines: Mutex<LastLines>,
    killed: Mutex<Option<Killed>>,
    /// What it offers beyond the protocol, once it is ready.
    features: OnceLock<Features>,
}

/// What only the thread that listens has.
pub(crate) struct Ears {
    woken: UnixStream,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Worker {
    pub(crate) fn new(id: u64, started: Started) -> io::Result<(Arc<Self>, Ears)> {
        let Started { process, socket, stdout, stderr } = started;
        let (waker, woken) = UnixStream::pair()?;
        for socket in [&socket, &waker, &woken] {
            socket.set_nonblocking(true)?;
        }
        ioctl_fionbio(&stdout, true)?;
        ioctl_fionbio(&stderr, true)?;
        let worker = Self {
            id,
            process,
            socket,
            outbox: Mutex::default(),
            waker,
            lines: Mutex::default(),
            killed: Mutex::default(),
            features: OnceLock::new(),
        };
        Ok((Arc::new(worker), Ears { woken, stdout: Some(stdout), stderr: Some(stderr) }))
    }

    /// Sends a frame; `payload` is the end of its body. A conversation that has ended is noticed by whoever listens.
    ///
    /// # Errors
    /// If the frame is too long.
    pub(crate) fn send(
        &self,
        kind: Kind,
        call: u64,
        body: &[u8],
        payload: Option<&Payload>,
    ) -> Result<(), BrokenFrame> {
        let payload_bytes = payload.map_or(0, Payload::len);
        let head = Head::new(kind, call, body.len() + payload_bytes)?.encode();
        let mut bytes = Vec::with_capacity(head.len() + body.len());
        bytes.extend(head);
        bytes.extend(body);
        let mut outbox = self.outbox.lock();
        outbox.push(Chunk::Bytes(bytes));
        if let Some(payload) = payload {
            outbox.push(Chunk::Payload(payload.clone()));
        }
        let is_left = outbox.flush(&self.socket).is_ok() && !outbox.is_empty();
        drop(outbox);
        if is_left {
            self.wake();
        }
        Ok(())
    }

    /// Sends a frame without a body.
    pub(crate) fn tell(&self, kind: Kind, call: u64) {
        // a frame without a body is not too long
        let _ = self.send(kind, call, &[], None);
    }

    fn wake(&self) {
        // a full socket wakes as well
        let _ = (&self.waker).write(&[1]);
    }

    /// Kills the process; the first reason counts.
    pub(crate) fn kill(&self, reason: Killed) {
        self.killed.lock().get_or_insert(reason);
        self.process.kill();
    }

    pub(crate) fn killed(&self) -> Option<Killed> {
        self.killed.lock().clone()
    }

    /// It is ready and says what it offers.
    pub(crate) fn learn(&self, features: &[String]) {
        // it says so once, or the conversation ends
        let _ = self.features.set(Features::of(features));
    }

    /// What it offers; nothing before it is ready.
    pub(crate) fn features(&self) -> Features {
        self.features.get().copied().unwrap_or_default()
    }

    /// A line that may tell why it ended.
    pub(crate) fn note(&self, line: &str) {
        self.lines.lock().push(line);
    }

    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.lines.lock().to_vec()
    }
}

/// Body of the thread that listens to one worker, until its end.
pub(crate) fn listen(worker: &Arc<Worker>, mut ears: Ears, pool: &Arc<Pool>) {
    let mut streams = Streams::default();
    let mut inbox = Inbox::new(pool.result_frame_bytes_max());
    let broken = loop {
        ears.wait(worker);
        let mut woken = [0; 64];
        while matches!((&ears.woken).read(&mut woken), Ok(bytes) if bytes > 0) {}
        // a conversation that has ended shows when it is read
        let _ = worker.outbox.lock().flush(&worker.socket);
        streams.read(&mut ears, worker);
        match converse(worker, &mut inbox, pool) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(broken) => break Some(broken),
        }
    };
    if let Some(broken) = broken {
        worker.kill(Killed::Broken(broken.to_string()));
    }
    let end: End = worker.process.reap();
    streams.read(&mut ears, worker);
    streams.end(worker);
    pool.ended(worker, end);
}

/// Hears what there is to hear. False at the end of the conversation.
fn converse(worker: &Arc<Worker>, inbox: &mut Inbox, pool: &Arc<Pool>) -> Result<bool, BrokenFrame> {
    loop {
        match inbox.next(&worker.socket)? {
            Next::Frame(Frame { kind, call, body }) => pool.heard(worker, kind, call, body)?,
            Next::Nothing => return Ok(true),
            Next::End => return Ok(false),
        }
    }
}

impl Ears {
    /// Waits until there is something to do.
    fn wait(&self, worker: &Worker) {
        let mut wanted = PollFlags::IN;
        if !worker.outbox.lock().is_empty() {
            wanted |= PollFlags::OUT;
        }
        let streams = [self.stdout.as_ref().map(AsFd::as_fd), self.stderr.as_ref().map(AsFd::as_fd)];
        let mut fds = vec![PollFd::new(&worker.socket, wanted), PollFd::new(&self.woken, PollFlags::IN)];
        fds.extend(streams.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // an interrupted wait ends early, which does no harm
        let _ = poll(&mut fds, None);
    }
}

/// The lines of standard output and standard error.
#[derive(Default)]
struct Streams {
    stdout: Splitter,
    stderr: Splitter,
}

impl Streams {
    /// Reads what is there; a stream that has ended is closed.
    fn read(&mut self, ears: &mut Ears, worker: &Worker) {
        read_stream(&mut ears.stdout, &mut self.stdout, worker);
        read_stream(&mut ears.stderr, &mut self.stderr, worker);
    }

    fn end(&mut self, worker: &Worker) {
        self.stdout.end(|line| worker.note(line));
        self.stderr.end(|line| worker.note(line));
    }
}

fn read_stream(stream: &mut Option<impl Read>, splitter: &mut Splitter, worker: &Worker) {
    /// Reads in a row, so that a flood does not keep the conversation waiting.
    const READS_MAX: usize = 16;
    let Some(open) = stream else { return };
    let mut buffer = [0; 4096];
    for _ in 0..READS_MAX {
        match open.read(&mut buffer) {
            Ok(0) => {
                *stream = None;
                return;
            }
            Ok(bytes) => splitter.take(&buffer[..bytes], |line| {
                tracing::debug!(worker_pid = worker.process.pid, "{line}");
                worker.note(line);
            }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                *stream = None;
                return;
            }
        }
    }
}
