//! Steps that are nothing but a call, told apart once so that a run need not ask at every step.

use super::{Action, Edge, MethodIx, Mode, Scope, ScopeRole, Step, TriggerRule};
use std::num::NonZeroU64;
use std::time::Duration;

/// What a run needs to know of a step that is nothing but a call: no condition, no retry, no catch, no undo, no
/// output template, no custom status, the usual trigger rule, and nobody around it or behind it who wants to know more
/// than that it has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// The method.
    pub method: MethodIx,
    /// The parameters are the same in every run.
    pub is_constant: bool,
    /// Limit of the attempt, in nanoseconds.
    pub timeout_ns: Option<NonZeroU64>,
}

impl Plain {
    /// The table for all steps.
    pub(crate) fn table(
        steps: &[Step],
        scopes: &[Scope],
        successor_starts: &[u32],
        successors: &[Edge],
    ) -> Box<[Option<Self>]> {
        let of = |(step, range): (&Step, &[u32])| {
            let edges = &successors[range[0] as usize..range[1] as usize];
            let is_usual = !edges.iter().any(|edge| edge.early);
            Self::of(step, &scopes[step.scope.0 as usize]).filter(|_| is_usual)
        };
        steps.iter().zip(successor_starts.windows(2)).map(of).collect()
    }

    fn of(step: &Step, scope: &Scope) -> Option<Self> {
        let Step { id: _, scope: _, critical: _, rule, timeout, retry, when, action, extras } = step;
        let Action::Call(call) = action else { return None };
        let is_plain = *rule == TriggerRule::NoneFailed
            && retry.is_none()
            && when.is_none()
            && extras.is_none()
            && call.options.is_none()
            && scope.mode != Mode::Pipeline
            && scope.role != ScopeRole::Contest;
        is_plain.then(|| Self {
            method: call.method,
            is_constant: call.parameters.constant().is_some(),
            timeout_ns: timeout.map(limit_ns),
        })
    }
}

/// A limit as calls carry it: one of centuries is one all the same, and one that is over already is as short as can be.
pub(crate) fn limit_ns(limit: Duration) -> NonZeroU64 {
    u64::try_from(limit.as_nanos()).ok().and_then(NonZeroU64::new).unwrap_or(match limit.is_zero() {
        true => NonZeroU64::MIN,
        false => NonZeroU64::MAX,
    })
}
