//! Sessions of one plugin version: calls with the same affinity key go to the same instance, or to the same worker, for as
//! long as that is there. What a session is otherwise is the plugin's own affair: it keeps what it wants under the key.

use crate::config::SessionLimits;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::duration;
use jackfield_core::ports::{Call, LogLevel, StepAddress};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// What is done with a call that had to wait for room for its session: it is in it now, or does not wait any more.
pub(crate) type Then<P> = Box<dyn FnOnce(Result<InSession<P>, Failure>) + Send>;

/// The sessions; `P` is where one lives.
pub(crate) struct Sessions<P> {
    plugin: Box<str>,
    limits: SessionLimits,
    state: Mutex<State<P>>,
    /// A session has no calls any more, or somebody waits: the thread that lets calls in is to look.
    changed: Condvar,
}

struct State<P> {
    all: HashMap<Arc<str>, Session<P>>,
    /// Calls whose sessions find no room, in the order of their coming.
    waiting: VecDeque<Waiting<P>>,
    /// A thread lets them in.
    is_watched: bool,
}

struct Session<P> {
    /// `None` until its first call has a place, and after that is lost.
    place: Option<P>,
    is_lost: bool,
    /// Calls that are in it or wait for it.
    calls: usize,
    /// The end of its last call.
    used: Instant,
}

struct Waiting<P> {
    key: Arc<str>,
    address: StepAddress,
    attempt: u32,
    then: Then<P>,
}

/// A call in its session, until this is dropped.
pub(crate) struct InSession<P> {
    sessions: Arc<Sessions<P>>,
    key: Arc<str>,
}

impl<P> Drop for InSession<P> {
    fn drop(&mut self) {
        let mut state = self.sessions.state.lock();
        if let Some(session) = state.all.get_mut(&self.key) {
            session.calls -= 1;
            session.used = Instant::now();
        }
        if !state.waiting.is_empty() {
            self.sessions.changed.notify_one();
        }
    }
}

