//! First contact: what a plugin says about itself, asked in a process that may die of it.

use super::crash::{Crash, Killed};
use super::inbox::{Frame, Inbox, Next};
use super::lines::{LastLines, Splitter};
use super::process::{self, End, Started};
use crate::config::WorkerProgram;
use jackfield_plugin_api::worker::{Head, Hello, Kind, NO_CALL, Ready, Refusal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use semver::Version;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// What came of it.
pub(crate) enum Probed {
    /// The full manifest as JSON.
    Manifest(Box<str>),
    /// It cannot be opened or does not describe itself; the process is fine.
    Refused(Refusal),
    /// The process ended, hung, or said something that is not allowed: how.
    Crashed(String),
}

/// Asks the plugin that `hello` names in a process of its own, which is gone when this returns. Waits for `patience` at most.
///
/// # Errors
/// If no process can be started.
pub(crate) fn describe(
    program: &WorkerProgram,
    hello: &Hello,
    version: &Version,
    patience: Duration,
) -> io::Result<Probed> {
    let mut started = process::start(program, &hello.sandbox.grant)?;
    let until = Instant::now() + patience;
    let answer = ask(&started, hello, until);
    let killed = match answer {
        Answer::Said(probed) => {
            started.process.kill();
            started.process.reap();
            return Ok(probed);
        }
        Answer::Broken(how) => Some(Killed::Broken(how)),
        Answer::TooLate => Some(Killed::StartTimeout),
        Answer::End => None,
    };
    if killed.is_some() {
        started.process.kill();
    }
    let end: End = started.process.reap();
    let lines = last_lines(&mut started);
    let last = lines.last().map(|line| format!("; its last line: {line}")).unwrap_or_default();
    let crash =
        Crash { plugin: &hello.plugin, version, pid: started.process.pid, killed, end, lines, calls: 0 };
    Ok(Probed::Crashed(format!("{}{last}", crash.what())))
}

enum Answer {
    Said(Probed),
    Broken(String),
    TooLate,
    End,
}

fn ask(started: &Started, hello: &Hello, until: Instant) -> Answer {
    match converse(started, hello, until) {
        Ok(answer) => answer,
        // what cannot be written to or read from has ended
        Err(_) => Answer::End,
    }
}

fn converse(started: &Started, hello: &Hello, until: Instant) -> io::Result<Answer> {
    let body = hello.encode();
    let head = Head::new(Kind::Hello, NO_CALL, body.len()).map_err(io::Error::other)?;
    let mut socket = &started.socket;
    socket.write_all(&[&head.encode(), &*body].concat())?;
    socket.set_nonblocking(true)?;
    let mut inbox = Inbox::new(0);
    loop {
        match inbox.next(&started.socket) {
            Ok(Next::Frame(Frame { kind, body, .. })) => {
                if let Some(answer) = answer(kind, &body) {
                    return Ok(answer);
                }
            }
            Ok(Next::End) => return Ok(Answer::End),
            Ok(Next::Nothing) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(Answer::TooLate);
                }
                let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
                // a full second is waited for in parts
                poll(&mut [PollFd::new(&started.socket, PollFlags::IN)], Some(&left))?;
            }
            Err(broken) => return Ok(Answer::Broken(broken.to_string())),
        }
    }
}

fn answer(kind: Kind, body: &[u8]) -> Option<Answer> {
    match kind {
        Kind::Ready => Some(match Ready::decode(body) {
            Ok(ready) => Answer::Said(Probed::Manifest(ready.manifest.get().into())),
            Err(broken) => Answer::Broken(broken.to_string()),
        }),
        Kind::Refused => Some(match Refusal::decode(body) {
            Ok(refusal) => Answer::Said(Probed::Refused(refusal)),
            Err(broken) => Answer::Broken(broken.to_string()),
        }),
        kind if kind.is_telling() => None,
        _ => Some(Answer::Broken("an answer to something that was not asked".into())),
    }
}

/// What the process has printed; it has ended.
fn last_lines(started: &mut Started) -> Vec<String> {
    const BYTES_MAX: u64 = 64 << 10;
    let mut lines = LastLines::default();
    // somebody else may hold the streams: what is there is read, and nothing is waited for
    let is_ready = ioctl_fionbio(&started.stdout, true).and_then(|()| ioctl_fionbio(&started.stderr, true));
    if is_ready.is_err() {
        return Vec::new();
    }
    let streams: [&mut dyn Read; 2] = [&mut started.stdout, &mut started.stderr];
    for stream in streams {
        let (mut splitter, mut bytes) = (Splitter::default(), Vec::new());
        // an error ends what can be read
        let _ = stream.take(BYTES_MAX).read_to_end(&mut bytes);
        splitter.take(&bytes, |line| lines.push(line));
        splitter.end(|line| lines.push(line));
    }
    lines.to_vec()
}
