//! From model to text: every field that the document had, in canonical order and layout.

use super::fields::DOCUMENT;
use super::layout::{Node, arrange, print, quoted};
use super::parse::TRIGGER_RULES;
use super::{
    Action, At, Backoff, Body, CallFields, Catch, Channel, Compensate, Defaults, Delivery, Foreach,
    Isolation, Items, Json, LogLevel, Mode, OnParentClose, RateLimit, Repeat, Retry, RetryField, Rollback,
    Step, Tolerance, TriggerRule, Wait, Workflow, duration,
};
use indexmap::IndexMap;
use std::borrow::Cow;
use std::time::Duration;

/// The document that `workflow` stands for, as canonical text. Fields that were absent stay absent; an empty list or
/// map counts as absent. Durations and ranges are written in their shortest form.
#[must_use]
pub fn to_json(workflow: &Workflow) -> String {
    let mut object = Members::default();
    object.text("$schema", workflow.schema.as_deref());
    object.text("dsl", workflow.dsl.as_deref());
    object.put("id", Node::text(&workflow.id.value));
    object.put_some("version", workflow.version.as_ref().map(|version| Node::text(&version.to_string())));
    object.text("name", workflow.name.as_deref());
    object.text("description", workflow.description.as_deref());
    object.json("metadata", workflow.metadata.as_ref());
    object.extra(&workflow.extra);
    object.body(&workflow.body);
    object.map("requires", &workflow.requires, |range| Node::text(&range.value.to_string()));
    object.json("input_schema", workflow.input_schema.as_ref());
    object.map("variables", &workflow.variables, json);
    object.put_some("defaults", defaults(&workflow.defaults));
    object.map("retry_policies", &workflow.retry_policies, retry);
    object.json("output", workflow.output.as_ref());
    object.duration("timeout", workflow.timeout);
    let rollback = workflow.rollback.map(|rollback| match rollback {
        Rollback::OnFailure => "on_failure",
        Rollback::Never => "never",
    });
    object.text("rollback", rollback);
    object.steps("on_failure", &workflow.on_failure);
    object.steps("finally", &workflow.finally);
    object.duration("cleanup_timeout", workflow.cleanup_timeout);
    object.json("schedule", workflow.schedule.as_ref().map(|schedule| &schedule.json));
    object.json("concurrency", workflow.concurrency.as_ref().map(|concurrency| &concurrency.json));
    object.number("priority", workflow.priority.as_ref().map(|priority| priority.value));
    let mut document = object.done();
    arrange(&mut document, &DOCUMENT);
    print(&document)
}

/// The members of an object that is being written.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

