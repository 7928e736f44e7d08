//! The workflow that is run: a JSON document as a user would write it, and what its steps have to return.

use super::PLUGIN;
use super::graph::Graph;
use crate::args::OutputSize;
use std::fmt::Write;
use std::time::Duration;

/// What each step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// How long it computes.
    pub(crate) body: Duration,
    /// What it returns.
    pub(crate) output: OutputSize,
}

impl OutputSize {
    /// Bytes of a result, as JSON text; `None` for `null`.
    pub(crate) fn bytes(self) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::Small => Some(200),
            Self::Large => Some(64 * 1024),
        }
    }
}

/// Id of a step.
pub(crate) fn step_id(step: usize) -> String {
    format!("s{step}")
}

/// The step that has this id, or path, for nothing is nested.
pub(crate) fn step_of_id(id: &str) -> Option<usize> {
    id.strip_prefix('s')?.parse().ok()
}

/// The document that runs `graph`, each of its steps doing `work`.
pub(crate) fn document(graph: &Graph, work: Work) -> String {
    let mut text = String::from(r#"{"dsl":"1","id":"bench","mode":"parallel","steps":["#);
    for step in 0..graph.steps {
        text.push_str(if step == 0 { "\n" } else { ",\n" });
        push_step(&mut text, step, &graph.dependencies(step), work);
    }
    text.push_str("\n],\"output\":null}\n");
    text
}

/// The event that runs wait for.
pub(crate) const EVENT: &str = "go";

/// The document of a chain whose last step waits for [`EVENT`], and which returns what that brings.
pub(crate) fn waiting(graph: &Graph) -> String {
    let mut text = String::from(r#"{"dsl":"1","id":"bench","mode":"parallel","steps":["#);
    let last = graph.steps - 1;
    let work = Work { body: Duration::ZERO, output: OutputSize::Empty };
    for step in 0..last {
        push_step(&mut text, step, &graph.dependencies(step), work);
        text.push_str(",\n");
    }
    let id = step_id(last);
    // writing to a string cannot fail
    let _ = write!(text, r#"{{"id":"{id}","type":"wait_for_event","event":"{EVENT}""#);
    if let Some(before) = last.checked_sub(1) {
        let _ = write!(text, r#","dependencies":["{}"]"#, step_id(before));
    }
    let _ = writeln!(text, r#"}}],"output":"${{steps.{id}.output}}"}}"#);
    text
}

fn push_step(text: &mut String, step: usize, dependencies: &[usize], work: Work) {
    let us = work.body.as_nanos() as f64 / 1_000.0;
    let (method, parameters) = match (work.output.bytes(), work.body.is_zero()) {
        (None, true) => ("noop", String::new()),
        (None, false) => ("spin", format!(r#""us":{us}"#)),
        (Some(bytes), is_at_once) => {
            let mut parameters = format!(r#""bytes":{bytes}"#);
            if let Some(upstream) = dependencies.first() {
                let _ = write!(parameters, r#","count":"${{steps.{}.output.count}}""#, step_id(*upstream));
            }
            if !is_at_once {
                let _ = write!(parameters, r#","us":{us}"#);
            }
            ("produce", parameters)
        }
    };
    // writing to a string cannot fail
    let _ = write!(text, r#"{{"id":"{}","plugin":"{PLUGIN}","method":"{method}""#, step_id(step));
    if !parameters.is_empty() {
        let _ = write!(text, r#","parameters":{{{parameters}}}"#);
    }
    if !dependencies.is_empty() {
        let ids: Vec<String> = dependencies.iter().map(|it| format!("\"{}\"", step_id(*it))).collect();
        let _ = write!(text, r#","dependencies":[{}]"#, ids.join(","));
    }
    text.push('}');
}

/// What the output of `step` has to be, as JSON text. Steps with outputs count on from the step they read, so a
/// value that went astray shows.
pub(crate) fn output(graph: &Graph, work: Work, step: usize) -> String {
    let Some(bytes) = work.output.bytes() else { return "null".to_owned() };
    let mut count = 1;
    let mut at = step;
    while let Some(upstream) = graph.dependencies(at).first() {
        (count, at) = (count + 1, *upstream);
    }
    let head = format!(r#"{{"count":{count},"text":""#);
    format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Shape;
    use jackfield::Value;

    #[test]
    fn documents_call_the_method_that_does_the_work() {
        let graph = Graph::new(Shape::Chain, 2, None);
        let second = |body, output| {
            let text = document(&graph, Work { body, output });
            let value: Value = jackfield::Payload::parse(text).unwrap().value().clone();
            assert_eq!(
                (value["dsl"].as_str(), value["steps"].as_array().map(Vec::len)),
                (Some("1"), Some(2))
            );
            assert_eq!(value["steps"][1]["dependencies"], jackfield::json!(["s0"]));
            value["steps"][1].clone()
        };
        let (at_once, later) = (Duration::ZERO, Duration::from_nanos(1_500));
        let noop = second(at_once, OutputSize::Empty);
        assert_eq!((noop["method"].as_str(), noop.get("parameters")), (Some("noop"), None));
        let spin = second(later, OutputSize::Empty);
        assert_eq!((spin["method"].as_str(), &spin["parameters"]["us"]), (Some("spin"), &1.5.into()));
        let produce = second(later, OutputSize::Small);
        let parameters = jackfield::json!({ "bytes": 200, "count": "${steps.s0.output.count}", "us": 1.5 });
        assert_eq!((produce["method"].as_str(), &produce["parameters"]), (Some("produce"), &parameters));
    }

    #[test]
    fn the_last_step_of_a_waiting_run_waits() {
        for steps in [1, 3] {
            let text = waiting(&Graph::new(Shape::Waiting, steps, None));
            let value: Value = jackfield::Payload::parse(text).unwrap().value().clone();
            let all = value["steps"].as_array().unwrap();
            let types = all.iter().map(|step| step["type"].as_str());
            assert_eq!((all.len(), types.flatten().collect::<Vec<_>>()), (steps, vec!["wait_for_event"]));
            let last = all.last().unwrap();
            assert_eq!(last["type"], "wait_for_event");
            assert_eq!(last.get("dependencies").is_some(), steps > 1);
            assert_eq!(value["output"], format!("${{steps.s{}.output}}", steps - 1));
        }
    }

    #[test]
    fn outputs_have_their_size_and_count_the_steps_they_went_through() {
        let graph = Graph::new(Shape::Chain, 30, None);
        for size in [OutputSize::Small, OutputSize::Large] {
            let text = output(&graph, Work { body: Duration::ZERO, output: size }, 29);
            assert_eq!(Some(text.len()), size.bytes());
            assert_eq!(jackfield::Payload::parse(text).unwrap().value()["count"], 30);
        }
        assert_eq!(output(&graph, Work { body: Duration::ZERO, output: OutputSize::Empty }, 29), "null");
    }
}
