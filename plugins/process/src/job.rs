//! One program from its start to its end: its lines as they come, its deadline, cancellation.

use crate::input::{self, Stdin};
use crate::program::{Named, not_started};
use jackfield_child::{Capped, Child, Exit, Line, Program, Told, read_lines};
use jackfield_plugin_api::{Context, Error, Stream};
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Longest line that is handed on, in bytes.
const LINE_LEN_MAX: usize = 64 << 10;
/// Lines that wait to be handed on; a program that prints faster has to wait.
const EVENTS_MAX: usize = 1024;
/// How long the ends of a program that has ended are read on, if somebody out of reach holds them open.
const DRAIN: Duration = Duration::from_secs(2);
/// How often a quiet job looks whether it is to stop, in case it could not be told.
const LOOK: Duration = Duration::from_millis(500);

/// What is to be run and how long.
pub(crate) struct Job<'p> {
    pub(crate) named: Named<'p>,
    pub(crate) stdin: Option<Stdin>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    /// Bytes kept of standard output and of standard error, each.
    pub(crate) kept: [usize; 2],
    /// Whether lines of standard output are handed on, and not only those of standard error.
    pub(crate) is_live: bool,
}

/// What became of it.
pub(crate) struct Finished {
    pub(crate) exit: Exit,
    /// What it was told when its time was over; `None` if it ended in time.
    pub(crate) told: Option<Told>,
    pub(crate) stdout: Capped,
    pub(crate) stderr: Capped,
    pub(crate) took: Duration,
}

enum Event {
    Line(Stream, Line),
    Closed(Stream, Capped),
    Ended(Exit),
    Cancelled,
}

impl Job<'_> {
    /// Runs the program; `heard` gets each line.
    ///
    /// # Errors
    /// If it is not started, or the call is cancelled; not if it fails.
    pub(crate) fn run(
        self,
        ctx: &Context,
        mut heard: impl FnMut(Stream, Line) -> Result<(), Error>,
    ) -> Result<Finished, Error> {
        let (input, feed) = input::open(self.stdin)?;
        let program = self.named.program(input)?;
        let (events, inbox) = sync_channel(EVENTS_MAX);
        let started = Instant::now();
        let child = launch(&program, feed, (self.kept, self.is_live), &events)?;
        let on_cancel = ctx.on_cancel(move || {
            // if there is no room somebody is looking anyway
            drop(events.try_send(Event::Cancelled));
        });
        let mut watch = Watch::new(started, self.timeout, self.grace, self.kept);
        while !watch.is_over() {
            match inbox.recv_timeout(watch.patience()) {
                Ok(Event::Line(stream, line)) => heard(stream, line)?,
                Ok(event) => watch.take(event),
                Err(RecvTimeoutError::Timeout) => {}
                // cannot be while `child` lives
                Err(RecvTimeoutError::Disconnected) => break,
            }
            watch.act(&child, ctx);
        }
        drop(on_cancel);
        rest(&inbox, &mut heard)?;
        watch.finish(&child)
    }
}

fn launch(
    program: &Program,
    feed: input::Feed,
    (kept, is_live): ([usize; 2], bool),
    to: &SyncSender<Event>,
) -> Result<Child, Error> {
    let ended = to.clone();
    // nobody hears it if the job has been given up
    let on_exit = move |exit| drop(ended.send(Event::Ended(exit)));
    let (child, streams) = Child::start(program, on_exit).map_err(|error| not_started(&error))?;
    input::feed(feed, streams.input)?;
    let [out, errors] = kept;
    if let Some(output) = streams.output {
        read(output, (Stream::Stdout, is_live), out, to.clone())?;
    }
    if let Some(output) = streams.errors {
        read(output, (Stream::Stderr, true), errors, to.clone())?;
    }
    Ok(child)
}

