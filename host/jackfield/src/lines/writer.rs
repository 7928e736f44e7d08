//! The thread that writes lines.

use super::files::{Files, Tail};
use super::{RunText, TextSource};
use crate::Error;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Clock, LogLevel};
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Bytes of lines that wait to be written, at most.
const WAITING_MAX: usize = 16 << 20;
/// Longest line that is kept, in bytes.
const LINE_LEN_MAX: usize = 64 << 10;
/// What is written at once is at most this part of what a run may have.
const PARTS: u64 = 32;
/// Runs whose files are held open.
const OPEN_MAX: usize = 64;
/// Marks that runs share.
const MARKS: usize = 1024;
/// How long a reader waits for what has been said before it asked.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// The handle on the thread. Dropping it writes what is left.
pub(super) struct Writer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    work: Condvar,
    /// Something has been written.
    done: Condvar,
    /// How often something was written of the runs that share a mark: few followers look in vain.
    marks: [AtomicU64; MARKS],
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// Items that came, and those that have been dealt with.
    came: u64,
    gone: u64,
    /// Lines of each run that there was no room for.
    left_out: HashMap<Box<str>, u64>,
    is_closed: bool,
}

enum Item {
    Said { run_id: Box<str>, line: RunText },
    Forget(Box<str>),
}

impl Writer {
    pub(super) fn start(files: Files, bytes_max: u64, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let queue = Mutex::new(Queue::default());
        let marks = [const { AtomicU64::new(0) }; MARKS];
        let shared = Arc::new(Shared { queue, work: Condvar::new(), done: Condvar::new(), marks });
        let (theirs, times) = (shared.clone(), clock.clone());
        let scribe = Scribe { files, bytes_max, open: HashMap::new(), uses: 0 };
        let thread = thread::Builder::new()
            .name("jackfield-lines".into())
            .spawn(move || scribe.write_all(&theirs, &*times))
            .map_err(|error| Error::setup(format!("the lines of runs cannot be kept: {error}")))?;
        Ok(Self { shared, clock, thread: Mutex::new(Some(thread)) })
    }

    /// Hands a line over; never waits for the disk.
    pub(super) fn say(
        &self,
        run_id: &str,
        step: &str,
        (from, level): (TextSource, Option<LogLevel>),
        text: &str,
        fields: Option<&str>,
    ) {
        let mut queue = self.shared.queue.lock();
        if queue.is_closed {
            return;
        }
        let text = cut(text);
        let len = run_id.len() + step.len() + text.len() + fields.map_or(0, str::len);
        if queue.bytes + len > WAITING_MAX {
            *queue.left_out.entry(run_id.into()).or_default() += 1;
            return;
        }
        let fields = fields.and_then(|fields| Payload::parse(fields).ok());
        let line = RunText {
            seq: 0,
            at: self.clock.now().to_rfc3339(),
            step: step.into(),
            from,
            level,
            text,
            fields,
        };
        queue.bytes += len;
        self.shared.push(&mut queue, Item::Said { run_id: run_id.into(), line });
    }

    /// Deletes what is kept of a run, and what waits to be written of it.
    pub(super) fn forget(&self, run_id: &str) {
        let mut queue = self.shared.queue.lock();
        if !queue.is_closed {
            self.shared.push(&mut queue, Item::Forget(run_id.into()));
        }
    }

    /// Waits until everything has been written that came before.
    pub(super) fn settle(&self) {
        let mut queue = self.shared.queue.lock();
        let came = queue.came;
        while queue.gone < came && !self.shared.done.wait_for(&mut queue, SETTLE_MAX).timed_out() {}
    }

    /// Another number than before if something of the run has been written since.
    pub(super) fn written(&self, run_id: &str) -> u64 {
        self.shared.mark(run_id).load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.shared.queue.lock().is_closed = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps lines of runs has panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LINE_LEN_MAX {
        return text.to_owned();
    }
    let kept = text.floor_char_boundary(LINE_LEN_MAX);
    format!("{} [{} more bytes]", &text[..kept], text.len() - kept)
}

impl Shared {
    fn mark(&self, run_id: &str) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        run_id.hash(&mut hasher);
        &self.marks[usize::try_from(hasher.finish() % MARKS as u64).unwrap_or_default()]
    }

