//! Fields that are fine in themselves but mean nothing where they stand. A field that changes nothing is a fault:
//! whoever wrote it expected something of it.

use super::{Action, Body, Mode, Step, TriggerRule, Workflow, support};
use crate::diagnostic::{Code, Finding};

/// What the owner of some steps makes of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Body(Mode),
    Race,
}

/// Adds to `findings` what means nothing where it stands.
pub(super) fn check(workflow: &Workflow, findings: &mut Vec<Finding>) {
    let mut check = Check { findings, concurrent: false, in_cleanup: false };
    check.steps(&workflow.body.steps, place(&workflow.body));
    if let Some(limit) = &workflow.body.max_concurrency
        && !check.concurrent
        && !is_concurrent(&workflow.body)
    {
        check.report_limit(limit.at, "no steps of this workflow run at the same time");
    }
    check.in_cleanup = true;
    check.steps(&workflow.on_failure, Place::Body(Mode::Sequential));
    check.steps(&workflow.finally, Place::Body(Mode::Sequential));
}

fn place(body: &Body) -> Place {
    Place::Body(body.mode.as_ref().map_or(Mode::Sequential, |mode| mode.value))
}

fn is_concurrent(body: &Body) -> bool {
    matches!(place(body), Place::Body(Mode::Parallel | Mode::Conditional))
}

struct Check<'f> {
    findings: &'f mut Vec<Finding>,
    /// Whether something inside the document can run steps at the same time.
    concurrent: bool,
    in_cleanup: bool,
}

impl Check<'_> {
    fn report(&mut self, at: u32, message: impl Into<String>, hint: &str) {
        let (message, hint) = (message.into(), hint.to_owned());
        self.findings.push(Finding { code: Code::NoMeaningHere, at, message, hint });
    }

    fn report_limit(&mut self, at: u32, reason: &str) {
        let message = format!("`max_concurrency` has no meaning here: {reason}");
        self.report(at, message, "Remove it, or choose the mode `parallel` or `conditional`.");
    }

    fn steps(&mut self, steps: &[Step], place: Place) {
        for step in steps {
            self.step(step, place);
        }
    }

    fn step(&mut self, step: &Step, place: Place) {
        self.trigger(step, place);
        self.inner(step, place);
        for catch in &step.catch {
            self.steps(&catch.steps, Place::Body(Mode::Sequential));
        }
    }

    /// `dependencies` and `trigger_rule`.
    fn trigger(&mut self, step: &Step, place: Place) {
        let reason = match place {
            Place::Body(Mode::Pipeline) => Some("a stage of a pipeline follows the one before it"),
            Place::Race => Some("the contestants of a race all start at once"),
            Place::Body(_) => None,
        };
        if let (Some(reason), Some(first)) = (reason, step.dependencies.first()) {
            self.report(first.at, format!("`dependencies` has no meaning here: {reason}"), "Remove it.");
        }
        let Some(rule) = &step.trigger_rule else { return };
        if let Some(reason) = reason {
            self.report(rule.at, format!("`trigger_rule` has no meaning here: {reason}"), "Remove it.");
        } else if step.dependencies.is_empty() {
            let hint = "Add \"dependencies\"; those that come from references do not count.";
            self.report(rule.at, "`trigger_rule` has no meaning without `dependencies`", hint);
        } else if let TriggerRule::Completed(count) = rule.value
            && count as usize > step.dependencies.len()
        {
            let count_of = step.dependencies.len();
            let message = format!(
                "`trigger_rule` asks for {count} completed steps, but there are {count_of} dependencies"
            );
            self.findings.push(Finding { code: Code::NeverFires, at: rule.at, message, hint: String::new() });
        }
    }

    /// What the step holds.
    fn inner(&mut self, step: &Step, place: Place) {
        match &step.action {
            Action::Call(call) => {
                for (name, _) in &call.streaming {
                    self.stage_field(&name.value, name.at, place);
                }
            }
            Action::Group(body) => {
                if let Some(limit) = body.max_concurrency.as_ref().filter(|_| !is_concurrent(body)) {
                    self.report_limit(limit.at, "the steps of this group run one after the other");
                }
                self.body(body);
            }
            Action::Switch { cases, default, match_all } => {
                self.concurrent |= *match_all == Some(true);
                for body in cases.iter().map(|case| &case.body).chain(default) {
                    self.body(body);
                }
            }
            Action::Foreach(foreach) => {
                self.concurrent |=
                    foreach.body.max_concurrency.as_ref().is_some_and(|limit| limit.value != 1);
                if let (Some(item), Some(index)) = (&foreach.bind, &foreach.index_bind)
                    && item.value == index.value
                {
                    let message = format!("`as` and `index_as` are both `{}`", item.value);
                    let hint = "Give them different names.".to_owned();
                    self.findings.push(Finding { code: Code::BadValue, at: index.at, message, hint });
                }
                self.body(&foreach.body);
            }
            Action::Repeat(repeat) => self.body(&repeat.body),
            Action::Race { steps, winners } => {
                self.concurrent |= steps.len() > 1;
                if let Some(winners) = winners.as_ref().filter(|it| it.value as usize > steps.len()) {
                    let message =
                        format!("`winners` is {} but the race has {} steps", winners.value, steps.len());
                    let hint = "At most as many can win as take part.".to_owned();
                    self.findings.push(Finding { code: Code::BadValue, at: winners.at, message, hint });
                }
                self.steps(steps, Place::Race);
            }
            Action::Return { .. } if self.in_cleanup => {
                let message = "a step of type `return` has no meaning here: the run has ended already";
                self.report(step.at, message, "Remove it from the steps that clean up.");
            }
            Action::ContinueAsNew { .. } if self.in_cleanup => {
                let message =
                    "a step of type `continue_as_new` has no meaning here: the run has ended already";
                self.report(step.at, message, "Remove it from the steps that clean up.");
            }
            _ => {}
        }
    }

    fn body(&mut self, body: &Body) {
        self.concurrent |= is_concurrent(body);
        self.steps(&body.steps, place(body));
    }

    /// A field of streaming stages, which is refused in a pipeline and means nothing elsewhere.
    fn stage_field(&mut self, name: &str, at: u32, place: Place) {
        if place != Place::Body(Mode::Pipeline) {
            let message = format!("`{name}` has no meaning here: the step is no stage of a pipeline");
            self.report(at, message, "Remove it, or choose the mode `pipeline`.");
        } else if let Some(message) = support::refused("stage", name) {
            self.findings.push(Finding { code: Code::NotSupported, at, message, hint: String::new() });
        }
    }
}
