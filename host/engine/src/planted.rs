//! Defects that the simulation has to find. They exist in its builds only, and there one at a time: in every other build
//! none is planted, and what asks for one costs nothing.

/// A defect that somebody could have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A call with effects does not wait for what led to it.
    EffectBeforeCause,
    /// An end is told before it lasts.
    EndBeforeItLasts,
    /// Records are told before they last.
    RecordsBeforeTheyLast,
    /// A write that failed counts as done.
    WriteErrorIgnored,
    /// Of several calls that may go on one is forgotten.
    HeldCallForgotten,
    /// After a restart calls are made again that were answered.
    AnsweredAgain,
    /// After a restart calls are made again that were told to stop.
    CancelledAgain,
    /// Timers do not come back after a restart.
    TimersForgotten,
    /// Nobody looks after a run that has left memory with a timer.
    SleeperForgotten,
    /// A child that was started before a restart is taken for somebody else's.
    ChildNotKnownAgain,
    /// Timers that were due are not written down.
    TimerNotWritten,
    /// A run comes back before all is there that was written of it.
    ReadTooEarly,
    /// A run that waits for a plugin is not looked at by the next process.
    HeldUpForgotten,
    /// Other runs are told of something that may not have happened.
    ErrandBeforeCause,
    /// A pool has one place more than its limit.
    OnePlaceTooMany,
    /// After a restart nobody knows what rate limits have counted.
    RatesForgotten,
}

/// Whether this defect is planted.
#[cfg(not(all(test, not(feature = "loom"))))]
#[inline]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(all(test, not(feature = "loom")))]
pub(crate) fn planted(bug: Bug) -> bool {
    crate::sim::planted() == Some(bug)
}