    fn push(&self, queue: &mut Queue, item: Item) {
        queue.items.push_back(item);
        queue.came += 1;
        if queue.items.len() == 1 {
            self.work.notify_one();
        }
    }
}

/// What the thread knows.
struct Scribe {
    files: Files,
    bytes_max: u64,
    /// Files that are open, with when they were last used.
    open: HashMap<Box<str>, (u64, Tail)>,
    uses: u64,
}

impl Scribe {
    fn write_all(mut self, shared: &Shared, clock: &dyn Clock) {
        loop {
            let mut queue = shared.queue.lock();
            while queue.items.is_empty() && queue.left_out.is_empty() && !queue.is_closed {
                shared.work.wait(&mut queue);
            }
            let items = std::mem::take(&mut queue.items);
            let left_out = std::mem::take(&mut queue.left_out);
            queue.bytes = 0;
            if items.is_empty() && left_out.is_empty() {
                return;
            }
            drop(queue);
            let count = items.len() as u64;
            self.write(items, shared);
            for (run_id, lines) in left_out {
                let text = format!("{lines} lines came faster than they could be written, and were left out");
                let (from, level) = (TextSource::Log, Some(LogLevel::Warn));
                let at = clock.now().to_rfc3339();
                let mark = RunText { seq: 0, at, step: String::new(), from, level, text, fields: None };
                self.write([Item::Said { run_id, line: mark }].into(), shared);
            }
            shared.queue.lock().gone += count;
            shared.done.notify_all();
        }
    }

    /// Writes lines, those of a run that follow on each other at once.
    fn write(&mut self, items: VecDeque<Item>, shared: &Shared) {
        let mut items = items.into_iter().peekable();
        while let Some(item) = items.next() {
            let (run_id, line) = match item {
                Item::Said { run_id, line } => (run_id, line),
                Item::Forget(run_id) => {
                    self.open.remove(&run_id);
                    self.files.forget(&run_id);
                    continue;
                }
            };
            let mut lines = vec![line];
            while let Some(Item::Said { line, .. }) =
                items.next_if(|next| matches!(next, Item::Said { run_id: other, .. } if *other == run_id))
            {
                lines.push(line);
            }
            if let Err(error) = self.add(&run_id, lines) {
                self.open.remove(&run_id);
                tracing::warn!(%run_id, %error, "lines of a run cannot be kept");
            }
            shared.mark(&run_id).fetch_add(1, Ordering::Release);
        }
    }

    fn add(&mut self, run_id: &str, lines: Vec<RunText>) -> std::io::Result<()> {
        self.uses += 1;
        let uses = self.uses;
        if !self.open.contains_key(run_id) {
            if self.open.len() >= OPEN_MAX {
                let oldest =
                    self.open.iter().min_by_key(|(_, (used, _))| *used).map(|(run_id, _)| run_id.clone());
                oldest.map(|run_id| self.open.remove(&run_id));
            }
            self.open.insert(run_id.into(), (uses, self.files.open(run_id)?));
        }
        let Some((used, tail)) = self.open.get_mut(run_id) else { return Ok(()) };
        *used = uses;
        let (mut bytes, mut count) = (Vec::new(), 0);
        for line in lines {
            serde_json::to_writer(&mut bytes, &RunText { seq: tail.next() + count, ..line })?;
            bytes.push(b'\n');
            count += 1;
            // so that no file becomes much larger than it may
            if bytes.len() as u64 >= self.bytes_max / PARTS {
                tail.add(&bytes, std::mem::take(&mut count), self.bytes_max)?;
                bytes.clear();
            }
        }
        if count > 0 { tail.add(&bytes, count, self.bytes_max) } else { Ok(()) }
    }
}
