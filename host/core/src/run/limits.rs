//! What an attempt has to wait for besides the run's own limits: a place in a pool of the host, and its turn within a rate
//! limit. Engines count over all their runs; here stands what they count, and that time spent waiting counts for no limit of
//! a step.

use super::RunState;
use super::attempt::{call_of, expression_failure, text_of};
use super::record::{CallCommand, CallKey, InputEnv, Inputs};
use super::session::NoSecrets;
use super::turn::Turn;
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::Plan;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Longest key, in bytes.
const KEY_LEN_MAX: usize = 256;

/// What an attempt of a call needs before it may begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// A place in this pool.
    pub pool: Option<Arc<str>>,
    /// That not too many others have begun.
    pub rate: Option<Rate>,
}

/// A rate limit with its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// What attempts are counted by.
    pub key: Arc<str>,
    /// Length of the window.
    pub per: Duration,
    /// Attempts that begin within any window at most.
    pub count: u32,
}

impl RunState {
    /// What a call needs before it may begin, from what was kept for it; `None` if nothing.
    ///
    /// # Errors
    /// `expression` if the key of its rate limit cannot be evaluated or is none: a text, a number or a bool of at most 256 bytes.
    pub fn needs(plan: &Plan, command: &CallCommand) -> Result<Option<Needs>, Failure> {
        let Some(call) = call_of(plan, command.key).filter(|call| call.is_limited()) else { return Ok(None) };
        let pool = call.pool().cloned();
        let Some(limit) = call.rate_limit() else { return Ok(Some(Needs { pool, rate: None })) };
        let nothing = Inputs::default();
        let env = InputEnv {
            inputs: command.inputs().unwrap_or(&nothing),
            first: call.parameters.references().len()
                + call.session().map_or(0, |session| session.references().len()),
            secrets: &NoSecrets,
        };
        let failed = |error| expression_failure("rate_limit.key", &error);
        let key = limit.key.render(&env).map_err(failed)?;
        if let Some(fault) = key_fault(&key) {
            return Err(Failure::new(kind::EXPRESSION, format!("`rate_limit.key` is {fault}")));
        }
        let rate = Rate { key: text_of(&key).into(), per: limit.per, count: limit.count };
        Ok(Some(Needs { pool, rate: Some(rate) }))
    }

    /// Calls and other operations asked for and not reported yet.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.data.in_flight
    }

    /// Those of them that are no runs whose ends it waits for.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.data.in_flight - self.data.children_awaited
    }
}

/// Why `key` can be no key that runs share; nothing if it can.
pub(crate) fn key_fault(key: &Payload) -> Option<String> {
    let is_key = matches!(key.as_str().as_bytes().first(), Some(b'"' | b't' | b'f' | b'-' | b'0'..=b'9'));
    let is_fine = is_key && text_of(key).len() <= KEY_LEN_MAX;
    (!is_fine).then(|| {
        let value = key.value();
        format!("{value:?}, expected a text, a number or a bool of at most {KEY_LEN_MAX} bytes")
    })
}

/// When an attempt began that has ended now, if it was asked for at `asked`.
pub(super) fn began(asked: Timestamp, now: Timestamp, duration: Duration) -> Timestamp {
    let duration = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Timestamp(now.0.saturating_sub(duration)).max(asked)
}

impl Turn<'_> {
    /// An attempt that may have waited for its place has ended: it began when it got the place, and the time before counts
    /// neither for the attempt nor for all attempts together.
    pub(crate) fn leave_out_waiting(&mut self, key: CallKey, duration: Duration) {
        if !call_of(self.plan, key).is_some_and(crate::plan::Call::is_limited) {
            return;
        }
        let now = self.now;
        let Some(node) = self.data.node_mut(self.plan, key.instance, key.step) else { return };
        if !node.is_in_flight || node.attempts != key.attempt {
            return;
        }
        let began = began(node.attempt_start, now, duration);
        let waited = began.since(node.attempt_start);
        node.attempt_start = began;
        if let Some(more) = &mut node.more {
            more.first_start = more.first_start.after(waited);
        }
    }
}
