//! What a failed attempt leads to: another attempt, a catch, or the failure of the step.

use super::attempt::expression_failure;
use super::environment::Local;
use super::identity;
use super::record::{Detail, InstanceIx, RecordKind};
use super::state::{Bound, NodePhase, TimerKind, Work};
use super::stop::StopReason;
use super::turn::Turn;
use super::undo::After;
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::{Action, Backoff, Retry, ScopeRole, StepIx};
use std::sync::Arc;
use std::time::Duration;

impl Turn<'_> {
    /// An attempt failed.
    pub(crate) fn fail_attempt(
        &mut self,
        at: InstanceIx,
        step: StepIx,
        mut failure: Failure,
        duration: Duration,
    ) {
        self.stop_limit(at, step);
        let path = self.data.path(self.plan, at, step);
        let Some(node) = self.data.node(self.plan, at, step) else { return };
        let attempts = node.attempts;
        let is_caught = node.more.as_ref().is_some_and(|more| more.is_caught);
        if failure.step.is_empty() {
            failure.step = path.into();
            failure.attempts = attempts;
        }
        self.reset_progress(at, step);
        if self.data.again == Some((at, step)) && attempts > 0 {
            return self.try_again(at, step, failure, duration);
        }
        if is_caught {
            return self.fail_step(at, step, Arc::new(failure), duration);
        }
        match self.next_delay(at, step, &failure) {
            Ok(Some(delay)) => self.retry(at, step, failure, duration, delay),
            Ok(None) => self.catch_or_fail(at, step, failure, duration),
            Err(wrong) => self.catch_or_fail(at, step, wrong, duration),
        }
    }

    /// How long to wait before another attempt; `None` if there is none.
    fn next_delay(
        &self,
        at: InstanceIx,
        step: StepIx,
        failure: &Failure,
    ) -> Result<Option<Duration>, Failure> {
        let Some(retry) = self.plan.step(step).retry.map(|ix| &self.plan.retries[ix.0 as usize]) else {
            return Ok(None);
        };
        let Some(node) = self.data.node(self.plan, at, step) else { return Ok(None) };
        // A failure before the first attempt (condition, status) is none of an attempt.
        let forgiven = node.more.as_ref().map_or(0, |more| more.forgiven);
        let counted = node.attempts - forgiven;
        if node.attempts == 0 || counted >= retry.max_attempts {
            return Ok(None);
        }
        let view = self.view(at, Some(step));
        if !allows(retry, failure, &view)? {
            return Ok(None);
        }
        let seed = identity::mix(view.seed, u64::from(node.attempts));
        let delay = delay(retry, counted, identity::share(seed));
        let spent = node.more.as_ref().map_or(Duration::ZERO, |more| self.now.since(more.first_start));
        let is_in_time = retry.total_timeout.is_none_or(|total| spent + delay < total);
        Ok(is_in_time.then_some(delay))
    }

    fn retry(&mut self, at: InstanceIx, step: StepIx, failure: Failure, duration: Duration, delay: Duration) {
        self.note((at, step), RecordKind::AttemptFailed, duration, Detail::Failure(Arc::new(failure)));
        let due = self.now.after(delay);
        let is_structured = !matches!(self.plan.step(step).action, Action::Call(_));
        let undone = is_structured && self.undo_body(at, step, After::Retry { at, step, due });
        if !undone {
            self.retry_at(at, step, due);
        }
    }

    /// Somebody wants the step tried again, with as many attempts as it had at first.
    fn try_again(&mut self, at: InstanceIx, step: StepIx, failure: Failure, duration: Duration) {
        self.data.again = None;
        let now = self.now;
        if let Some(node) = self.data.node_mut(self.plan, at, step) {
            let attempts = node.attempts;
            let more = node.more();
            more.forgiven = attempts;
            more.first_start = now;
            more.is_caught = false;
        }
        self.retry(at, step, failure, duration, Duration::ZERO);
    }

    /// Lets the next attempt start at `due`.
    pub(crate) fn retry_at(&mut self, at: InstanceIx, step: StepIx, due: crate::time::Timestamp) {
        let is_running = self.data.node(self.plan, at, step).is_some_and(|n| n.phase == NodePhase::Running);
        if !is_running {
            return;
        }
        if due <= self.now {
            self.data.work.push_back(Work::Attempt(at, step));
        } else {
            self.pause(at, step, TimerKind::Retry(at, step), due);
        }
    }

    /// A next attempt that was due at once, unless the step was stopped meanwhile.
    pub(crate) fn next_attempt(&mut self, at: InstanceIx, step: StepIx) {
        if self.data.node(self.plan, at, step).is_some_and(|node| node.phase == NodePhase::Running) {
            self.start_attempt(at, step);
        }
    }

    pub(crate) fn retry_due(&mut self, at: InstanceIx, step: StepIx) {
        if self.resume(at, step).is_some() {
            self.start_attempt(at, step);
        }
    }

    /// No more attempts: the first catch that fits takes over, else the step has failed.
    fn catch_or_fail(&mut self, at: InstanceIx, step: StepIx, failure: Failure, duration: Duration) {
        let plan = self.plan;
        let catches = plan.step(step).extras.as_ref().map_or(&[][..], |extras| &extras.catch);
        let error = if catches.is_empty() { Payload::null() } else { failure.to_payload() };
        for catch in catches {
            if !catch.errors.iter().any(|pattern| matches_type(pattern, &failure.kind)) {
                continue;
            }
            if let Some(when) = &catch.when {
                let local = Local { error: Some(&error), ..Local::default() };
                match when.evaluate_bool(&self.view(at, Some(step)).with(local)) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(wrong) => {
                        let wrong = self.at_step(at, step, expression_failure("catch.when", &wrong));
                        return self.fail_step(at, step, Arc::new(wrong), duration);
                    }
                }
            }
            self.note((at, step), RecordKind::StepCaught, duration, Detail::Failure(Arc::new(failure)));
            if let Some(node) = self.data.node_mut(plan, at, step) {
                node.phase = NodePhase::Running;
                node.more().is_caught = true;
            }
            self.spawn_child(at, step, catch.body, Bound { error, ..Bound::default() });
            return;
        }
        self.fail_step(at, step, Arc::new(failure), duration);
    }

    fn at_step(&self, at: InstanceIx, step: StepIx, failure: Failure) -> Failure {
        let attempts = self.data.node(self.plan, at, step).map_or(0, |node| node.attempts);
        Failure { step: self.data.path(self.plan, at, step).into(), attempts, ..failure }
    }

    /// The step has failed for good.
    pub(crate) fn fail_step(
        &mut self,
        at: InstanceIx,
        step: StepIx,
        failure: Arc<Failure>,
        duration: Duration,
    ) {
        self.note((at, step), RecordKind::StepFailed, duration, Detail::Failure(failure.clone()));
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        let more = node.more();
        more.error = failure.to_payload();
        more.failure = Some(failure.clone());
        self.settle(at, step, NodePhase::Failed);
        let is_contestant = self.role(at) == ScopeRole::Contest;
        if self.plan.step(step).critical && !is_contestant {
            self.stop_instance(at, StopReason::Failed(failure));
        }
    }

    /// How long the present attempt of a step may take from its start: its own limit, and what is left of its
    /// retries' total.
    pub(crate) fn attempt_limit(&self, at: InstanceIx, step: StepIx) -> Option<Duration> {
        let shape = self.plan.step(step);
        if shape.retry.is_none() {
            return shape.timeout;
        }
        let total = shape.retry.and_then(|ix| self.plan.retries[ix.0 as usize].total_timeout);
        let spent = || {
            let node = self.data.node(self.plan, at, step)?;
            Some(node.attempt_start.since(node.more.as_ref()?.first_start))
        };
        let left = total.map(|total| total.saturating_sub(spent().unwrap_or_default()));
        match (shape.timeout, left) {
            (Some(own), Some(left)) => Some(own.min(left)),
            (own, left) => own.or(left),
        }
    }
}

