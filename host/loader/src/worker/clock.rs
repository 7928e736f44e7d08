//! One thread that does things at their time. It also starts the worker processes: the system kills them when the thread
//! that started them ends, so that must be one that lives as long as the host.

use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// By time, then by the order in which they came.
    tasks: BTreeMap<(Instant, u64), Task>,
    count: u64,
    is_stopped: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct Clock {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Clock {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives none.
    pub(crate) fn start() -> std::io::Result<Arc<Self>> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("jackfield-workers".into()).spawn(move || own.run())?;
        Ok(Arc::new(Self { shared, thread: Mutex::new(Some(thread)) }))
    }

    /// Does `task` at `time`, or as soon as can be if that is past. Tasks are short. A clock that was stopped drops it.
    pub(crate) fn at(&self, time: Instant, task: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state.lock();
        if state.is_stopped {
            return;
        }
        state.count += 1;
        let key = (time, state.count);
        state.tasks.insert(key, Box::new(task));
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Drops what has not been done and ends the thread; waits for it unless it is this one.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.state.lock();
        state.is_stopped = true;
        let dropped = std::mem::take(&mut state.tasks);
        drop(state);
        drop(dropped);
        self.shared.changed.notify_one();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // tasks do not panic; if one did, the hook has reported it
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.is_stopped {
            match state.tasks.first_key_value().map(|((time, _), _)| *time) {
                None => self.changed.wait(&mut state),
                Some(time) if time > Instant::now() => _ = self.changed.wait_until(&mut state, time),
                Some(_) => {
                    if let Some((_, task)) = state.tasks.pop_first() {
                        parking_lot::MutexGuard::unlocked(&mut state, task);
                    }
                }
            }
        }
    }
}
