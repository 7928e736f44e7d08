//! What simulated engines run, and what has to come of it if nobody cancels it.

use super::methods::Source;
use crate::{Document, Engine};
use jackfield_core::model::{self, Dialect};
use jackfield_core::plan::SharedPlan;
use jackfield_core::ports::Methods;
use jackfield_core::validate;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The rate limit: so many begin within so many milliseconds.
pub(super) const SLOW_COUNT: usize = 2;
pub(super) const SLOW_PER_MS: u64 = 700;

/// What a run comes to.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// It completes with this output.
    Completed(Value),
    /// It completes; with which output, time or luck decides.
    Somehow,
    /// It completes with what was sent to it in this order, of which it takes so many.
    Received(usize),
    /// It fails with this type of error, and these steps are undone.
    Failed(&'static str, &'static [&'static str]),
}

pub(super) struct Workflow {
    pub(super) id: String,
    pub(super) document: Document,
    pub(super) plan: SharedPlan,
    pub(super) end: End,
    /// Names of the event and the queue that it waits for.
    pub(super) event: Option<&'static str>,
    pub(super) queue: Option<&'static str>,
    /// It is only started by others.
    pub(super) is_child: bool,
}

fn call(id: &str, method: &str, value: Value) -> Value {
    json!({ "id": id, "plugin": "s", "method": method, "parameters": { "value": value } })
}

fn with(mut step: Value, fields: Value) -> Value {
    let fields = fields.as_object().expect("the test writes objects").clone();
    step.as_object_mut().expect("the test writes objects").extend(fields);
    step
}

/// Id, mode, steps, output and end of a workflow.
type Text = (&'static str, &'static str, Value, Value, End);

/// Steps that call.
fn calling() -> Vec<Text> {
    vec![
        (
            "chain",
            "sequential",
            json!([
                call("a", "later", json!(1)),
                call("b", "pure", json!("${steps.a.output + 1}")),
                call("c", "blocking", json!("${steps.b.output + 1}")),
                call("d", "inline", json!("${steps.c.output + 1}")),
                call("e", "pure_later", json!("${steps.d.output + 1}")),
            ]),
            json!("${steps.e.output}"),
            End::Completed(json!(5)),
        ),
        (
            "fan",
            "parallel",
            json!([
                { "id": "each", "type": "foreach", "items": "[1, 2, 3, 4, 5]", "max_concurrency": 3,
                  "steps": [call("one", "later", json!("${item * 2}")), call("two", "pure", json!("${steps.one.output + 1}"))] },
                call("x", "later", json!(1)), call("y", "later", json!(2)), call("z", "inline", json!(3)),
                call("sum", "later", json!("${steps.x.output + steps.y.output + steps.z.output}")),
            ]),
            json!({ "each": "${steps.each.output}", "sum": "${steps.sum.output}" }),
            End::Completed(json!({ "each": [3, 5, 7, 9, 11], "sum": 6 })),
        ),
        (
            "stubborn",
            "parallel",
            json!([
                { "id": "a", "plugin": "s", "method": "later", "parameters": { "good": 3, "value": 1 } },
                { "id": "b", "plugin": "s", "method": "blocking", "parameters": { "good": 2, "value": 2 } },
                { "id": "bad", "plugin": "s", "method": "inline", "parameters": { "good": 1000, "type": "no.way" },
                  "retry": { "max_attempts": 1 }, "critical": false },
                { "id": "caught", "plugin": "s", "method": "later", "parameters": { "good": 1000, "type": "no.way" },
                  "retry": { "max_attempts": 1 }, "catch": [{ "errors": ["*"], "steps": [call("instead", "later", json!(7))], "output": "${steps.instead.output}" }] },
            ]),
            json!(["${steps.a.output}", "${steps.b.output}"]),
            End::Completed(json!([1, 2])),
        ),
    ]
}

/// Steps that wait for time or for others.
fn waiting() -> Vec<Text> {
    vec![
        (
            "naps",
            "sequential",
            json!([
                call("a", "later", json!(1)),
                { "id": "nap", "type": "wait", "duration": "10s" },
                { "id": "poll", "type": "repeat", "until": "iteration == 3", "delay": "2s", "steps": [call("look", "later", json!("${iteration}"))] },
                { "id": "long", "type": "wait", "duration": "1h" },
                call("b", "later", json!("${steps.a.output + 1}")),
            ]),
            json!("${steps.b.output}"),
            End::Completed(json!(2)),
        ),
        (
            "inbox",
            "sequential",
            json!([
                call("a", "later", json!(1)),
                { "id": "first", "type": "receive", "queue": "q" },
                call("b", "blocking", json!("${steps.first.output}")),
                { "id": "second", "type": "receive", "queue": "q" },
                { "id": "third", "type": "receive", "queue": "q" },
            ]),
            json!(["${steps.b.output}", "${steps.second.output}", "${steps.third.output}"]),
            End::Received(3),
        ),
        (
            "ask",
            "sequential",
            json!([
                { "id": "first", "type": "wait_for_event", "event": "go" },
                call("b", "later", json!("${steps.first.output}")),
                { "id": "second", "type": "wait_for_event", "event": "go" },
            ]),
            json!(["${steps.b.output}", "${steps.second.output}"]),
            End::Received(2),
        ),
    ]
}

/// Steps that are undone.
fn undone() -> Vec<Text> {
    let undo = |value: &str| {
        json!({ "compensate": { "plugin": "s", "method": "later", "parameters": { "value": value },
            "retry": { "max_attempts": 200, "delay": "50ms" } } })
    };
    vec![
        (
            "saga",
            "sequential",
            json!([
                with(call("a", "later", json!(1)), undo("A")),
                with(call("b", "blocking", json!(2)), undo("B")),
                { "id": "c", "plugin": "s", "method": "later", "parameters": { "good": 1000, "type": "sold.out" } },
            ]),
            Value::Null,
            End::Failed("sold.out", &["a", "b"]),
        ),
        (
            "contest",
            "parallel",
            json!([
                { "id": "who", "type": "race", "steps": [
                    { "id": "calls", "type": "group", "steps": [
                        with(call("r", "later", json!(1)), undo("R")), call("s", "later", json!(2))] },
                    { "id": "time", "type": "wait", "duration": "3s" },
                ] },
                with(call("after", "later", json!(4)), json!({ "dependencies": ["who"] })),
            ]),
            json!("${steps.after.output}"),
            End::Completed(json!(4)),
        ),
    ]
}

/// Steps that wait for those of other runs: ids that begin with `narrow` are in the pool of one place, those that begin with
/// `slow` are counted by one key.
fn limited() -> Vec<Text> {
    let narrow = |id: &str, method: &str, value: u64| {
        with(call(id, method, json!(value)), json!({ "pool": "narrow" }))
    };
    let slow = |step: Value| {
        with(step, json!({ "rate_limit": { "key": "slow", "per": SLOW_PER_MS, "count": SLOW_COUNT } }))
    };
    vec![
        (
            "narrow",
            "parallel",
            json!([
                with(narrow("narrow_a", "later", 1), json!({ "priority": 9 })), narrow("narrow_b", "blocking", 2),
                with(narrow("narrow_c", "inline", 3), json!({ "compensate": { "plugin": "s", "method": "later", "pool": "narrow" } })),
                { "id": "each", "type": "foreach", "items": "[1, 2, 3]", "max_concurrency": 0, "priority": 1,
                  "steps": [narrow("narrow_d", "later", 4)] },
                call("free", "later", json!(5)),
            ]),
            json!(
                "${steps.narrow_a.output + steps.narrow_b.output + steps.narrow_c.output + steps.free.output}"
            ),
            End::Completed(json!(11)),
        ),
        (
            "slow",
            "parallel",
            json!([
                slow(call("slow_a", "later", json!(1))),
                slow(call("slow_b", "inline", json!(2))),
                slow(narrow("narrow_slow", "later", 3)),
                with(slow(call("slow_c", "blocking", json!(4))), json!({ "priority": 9 })),
            ]),
            json!(
                "${steps.slow_a.output + steps.slow_b.output + steps.narrow_slow.output + steps.slow_c.output}"
            ),
            End::Completed(json!(10)),
        ),
    ]
}

/// Runs that start runs.
fn starting() -> Vec<Text> {
    vec![
        (
            "child",
            "sequential",
            json!([call("one", "later", json!("${input.n + 1}")), { "id": "rest", "type": "wait", "duration": "1s" }, call("two", "later", json!("${steps.one.output + 1}"))]),
            json!("${steps.two.output}"),
            End::Somehow,
        ),
        (
            "parent",
            "parallel",
            json!([
                { "id": "left", "type": "workflow", "workflow": "child", "input": { "n": 10 }, "retry": { "max_attempts": 200, "delay": "50ms" } },
                { "id": "right", "type": "workflow", "workflow": "child", "input": { "n": 20 }, "retry": { "max_attempts": 200, "delay": "50ms" } },
                call("both", "later", json!("${steps.left.output + steps.right.output}")),
            ]),
            json!("${steps.both.output}"),
            End::Completed(json!(34)),
        ),
    ]
}

/// All workflows. A call that fails by a fault of the simulation is made again until it succeeds.
pub(super) fn all() -> &'static [Workflow] {
    static ALL: OnceLock<Vec<Workflow>> = OnceLock::new();
    ALL.get_or_init(|| {
        let make = |(id, mode, steps, output, end): Text| {
            let mut document = json!({
                "id": id, "mode": mode, "steps": steps,
                "cleanup_timeout": "100h",
                "defaults": { "timeout": "20s", "retry": { "max_attempts": 200, "delay": "50ms" } },
                "finally": [call("last", "later", json!("done"))],
            });
            if !output.is_null() {
                document["output"] = output;
            }
            let text = document.to_string();
            Workflow {
                id: id.to_owned(),
                plan: plan(&text),
                document: Document::new(text),
                event: (id == "ask").then_some("go"),
                queue: (id == "inbox").then_some("q"),
                is_child: id == "child",
                end,
            }
        };
        let all = [calling(), waiting(), undone(), limited(), starting()];
        all.into_iter().flatten().map(make).collect()
    })
}

pub(super) fn plan(text: &str) -> SharedPlan {
    let parsed = model::parse(text.as_bytes(), Dialect::Json);
    let workflow = parsed.workflow.unwrap_or_else(|| panic!("{:?} in {text}", parsed.findings));
    assert!(parsed.findings.is_empty(), "{:?} in {text}", parsed.findings);
    let compiled = validate::compile(&workflow, &Source.catalog(), &validate::Options::default());
    compiled.plan.unwrap_or_else(|| panic!("{:?} in {text}", compiled.findings))
}

/// Workflows that steps start are known by their id, also after a restart.
pub(super) fn register(engine: &Engine) {
    for workflow in all().iter().filter(|workflow| workflow.is_child) {
        let registered = engine.register(&workflow.document.text, workflow.plan.clone());
        registered.expect("nothing else has its name");
    }
}

pub(super) fn find(id: &str) -> &'static Workflow {
    all().iter().find(|workflow| workflow.id == id).expect("there are no others")
}
