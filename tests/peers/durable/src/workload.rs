//! What is run, and on what.

use clap::ValueEnum;
use serde::Serialize;
use std::fmt;

/// Runs of steps that do nothing and keep nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Workload {
    /// Twenty runs of one step, one after the other
    Single,
    /// Three runs of forty steps, each step behind the other, one run after the other
    Chain,
    /// One run of a thousand steps, none of which waits for another
    Fan,
    /// Sixteen runs at a time of ten steps, each step behind the other
    Crowd,
}

/// Who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum System {
    /// With its defaults: safe at a loss of power
    Jackfield,
    /// With its defaults: not safe at a loss of power
    Duroxide,
    /// Looks for work every 5 ms, 4 orchestrations and 8 activities at a time
    DuroxideTuned,
}

/// The size of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) runs: u32,
    /// Runs at a time.
    pub(crate) at_once: u32,
    pub(crate) steps: u32,
    /// Whether each step waits for the one before.
    pub(crate) is_chain: bool,
}

impl Size {
    /// Steps of all runs.
    pub(crate) fn steps_in_all(self) -> u64 {
        u64::from(self.runs) * u64::from(self.steps)
    }
}

/// What one pass took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Median time from the start of a run to its result, in milliseconds.
    pub(crate) run_ms: f64,
    pub(crate) steps_per_s: f64,
}

impl Workload {
    pub(crate) fn size(self) -> Size {
        let size = |runs, at_once, steps, is_chain| Size { runs, at_once, steps, is_chain };
        match self {
            Self::Single => size(20, 1, 1, true),
            Self::Chain => size(3, 1, 40, true),
            Self::Fan => size(1, 1, 1_000, false),
            Self::Crowd => size(16, 16, 10, true),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single => "runs of one step",
            Self::Chain => "40 steps one after the other",
            Self::Fan => "1,000 steps at once",
            Self::Crowd => "16 runs of 10 steps at a time",
        })
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jackfield => "Jackfield",
            Self::Duroxide => "duroxide 0.1.32",
            Self::DuroxideTuned => "duroxide 0.1.32, tuned",
        })
    }
}

/// The middle one.
pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
