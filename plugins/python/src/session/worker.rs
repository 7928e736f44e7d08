//! The interpreter of a session: a process group that runs the driver (`driver/jackfield_driver.py`), and the conversation with
//! it. Each execution brings pipes of its own along for what it prints.

use super::capture::{Capture, Printed};
use super::seats::Seat;
use super::terms::{Answer, Begin, Bounds, End, Ended, Reason, StartSpec};
use jackfield_child::{Child, Exit, FRAME_LEN_MAX, Input, Program, StartError};
use jackfield_plugin_api::{Context, Error, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::Deserialize;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the driver has to answer.
const PROTOCOL: u32 = 1;
/// Runs the driver from its directory, where its compiled form is kept, without leaving that in the search path.
const BOOT: &str = "import sys; sys.path.insert(0, sys.argv.pop(1)); import jackfield_driver as d; del sys.path[0]; d.main()";
/// How much is read at once, in bytes.
const CHUNK_LEN: usize = 64 << 10;
/// What is kept of the messages of an interpreter that does not start, in bytes.
const START_MESSAGE_MAX: u64 = 16 << 10;
/// How long the answer to `begin` may take, and the room for a request to become free.
const PROMPT: Duration = Duration::from_secs(30);
/// How long an interpreter may take to end by itself when its session is closed.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// An interpreter that runs.
pub(crate) struct Worker {
    child: Arc<Child>,
    talk: UnixStream,
    life: Arc<Life>,
    /// Ends a wait when somebody writes to it.
    woken: OwnedFd,
    wake: Arc<OwnedFd>,
    version: String,
}

/// What others may know of an interpreter, and how they end it.
#[derive(Clone)]
pub(crate) struct Handle {
    child: Arc<Child>,
    life: Arc<Life>,
}

#[derive(Default)]
struct Life {
    exit: Mutex<Option<Exit>>,
    seat: Mutex<Option<Seat>>,
}

#[derive(Deserialize)]
struct Ready {
    protocol: u32,
    version: String,
}

#[derive(Deserialize)]
struct Begun {
    error: Option<String>,
}

impl Handle {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        *self.life.exit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the group at once.
    pub(crate) fn kill(&self) {
        self.child.kill();
    }
}

impl Worker {
    /// Starts an interpreter and waits until it is ready.
    ///
    /// # Errors
    /// `python.start` with what it says, `python.no_group` and the like.
    pub(crate) fn start(spec: &StartSpec<'_>) -> Result<Self, Error> {
        let (talk, theirs) = UnixStream::pair()?;
        let (woken, wake) =
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(std::io::Error::from)?;
        let program = program(spec, theirs);
        let life = Arc::new(Life::default());
        let own = Arc::clone(&life);
        let started = Child::start(&program, move |exit| {
            *own.exit.lock().unwrap_or_else(PoisonError::into_inner) = Some(exit);
            // the place is free as soon as the process is gone, whoever ended it
            drop(own.seat.lock().unwrap_or_else(PoisonError::into_inner).take());
        });
        // what the program was given is closed here, so that its end is seen
        drop(program);
        let (child, mut streams) = started.map_err(|error| not_started(spec, &error))?;
        let mut worker =
            Self { child: Arc::new(child), talk, life, woken, wake: Arc::new(wake), version: String::new() };
        match worker.greet(spec.timeout) {
            Ok(version) => {
                worker.version = version;
                Ok(worker)
            }
            Err(reason) => {
                worker.child.kill();
                let mut said = String::new();
                if let Some(errors) = streams.errors.take() {
                    // what can be read is what is told
                    let _ = errors.take(START_MESSAGE_MAX).read_to_string(&mut said);
                }
                Err(start_failed(spec, &reason, said.trim()))
            }
        }
    }

    /// Waits for the first word; the version of the interpreter, or why there is none.
    fn greet(&self, timeout: Duration) -> Result<String, String> {
        let frame = self.receive_within(timeout)?;
        let ready: Ready = serde_json::from_slice(&frame).map_err(|error| error.to_string())?;
        if ready.protocol != PROTOCOL {
            return Err(format!("its driver speaks the protocol {}, expected {PROTOCOL}", ready.protocol));
        }
        Ok(ready.version)
    }

    /// Makes it the interpreter of a session that has a place.
    ///
    /// # Errors
    /// `python.start` if directory or limits are refused.
    pub(crate) fn begin(&mut self, begin: &Begin<'_>, seat: Seat) -> Result<(), Error> {
        *self.life.seat.lock().unwrap_or_else(PoisonError::into_inner) = Some(seat);
        if self.handle().exit().is_some() {
            // it died just before, and did not see the place
            drop(self.life.seat.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        let failed = |reason: String| {
            Error::new("python.start", format!("the interpreter could not be set up: {reason}")).permanent()
        };
        self.send(&serde_json::to_vec(begin)?, &[]).map_err(|error| failed(error.to_string()))?;
        let frame = self.receive_within(PROMPT).map_err(failed)?;
        let begun: Begun = serde_json::from_slice(&frame)?;
        begun.error.map_or(Ok(()), |reason| Err(failed(reason)))
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle { child: Arc::clone(&self.child), life: Arc::clone(&self.life) }
    }

    /// Executes what `request` says.
    ///
    /// # Errors
    /// If pipes cannot be made.
    pub(crate) fn execute(&mut self, ctx: &Context, request: &[u8], bounds: Bounds) -> Result<Ended, Error> {
        let (out, their_out) = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let (err, their_err) = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
        for ours in [&out, &err] {
            rustix::io::ioctl_fionbio(ours, true).map_err(std::io::Error::from)?;
        }
        let sent = self.send(request, &[their_out.as_fd(), their_err.as_fd()]);
        drop((their_out, their_err));
        let wake = Arc::clone(&self.wake);
        let _told = ctx.on_cancel(move || {
            // a full pipe wakes as well
            let _ = rustix::io::write(&wake, b"!");
        });
        let mut run = Run {
            worker: self,
            ctx,
            bounds,
            started: Instant::now(),
            interrupted: None,
            interrupted_after: None,
            frame: Vec::new(),
            out: Pipe::new(out, Capture::new(Stream::Stdout, bounds.output_bytes_max, bounds.is_shown)),
            err: Pipe::new(err, Capture::new(Stream::Stderr, bounds.output_bytes_max, bounds.is_shown)),
        };
        // a worker that does not take the request has died, which the answer tells
        let end = if sent.is_ok() { run.follow() } else { run.died() };
        let Run { out, err, interrupted_after, .. } = run;
        Ok(Ended { end, stdout: out.finish(ctx), stderr: err.finish(ctx), interrupted_after })
    }

    /// Ends it: by itself if it can, then its whole group.
    pub(crate) fn close(self) {
        // the driver sees the end of the conversation
        let _ = self.talk.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait(CLOSE_GRACE);
        self.child.kill();
    }

    /// Sends a frame, and descriptors with its first byte.
    fn send(&self, body: &[u8], fds: &[BorrowedFd<'_>]) -> std::io::Result<()> {
        let too_long = || {
            std::io::Error::other(format!(
                "the request has {} bytes, at most {FRAME_LEN_MAX} are possible",
                body.len()
            ))
        };
        let len =
            u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_LEN_MAX).ok_or_else(too_long)?;
        let head = len.to_be_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(fds));
        }
        let parts = [IoSlice::new(&head), IoSlice::new(body)];
        let sent = rustix::net::sendmsg(&self.talk, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
        let mut talk = &self.talk;
        if sent < head.len() {
            talk.write_all(&head[sent..])?;
            return talk.write_all(body);
        }
        talk.write_all(&body[sent - head.len()..])
    }

    /// The next frame, or why there is none.
    fn receive_within(&self, timeout: Duration) -> Result<Vec<u8>, String> {
        let (mut frame, until) = (Vec::new(), Instant::now() + timeout);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("it did not answer within {} ms", timeout.as_millis()));
            }
            let mut fds = [PollFd::new(&self.talk, PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.to_string()),
            }
            if fds[0].revents().is_empty() {
                continue;
            }
            match receive(&self.talk, &mut frame)? {
                Received::Frame(body) => return Ok(body),
                Received::More => {}
                Received::Closed => return Err("it ended before it answered".into()),
            }
        }
    }
}