/// Reads on a thread of its own, at the pace at which lines are taken.
fn read(
    mut from: impl Read + Send + 'static,
    (stream, is_live): (Stream, bool),
    kept: usize,
    to: SyncSender<Event>,
) -> Result<(), Error> {
    let reader = std::thread::Builder::new().name("jf-child-out".into());
    reader.spawn(move || {
        let mut capped = Capped::new(kept);
        // a pipe that cannot be read is at its end
        if is_live {
            // what comes when the job has been given up goes nowhere
            let hand_on = |line| drop(to.send(Event::Line(stream, line)));
            drop(read_lines(from, LINE_LEN_MAX, |bytes| capped.add(bytes), hand_on));
        } else {
            drop(std::io::copy(&mut from, &mut capped));
        }
        drop(to.send(Event::Closed(stream, capped)));
    })?;
    Ok(())
}

/// Lines that were read while the end came.
fn rest(
    inbox: &Receiver<Event>,
    heard: &mut impl FnMut(Stream, Line) -> Result<(), Error>,
) -> Result<(), Error> {
    while let Ok(event) = inbox.try_recv() {
        if let Event::Line(stream, line) = event {
            heard(stream, line)?;
        }
    }
    Ok(())
}

/// How far a program is, and what it has been told.
struct Watch {
    started: Instant,
    timeout: Option<Duration>,
    grace: Duration,
    exit: Option<(Exit, Instant)>,
    stdout: Option<Capped>,
    stderr: Option<Capped>,
    kept: [usize; 2],
    stopping: Option<Stopping>,
    is_cancelled: bool,
}

/// A program that is to end.
struct Stopping {
    told: Told,
    kill_at: Instant,
}

impl Watch {
    fn new(started: Instant, timeout: Option<Duration>, grace: Duration, kept: [usize; 2]) -> Self {
        Self {
            started,
            timeout,
            grace,
            exit: None,
            stdout: None,
            stderr: None,
            kept,
            stopping: None,
            is_cancelled: false,
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Line(..) => {}
            Event::Closed(Stream::Stdout, capped) => self.stdout = Some(capped),
            Event::Closed(Stream::Stderr, capped) => self.stderr = Some(capped),
            Event::Ended(exit) => self.exit = Some((exit, Instant::now())),
            Event::Cancelled => self.is_cancelled = true,
        }
    }

    fn is_over(&self) -> bool {
        let is_read = self.stdout.is_some() && self.stderr.is_some();
        self.exit.is_some_and(|(_, at)| is_read || at.elapsed() >= DRAIN)
    }

    /// How long nothing has to be done.
    fn patience(&self) -> Duration {
        let next = match (&self.exit, &self.stopping) {
            (Some((_, at)), _) => Some(*at + DRAIN),
            (None, Some(stopping)) => Some(stopping.kill_at),
            (None, None) => self.timeout.and_then(|timeout| self.started.checked_add(timeout)),
        };
        next.map_or(LOOK, |next| next.saturating_duration_since(Instant::now()).min(LOOK))
    }

    /// Tells the program what it has to be told by now.
    fn act(&mut self, child: &Child, ctx: &Context) {
        if self.exit.is_some() {
            return;
        }
        self.is_cancelled |= ctx.is_cancelled();
        let is_late = self.timeout.is_some_and(|timeout| self.started.elapsed() >= timeout);
        let Some(stopping) = &mut self.stopping else {
            if self.is_cancelled || is_late {
                let could_ask = child.terminate();
                let told = if could_ask { Told::Terminate } else { Told::Kill };
                let grace = if could_ask { self.grace } else { Duration::ZERO };
                self.stopping = Some(Stopping { told, kill_at: Instant::now() + grace });
            }
            return;
        };
        if Instant::now() >= stopping.kill_at {
            stopping.told = Told::Kill;
            child.kill();
        }
    }

    fn finish(self, child: &Child) -> Result<Finished, Error> {
        let exit = self.exit.map(|(exit, _)| exit).or_else(|| child.exit());
        let exit = exit.ok_or_else(|| Error::new("internal", "a program ended without an end"))?;
        if self.is_cancelled && self.stopping.is_some() {
            return Err(Error::cancelled());
        }
        let [out, errors] = self.kept;
        Ok(Finished {
            exit,
            told: self.stopping.map(|stopping| stopping.told),
            stdout: self.stdout.unwrap_or_else(|| Capped::new(out)),
            stderr: self.stderr.unwrap_or_else(|| Capped::new(errors)),
            took: self.started.elapsed(),
        })
    }
}
