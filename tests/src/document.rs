//! Documents that tests write: as text, as JSON values, or generated in any size.

use serde_json::Value;
use std::fmt::Write;

/// The text of a workflow.
#[derive(Clone, Debug)]
pub struct Document(pub(crate) String);

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Document {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&String> for Document {
    fn from(text: &String) -> Self {
        Self(text.clone())
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        Self(value.to_string())
    }
}

/// `steps` calls of `echo.noop` in parallel mode, each of which depends on the one before it.
#[must_use]
pub fn chain(steps: usize) -> String {
    parallel(steps, |text, step| {
        if step > 0 {
            let _ = write!(text, r#","dependencies":["s{}"]"#, step - 1);
        }
    })
}

/// The same chain, of which nothing runs: the first step is skipped, and so are all the others.
#[must_use]
pub fn skipped_chain(steps: usize) -> String {
    parallel(steps, |text, step| {
        let _ = match step.checked_sub(1) {
            None => write!(text, r#","when":"input == 1""#),
            Some(former) => write!(text, r#","dependencies":["s{former}"]"#),
        };
    })
}

/// A call of `echo.noop`, `steps` more that depend on it only, and one that depends on all of those.
#[must_use]
pub fn fan(steps: usize) -> String {
    parallel(steps + 2, |text, step| {
        if step == steps + 1 {
            let all: Vec<String> = (1..=steps).map(|it| format!("\"s{it}\"")).collect();
            let _ = write!(text, r#","dependencies":[{}]"#, all.join(","));
        } else if step > 0 {
            text.push_str(r#","dependencies":["s0"]"#);
        }
    })
}

fn parallel(steps: usize, mut dependencies: impl FnMut(&mut String, usize)) -> String {
    let mut text = String::from(r#"{"id":"big","mode":"parallel","output":"done","steps":["#);
    for step in 0..steps {
        let comma = if step == 0 { "" } else { ",\n" };
        // writing to a string does not fail
        let _ = write!(text, r#"{comma}{{"id":"s{step}","plugin":"echo","method":"noop""#);
        dependencies(&mut text, step);
        text.push('}');
    }
    text.push_str("]}");
    text
}
