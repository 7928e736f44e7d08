//! `foreach`: a window of bodies over items, with tolerated failures.

use super::attempt::expression_failure;
use super::body::BodyEnd;
use super::environment::Local;
use super::record::InstanceIx;
use super::state::{Bound, ForeachProgress, NodePhase, Progress, Work};
use super::turn::Turn;
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::{Action, Foreach, Items, StepIx, Tolerance};
use std::time::Duration;

/// Items of one foreach at most.
pub(super) const FOREACH_ITEMS_MAX: usize = 100_000;

impl Turn<'_> {
    pub(crate) fn start_foreach(&mut self, at: InstanceIx, step: StepIx, foreach: &Foreach) {
        let items = match self.items(at, step, foreach) {
            Ok(items) => items,
            Err(failure) => return self.fail_attempt(at, step, failure, Duration::ZERO),
        };
        let tolerated = match foreach.tolerated {
            Tolerance::Count(count) => count,
            Tolerance::Percent(percent) => (items.len() as f64 * percent / 100.0) as u32,
        };
        let progress = ForeachProgress {
            items,
            next: 0,
            running: 0,
            outputs: Vec::new(),
            failures: Vec::new(),
            tolerated,
            is_closed: false,
            is_scheduled: true,
        };
        self.set_progress(at, step, Progress::Foreach(Box::new(progress)));
        self.data.work.push_back(Work::Foreach(at, step));
    }

    fn items(&self, at: InstanceIx, step: StepIx, foreach: &Foreach) -> Result<Vec<Payload>, Failure> {
        let view = self.view(at, Some(step));
        let items = match &foreach.items {
            Items::Expression(expression) => expression.evaluate_items(&view),
            Items::Literal(template) => template.render(&view).map(|value| value.elements()),
        };
        let items = items.map_err(|error| expression_failure("items", &error))?;
        if items.len() > FOREACH_ITEMS_MAX {
            let message =
                format!("`items` has {} items, at most {FOREACH_ITEMS_MAX} are allowed", items.len());
            return Err(Failure::new(kind::EXPRESSION, message));
        }
        let batch = foreach.batch_size.max(1) as usize;
        Ok(if batch == 1 {
            items
        } else {
            items.chunks(batch).map(|part| Payload::array(part.iter())).collect()
        })
    }

    fn foreach_progress(&mut self, at: InstanceIx, step: StepIx) -> Option<&mut ForeachProgress> {
        match &mut self.data.node_mut(self.plan, at, step)?.more.as_mut()?.progress {
            Progress::Foreach(progress) => Some(progress),
            _ => None,
        }
    }

    /// Starts as many bodies as the window has room for; completes the step when nothing is left.
    pub(crate) fn advance_foreach(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        let Action::Foreach(foreach) = &plan.step(step).action else { return };
        let is_running = self.data.node(plan, at, step).is_some_and(|node| {
            node.phase == NodePhase::Running && node.more.as_ref().is_some_and(|more| more.abort.is_none())
        });
        let window = foreach.max_concurrency.unwrap_or(self.data.start.host_concurrency).max(1);
        let Some(progress) = self.foreach_progress(at, step).filter(|_| is_running) else { return };
        progress.is_scheduled = false;
        while let Some(progress) = self.foreach_progress(at, step) {
            let index = progress.next;
            let item = progress.items.get(index as usize).cloned();
            let Some(item) = item.filter(|_| !progress.is_closed && progress.running < window) else { break };
            match self.foreach_goes_on(at, step, foreach, &item, index) {
                Err(failure) => return self.abort_attempt(at, step, failure),
                Ok(goes_on) => {
                    let Some(progress) = self.foreach_progress(at, step) else { return };
                    if !goes_on {
                        progress.is_closed = true;
                        break;
                    }
                    progress.next += 1;
                    progress.running += 1;
                    progress.outputs.push(Payload::null());
                }
            }
            self.spawn_child(
                at,
                step,
                foreach.body,
                Bound { value: item, ordinal: index, ..Bound::default() },
            );
        }
        self.finish_foreach(at, step);
    }

    fn foreach_goes_on(
        &self,
        at: InstanceIx,
        step: StepIx,
        foreach: &Foreach,
        item: &Payload,
        index: u32,
    ) -> Result<bool, Failure> {
        let Some(condition) = &foreach.while_ else { return Ok(true) };
        let local = Local { item: Some(item), index, ..Local::default() };
        let view = self.view(at, Some(step)).with(local);
        condition.evaluate_bool(&view).map_err(|error| expression_failure("while", &error))
    }

    fn finish_foreach(&mut self, at: InstanceIx, step: StepIx) {
        let now = self.now;
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        let elapsed = node.elapsed(now);
        let more = node.more();
        let Progress::Foreach(progress) = &more.progress else { return };
        let is_done = progress.is_closed || progress.next as usize >= progress.items.len();
        if progress.running > 0 || !is_done {
            return;
        }
        let output = Payload::array(progress.outputs.iter());
        if !progress.failures.is_empty() {
            more.error = failed_items(&progress.failures);
        }
        self.complete_attempt(at, step, output, elapsed);
    }

    /// A body has ended.
    pub(crate) fn item_ended(&mut self, at: InstanceIx, step: StepIx, index: u32, end: BodyEnd) {
        let Some(progress) = self.foreach_progress(at, step) else { return };
        progress.running -= 1;
        match end {
            BodyEnd::Cancelled => {}
            BodyEnd::Completed(output) => progress.outputs[index as usize] = output,
            BodyEnd::Failed(failure) => {
                progress.failures.push((index, failure));
                if progress.failures.len() > progress.tolerated as usize {
                    let failure = too_many_failures(progress);
                    return self.abort_attempt(at, step, failure);
                }
            }
        }
        if !progress.is_scheduled {
            progress.is_scheduled = true;
            self.data.work.push_back(Work::Foreach(at, step));
        }
    }
}

/// `[{index, error}]`
fn failed_items(failures: &[(u32, std::sync::Arc<Failure>)]) -> Payload {
    let mut sorted: Vec<_> = failures.iter().collect();
    sorted.sort_by_key(|(index, _)| *index);
    let entries: Vec<_> = sorted
        .iter()
        .map(|(index, failure)| serde_json::json!({ "index": index, "error": &**failure }))
        .collect();
    Payload::encode(&entries)
}

fn too_many_failures(progress: &ForeachProgress) -> Failure {
    let (count, tolerated) = (progress.failures.len(), progress.tolerated);
    let (index, last) = &progress.failures[count - 1];
    let message = format!(
        "{count} of {} items failed, {tolerated} are tolerated; item {index}: {}",
        progress.items.len(),
        last.message
    );
    let details = failed_items(&progress.failures);
    Failure { details, retryable: last.retryable, ..Failure::new(kind::FOREACH_TOO_MANY_FAILURES, message) }
}
