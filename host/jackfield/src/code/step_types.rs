//! The types of steps, and the fields that only some of them have. A field on a step of another type is a fault
//! that defining the workflow reports, as for a document from a file.

use super::{Body, Step, duration_value, push, set_in_object};
use crate::model::{LogLevel, Tolerance};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl Step {
    /// Calls `plugin.method`.
    pub fn call(id: &str, plugin: &str, method: &str) -> Self {
        Self::new(id).with("plugin", plugin).with("method", method)
    }

    /// A call: the range of versions of the plugin.
    pub fn plugin_version(self, range: &str) -> Self {
        self.with("plugin_version", range)
    }

    /// A call: one parameter; a template.
    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        set_in_object(&mut self.fields, "parameters", name, value.into());
        self
    }

    /// A call: all parameters at once; a template, which replaces what [`Step::param`] has set.
    pub fn params(self, parameters: impl Into<Value>) -> Self {
        self.with("parameters", parameters)
    }

    /// A body of its own.
    pub fn group(id: &str, body: impl Into<Body>) -> Self {
        Self::of_type(id, "group").with_body(body.into())
    }

    /// Bodies by conditions: add them with [`Step::case`] and [`Step::default_case`].
    pub fn switch(id: &str) -> Self {
        Self::of_type(id, "switch").with("cases", Value::Array(Vec::new()))
    }

    /// A switch: adds a case.
    pub fn case(mut self, name: &str, when: &str, body: impl Into<Body>) -> Self {
        let mut fields = Map::new();
        fields.insert("name".into(), name.into());
        fields.insert("when".into(), when.into());
        fields.extend(body.into().into_fields());
        push(&mut self.fields, "cases", Value::Object(fields));
        self
    }

    /// A switch: what runs if no case holds.
    pub fn default_case(self, body: impl Into<Body>) -> Self {
        self.with("default", Value::Object(body.into().into_fields()))
    }

    /// A switch: every case that holds runs, not only the first.
    pub fn match_all(self) -> Self {
        self.with("match", "all")
    }

    /// A body for every item. `items` is an expression (a string) or an array, whose strings are templates.
    pub fn foreach(id: &str, items: impl Into<Value>, body: impl Into<Body>) -> Self {
        Self::of_type(id, "foreach").with("items", items).with_body(body.into())
    }

    /// A foreach: the names of the item and of its index in the body.
    pub fn bind(self, item: &str, index: &str) -> Self {
        self.with("as", item).with("index_as", index)
    }

    /// A foreach: items at a time. A group: attempts of calls in it at a time. 0 is the limit of the host.
    pub fn max_concurrency(self, limit: u32) -> Self {
        self.with("max_concurrency", limit)
    }

    /// A foreach: so many items at once, as an array.
    pub fn batch_size(self, size: u32) -> Self {
        self.with("batch_size", size)
    }

    /// A foreach: failures of items that do not fail the step.
    pub fn tolerated_failures(self, tolerance: Tolerance) -> Self {
        match tolerance {
            Tolerance::Count(count) => self.with("tolerated_failures", count),
            Tolerance::Percent(share) => self.with("tolerated_failures", format!("{share}%")),
        }
    }

    /// A body again and again; say until when by [`Step::until`] or [`Step::while_true`].
    pub fn repeat(id: &str, body: impl Into<Body>) -> Self {
        Self::of_type(id, "repeat").with_body(body.into())
    }

    /// A repeat: go on until this holds.
    pub fn until(self, condition: &str) -> Self {
        self.with("until", condition)
    }

    /// A repeat: go on while this holds. A foreach: start no more items once this does not hold.
    pub fn while_true(self, condition: &str) -> Self {
        self.with("while", condition)
    }

    /// A repeat: more iterations than this fail the step.
    pub fn max_iterations(self, limit: u32) -> Self {
        self.with("max_iterations", limit)
    }

    /// A repeat: time between two iterations.
    pub fn delay(self, delay: Duration) -> Self {
        self.with("delay", duration_value(delay))
    }

    /// The first of `contestants` to complete wins, the others are cancelled.
    pub fn race(id: &str, contestants: impl IntoIterator<Item = Self>) -> Self {
        let steps: Vec<Value> = contestants.into_iter().map(Value::from).collect();
        Self::of_type(id, "race").with("steps", steps)
    }

    /// A race: so many winners.
    pub fn winners(self, winners: u32) -> Self {
        self.with("winners", winners)
    }

    /// Waits so long.
    pub fn wait(id: &str, duration: Duration) -> Self {
        Self::of_type(id, "wait").with("duration", duration_value(duration))
    }

    /// Waits until a point in time in RFC 3339; a template.
    pub fn wait_until(id: &str, time: &str) -> Self {
        Self::of_type(id, "wait").with("until", time)
    }

    /// Writes variables: add them with [`Step::variable`].
    pub fn set(id: &str) -> Self {
        Self::of_type(id, "set").with("variables", Value::Object(Map::new()))
    }

    /// A set: one variable; a template.
    pub fn variable(mut self, name: &str, value: impl Into<Value>) -> Self {
        set_in_object(&mut self.fields, "variables", name, value.into());
        self
    }

    /// Writes a line into the log of the run; a template.
    pub fn log(id: &str, message: &str) -> Self {
        Self::of_type(id, "log").with("message", message)
    }

    /// A log: how important the line is; info if this is not called.
    pub fn level(self, level: LogLevel) -> Self {
        let word = match level {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        self.with("level", word)
    }

    /// Waits for an event that is sent to the run.
    pub fn wait_for_event(id: &str, event: &str) -> Self {
        Self::of_type(id, "wait_for_event").with("event", event)
    }

    /// A wait for an event: takes only one for which this holds; an expression over `event.data`.
    pub fn filter(self, condition: &str) -> Self {
        self.with("filter", condition)
    }

    /// Takes a message from a queue of the run.
    pub fn receive(id: &str, queue: &str) -> Self {
        Self::of_type(id, "receive").with("queue", queue)
    }

    /// A receive: so many at most; above 1 the output is an array of what is there, at least one.
    pub fn max_messages(self, limit: u32) -> Self {
        self.with("max_messages", limit)
    }

    /// Sends an event, to every open run that waits for it unless [`Step::to`] names one.
    pub fn emit_event(id: &str, event: &str) -> Self {
        Self::of_type(id, "emit").with("event", event)
    }

    /// Puts a message into a queue, of every open run that receives from it unless [`Step::to`] names one.
    pub fn emit_message(id: &str, queue: &str) -> Self {
        Self::of_type(id, "emit").with("queue", queue)
    }

    /// An emit: the id of the run that it goes to; a template.
    pub fn to(self, run_id: &str) -> Self {
        self.with("to", run_id)
    }

    /// Runs the newest registered version of another workflow.
    pub fn workflow(id: &str, workflow: &str) -> Self {
        Self::of_type(id, "workflow").with("workflow", workflow)
    }

    /// A workflow, or one that goes on as new: the range of its versions.
    pub fn workflow_version(self, range: &str) -> Self {
        self.with("version", range)
    }

    /// A workflow: the id of the run; a template.
    pub fn run_id(self, run_id: &str) -> Self {
        self.with("run_id", run_id)
    }

    /// A workflow: its input; a template.
    pub fn input(self, input: impl Into<Value>) -> Self {
        self.with("input", input)
    }

    /// A workflow: the step completes as soon as the run has started.
    pub fn detached(self) -> Self {
        self.with("detached", true)
    }

    /// A workflow: the run goes on when the one that started it ends first.
    pub fn abandon_on_close(self) -> Self {
        self.with("on_parent_close", "abandon")
    }

    /// A workflow: the run is cancelled when the one that started it ends first.
    pub fn cancel_on_close(self) -> Self {
        self.with("on_parent_close", "cancel")
    }

    /// Goes on as the next generation of the run with this input; a template.
    pub fn continue_as_new(id: &str, input: impl Into<Value>) -> Self {
        Self::of_type(id, "continue_as_new").with("input", input)
    }

    /// A log: fields of the line. An emit: what is sent. A template.
    pub fn data(self, data: impl Into<Value>) -> Self {
        self.with("data", data)
    }

    /// Fails with this dotted type and message; both are templates.
    pub fn fail(id: &str, kind: &str, message: &str) -> Self {
        Self::of_type(id, "fail").with("error", json!({ "type": kind, "message": message }))
    }

    /// A fail: details of the error; a template.
    pub fn details(mut self, details: impl Into<Value>) -> Self {
        set_in_object(&mut self.fields, "error", "details", details.into());
        self
    }

    /// Ends the run as completed with this output; a template.
    pub fn return_value(id: &str, value: impl Into<Value>) -> Self {
        Self::of_type(id, "return").with("value", value)
    }

    fn with_body(mut self, body: Body) -> Self {
        self.fields.extend(body.into_fields());
        self
    }
}