impl<'a> Members<'a> {
    fn done(self) -> Node<'a> {
        Node::Object(self.0)
    }

    fn put(&mut self, key: &str, value: Node<'a>) {
        self.0.push((Cow::Owned(quoted(key)), value));
    }

    fn put_some(&mut self, key: &str, value: Option<Node<'a>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        self.put_some(key, value.map(Node::text));
    }

    fn text_at(&mut self, key: &str, value: Option<&At<Box<str>>>) {
        self.text(key, value.map(|text| &*text.value));
    }

    fn number(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        self.put_some(key, value.map(Node::plain));
    }

    fn duration(&mut self, key: &str, value: Option<Duration>) {
        self.put_some(key, value.map(|it| Node::text(&duration::display(it))));
    }

    fn json(&mut self, key: &str, value: Option<&'a Json>) {
        self.put_some(key, value.map(json));
    }

    fn map<T>(&mut self, key: &str, map: &'a IndexMap<Box<str>, T>, node: impl Fn(&'a T) -> Node<'a>) {
        if !map.is_empty() {
            let members = map.iter().map(|(key, value)| (Cow::Owned(quoted(key)), node(value)));
            self.put(key, Node::Object(members.collect()));
        }
    }

    fn extra(&mut self, extra: &'a [(Box<str>, Json)]) {
        for (key, value) in extra {
            self.put(key, json(value));
        }
    }

    fn patterns(&mut self, patterns: Option<&[Box<str>]>) {
        self.put_some(
            "errors",
            patterns.map(|all| Node::Array(all.iter().map(|it| Node::text(it)).collect())),
        );
    }

    fn steps(&mut self, key: &str, steps: &'a [Step]) {
        if !steps.is_empty() {
            self.put(key, Node::Array(steps.iter().map(step).collect()));
        }
    }

    fn body(&mut self, body: &'a Body) {
        let mode = body.mode.as_ref().map(|mode| match mode.value {
            Mode::Sequential => "sequential",
            Mode::Parallel => "parallel",
            Mode::Conditional => "conditional",
            Mode::Pipeline => "pipeline",
        });
        self.text("mode", mode);
        self.number("max_concurrency", body.max_concurrency.as_ref().map(|limit| limit.value));
        self.steps("steps", &body.steps);
    }

    fn retry(&mut self, field: Option<&'a RetryField>) {
        match field {
            None => {}
            Some(RetryField::MaxRetries(count)) => self.put("max_retries", Node::plain(count)),
            Some(RetryField::Named(name)) => self.put("retry", Node::text(&name.value)),
            Some(RetryField::Policy(policy)) => self.put("retry", retry(policy)),
        }
    }

    fn timeout(&mut self, timeout: Option<Option<Duration>>) {
        self.put_some(
            "timeout",
            timeout.map(|it| match it {
                None => Node::plain(0),
                Some(it) => Node::text(&duration::display(it)),
            }),
        );
    }

    fn call(&mut self, call: &'a CallFields) {
        self.put("plugin", Node::text(&call.plugin.value));
        self.put("method", Node::text(&call.method.value));
        self.put_some(
            "plugin_version",
            call.plugin_version.as_ref().map(|it| Node::text(&it.value.to_string())),
        );
        self.json("parameters", call.parameters.as_ref());
        self.json("session", call.session.as_ref());
        self.text_at("pool", call.pool.as_ref());
        let isolation = call.isolation.as_ref().map(|isolation| match isolation.value {
            Isolation::InProcess => "in_process",
            Isolation::Worker => "worker",
        });
        self.text("isolation", isolation);
        self.number("detached", call.detached.as_ref().map(|detached| detached.value));
        let delivery = call.delivery.as_ref().map(|delivery| match delivery.value {
            Delivery::AtLeastOnce => "at_least_once",
            Delivery::AtMostOnce => "at_most_once",
        });
        self.text("delivery", delivery);
        self.duration("heartbeat_timeout", call.heartbeat_timeout.as_ref().map(|it| it.value));
        for (name, value) in &call.streaming {
            self.put(&name.value, json(value));
        }
    }
}

/// The JSON of a template; what was read once can be read again.
fn json(json: &Json) -> Node<'_> {
    Node::parse(&json.text).unwrap_or(Node::Scalar(Cow::Borrowed(&json.text)))
}

fn defaults(defaults: &Defaults) -> Option<Node<'_>> {
    let mut object = Members::default();
    object.duration("timeout", defaults.timeout);
    object.retry(defaults.retry.as_ref());
    object.number("critical", defaults.critical);
    object.json("session", defaults.session.as_ref());
    object.text_at("pool", defaults.pool.as_ref());
    Some(object.done()).filter(|_| *defaults != Defaults::default())
}

fn retry(retry: &Retry) -> Node<'_> {
    let mut object = Members::default();
    object.number("max_attempts", retry.max_attempts);
    object.duration("delay", retry.delay);
    let backoff = retry.backoff.map(|backoff| match backoff {
        Backoff::None => "none",
        Backoff::Fixed => "fixed",
        Backoff::Linear => "linear",
        Backoff::Exponential => "exponential",
    });
    object.text("backoff", backoff);
    object.number("multiplier", retry.multiplier);
    object.duration("max_delay", retry.max_delay);
    object.number("jitter", retry.jitter);
    object.duration("total_timeout", retry.total_timeout);
    object.patterns(retry.errors.as_deref());
    object.text_at("when", retry.when.as_ref());
    object.done()
}

