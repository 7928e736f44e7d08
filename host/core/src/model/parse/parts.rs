//! What has been read of a step before its type is known, and how a step is made of it.

use super::object::{list, templates, tolerance};
use super::reader::{Reader, Stop};
use super::step::{body, items};
use crate::diagnostic::Code;
use crate::model::fields::TYPES;
use crate::model::fields::{CASE, CASE_DEFAULT, FAILURE, Field, STAGE_FIELDS};
use crate::model::{
    Action, At, Body, CallFields, Case, Catch, Channel, ChildRun, Compensate, Emit, Foreach, Items, Json,
    LogLevel, OnParentClose, RateLimit, Repeat, RetryField, Step, Tolerance, TriggerRule, Wait, duration,
};
use indexmap::IndexMap;
use semver::VersionReq;
use smallvec::SmallVec;
use std::time::Duration;

/// Where a member of a step stands.
pub(super) struct Member {
    /// Position of the field in the union of all types' fields.
    pub(super) place: usize,
    pub(super) key_at: u32,
    pub(super) value_at: u32,
    pub(super) end: u32,
}

/// The members of a step as read so far.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) members: SmallVec<[Member; 8]>,
    pub(super) unknown: Vec<(String, u32)>,
    pub(super) extra: Vec<(Box<str>, Json)>,
    pub(super) id: Option<At<Box<str>>>,
    /// Position among the types.
    pub(super) kind: Option<At<usize>>,
    pub(super) kind_is_faulty: bool,
    pub(super) name: Option<Box<str>>,
    pub(super) description: Option<Box<str>>,
    pub(super) metadata: Option<Json>,
    pub(super) dependencies: Vec<At<Box<str>>>,
    pub(super) trigger_rule: Option<At<TriggerRule>>,
    pub(super) when: Option<At<Box<str>>>,
    pub(super) timeout: Option<Option<Duration>>,
    pub(super) retry: Option<RetryField>,
    pub(super) critical: Option<bool>,
    pub(super) catch: Vec<Catch>,
    pub(super) compensate: Option<Box<Compensate>>,
    pub(super) output: Option<Json>,
    pub(super) status: Option<Json>,
    pub(super) priority: Option<At<u8>>,
    pub(super) rate_limit: Option<At<RateLimit>>,
    pub(super) call: CallFields,
    pub(super) body: Body,
    cases: Vec<Case>,
    default: Option<Body>,
    match_all: Option<bool>,
    items: Option<Items>,
    bind: Option<At<Box<str>>>,
    index_bind: Option<At<Box<str>>>,
    batch_size: Option<At<u32>>,
    tolerated: Option<Tolerance>,
    while_: Option<At<Box<str>>>,
    /// As it stands: a condition of `repeat`, a template of `wait`.
    until: Option<Json>,
    until_condition: Option<At<Box<str>>>,
    duration: Option<Json>,
    max_iterations: Option<u32>,
    delay: Option<Duration>,
    winners: Option<At<u32>>,
    variables: IndexMap<Box<str>, Json>,
    message: Option<Json>,
    level: Option<LogLevel>,
    data: Option<Json>,
    failure: Failure,
    value: Option<Json>,
    event: Option<At<Box<str>>>,
    filter: Option<At<Box<str>>>,
    queue: Option<At<Box<str>>>,
    max_messages: Option<At<u32>>,
    to: Option<Json>,
    workflow: Option<At<Box<str>>>,
    version: Option<At<VersionReq>>,
    run_id: Option<Json>,
    input: Option<Json>,
    on_parent_close: Option<OnParentClose>,
}

#[derive(Default)]
struct Failure {
    at: u32,
    kind: Option<Json>,
    message: Option<Json>,
    details: Option<Json>,
}