/// Whether `retry` is meant for such a failure.
pub(crate) fn allows(
    retry: &Retry,
    failure: &Failure,
    view: &super::environment::View<'_>,
) -> Result<bool, Failure> {
    let is_named = retry.errors.iter().any(|pattern| **pattern == *failure.kind);
    let is_hopeless = !failure.retryable
        || matches!(&*failure.kind, kind::VALIDATION | kind::EXPRESSION | kind::PAYLOAD_TOO_LARGE);
    let fits = retry.errors.iter().any(|pattern| matches_type(pattern, &failure.kind));
    if !fits || (is_hopeless && !is_named) {
        return Ok(false);
    }
    let Some(when) = &retry.when else { return Ok(true) };
    let error = failure.to_payload();
    let local = Local { error: Some(&error), ..Local::default() };
    let view = super::environment::View { local, ..*view };
    when.evaluate_bool(&view).map_err(|wrong| Failure {
        step: failure.step.clone(),
        attempts: failure.attempts,
        ..expression_failure("retry.when", &wrong)
    })
}

/// The delay after failed attempt number `attempt`; `share` of 0 to 1 places it in the range that jitter allows.
pub(crate) fn delay(retry: &Retry, attempt: u32, share: f64) -> Duration {
    let base = match retry.backoff {
        Backoff::None => return Duration::ZERO,
        Backoff::Fixed => retry.delay.as_secs_f64(),
        Backoff::Linear => retry.delay.as_secs_f64() * f64::from(attempt),
        Backoff::Exponential => {
            let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
            // Nothing times infinity is no number.
            let factor = retry.multiplier.powi(exponent).min(f64::MAX);
            retry.delay.as_secs_f64() * factor
        }
    };
    let capped = base.min(retry.max_delay.as_secs_f64());
    Duration::try_from_secs_f64(capped * (1.0 - retry.jitter * share)).unwrap_or(retry.max_delay)
}

/// Whether a pattern such as `http.*` fits a dotted type; `*` stands for any text, dots included.
pub(crate) fn matches_type(pattern: &str, kind: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = kind.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    true
}