fn step(step: &Step) -> Node<'_> {
    let mut object = Members::default();
    object.put("id", Node::text(&step.id.value));
    object.text("name", step.name.as_deref());
    object.text("description", step.description.as_deref());
    object.json("metadata", step.metadata.as_ref());
    object.extra(&step.extra);
    if !step.dependencies.is_empty() {
        let ids = step.dependencies.iter().map(|id| Node::text(&id.value));
        object.put("dependencies", Node::Array(ids.collect()));
    }
    object.put_some("trigger_rule", step.trigger_rule.as_ref().map(|rule| trigger(rule.value)));
    object.text_at("when", step.when.as_ref());
    object.timeout(step.timeout);
    object.retry(step.retry.as_ref());
    object.number("critical", step.critical);
    if !step.catch.is_empty() {
        object.put("catch", Node::Array(step.catch.iter().map(catch).collect()));
    }
    object.put_some("compensate", step.compensate.as_deref().map(compensate));
    object.json("output", step.output.as_ref());
    object.json("status", step.status.as_ref());
    object.number("priority", step.priority.as_ref().map(|priority| priority.value));
    object.put_some("rate_limit", step.rate_limit.as_ref().map(rate_limit));
    action(&mut object, &step.action);
    object.done()
}

fn trigger(rule: TriggerRule) -> Node<'static> {
    if let TriggerRule::Completed(count) = rule {
        return Node::Object(vec![(Cow::Borrowed("\"completed\""), Node::plain(count))]);
    }
    let word = TRIGGER_RULES.iter().find(|(_, known)| *known == rule);
    Node::text(word.map_or("none_failed", |(word, _)| *word))
}

fn catch(catch: &Catch) -> Node<'_> {
    let mut object = Members::default();
    object.patterns(catch.errors.as_deref());
    object.text_at("when", catch.when.as_ref());
    object.text_at("as", catch.bind.as_ref());
    object.steps("steps", &catch.steps);
    object.json("output", catch.output.as_ref());
    object.done()
}

fn compensate(compensate: &Compensate) -> Node<'_> {
    let mut object = Members::default();
    object.call(&compensate.call);
    object.timeout(compensate.timeout);
    object.retry(compensate.retry.as_ref());
    object.done()
}

fn rate_limit(limit: &At<RateLimit>) -> Node<'_> {
    let mut object = Members::default();
    object.json("key", Some(&limit.value.key));
    object.duration("per", Some(limit.value.per));
    object.number("count", Some(limit.value.count));
    object.done()
}

fn action<'a>(object: &mut Members<'a>, action: &'a Action) {
    match action {
        Action::Call(call) => object.call(call),
        Action::Group(body) => {
            object.text("type", Some("group"));
            object.body(body);
        }
        Action::Switch { cases, default, match_all } => {
            object.text("type", Some("switch"));
            object.text("match", match_all.map(|all| if all { "all" } else { "first" }));
            let cases = cases.iter().map(|case| {
                let mut object = Members::default();
                object.text("name", Some(&case.name.value));
                object.text("when", Some(&case.when.value));
                object.body(&case.body);
                object.done()
            });
            object.put("cases", Node::Array(cases.collect()));
            object.put_some(
                "default",
                default.as_ref().map(|body| {
                    let mut object = Members::default();
                    object.body(body);
                    object.done()
                }),
            );
        }
        Action::Foreach(it) => foreach(object, it),
        Action::Repeat(it) => repeat(object, it),
        Action::Race { steps, winners } => {
            object.text("type", Some("race"));
            object.number("winners", winners.as_ref().map(|winners| winners.value));
            object.steps("steps", steps);
        }
        _ => small_action(object, action),
    }
}

