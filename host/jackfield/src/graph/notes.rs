//! What a step is called and what governs it besides what it does: one short fact per note.

use crate::model::{Action, CallFields, Catch, RetryField, Step, TriggerRule, duration};

pub(super) fn notes(step: &Step) -> Vec<String> {
    let mut notes: Vec<String> = step.name.iter().map(|name| name.to_string()).collect();
    if let Some(when) = &step.when {
        notes.push(format!("when {}", when.value));
    }
    if let Some(rule) = &step.trigger_rule {
        notes.push(format!("starts {}", rule_text(rule.value)));
    }
    if let Action::Foreach(foreach) = &step.action {
        match foreach.body.max_concurrency.as_ref().map(|limit| limit.value) {
            Some(0) => notes.push("all items at a time".to_owned()),
            Some(limit) if limit > 1 => notes.push(format!("{limit} items at a time")),
            _ => {}
        }
    }
    if let Some(Some(timeout)) = step.timeout {
        notes.push(format!("at most {}", duration::display(timeout)));
    }
    notes.extend(step.retry.as_ref().and_then(retry_text));
    if let Some(undo) = &step.compensate {
        notes.push(format!("undo {}", call_name(&undo.call)));
    }
    for catch in step.catch.iter().filter(|catch| catch.steps.is_empty()) {
        notes.push(format!("{} → output", catch_label(catch)));
    }
    notes
}

pub(super) fn call_name(call: &CallFields) -> String {
    format!("{}.{}", call.plugin.value, call.method.value)
}

pub(super) fn catch_label(catch: &Catch) -> String {
    let errors = catch.errors.as_ref().map_or("any error".to_owned(), |patterns| patterns.join(", "));
    match &catch.when {
        Some(when) => format!("catch {errors} when {}", when.value),
        None => format!("catch {errors}"),
    }
}

fn rule_text(rule: TriggerRule) -> String {
    match rule {
        TriggerRule::NoneFailed => "if none failed".to_owned(),
        TriggerRule::AllCompleted => "if all completed".to_owned(),
        TriggerRule::AllSettled => "after all, whatever they came to".to_owned(),
        TriggerRule::AnyFailed => "if any failed".to_owned(),
        TriggerRule::AnyCompleted => "as soon as one completed".to_owned(),
        TriggerRule::Completed(count) => format!("as soon as {count} completed"),
    }
}

fn retry_text(retry: &RetryField) -> Option<String> {
    match retry {
        RetryField::MaxRetries(0) => None,
        RetryField::MaxRetries(1) => Some("1 retry".to_owned()),
        RetryField::MaxRetries(retries) => Some(format!("{retries} retries")),
        RetryField::Named(name) => Some(format!("retry policy {}", name.value)),
        RetryField::Policy(policy) => Some(format!("{} attempts", policy.max_attempts.unwrap_or(3))),
    }
}