impl<P: Copy + PartialEq + Send + 'static> Sessions<P> {
    pub(crate) fn new(plugin: &str, limits: SessionLimits) -> Arc<Self> {
        let state = State { all: HashMap::new(), waiting: VecDeque::new(), is_watched: false };
        Arc::new(Self { plugin: plugin.into(), limits, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Takes a call into its session, which begins with the first; `None` if it has none.
    ///
    /// # Errors
    /// `plugin.sessions_full` if the plugin has as many sessions as it may have. Whoever can wait calls [`Self::wait`] then.
    pub(crate) fn enter(self: &Arc<Self>, call: &Call) -> Result<Option<InSession<P>>, Failure> {
        if call.session.is_empty() {
            return Ok(None);
        }
        let now = Instant::now();
        let mut state = self.state.lock();
        state.all.retain(|_, session| !self.is_over(session, now));
        // nobody overtakes those who wait
        if !state.all.contains_key(&call.session)
            && (state.all.len() >= self.limits.max || !state.waiting.is_empty())
        {
            return Err(self.full());
        }
        Ok(Some(self.take_in(&mut state, &call.session, now)))
    }

    fn take_in(self: &Arc<Self>, state: &mut State<P>, key: &Arc<str>, now: Instant) -> InSession<P> {
        let fresh = || Session { place: None, is_lost: false, calls: 0, used: now };
        state.all.entry(Arc::clone(key)).or_insert_with(fresh).calls += 1;
        InSession { sessions: Arc::clone(self), key: Arc::clone(key) }
    }

    /// Does `then` as soon as there is room for the session of `call`, on another thread, unless it is told before that nobody
    /// waits any more.
    pub(crate) fn wait(self: &Arc<Self>, call: &Call, then: Then<P>) {
        if self.limits.max == 0 {
            return then(Err(self.full()));
        }
        let (key, address, attempt) = (Arc::clone(&call.session), call.address.clone(), call.attempt);
        let mut state = self.state.lock();
        state.waiting.push_back(Waiting { key, address, attempt, then });
        if std::mem::replace(&mut state.is_watched, true) {
            self.changed.notify_one();
            return;
        }
        drop(state);
        let own = Arc::clone(self);
        let thread = std::thread::Builder::new().name("jackfield-sessions".into());
        if let Err(error) = thread.spawn(move || own.let_in()) {
            self.state.lock().is_watched = false;
            let message = format!("no thread could be started that waits for a session: {error}");
            self.refuse_waiting(&Failure::new(kind::PLUGIN_SESSIONS_FULL, message));
        }
    }

    /// The same on this thread, which waits.
    pub(crate) fn wait_here(self: &Arc<Self>, call: &Call) -> Result<InSession<P>, Failure> {
        let (tx, rx) = mpsc::channel();
        // nobody is left to hear of it only if this thread is gone
        self.wait(call, Box::new(move |entered| drop(tx.send(entered))));
        rx.recv().unwrap_or_else(|_| Err(self.full()))
    }

    /// A call does not wait for its session any more; whether it did.
    pub(crate) fn stop_waiting(&self, call: &Call) -> bool {
        if call.session.is_empty() {
            return false;
        }
        let mut state = self.state.lock();
        let is_it = |it: &Waiting<P>| it.attempt == call.attempt && it.address == call.address;
        let waiting = state.waiting.iter().position(is_it).and_then(|at| state.waiting.remove(at));
        self.changed.notify_one();
        drop(state);
        let Some(waiting) = waiting else { return false };
        (waiting.then)(Err(Failure::new(kind::CANCELLED, "cancelled before it started")));
        true
    }

    /// Nobody is let in any more of those who wait.
    pub(crate) fn refuse_waiting(&self, failure: &Failure) {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        self.changed.notify_one();
        waiting.into_iter().for_each(|waiting| (waiting.then)(Err(failure.clone())));
    }

    /// Body of the thread that lets calls in; it ends when nobody waits.
    fn let_in(self: &Arc<Self>) {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            state.all.retain(|_, session| !self.is_over(session, now));
            let mut entered = Vec::new();
            for waiting in std::mem::take(&mut state.waiting) {
                if state.all.contains_key(&waiting.key) || state.all.len() < self.limits.max {
                    entered.push((waiting.then, self.take_in(&mut state, &waiting.key, now)));
                } else {
                    state.waiting.push_back(waiting);
                }
            }
            if !entered.is_empty() {
                MutexGuard::unlocked(&mut state, || {
                    entered.into_iter().for_each(|(then, session)| then(Ok(session)));
                });
                continue;
            }
            if state.waiting.is_empty() {
                state.is_watched = false;
                return;
            }
            let unused = state.all.values().filter(|session| session.calls == 0);
            match unused.filter_map(|session| session.used.checked_add(self.limits.idle)).min() {
                Some(at) => drop(self.changed.wait_until(&mut state, at)),
                None => self.changed.wait(&mut state),
            }
        }
    }

    fn is_over(&self, session: &Session<P>, now: Instant) -> bool {
        session.calls == 0 && now.saturating_duration_since(session.used) >= self.limits.idle
    }

    /// Whether a session that is not over lives at `place`.
    #[cfg(unix)]
    pub(crate) fn is_at(&self, place: P) -> bool {
        let now = Instant::now();
        let state = self.state.lock();
        state.all.values().any(|session| session.place == Some(place) && !self.is_over(session, now))
    }

    /// How many sessions live at `place`.
    #[cfg(unix)]
    pub(crate) fn count_at(&self, place: P) -> usize {
        self.state.lock().all.values().filter(|session| session.place == Some(place)).count()
    }

    /// What lives at `place` is lost. Its next call, for which there is a new place, tells of it.
    pub(crate) fn lose(&self, place: P) {
        for (key, session) in &mut self.state.lock().all {
            if session.place == Some(place) {
                (session.place, session.is_lost) = (None, true);
                tracing::warn!(plugin = &*self.plugin, session = &**key, "a session was lost");
            }
        }
    }

    #[cold]
    fn full(&self) -> Failure {
        let SessionLimits { max, idle } = self.limits;
        let (plugin, idle) = (&self.plugin, duration::display(idle));
        let message = format!(
            "plugin `{plugin}` has {max} sessions already, which is the most it may have; one ends after {idle} without \
             a call. Raise `max` of `sessions` in [plugins.{plugin}], or try again later"
        );
        Failure::new(kind::PLUGIN_SESSIONS_FULL, message)
    }
}

impl<P: Copy + PartialEq + Send + 'static> InSession<P> {
    /// Where it lives, if it has a place.
    pub(crate) fn place(&self) -> Option<P> {
        self.sessions.state.lock().all.get(&self.key)?.place
    }

    /// It lives at `place` from now on. Whether it had been lost.
    pub(crate) fn settle(&self, place: P) -> bool {
        let mut state = self.sessions.state.lock();
        let Some(session) = state.all.get_mut(&self.key) else { return false };
        session.place = Some(place);
        std::mem::take(&mut session.is_lost)
    }
}

