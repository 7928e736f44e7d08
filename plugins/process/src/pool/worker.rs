//! One worker: a program, the thread that writes to it and the one that reads from it.

use super::answer;
use super::shared::{End, Job, Next, Pool, Spec};
use crate::exit::LINES_QUOTED;
use crate::program::{length, not_started};
use jackfield_child::{Child, Receiver, Sender, Tail, read_lines};
use jackfield_plugin_api::Error;
use serde_json::json;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Longest line of a worker's own output that is kept for an error, in bytes.
const LINE_LEN_MAX: usize = 4 << 10;
/// How long a worker may take to end when its conversation is closed.
const LEAVE: Duration = Duration::from_secs(1);
/// Answers between two of which the time is measured, as a moving average.
const WEIGHT: u32 = 8;

pub(super) struct Worker {
    pub(super) number: u64,
    /// It has answered, or is gone. Goes with the lock of its pool.
    pub(super) answered: Condvar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    child: Option<Arc<Child>>,
    in_hand: VecDeque<Job>,
    taken: u64,
    has_answered: bool,
    /// When the empty frame that is on its way has to be answered.
    asked: Option<Instant>,
    is_ready: bool,
    /// It has ended, or is ending.
    is_gone: bool,
    was_asked_to_leave: bool,
    /// Since when it is at the first of `in_hand`.
    since: Option<Instant>,
    /// How long an answer takes, about.
    each: Option<Duration>,
}

