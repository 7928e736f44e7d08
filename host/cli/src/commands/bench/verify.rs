//! Whether what was measured was done: every step of every run once, in order, with the right output.

use super::document::{self, Work, step_id, step_of_id};
use super::graph::Graph;
use super::random::Random;
use crate::args::History as Kept;
use anyhow::{Context, Result, bail, ensure};
use jackfield::{Event, EventKind, Run};
use std::time::Duration;

/// Records and outputs that are read back from the runs of a repeat.
const SAMPLES: usize = 100;

/// Characters of a wrong output that are shown at most.
const SHOWN_MAX: usize = 60;

/// Not in the history.
const MISSING: u64 = u64::MAX;

/// What runs are held against.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) work: Work,
    /// What the runs keep.
    pub(crate) kept: Kept,
}

impl Expected<'_> {
    /// Checks runs that have ended: every step in the history of each, and some records and outputs chosen at random
    /// from all of them.
    ///
    /// # Errors
    /// The first thing that is not as it ought to be.
    pub(crate) fn check(&self, runs: &[Run]) -> Result<()> {
        ensure!(!runs.is_empty(), "there is no run to check");
        let mut random = Random::new();
        let mut samples = vec![Vec::new(); runs.len()];
        for _ in 0..SAMPLES {
            samples[random.below(runs.len())].push(random.below(self.graph.steps));
        }
        for (run, samples) in runs.iter().zip(samples) {
            self.check_run(run, &samples)
                .with_context(|| format!("run `{}` did not do its work", run.id()))?;
        }
        Ok(())
    }

    fn check_run(&self, run: &Run, samples: &[usize]) -> Result<()> {
        let (report, steps) = (run.report(0), self.graph.steps as u64);
        ensure!(
            (report.completed_steps, report.total_steps) == (steps, steps),
            "{} of {} steps completed, of {steps} in the document",
            report.completed_steps,
            report.total_steps
        );
        if self.kept == Kept::None {
            return Ok(());
        }
        let mut history = History::new(*self);
        let mut from = 0;
        loop {
            let events = run.wait_records(from, Duration::ZERO);
            let Some(last) = events.last() else { break };
            from = last.seq + 1;
            for event in &events {
                history.take(event)?;
            }
        }
        let places = history.finish()?;
        // in the order in which they stand there, so that a long run is read once
        let mut samples: Vec<_> = samples.iter().map(|step| (places[*step], *step)).collect();
        samples.sort_unstable();
        for (seq, step) in &samples {
            self.check_record(run, *step, *seq)?;
        }
        for (_, step) in &samples {
            let (id, expected) = (step_id(*step), document::output(self.graph, self.work, *step));
            let output = run.step_output(&id).with_context(|| format!("step `{id}` has no output"))?;
            ensure!(output.as_str() == expected, "the output of step `{id}` is not that of its record");
        }
        Ok(())
    }

    /// Reads the record of a step by itself.
    fn check_record(&self, run: &Run, step: usize, seq: u64) -> Result<()> {
        let (id, expected) = (step_id(step), document::output(self.graph, self.work, step));
        let records = run.wait_records(seq, Duration::ZERO);
        let record =
            records.first().with_context(|| format!("record {seq} of step `{id}` cannot be read"))?;
        ensure!(
            record.seq == seq && record.step.as_deref() == Some(&*id),
            "record {seq} is not that of step `{id}`"
        );
        let kept = record.value.as_ref().map_or("null", |value| value.as_str());
        ensure!(
            kept == expected,
            "the record of step `{id}` has another output than it should: `{}`",
            kept.chars().take(SHOWN_MAX).collect::<String>()
        );
        Ok(())
    }
}

/// The history of one run, as it is read.
struct History<'a> {
    expected: Expected<'a>,
    /// Number of the record of each step's completion.
    places: Vec<u64>,
}

impl<'a> History<'a> {
    fn new(expected: Expected<'a>) -> Self {
        Self { expected, places: vec![MISSING; expected.graph.steps] }
    }

    fn take(&mut self, event: &Event) -> Result<()> {
        let Some(id) = &event.step else { return Ok(()) };
        match event.event {
            EventKind::StepStarted | EventKind::CallAnswered => return Ok(()),
            EventKind::StepCompleted => {}
            other => bail!("step `{id}` has a record of {other:?}"),
        }
        let graph = self.expected.graph;
        let step = step_of_id(id).filter(|step| *step < graph.steps);
        let step = step.with_context(|| format!("step `{id}` is not in the document"))?;
        ensure!(event.attempt == 1, "step `{id}` took {} attempts", event.attempt);
        ensure!(self.places[step] == MISSING, "step `{id}` completed twice");
        for dependency in graph.dependencies(step) {
            let is_done = self.places[dependency] != MISSING;
            ensure!(is_done, "step `{id}` completed before `{}`, which it depends on", step_id(dependency));
        }
        self.places[step] = event.seq;
        Ok(())
    }

    /// The number of each step's record, once all have been taken.
    fn finish(self) -> Result<Vec<u64>> {
        match self.places.iter().position(|seq| *seq == MISSING) {
            Some(step) => bail!("step `{}` has no record of its completion", step_id(step)),
            None => Ok(self.places),
        }
    }
}

#[cfg(test)]
mod tests;