/// Tells the run that a call begins its session anew.
pub(crate) fn tell_of_loss(call: &Call, of_what: &str) {
    let message = format!("session `{}` was lost with {of_what}; this call begins it anew", call.session);
    call.listener.log(call, LogLevel::Warn, &message, "null");
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_core::payload::Payload;
    use std::time::Duration;

    fn call(session: &str) -> Call {
        Call { session: session.into(), ..Call::new(Payload::null(), StepAddress::new("r", "s")) }
    }

    #[test]
    fn a_session_has_one_place_until_that_is_lost_which_is_told_once() {
        let sessions = Sessions::new("p", SessionLimits::default());
        assert!(sessions.enter(&call("")).unwrap().is_none());
        let first = sessions.enter(&call("a")).unwrap().unwrap();
        assert_eq!((first.place(), first.settle(3_u64)), (None, false));
        let second = sessions.enter(&call("a")).unwrap().unwrap();
        assert_eq!((second.place(), sessions.count_at(3), sessions.is_at(4)), (Some(3), 1, false));
        sessions.lose(3);
        assert_eq!(second.place(), None);
        assert_eq!([second.settle(5), second.settle(5)], [true, false]);
    }

    #[test]
    fn calls_without_room_wait_in_order_and_those_of_one_session_come_in_together() {
        let idle = Duration::from_millis(20);
        let sessions = Sessions::<u64>::new("p", SessionLimits { max: 1, idle });
        let first = sessions.enter(&call("a")).unwrap();
        let (tx, rx) = mpsc::channel();
        for (nth, session) in ["b", "c", "b"].into_iter().enumerate() {
            let tx = tx.clone();
            let call = Call { attempt: nth as u32, ..call(session) };
            assert!(sessions.enter(&call).is_err());
            sessions.wait(&call, Box::new(move |entered| tx.send((nth, entered)).unwrap()));
        }
        let gone = Call { attempt: 9, ..call("d") };
        let own = tx.clone();
        sessions.wait(&gone, Box::new(move |entered| own.send((9, entered)).unwrap()));
        assert_eq!([sessions.stop_waiting(&gone), sessions.stop_waiting(&gone)], [true, false]);
        let (nth, entered) = rx.recv().unwrap();
        assert_eq!((nth, &*entered.err().unwrap().kind), (9, "cancelled"));
        assert!(sessions.enter(&call("a")).is_ok(), "its own session is there");
        let left = Instant::now();
        drop(first);
        let (one, other) = (rx.recv().unwrap(), rx.recv().unwrap());
        assert!(left.elapsed() >= idle, "it could still have been needed");
        assert_eq!((one.0, other.0), (0, 2));
        assert!(rx.try_recv().is_err(), "`c` waits on");
        drop((one, other));
        let (nth, entered) = rx.recv().unwrap();
        assert!(nth == 1 && entered.is_ok());
        sessions.wait(&call("e"), Box::new(move |entered| tx.send((3, entered)).unwrap()));
        sessions.refuse_waiting(&Failure::new("over", "it is over"));
        assert_eq!(&*rx.recv().unwrap().1.err().unwrap().kind, "over");
    }

    #[test]
    fn sessions_without_calls_end_in_time_and_make_room() {
        let limits = |idle| SessionLimits { max: 1, idle };
        let sessions = Sessions::<u64>::new("p", limits(Duration::ZERO));
        let first = sessions.enter(&call("a")).unwrap();
        let full = sessions.enter(&call("b")).err().unwrap();
        assert_eq!((&*full.kind, full.retryable), ("plugin.sessions_full", true));
        assert!(full.message.contains("[plugins.p]") && full.message.contains("has 1 sessions"), "{full:?}");
        drop(first);
        assert!(sessions.enter(&call("b")).is_ok(), "nobody needs the other any more");
        let sessions = Sessions::<u64>::new("p", limits(Duration::from_secs(3600)));
        drop(sessions.enter(&call("a")).unwrap());
        assert!(sessions.enter(&call("b")).is_err(), "it could still be needed");
        assert!(sessions.enter(&call("a")).is_ok());
    }
}