const LEVELS: [LogLevel; 5] =
    [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

/// Reads one field that only structured steps and the small types have.
pub(super) fn typed_member(
    reader: &mut Reader<'_>,
    parts: &mut Parts,
    field: &'static Field,
) -> Result<(), Stop> {
    match field.name {
        "match" => parts.match_all = reader.word(field)?.map(|word| word.value == 1),
        "cases" => parts.cases = cases(reader, field)?,
        "default" => parts.default = body(reader, &CASE_DEFAULT, |_, _| Ok(()))?.map(|(_, body)| body),
        "items" => parts.items = items(reader)?,
        "as" => parts.bind = reader.id(field.name)?,
        "index_as" => parts.index_bind = reader.id(field.name)?,
        "batch_size" => parts.batch_size = reader.count(field)?,
        "tolerated_failures" => parts.tolerated = tolerance(reader)?,
        "while" => parts.while_ = reader.name(field.name)?,
        "until" => parts.until = Some(reader.json()?),
        "duration" => parts.duration = Some(reader.json()?),
        "max_iterations" => parts.max_iterations = reader.count(field)?.map(|it| it.value),
        "delay" => parts.delay = reader.duration(field)?.map(|it| it.value),
        "winners" => parts.winners = reader.count(field)?,
        "variables" => parts.variables = templates(reader, field)?.unwrap_or_default(),
        "message" => parts.message = Some(reader.json()?),
        "level" => parts.level = reader.word(field)?.and_then(|word| LEVELS.get(word.value).copied()),
        "data" => parts.data = Some(reader.json()?),
        "error" => parts.failure = failure(reader)?,
        "value" => parts.value = Some(reader.json()?),
        _ => outward_member(reader, parts, field)?,
    }
    Ok(())
}

/// Reads one field of the types that have to do with other runs.
fn outward_member(reader: &mut Reader<'_>, parts: &mut Parts, field: &'static Field) -> Result<(), Stop> {
    match field.name {
        "event" => parts.event = reader.name(field.name)?,
        "filter" => parts.filter = reader.name(field.name)?,
        "queue" => parts.queue = reader.name(field.name)?,
        "max_messages" => parts.max_messages = reader.count(field)?,
        "to" => parts.to = Some(reader.json()?),
        "workflow" => parts.workflow = reader.id(field.name)?,
        "version" => parts.version = reader.range(field.name)?,
        "run_id" => parts.run_id = Some(reader.json()?),
        "input" => parts.input = Some(reader.json()?),
        "on_parent_close" => {
            let closes = [OnParentClose::Cancel, OnParentClose::Abandon];
            parts.on_parent_close = reader.word(field)?.and_then(|word| closes.get(word.value).copied());
        }
        _ => super::object::check(reader, field)?,
    }
    Ok(())
}

fn cases(reader: &mut Reader<'_>, field: &Field) -> Result<Vec<Case>, Stop> {
    let cases = list(reader, field.name, 1, |reader| {
        let mut name = None;
        let mut when = None;
        let read = body(reader, &CASE, |reader, field| {
            match field.name {
                "name" => name = reader.name(field.name)?,
                _ => when = reader.name(field.name)?,
            }
            Ok(())
        })?;
        Ok(read.map(|(at, body)| {
            let name = name.unwrap_or(At { value: Box::default(), at });
            Case { name, when: when.unwrap_or(At { value: "true".into(), at }), body }
        }))
    })?
    .unwrap_or_default();
    let mut names = std::collections::HashSet::new();
    for case in &cases {
        if !case.name.value.is_empty() && !names.insert(&*case.name.value) {
            let message = format!("two cases have the name `{}`", case.name.value);
            reader.report(
                Code::DuplicateId,
                case.name.at,
                message,
                "Names of cases are unique in their switch.",
            );
        }
    }
    Ok(cases)
}

fn failure(reader: &mut Reader<'_>) -> Result<Failure, Stop> {
    let mut failure = Failure::default();
    let read = super::object::object(reader, &FAILURE, |reader, field, _| {
        let value = Some(reader.json()?);
        match field.name {
            "type" => failure.kind = value,
            "message" => failure.message = value,
            _ => failure.details = value,
        }
        Ok(())
    })?;
    failure.at = read.map_or(0, |object| object.at);
    Ok(failure)
}

impl Parts {
    /// Makes of `until` what the type says it is.
    pub(super) fn settle_until(&mut self, reader: &mut Reader<'_>, kind: &str) {
        for (name, written) in [("until", &self.until), ("duration", &self.duration)] {
            if kind == "wait" {
                if let Some(written) = written {
                    check_wait(reader, name, written);
                }
            } else if let Some(written) = written.as_ref().filter(|_| name == "until") {
                let text = serde_json::from_str::<Box<str>>(&written.text).ok();
                match text {
                    Some(value) if !value.is_empty() => {
                        self.until_condition = Some(At { value, at: written.at })
                    }
                    Some(_) => reader.report(Code::BadValue, written.at, "`until` is empty", ""),
                    None => reader.report(Code::WrongType, written.at, "`until` must be a string", ""),
                }
            }
        }
    }

    /// The step that the parts make; `name_of` answers the name of a field by its place.
    pub(super) fn into_step(
        mut self: Box<Self>,
        reader: &Reader<'_>,
        at: u32,
        name_of: impl Fn(usize) -> &'static str,
    ) -> Step {
        let action = self.action(reader, at, name_of);
        let parts = *self;
        Step {
            at,
            id: parts.id.unwrap_or(At { value: Box::default(), at }),
            name: parts.name,
            description: parts.description,
            metadata: parts.metadata,
            extra: parts.extra,
            dependencies: parts.dependencies,
            trigger_rule: parts.trigger_rule,
            when: parts.when,
            timeout: parts.timeout,
            retry: parts.retry,
            critical: parts.critical,
            catch: parts.catch,
            compensate: parts.compensate,
            output: parts.output,
            status: parts.status,
            priority: parts.priority,
            rate_limit: parts.rate_limit,
            action,
        }
    }

    fn action(&mut self, reader: &Reader<'_>, at: u32, name_of: impl Fn(usize) -> &'static str) -> Action {
        let kind =
            self.kind.as_ref().map_or(At { value: 0, at }, |kind| At { value: kind.value, at: kind.at });
        let body = std::mem::take(&mut self.body);
        match TYPES[kind.value].name {
            "call" => {
                let mut call = Box::new(std::mem::take(&mut self.call));
                call.place_at(at);
                call.streaming = self.raw_members(reader, |name| STAGE_FIELDS.contains(&name), name_of);
                Action::Call(call)
            }
            "group" => Action::Group(body),
            "switch" => Action::Switch {
                cases: std::mem::take(&mut self.cases),
                default: self.default.take(),
                match_all: self.match_all,
            },
            "foreach" => Action::Foreach(Box::new(Foreach {
                items: self.items.take().unwrap_or(Items::Literal(Json { text: "[]".into(), at })),
                bind: self.bind.take(),
                index_bind: self.index_bind.take(),
                batch_size: self.batch_size.take(),
                tolerated: self.tolerated,
                while_: self.while_.take(),
                body,
            })),
            "repeat" => Action::Repeat(Box::new(Repeat {
                while_: self.while_.take(),
                until: self.until_condition.take(),
                max_iterations: self.max_iterations,
                delay: self.delay,
                body,
            })),
            "race" => Action::Race { steps: body.steps, winners: self.winners.take() },
            _ => self.small_action(TYPES[kind.value].name, at),
        }
    }

    /// The action of a step that holds no steps and calls nothing.
    fn small_action(&mut self, kind: &str, at: u32) -> Action {
        match kind {
            "set" => Action::Set { variables: std::mem::take(&mut self.variables) },
            "log" => {
                let message = self.message.take().unwrap_or(Json { text: "\"\"".into(), at });
                Action::Log { message, level: self.level, data: self.data.take() }
            }
            "fail" => {
                let Failure { at, kind, message, details } = std::mem::take(&mut self.failure);
                Action::Fail { kind, message, details, at }
            }
            "return" => Action::Return { value: self.value.take() },
            "wait" => {
                let none = || Json { text: "0".into(), at };
                Action::Wait(match (self.duration.take(), self.until.take()) {
                    (None, Some(until)) => Wait::Until(until),
                    (duration, _) => Wait::Duration(duration.unwrap_or_else(none)),
                })
            }
            _ => self.outward_action(kind, at),
        }
    }

    /// The action of a step that has to do with other runs. A name that is missing has been reported.
    fn outward_action(&mut self, kind: &str, at: u32) -> Action {
        let or_nothing = |name: Option<At<Box<str>>>| name.unwrap_or(At { value: Box::default(), at });
        match kind {
            "wait_for_event" => {
                Action::WaitForEvent { event: or_nothing(self.event.take()), filter: self.filter.take() }
            }
            "receive" => Action::Receive {
                queue: or_nothing(self.queue.take()),
                max_messages: self.max_messages.take(),
            },
            "emit" => {
                let (channel, name) = match self.queue.take() {
                    Some(queue) => (Channel::Queue, queue),
                    None => (Channel::Event, or_nothing(self.event.take())),
                };
                Action::Emit(Box::new(Emit { channel, name, to: self.to.take(), data: self.data.take() }))
            }
            "workflow" => Action::Workflow(Box::new(ChildRun {
                workflow: or_nothing(self.workflow.take()),
                version: self.version.take(),
                run_id: self.run_id.take(),
                input: self.input.take(),
                detached: self.call.detached.take(),
                on_parent_close: self.on_parent_close,
            })),
            _ => Action::ContinueAsNew { input: self.input.take(), version: self.version.take() },
        }
    }

    /// The members that `wanted` picks, as they stand.
    fn raw_members(
        &self,
        reader: &Reader<'_>,
        wanted: impl Fn(&str) -> bool,
        name_of: impl Fn(usize) -> &'static str,
    ) -> Vec<(At<Box<str>>, Json)> {
        let named = self.members.iter().map(|member| (name_of(member.place), member));
        let picked = named.filter(|(name, _)| wanted(name));
        picked
            .map(|(name, member)| {
                let text = reader.text()[member.value_at as usize..member.end as usize].into();
                (At { value: name.into(), at: member.key_at }, Json { text, at: member.value_at })
            })
            .collect()
    }
}

/// A literal `duration` or `until` of a wait is checked here; a template is when its value is known.
fn check_wait(reader: &mut Reader<'_>, name: &str, written: &Json) {
    let value = serde_json::from_str::<serde_json::Value>(&written.text);
    let Ok(value) = value else { return };
    let problem = match (&value, name) {
        (serde_json::Value::String(text), _) if text.contains("${") => return,
        (serde_json::Value::String(text), "duration") => duration::parse(text).err(),
        (serde_json::Value::String(text), _) => chrono::DateTime::parse_from_rfc3339(text)
            .err()
            .map(|error| format!("is no RFC 3339 time: {error}")),
        (serde_json::Value::Number(_), "duration") => duration::of_json(&value).err(),
        _ => {
            reader.report(Code::WrongType, written.at, format!("`{name}` has the wrong type"), "Write text.");
            return;
        }
    };
    let code = if name == "duration" { Code::BadDuration } else { Code::BadValue };
    if let Some(problem) = problem {
        reader.report(code, written.at, format!("`{name}`: {} {problem}", written.text), "");
    }
}
