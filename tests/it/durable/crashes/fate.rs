//! What the failure of a call has to come to, read off the document alone: attempts that are left, a catch, a failure that
//! is tolerated, the end of the run. It is written anew here, and knows nothing of the engine.

use serde_json::{Map, Value};

/// What a failure comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The call is made again, and all is as if nothing had happened.
    Retried,
    /// This step has caught it and counts as completed.
    Caught(String),
    /// This step has failed, and the run goes on.
    Tolerated(String),
    /// The step does not decide alone: another contestant may win, or other bodies have failed as well.
    Depends,
    /// What cleans up has failed, which does not change the end.
    CleanUp,
    /// The run fails.
    Fails,
}

/// A step and those around it, from the inside out.
type Around<'a> = Vec<&'a Map<String, Value>>;

/// What becomes of a run of `document` whose call at `path` fails once, as `plugin.error`.
pub(super) fn fate(document: &Value, path: &str) -> Fate {
    let (path, is_undo) = path.strip_suffix(".compensate").map_or((path, false), |path| (path, true));
    let id = path.rsplit('.').next().expect("a path has a last part");
    let in_list = |name: &str| {
        let mut around = Vec::new();
        let found = document[name].as_array().is_some_and(|steps| find(steps, id, &mut around));
        found.then_some(around)
    };
    let Some(around) = in_list("steps") else {
        let is_clean_up = in_list("finally").or_else(|| in_list("on_failure")).is_some();
        assert!(is_clean_up, "no step `{id}`");
        return Fate::CleanUp;
    };
    let step = around[0];
    if is_undo {
        let attempts = attempts(document, step["compensate"].as_object().expect("it is undone"));
        return if attempts > 1 { Fate::Retried } else { Fate::CleanUp };
    }
    for (depth, step) in around.iter().enumerate() {
        let name = step["id"].as_str().expect("steps have ids").to_owned();
        let kind = step.get("type").and_then(Value::as_str).unwrap_or("call");
        let bodies = ["foreach", "race"].contains(&kind) && depth > 0;
        if bodies && (kind == "race" || step.contains_key("tolerated_failures")) {
            return Fate::Depends;
        }
        if attempts(document, step) > 1 {
            return Fate::Retried;
        }
        let catches = step.get("catch").and_then(Value::as_array).into_iter().flatten();
        if catches.map(|catch| &catch["errors"]).any(|errors| errors.is_null() || matches(errors)) {
            return Fate::Caught(name);
        }
        if step.get("critical") == Some(&Value::Bool(false)) {
            return Fate::Tolerated(name);
        }
    }
    Fate::Fails
}

/// Looks for a step in a list and everything below it.
fn find<'a>(steps: &'a [Value], id: &str, around: &mut Around<'a>) -> bool {
    steps.iter().filter_map(Value::as_object).any(|step| {
        if step["id"] == id || lists(step).into_iter().any(|list| find(list, id, around)) {
            around.push(step);
            return true;
        }
        false
    })
}

/// The lists of steps in a step.
fn lists(step: &Map<String, Value>) -> Vec<&[Value]> {
    let own = step.get("steps");
    let bodies = ["cases", "catch"].into_iter().filter_map(|name| step.get(name)?.as_array()).flatten();
    let default = step.get("default").into_iter();
    let inner = bodies.chain(default).filter_map(|body| body.get("steps"));
    own.into_iter().chain(inner).filter_map(|list| Some(list.as_array()?.as_slice())).collect()
}

/// Attempts that a step, or an undo, has for a failure of this kind.
fn attempts(document: &Value, step: &Map<String, Value>) -> u64 {
    let is_call = !step.contains_key("type") || step["type"] == "call";
    let default = document["defaults"].get("retry").filter(|_| is_call);
    let policy = match step.get("retry").or(default) {
        Some(Value::String(name)) => &document["retry_policies"][name],
        Some(policy) => policy,
        None => return 1 + step.get("max_retries").and_then(Value::as_u64).unwrap_or(0),
    };
    if !policy["errors"].is_null() && !matches(&policy["errors"]) {
        return 1;
    }
    // what a policy says that does not say how often
    policy["max_attempts"].as_u64().unwrap_or(3)
}

/// Whether one of these patterns is for `plugin.error`.
fn matches(patterns: &Value) -> bool {
    let patterns = patterns.as_array().into_iter().flatten().filter_map(Value::as_str);
    patterns.into_iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => "plugin.error".starts_with(start),
        None => pattern == "plugin.error",
    })
}
