//! Measures the way from the text of a document to its plan.

use super::document::document;
use super::figures::Figures;
use super::job::Job;
use super::runs::nanos;
use super::spread::Spread;
use anyhow::{Result, ensure};
use jackfield::Host;
use std::time::Instant;

/// Parses, checks and plans a layered document, again and again.
pub(crate) fn measure(host: &Host, job: &Job) -> Result<Figures> {
    let text = document(&job.graph, job.work);
    let mut figures = Vec::with_capacity(job.repeats);
    for nth in 0..=job.repeats {
        let begun = Instant::now();
        let workflow = host.parse(&text)?;
        let elapsed = begun.elapsed();
        let steps = workflow.plan().steps.len();
        ensure!(steps == job.graph.steps, "the plan has {steps} steps, the document {}", job.graph.steps);
        // the first is the warm-up
        if nth > 0 {
            figures.push(nanos(elapsed) / job.graph.steps as f64);
        }
    }
    Ok(Figures { ns_per_step: Spread::of(figures), ..Figures::default() })
}
