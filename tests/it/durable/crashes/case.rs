//! What became of a run whose host died.

use super::fate::Fate;
use super::judge::{Reference, facts};
use jackfield_tests::crash::Effects;
use serde_json::Value;

pub(super) struct Case {
    /// What was done to which example, for messages.
    pub(super) name: String,
    /// If the host died: the run as its journal has it then, if there was one already.
    pub(super) at_death: Option<Option<Value>>,
    /// What the run came to in the end.
    pub(super) result: Option<Value>,
    /// What each process did.
    pub(super) lives: Vec<Effects>,
}

impl Case {
    pub(super) fn has_died(&self) -> bool {
        self.at_death.is_some()
    }

    /// Compares it with what should be.
    #[track_caller]
    pub(super) fn judge(&self, expected: &Reference) {
        self.judge_end(expected);
        if let Some(at_death) = &self.at_death {
            self.judge_told(at_death.as_ref());
            self.judge_order(at_death.as_ref());
            self.judge_repeats(at_death.as_ref());
        }
    }

    /// It ends as if nothing had happened.
    #[track_caller]
    pub(super) fn judge_end(&self, expected: &Reference) {
        let result = self.result.as_ref().unwrap_or_else(|| panic!("{}: died twice", self.name));
        let found = facts(result);
        for (what, value) in &expected.facts {
            assert_eq!(found.get(what), Some(value), "{}: {what} in {result:#}", self.name);
        }
    }

    /// A call failed once, which comes to `fate`.
    #[track_caller]
    pub(super) fn judge_failure(&self, expected: &Reference, path: &str, fate: &Fate) {
        let result = self.result.as_ref().unwrap_or_else(|| panic!("{}: died", self.name));
        // a step around the call lies where the start of its path says
        let is_around = |at: &str, step: &str| {
            at.strip_suffix(step)
                .is_some_and(|start| path.starts_with(start) && (start.is_empty() || start.ends_with('.')))
        };
        let stands = |step: &str| {
            let steps = result["steps"].as_object().expect("a report has steps");
            let found = steps.iter().find(|(at, _)| is_around(at, step));
            found.map_or(Value::Null, |(_, found)| found["status"].clone())
        };
        let is = |what: &str, found: &Value, wanted: &str| {
            assert_eq!(found, wanted, "{}: {what}, {fate:?}: {result:#}", self.name);
        };
        let usual = expected.facts["status"].as_str().expect("every run comes to an end");
        match fate {
            Fate::Retried => {
                is("the run", &result["status"], usual);
                if let Some(before) = expected.facts.get(&format!("{path}: attempts")) {
                    let wanted = before.as_u64().unwrap_or(0).max(2);
                    assert_eq!(result["steps"][path]["attempts"], wanted, "{}", self.name);
                }
            }
            Fate::Caught(step) => is(step, &stands(step), "completed"),
            Fate::Tolerated(step) => is(step, &stands(step), "failed"),
            Fate::Depends => assert!(result["status"].is_string(), "{}", self.name),
            Fate::CleanUp => is("the run", &result["status"], usual),
            Fate::Fails => {
                is("the run", &result["status"], "failed");
                is("the step's error", &result["steps"][path]["error"]["type"], "plugin.error");
            }
        }
    }

    /// What was acknowledged is in the journal.
    #[track_caller]
    fn judge_told(&self, at_death: Option<&Value>) {
        for told in &self.lives[0].told {
            let run = at_death.unwrap_or_else(|| panic!("{}: `{told}`, and no run", self.name));
            let status = run["status"].as_str().unwrap_or_default();
            let has_ended = ["completed", "failed", "cancelled"].contains(&status);
            assert!(told == "started" || has_ended, "{}: `{told}`, and it is {status}", self.name);
        }
    }

    /// A call that has effects was begun only when the journal knew of it.
    #[track_caller]
    fn judge_order(&self, at_death: Option<&Value>) {
        for call in self.lives[0].calls.iter().filter(|call| !call.is_pure) {
            let run = at_death.unwrap_or_else(|| panic!("{}: {call:?} before its run", self.name));
            let (path, is_undo) = step_of(&call.path);
            let step = &run["steps"][path];
            let known = step["attempts"].as_u64().unwrap_or(0);
            assert!(is_undo || known >= u64::from(call.attempt), "{}: {call:?}, {step}", self.name);
        }
    }

    /// What had completed is not called again; what was under way is, as the same attempt.
    #[track_caller]
    fn judge_repeats(&self, at_death: Option<&Value>) {
        let Some(run) = at_death else { return };
        let (before, after) = (&self.lives[0], &self.lives[1]);
        for call in &after.calls {
            let (path, is_undo) = step_of(&call.path);
            let status = run["steps"][path]["status"].as_str().unwrap_or("pending");
            let is_done = match status {
                "completed" => !is_undo,
                "compensated" | "failed" | "skipped" | "cancelled" => true,
                _ => false,
            };
            assert!(!is_done, "{}: {call:?} again, although it was {status}: {run:#}", self.name);
        }
        let result = self.result.as_ref().expect("it came to an end");
        for call in &before.calls {
            let (path, is_undo) = step_of(&call.path);
            if is_undo || run["steps"][path]["status"] != "running" {
                continue;
            }
            let known = run["steps"][path]["attempts"].as_u64().unwrap_or(0);
            let again = after.calls.iter().find(|it| it.path == call.path);
            // the run may have decided otherwise meanwhile: what it waited for was over, or another one had won
            let is_given_up =
                ["cancelled", "failed"].iter().any(|end| result["steps"][path]["status"] == *end);
            match again {
                Some(again) => assert_eq!(u64::from(again.attempt), known, "{}: {again:?}", self.name),
                None => assert!(is_given_up, "{}: {call:?} was under way and is lost", self.name),
            }
        }
    }
}

/// The step of a call, and whether the call undoes it.
fn step_of(path: &str) -> (&str, bool) {
    match path.strip_suffix(".compensate") {
        Some(step) => (step, true),
        None => (path, false),
    }
}
