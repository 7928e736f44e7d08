//! Sessions of one plugin version: calls with the same affinity key go to the same instance, or to the same worker, for as
//! long as that is there. What a session is otherwise is the plugin's own affair: it keeps what it wants under the key.

use crate::config::SessionLimits;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::duration;
use jackfield_core::ports::{Call, LogLevel};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// The sessions; `P` is where one lives.
pub(crate) struct Sessions<P> {
    plugin: Box<str>,
    limits: SessionLimits,
    all: Mutex<HashMap<Arc<str>, Session<P>>>,
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

/// A call in its session, until this is dropped.
pub(crate) struct InSession<P> {
    sessions: Arc<Sessions<P>>,
    key: Arc<str>,
}

impl<P> Drop for InSession<P> {
    fn drop(&mut self) {
        let mut all = self.sessions.all.lock();
        if let Some(session) = all.get_mut(&self.key) {
            session.calls -= 1;
            session.used = Instant::now();
        }
    }
}

impl<P: Copy + PartialEq> Sessions<P> {
    pub(crate) fn new(plugin: &str, limits: SessionLimits) -> Arc<Self> {
        Arc::new(Self { plugin: plugin.into(), limits, all: Mutex::default() })
    }

    /// Takes a call into its session, which begins with the first; `None` if it has none.
    ///
    /// # Errors
    /// `plugin.sessions_full` if the plugin has as many sessions as it may have.
    pub(crate) fn enter(self: &Arc<Self>, call: &Call) -> Result<Option<InSession<P>>, Failure> {
        if call.session.is_empty() {
            return Ok(None);
        }
        let now = Instant::now();
        let mut all = self.all.lock();
        all.retain(|_, session| !self.is_over(session, now));
        if !all.contains_key(&call.session) && all.len() >= self.limits.max {
            return Err(self.full());
        }
        let fresh = || Session { place: None, is_lost: false, calls: 0, used: now };
        all.entry(Arc::clone(&call.session)).or_insert_with(fresh).calls += 1;
        Ok(Some(InSession { sessions: Arc::clone(self), key: Arc::clone(&call.session) }))
    }

    fn is_over(&self, session: &Session<P>, now: Instant) -> bool {
        session.calls == 0 && now.saturating_duration_since(session.used) >= self.limits.idle
    }

    /// Whether a session that is not over lives at `place`.
    #[cfg(unix)]
    pub(crate) fn is_at(&self, place: P) -> bool {
        let now = Instant::now();
        let all = self.all.lock();
        all.values().any(|session| session.place == Some(place) && !self.is_over(session, now))
    }

    /// How many sessions live at `place`.
    #[cfg(unix)]
    pub(crate) fn count_at(&self, place: P) -> usize {
        self.all.lock().values().filter(|session| session.place == Some(place)).count()
    }

    /// What lives at `place` is lost. Its next call, for which there is a new place, tells of it.
    pub(crate) fn lose(&self, place: P) {
        for (key, session) in &mut *self.all.lock() {
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

impl<P: Copy + PartialEq> InSession<P> {
    /// Where it lives, if it has a place.
    pub(crate) fn place(&self) -> Option<P> {
        self.sessions.all.lock().get(&self.key)?.place
    }

    /// It lives at `place` from now on. Whether it had been lost.
    pub(crate) fn settle(&self, place: P) -> bool {
        let mut all = self.sessions.all.lock();
        let Some(session) = all.get_mut(&self.key) else { return false };
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
    use jackfield_core::ports::StepAddress;
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
