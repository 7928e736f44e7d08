//! A program that has been started, until it and all that it started are gone.

use crate::channel::Channel;
use crate::group::{self, Group, Leader};
use crate::program::Input;
use crate::{Program, StartError};
use std::fmt;
use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A running program with its group. Dropping it kills all of them.
pub struct Child {
    id: u32,
    shared: Arc<Shared>,
}

struct Shared {
    group: Group,
    exit: Mutex<Option<Exit>>,
    ended: Condvar,
}

/// How a program ended. Neither is known if the system does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What it returned.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// What a program was told before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing: it had ended.
    Nothing,
    /// To end, by `SIGTERM` to its whole group, and it did within the grace.
    Terminate,
    /// Nothing any more: it was killed with its whole group.
    Kill,
}

impl Told {
    /// Name of the signal; `None` if there was none.
    #[must_use]
    pub const fn signal(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Terminate => Some("SIGTERM"),
            Self::Kill => Some("SIGKILL"),
        }
    }
}

/// This process' ends of what leads to a program.
#[derive(Default)]
pub struct Streams {
    /// Its standard input, if that is [`Input::Piped`].
    pub input: Option<ChildStdin>,
    /// Its standard output; absent on Windows if there is a channel.
    pub output: Option<ChildStdout>,
    /// Its standard error.
    pub errors: Option<ChildStderr>,
    /// The conversation, if there is one.
    pub channel: Option<Channel>,
}

impl Exit {
    /// Whether it returned 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.code == Some(0)
    }
}

/// "exit code 3", "signal 9 (SIGKILL)"
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => match signal_name(signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
            (None, None) => f.write_str("an end of which the system tells nothing"),
        }
    }
}

/// Names of the signals that have the same number everywhere.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

impl Child {
    /// Starts a program. When it has ended, `on_exit` is called on a thread of its own, after everything that was left of its
    /// group has been killed.
    ///
    /// # Errors
    /// If there is no such program or directory, or the system refuses. Then nothing runs, and `on_exit` is never called.
    pub fn start(
        program: &Program,
        on_exit: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<(Self, Streams), StartError> {
        let mut command = program.command()?;
        let refused = |source| StartError::System { program: shown(program), source };
        let theirs = channel_for(&program.input, &mut command).map_err(refused)?;
        let group = Group::new().map_err(StartError::NoGroup)?;
        let mut leader = group.spawn(command).map_err(|error| not_started(program, error))?;
        let streams = streams(&mut leader, theirs);
        let shared = Arc::new(Shared { group, exit: Mutex::new(None), ended: Condvar::new() });
        let child = Self { id: leader.id(), shared: Arc::clone(&shared) };
        let waiter = std::thread::Builder::new().name("jf-child".into());
        let waiting = waiter.spawn(move || {
            let exit = shared.wait_for(&mut leader);
            on_exit(exit);
        });
        // `child` is dropped if there is no thread, and kills what was started
        waiting.map_err(refused)?;
        Ok((child, streams))
    }

    /// Number of the process that runs the program.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How it ended; `None` while it runs.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        *self.shared.lock()
    }

    /// Waits for its end, at most for `patience`; `None` if it still runs then.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Exit> {
        let until = Instant::now().checked_add(patience);
        let mut exit = self.shared.lock();
        while exit.is_none() {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let waited = self.shared.ended.wait_timeout(exit, left);
            exit = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *exit
    }

    /// Interrupts the program alone, as Ctrl-C does (`SIGINT`). Nothing happens if it has ended, and on Windows.
    pub fn interrupt(&self) {
        let exit = self.shared.lock();
        if exit.is_none() {
            group::interrupt(self.id);
        }
    }

    /// Asks the whole group to end (`SIGTERM`), and does not wait; whether it could be asked. On Windows it cannot.
    pub fn terminate(&self) -> bool {
        self.shared.group.terminate()
    }

    /// Asks the whole group to end, waits for the program for `grace`, and then kills the group. When this returns the program has
    /// ended and everything else in its group has at least been killed.
    pub fn stop(&self, grace: Duration) -> Told {
        if self.exit().is_some() {
            return Told::Nothing;
        }
        if self.terminate() && self.wait(grace).is_some() {
            return Told::Terminate;
        }
        self.kill();
        Told::Kill
    }

    /// Kills the whole group, and waits until the program has ended.
    pub fn kill(&self) {
        self.kill_soon();
        let _ = self.wait(Duration::MAX);
    }

    /// Kills the whole group, and does not wait.
    pub fn kill_soon(&self) {
        self.shared.group.kill();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // the waiting thread reaps the program
        self.shared.group.kill();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Exit>> {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, leader: &mut Leader) -> Exit {
        leader.wait_for_end();
        // nobody interrupts a number that is being given back
        let mut guard = self.lock();
        let exit = leader.reap();
        // what it left behind; before anybody hears of the end
        self.group.kill();
        *guard = Some(exit);
        self.ended.notify_all();
        exit
    }
}

fn shown(program: &Program) -> String {
    program.name.to_string_lossy().into_owned()
}

/// Connects the input; our end of the conversation, if there is to be one.
#[cfg(unix)]
fn channel_for(input: &Input, command: &mut Command) -> io::Result<Option<Channel>> {
    match input {
        Input::Empty => command.stdin(Stdio::null()),
        Input::Piped => command.stdin(Stdio::piped()),
        Input::File(file) => command.stdin(file.try_clone()?),
        Input::Channel => {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            command.stdin(std::os::fd::OwnedFd::from(theirs));
            return Channel::over(ours).map(Some);
        }
    };
    Ok(None)
}

#[cfg(windows)]
fn channel_for(input: &Input, command: &mut Command) -> io::Result<bool> {
    match input {
        Input::Empty => command.stdin(Stdio::null()),
        Input::Piped | Input::Channel => command.stdin(Stdio::piped()),
        Input::File(file) => command.stdin(file.try_clone()?),
    };
    Ok(matches!(input, Input::Channel))
}

#[cfg(unix)]
fn streams(leader: &mut Leader, channel: Option<Channel>) -> Streams {
    let child = leader.streams();
    Streams { input: child.stdin.take(), output: child.stdout.take(), errors: child.stderr.take(), channel }
}

#[cfg(windows)]
fn streams(leader: &mut Leader, has_channel: bool) -> Streams {
    let child = leader.streams();
    let (input, output, errors) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    match (has_channel, input, output) {
        (true, Some(input), Some(output)) => {
            Streams { channel: Some(Channel::over(input, output)), errors, ..Streams::default() }
        }
        (_, input, output) => Streams { input, output, errors, channel: None },
    }
}

/// The program was there a moment ago; what the system says then is about its contents.
fn not_started(program: &Program, source: io::Error) -> StartError {
    let refuse = |reason: &str| StartError::NotExecutable {
        path: std::path::PathBuf::from(&program.name),
        reason: reason.into(),
    };
    match source.kind() {
        io::ErrorKind::NotFound => refuse("the interpreter that its first line names does not exist"),
        io::ErrorKind::PermissionDenied => refuse("the system does not allow it to be executed"),
        #[cfg(unix)]
        _ if source.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            refuse("it is no program of this machine, and no script that begins with `#!`")
        }
        _ => StartError::System { program: shown(program), source },
    }
}
