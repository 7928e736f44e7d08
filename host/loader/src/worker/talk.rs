//! The conversation with one worker: what anybody tells it, and the thread that hears what it says.

use super::crash::Killed;
use super::ear::Ear;
use super::inbox::{Frame, Next};
use super::lines::{LastLines, Splitter};
use super::outbox::{Outbox, Way};
use super::pool::Pool;
use super::process::{End, Process, Started};
use super::share::Share;
use jackfield_core::payload::Payload;
use jackfield_plugin_api::worker::feature::Features;
use jackfield_plugin_api::worker::{BrokenFrame, Head, Hello, Kind, NO_CALL};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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
    pub(super) socket: UnixStream,
    pub(super) outbox: Mutex<Outbox>,
    /// Held by whoever hears what it says: the thread that listens, or one that waits for the end of a call.
    pub(super) ear: Mutex<Ear>,
    /// The memory that it shares with this process, if it does.
    pub(super) share: Option<Share>,
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
    pub(crate) fn new(
        id: u64,
        started: Started,
        share: Option<Share>,
        result_bytes_max: u32,
    ) -> io::Result<(Arc<Self>, Ears)> {
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
            ear: Mutex::new(Ear::new(result_bytes_max)),
            share,
            waker,
            lines: Mutex::default(),
            killed: Mutex::default(),
            features: OnceLock::new(),
        };
        Ok((Arc::new(worker), Ears { woken, stdout: Some(stdout), stderr: Some(stderr) }))
    }

    /// Begins the conversation.
    pub(crate) fn greet(&self, hello: &Hello) {
        let mut hello = hello.clone();
        hello.features.extend(self.share.as_ref().map(Share::features).unwrap_or_default());
        let body = hello.encode();
        // a hello fits into a frame, unless the configuration is beyond all measure: then the worker never gets ready
        let Ok(head) = Head::new(Kind::Hello, NO_CALL, body.len()) else { return };
        let head = head.encode();
        let is_handed_over =
            self.share.as_ref().is_some_and(|share| share.hand_over(&self.socket, &head).is_ok());
        let mut outbox = self.outbox.lock();
        if !is_handed_over {
            outbox.push_rest(head.to_vec());
        }
        outbox.push_rest(body);
        // nothing is shared yet that could be broken
        let _ = outbox.flush(&self.socket);
        drop(outbox);
        self.wake();
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
        let mut outbox = self.outbox.lock();
        outbox.push(kind, call, body, payload)?;
        let flushed = outbox.flush(&self.socket);
        let is_left = !outbox.is_empty();
        drop(outbox);
        match flushed {
            Ok(()) if is_left => self.wake(),
            Ok(()) => {}
            Err(broken) => self.kill(Killed::Broken(broken.to_string())),
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
    let broken = loop {
        ears.wait(worker);
        let mut woken = [0; 64];
        while matches!((&ears.woken).read(&mut woken), Ok(bytes) if bytes > 0) {}
        streams.read(&mut ears, worker);
        match worker.flush().and_then(|()| worker.hear(pool)) {
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

impl Worker {
    fn flush(&self) -> Result<(), BrokenFrame> {
        self.outbox.lock().flush(&self.socket)
    }

    /// Hears what there is to hear, unless another thread does. False at the end of the conversation.
    fn hear(self: &Arc<Self>, pool: &Arc<Pool>) -> Result<bool, BrokenFrame> {
        let mut ear = self.ear.lock();
        if let Some(share) = &self.share {
            share.looks();
        }
        loop {
            match ear.next(&self.socket)? {
                Next::Frame(frame) => self.heard(&mut ear, frame, pool)?,
                Next::Nothing => return Ok(true),
                Next::End => return Ok(false),
            }
        }
    }

    pub(super) fn heard(
        self: &Arc<Self>,
        ear: &mut Ear,
        Frame { kind, call, body }: Frame,
        pool: &Pool,
    ) -> Result<(), BrokenFrame> {
        if let (Some(share), Kind::Ready) = (&self.share, kind) {
            share.agree(&body, ear, &mut self.outbox.lock())?;
        }
        pool.heard(self, kind, call, body)
    }
}

impl Ears {
    /// Waits until there is something to do.
    fn wait(&self, worker: &Worker) {
        let mut wanted = PollFlags::IN;
        let mut is_ready = worker.share.as_ref().is_some_and(|share| !share.sleep());
        let outbox = worker.outbox.lock();
        match outbox.waits_for() {
            Some(Way::Socket) => wanted |= PollFlags::OUT,
            Some(Way::Ring) => is_ready |= !outbox.sleep_for_room(),
            None => {}
        }
        drop(outbox);
        let streams = [self.stdout.as_ref().map(AsFd::as_fd), self.stderr.as_ref().map(AsFd::as_fd)];
        let bell = worker.share.as_ref().map(Share::bell);
        let mut fds = vec![PollFd::new(&worker.socket, wanted), PollFd::new(&self.woken, PollFlags::IN)];
        let others = streams.into_iter().chain([bell]).flatten();
        fds.extend(others.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // an interrupted wait ends early, which does no harm
        let _ = poll(&mut fds, is_ready.then_some(&now));
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