fn foreach<'a>(object: &mut Members<'a>, foreach: &'a Foreach) {
    object.text("type", Some("foreach"));
    object.put(
        "items",
        match &foreach.items {
            Items::Expression(text) => Node::text(&text.value),
            Items::Literal(array) => json(array),
        },
    );
    object.text_at("as", foreach.bind.as_ref());
    object.text_at("index_as", foreach.index_bind.as_ref());
    object.number("batch_size", foreach.batch_size.as_ref().map(|size| size.value));
    object.put_some(
        "tolerated_failures",
        foreach.tolerated.map(|tolerated| match tolerated {
            Tolerance::Count(count) => Node::plain(count),
            Tolerance::Percent(percent) => Node::text(&format!("{percent}%")),
        }),
    );
    object.text_at("while", foreach.while_.as_ref());
    object.body(&foreach.body);
}

fn repeat<'a>(object: &mut Members<'a>, repeat: &'a Repeat) {
    object.text("type", Some("repeat"));
    object.text_at("while", repeat.while_.as_ref());
    object.text_at("until", repeat.until.as_ref());
    object.number("max_iterations", repeat.max_iterations);
    object.duration("delay", repeat.delay);
    object.body(&repeat.body);
}

/// Steps that hold no steps and call nothing.
fn small_action<'a>(object: &mut Members<'a>, action: &'a Action) {
    match action {
        Action::Set { variables } => {
            object.text("type", Some("set"));
            let members = variables.iter().map(|(key, value)| (Cow::Owned(quoted(key)), json(value)));
            object.put("variables", Node::Object(members.collect()));
        }
        Action::Log { message, level, data } => {
            object.text("type", Some("log"));
            object.json("message", Some(message));
            object.text("level", level.map(level_name));
            object.json("data", data.as_ref());
        }
        Action::Wait(wait) => {
            object.text("type", Some("wait"));
            match wait {
                Wait::Duration(value) => object.json("duration", Some(value)),
                Wait::Until(value) => object.json("until", Some(value)),
            }
        }
        Action::Fail { kind, message, details, .. } => {
            object.text("type", Some("fail"));
            let mut error = Members::default();
            error.json("type", kind.as_ref());
            error.json("message", message.as_ref());
            error.json("details", details.as_ref());
            object.put("error", error.done());
        }
        Action::Return { value } => {
            object.text("type", Some("return"));
            object.json("value", value.as_ref());
        }
        _ => outward_action(object, action),
    }
}

/// Steps that have to do with other runs.
fn outward_action<'a>(object: &mut Members<'a>, action: &'a Action) {
    match action {
        Action::WaitForEvent { event, filter } => {
            object.text("type", Some("wait_for_event"));
            object.text("event", Some(&event.value));
            object.text_at("filter", filter.as_ref());
        }
        Action::Receive { queue, max_messages } => {
            object.text("type", Some("receive"));
            object.text("queue", Some(&queue.value));
            object.number("max_messages", max_messages.as_ref().map(|count| count.value));
        }
        Action::Emit(emit) => {
            object.text("type", Some("emit"));
            let channel = match emit.channel {
                Channel::Event => "event",
                Channel::Queue => "queue",
            };
            object.text(channel, Some(&emit.name.value));
            object.json("to", emit.to.as_ref());
            object.json("data", emit.data.as_ref());
        }
        Action::Workflow(child) => {
            object.text("type", Some("workflow"));
            object.text("workflow", Some(&child.workflow.value));
            let version = child.version.as_ref().map(|range| range.value.to_string());
            object.text("version", version.as_deref());
            object.json("run_id", child.run_id.as_ref());
            object.json("input", child.input.as_ref());
            object.number("detached", child.detached.as_ref().map(|detached| detached.value));
            let close = child.on_parent_close.map(|close| match close {
                OnParentClose::Cancel => "cancel",
                OnParentClose::Abandon => "abandon",
            });
            object.text("on_parent_close", close);
        }
        Action::ContinueAsNew { input, version } => {
            object.text("type", Some("continue_as_new"));
            object.json("input", input.as_ref());
            let version = version.as_ref().map(|range| range.value.to_string());
            object.text("version", version.as_deref());
        }
        _ => {}
    }
}

fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
