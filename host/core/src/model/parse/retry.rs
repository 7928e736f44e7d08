//! Reads retry policies and the fields that name them.

use super::object::{map, object, patterns};
use super::reader::{Read, Reader};
use crate::diagnostic::Code;
use crate::model::fields::{Field, RETRY};
use crate::model::{At, Backoff, Retry, RetryField};
use indexmap::IndexMap;
use jiter::Peek;

const BACKOFFS: [Backoff; 4] = [Backoff::None, Backoff::Fixed, Backoff::Linear, Backoff::Exponential];

/// By `backoff`, in the order of `BACKOFFS`: the fields that the delay does not depend on.
pub(in crate::model) const IDLE_FIELDS: &[(&str, &[&str])] = &[
    ("none", &["delay", "multiplier", "max_delay", "jitter"]),
    ("fixed", &["multiplier", "max_delay"]),
    ("linear", &["multiplier"]),
];

/// `retry`: a policy, or the name of one.
pub(super) fn field(reader: &mut Reader<'_>) -> Read<RetryField> {
    let (peek, _) = reader.begin()?;
    match peek {
        Peek::String => Ok(reader.name("retry")?.map(RetryField::Named)),
        Peek::Object => Ok(policy(reader)?.map(|policy| RetryField::Policy(Box::new(policy)))),
        _ => reader.wrong("retry", "a policy or the name of one"),
    }
}

/// `retry_policies`.
pub(super) fn policies(reader: &mut Reader<'_>, field: &Field) -> Read<IndexMap<Box<str>, Retry>> {
    map(reader, field, |reader, _| policy(reader))
}

/// One policy.
pub(super) fn policy(reader: &mut Reader<'_>) -> Read<Retry> {
    let mut retry = Retry::default();
    let mut places: Vec<(&str, u32)> = Vec::new();
    let read = object(reader, &RETRY, |reader, field, key_at| {
        places.push((field.name, key_at));
        match field.name {
            "max_attempts" => retry.max_attempts = reader.count(field)?.map(|count| count.value),
            "delay" => retry.delay = reader.duration(field)?.map(|it| it.value),
            "backoff" => {
                retry.backoff = reader.word(field)?.and_then(|word| BACKOFFS.get(word.value).copied())
            }
            "multiplier" => retry.multiplier = reader.number(field)?,
            "max_delay" => retry.max_delay = reader.duration(field)?.map(|it| it.value),
            "jitter" => retry.jitter = reader.number(field)?,
            "total_timeout" => retry.total_timeout = reader.duration(field)?.map(|it| it.value),
            "errors" => retry.errors = patterns(reader, field)?,
            _ => retry.when = reader.name(field.name)?,
        }
        Ok(())
    })?;
    if read.is_none() {
        return Ok(None);
    }
    report_idle_fields(reader, &retry, &places);
    Ok(Some(retry))
}

/// Fields that a policy's way of growing never looks at.
fn report_idle_fields(reader: &mut Reader<'_>, retry: &Retry, places: &[(&str, u32)]) {
    let position = BACKOFFS.iter().position(|known| Some(*known) == retry.backoff);
    let Some((growth, idle)) = position.and_then(|position| IDLE_FIELDS.get(position)) else { return };
    for (name, at) in places.iter().filter(|(name, _)| idle.contains(name)) {
        let message = format!("`{name}` has no meaning with `backoff` `{growth}`");
        reader.report(
            Code::NoMeaningHere,
            *at,
            message,
            format!("Remove `{name}` or choose another `backoff`."),
        );
    }
}

/// `max_retries`.
pub(super) fn max_retries(reader: &mut Reader<'_>, field: &Field) -> Read<RetryField> {
    let count: Option<At<u32>> = reader.count(field)?;
    Ok(count.map(|count| RetryField::MaxRetries(count.value)))
}