fn program(spec: &StartSpec<'_>, theirs: UnixStream) -> Program {
    let mut program = Program::new(spec.python).arguments(["-I", "-X", "utf8", "-c", BOOT]);
    program.arguments.push(spec.driver.into());
    program.input = Input::File(File::from(OwnedFd::from(theirs)));
    let environment = &mut program.environment;
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("JACKFIELD_") || shown.starts_with("PYTHON") {
            environment.remove.push(name);
        }
    }
    let bin = spec.python.parent().map(PathBuf::from).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(bin).chain(std::env::split_paths(&path));
    // a directory with the mark of lists in its name cannot be in one
    let path = std::env::join_paths(dirs).unwrap_or(path);
    environment.set.push(("PATH".into(), path));
    environment.set.push(("VIRTUAL_ENV".into(), spec.environment.into()));
    environment.set.push(("MPLBACKEND".into(), "Agg".into()));
    program
}

fn not_started(spec: &StartSpec<'_>, error: &StartError) -> Error {
    match error {
        StartError::NotFound { .. } | StartError::NotExecutable { .. } => {
            start_failed(spec, &error.to_string(), "")
        }
        other => other.of("python"),
    }
}

fn start_failed(spec: &StartSpec<'_>, reason: &str, stderr: &str) -> Error {
    let separator = if stderr.is_empty() { "" } else { ":\n" };
    let message =
        format!("the interpreter `{}` did not start: {reason}{separator}{stderr}", spec.python.display());
    Error::new("python.start", message).permanent().details(&serde_json::json!({ "stderr": stderr }))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

enum Received {
    Frame(Vec<u8>),
    More,
    Closed,
}

/// Reads what is there of a frame; `begun` holds its beginning.
fn receive(talk: &UnixStream, begun: &mut Vec<u8>) -> Result<Received, String> {
    let mut chunk = [0; CHUNK_LEN];
    loop {
        let got = match rustix::net::recv(talk, &mut chunk[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Ok(Received::Closed),
            Ok((got, _)) => got,
            Err(Errno::AGAIN) => return Ok(Received::More),
            Err(Errno::INTR) => continue,
            Err(Errno::CONNRESET) => return Ok(Received::Closed),
            Err(error) => return Err(error.to_string()),
        };
        begun.extend_from_slice(&chunk[..got]);
        let Some(head) = begun.first_chunk::<4>() else { continue };
        let len = u32::from_be_bytes(*head) as usize;
        if len > FRAME_LEN_MAX {
            return Err(format!("it announces {len} bytes, at most {FRAME_LEN_MAX} are believed"));
        }
        // there is never more than one answer to a request
        if begun.len() >= 4 + len {
            let body = begun[4..4 + len].to_vec();
            begun.clear();
            return Ok(Received::Frame(body));
        }
    }
}

/// One output of an execution.
struct Pipe {
    fd: Option<OwnedFd>,
    capture: Capture,
}

impl Pipe {
    fn new(fd: OwnedFd, capture: Capture) -> Self {
        Self { fd: Some(fd), capture }
    }

    /// Takes what is there, at most some chunks, so that nobody else starves; says whether there may be more.
    fn read(&mut self, ctx: &Context, chunks_max: usize) -> bool {
        let mut chunk = [0; CHUNK_LEN];
        for _ in 0..chunks_max {
            let Some(fd) = &self.fd else { return false };
            match rustix::io::read(fd, &mut chunk[..]) {
                Ok(0) => self.fd = None,
                Ok(got) => self.capture.add(ctx, &chunk[..got]),
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        self.fd.is_some()
    }

    /// What was printed. A process that the code has left behind may hold the other end; it writes to nowhere from now on.
    fn finish(mut self, ctx: &Context) -> Printed {
        // all of it is in the pipe by now, which can be made to hold sixteen chunks
        self.read(ctx, 20);
        if let Some(fd) = self.fd.take() {
            drain(fd);
        }
        self.capture.finish(ctx)
    }
}

/// Takes what a process prints that an execution has left behind, so that it neither blocks nor is killed by it.
fn drain(fd: OwnedFd) {
    let thread = std::thread::Builder::new().name("jf-python-stray".into());
    // without a thread it is closed here, and whoever writes to it gets an error
    let _ = thread.spawn(move || {
        if rustix::io::ioctl_fionbio(&fd, false).is_ok() {
            let _ = std::io::copy(&mut File::from(fd), &mut std::io::sink());
        }
    });
}

/// An execution that goes on.
struct Run<'w> {
    worker: &'w Worker,
    ctx: &'w Context,
    bounds: Bounds,
    started: Instant,
    interrupted: Option<(Reason, Instant)>,
    interrupted_after: Option<Duration>,
    frame: Vec<u8>,
    out: Pipe,
    err: Pipe,
}

impl Run<'_> {
    fn follow(&mut self) -> End {
        loop {
            if let Some(end) = self.check_time() {
                return end;
            }
            match receive(&self.worker.talk, &mut self.frame) {
                Ok(Received::Frame(body)) => return self.answered(&body),
                Ok(Received::More) => {}
                Ok(Received::Closed) => return self.died(),
                Err(_) => return self.broken(),
            }
            self.wait();
            // eight times 64 KiB is what a pipe can be made to hold
            self.out.read(self.ctx, 8);
            self.err.read(self.ctx, 8);
        }
    }

    fn answered(&self, body: &[u8]) -> End {
        match serde_json::from_slice::<Answer>(body) {
            Ok(answer) => End::Answered(Box::new(answer), self.interrupted.map(|(reason, _)| reason)),
            Err(_) => self.broken(),
        }
    }

    /// The code has got hold of the conversation and talks nonsense.
    fn broken(&self) -> End {
        self.worker.child.kill();
        self.died()
    }

    fn died(&self) -> End {
        // it may have closed the conversation only
        let exit = self.worker.child.wait(Duration::from_millis(100)).or_else(|| {
            self.worker.child.kill();
            self.worker.child.exit()
        });
        End::Died(exit.unwrap_or(Exit { code: None, signal: None }))
    }

    /// Interrupts, and kills, when it is time to.
    fn check_time(&mut self) -> Option<End> {
        let now = Instant::now();
        match self.interrupted {
            None => {
                let due = self.started + self.bounds.timeout;
                let reason = if self.ctx.is_cancelled() {
                    Reason::Cancelled
                } else if now >= due {
                    Reason::Timeout
                } else {
                    return None;
                };
                self.worker.child.interrupt();
                self.interrupted = Some((reason, now));
                self.interrupted_after = (reason == Reason::Timeout).then(|| due.elapsed());
                None
            }
            Some((reason, at)) if now >= at + self.bounds.grace => {
                self.worker.child.kill();
                Some(End::Killed(reason))
            }
            Some(_) => None,
        }
    }

    fn wait(&self) {
        let until = match self.interrupted {
            None => self.started + self.bounds.timeout,
            Some((_, at)) => at + self.bounds.grace,
        };
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = Vec::with_capacity(4);
        fds.push(PollFd::new(&self.worker.talk, PollFlags::IN));
        if self.interrupted.is_none() {
            fds.push(PollFd::new(&self.worker.woken, PollFlags::IN));
        }
        for pipe in [&self.out, &self.err] {
            fds.extend(pipe.fd.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        }
        // an error shows in what is read next
        let _ = poll(&mut fds, Some(&timespec(left)));
        let is_woken = self.interrupted.is_none() && !fds[1].revents().is_empty();
        drop(fds);
        if is_woken {
            let _ = rustix::io::read(&self.worker.woken, &mut [0_u8; 16][..]);
        }
    }
}