impl Worker {
    pub(super) fn new(number: u64) -> Arc<Self> {
        Arc::new(Self { number, answered: Condvar::new(), state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.lock().is_ready
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().is_gone
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.lock().child.as_ref().map(|child| child.id())
    }

    pub(super) fn in_hand(&self) -> usize {
        self.lock().in_hand.len()
    }

    /// Whether it is at this request.
    pub(super) fn is_at(&self, ticket: u64) -> bool {
        self.lock().in_hand.front().is_some_and(|job| job.ticket == ticket)
    }

    /// Requests that it may take before it is replaced.
    pub(super) fn left(&self, spec: &Spec) -> usize {
        let taken = self.lock().taken;
        spec.recycle_after
            .map_or(usize::MAX, |max| usize::try_from(max.saturating_sub(taken)).unwrap_or(usize::MAX))
    }

    pub(super) fn is_worn(&self, spec: &Spec) -> bool {
        self.left(spec) == 0
    }

    /// Requests that it may have in its hands: as many as it answers within `ahead`, at least one.
    pub(super) fn room(&self, ahead: Duration, most: usize) -> usize {
        let state = self.lock();
        if !state.is_ready || state.asked.is_some() {
            return 0;
        }
        let each = state.each.map_or(ahead, |each| each.max(Duration::from_nanos(1)));
        usize::try_from(ahead.as_nanos() / each.as_nanos()).unwrap_or(most).clamp(1, most)
    }

    /// Puts a request into its hands; what is to be sent.
    pub(super) fn take(&self, mut job: Job) -> Box<[u8]> {
        let frame = std::mem::take(&mut job.frame);
        let mut state = self.lock();
        state.taken += 1;
        if state.in_hand.is_empty() {
            state.since = Some(Instant::now());
        }
        // kept until it is answered: if the worker dies before it begins, another one gets it
        state.in_hand.push_back(Job { frame: frame.clone(), ..job });
        frame
    }

    /// Ends it at once; does not wait.
    pub(super) fn kill(&self) {
        let child = self.lock().child.clone();
        if let Some(child) = child {
            child.kill_soon();
        }
    }
}

/// Starts the worker on a thread of its own.
pub(super) fn start(pool: Arc<Pool>, worker: Arc<Worker>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("jf-pool".into());
    thread.spawn(move || {
        if let Err(error) = serve(&pool, &worker) {
            pool.never_started(&worker, &error);
        }
    })?;
    Ok(())
}

/// Starts the program and writes to it, until it is to leave or has died.
fn serve(pool: &Arc<Pool>, worker: &Arc<Worker>) -> Result<(), Error> {
    let program = pool.spec.program()?;
    let (child, streams) = Child::start(&program, |_| ()).map_err(|error| not_started(&error))?;
    let child = Arc::new(child);
    let channel = streams.channel.ok_or_else(|| Error::new("internal", "a worker without a conversation"))?;
    let (mut sender, receiver) = channel.split();
    let tail = Arc::new(Mutex::new(Tail::new(LINES_QUOTED)));
    let (reading, all_read) = mpsc::channel();
    if let Some(output) = streams.output {
        keep_last(output, Arc::clone(&tail), reading.clone())?;
    }
    if let Some(output) = streams.errors {
        keep_last(output, Arc::clone(&tail), reading)?;
    }
    let mut state = worker.lock();
    state.child = Some(Arc::clone(&child));
    state.is_ready = pool.spec.health.is_none();
    drop(state);
    pool.has_started();
    let listening = listen(Arc::clone(pool), Arc::clone(worker), receiver)?;
    let is_well = pool.spec.health.is_none() || ask(pool, worker, &mut sender);
    if is_well {
        pool.is_ready();
        write(pool, worker, &mut sender);
    }
    worker.lock().is_gone = true;
    // the worker hears that it is over
    sender.finish();
    let _ = child.wait(if is_well { LEAVE } else { Duration::ZERO });
    child.kill();
    // somebody out of reach may hold the other end
    sender.abort();
    // nothing that it could panic over
    let _ = listening.join();
    // its last words, unless somebody out of reach holds the pipe
    let _ = all_read.recv_timeout(LEAVE);
    bury(pool, worker, &child, &tail);
    Ok(())
}

fn write(pool: &Arc<Pool>, worker: &Worker, sender: &mut Sender) {
    loop {
        let sent = match pool.next(worker) {
            Next::Send(frames) => {
                frames.iter().try_for_each(|frame| sender.push(frame)).and_then(|()| sender.flush())
            }
            Next::Ask => match ask(pool, worker, sender) {
                true => Ok(()),
                false => return,
            },
            Next::Leave => {
                let mut state = worker.lock();
                state.was_asked_to_leave = !state.is_gone;
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Asks whether it is well, and waits for the answer.
fn ask(pool: &Arc<Pool>, worker: &Worker, sender: &mut Sender) -> bool {
    let Some(health) = &pool.spec.health else { return true };
    let mut state = worker.lock();
    let patience = if state.is_ready { health.timeout_ms } else { health.start_ms };
    let until = Instant::now() + length(patience);
    state.asked = Some(until);
    drop(state);
    if sender.send(&[]).is_err() {
        return false;
    }
    // rare and short: before the first request, and when there is none
    while Instant::now() < until {
        let state = worker.lock();
        if state.asked.is_none() || state.is_gone {
            return !state.is_gone;
        }
        drop(state);
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Reads answers on a thread of its own until there are no more.
fn listen(
    pool: Arc<Pool>,
    worker: Arc<Worker>,
    mut receiver: Receiver,
) -> io::Result<std::thread::JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("jf-pool-in".into());
    thread.spawn(move || {
        let mut answered = 0;
        while let Ok(Some(frame)) = receiver.receive() {
            if !worker.hear(frame) {
                break;
            }
            answered += 1;
            if !receiver.has_more() {
                pool.answered(&worker, std::mem::take(&mut answered));
            }
        }
        worker.lock().is_gone = true;
        pool.answered(&worker, answered);
    })
}

impl Worker {
    /// Takes what it says; whether that made sense.
    fn hear(&self, frame: Vec<u8>) -> bool {
        let mut state = self.lock();
        if frame.is_empty() {
            state.is_ready = true;
            return state.asked.take().is_some();
        }
        let Some(job) = state.in_hand.pop_front() else { return false };
        let now = Instant::now();
        state.has_answered = true;
        let next_begins = (!state.in_hand.is_empty()).then_some(now);
        if let Some(since) = std::mem::replace(&mut state.since, next_begins) {
            let took = now - since;
            state.each = Some(state.each.map_or(took, |each| (each * (WEIGHT - 1) + took) / WEIGHT));
        }
        drop(state);
        // who has gone does not want to know
        let _ = job.done.send(answer::value(frame));
        true
    }
}

/// Tells what became of the request that it was at, and gives back the others.
fn bury(pool: &Arc<Pool>, worker: &Worker, child: &Child, tail: &Mutex<Tail>) {
    let mut state = worker.lock();
    let mut left = std::mem::take(&mut state.in_hand);
    let (was_asked_to, has_answered) = (state.was_asked_to_leave, state.has_answered);
    drop(state);
    let end = match left.pop_front() {
        _ if was_asked_to => End::Recycled,
        Some(job) => {
            // who has gone does not want to know
            let _ = job.done.send(Err(died(pool, "a worker died over the request", child, tail)));
            End::Died
        }
        None if has_answered => End::Died,
        None => End::Useless(died(pool, "a worker ended before it had answered anything", child, tail)),
    };
    pool.lost(worker, left, end);
}

fn died(pool: &Pool, what: &str, child: &Child, tail: &Mutex<Tail>) -> Error {
    let mask = pool.spec.named().mask();
    let lines = tail.lock().unwrap_or_else(PoisonError::into_inner).lines();
    let lines: Vec<String> = lines.into_iter().map(|line| mask.over(line)).collect();
    let exit = child.exit();
    let how = exit.map_or_else(|| "nothing known".to_owned(), |exit| exit.to_string());
    let last = lines.last().map(|line| format!(": {line}")).unwrap_or_default();
    let details = json!({
        "code": exit.and_then(|exit| exit.code),
        "signal": exit.and_then(|exit| exit.signal),
        "output": lines,
    });
    Error::new("process.worker_died", format!("{what} ({how}){last}")).details(&details)
}

/// Reads on a thread of its own; `reading` is dropped at the end.
fn keep_last(
    from: impl Read + Send + 'static,
    tail: Arc<Mutex<Tail>>,
    reading: mpsc::Sender<()>,
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("jf-pool-out".into());
    thread.spawn(move || {
        let add =
            |line: jackfield_child::Line| tail.lock().unwrap_or_else(PoisonError::into_inner).add(&line.text);
        // a pipe that cannot be read is at its end
        drop(read_lines(from, LINE_LEN_MAX, |_| (), add));
        drop(reading);
    })?;
    Ok(())
}
