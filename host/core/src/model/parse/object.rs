//! Reads objects of the format by their table of fields: unknown keys, keys that stand twice, fields that are missing
//! or exclude each other, and values that nothing further is made of.

use super::reader::{Key, Read, Reader, Stop, listed};
use super::{retry, step};
use crate::diagnostic::{Code, nearest};
use crate::model::fields::{Choice, Field, Kind, Record, Rule};
use crate::model::{At, Json, Tolerance, TriggerRule, support};
use indexmap::IndexMap;
use jiter::Peek;
use std::collections::HashSet;

/// What is known of an object once its members have been read.
pub(super) struct Object {
    /// Byte offset of the opening brace.
    pub(super) at: u32,
    /// Keys that begin with `x-`.
    pub(super) extra: Vec<(Box<str>, Json)>,
}

/// Reads an object; `member` reads the value of a known field whose key stands at the given offset.
pub(super) fn object<'j>(
    reader: &mut Reader<'j>,
    record: &'static Record,
    mut member: impl FnMut(&mut Reader<'j>, &'static Field, u32) -> Result<(), Stop>,
) -> Read<Object> {
    let (peek, at) = reader.begin()?;
    if peek != Peek::Object {
        return reader.wrong(record.name, "an object");
    }
    let mut object = Object { at, extra: Vec::new() };
    let mut seen: Vec<(&'static str, u32)> = Vec::new();
    let mut key = reader.first_key()?;
    while let Some(Key { text, at: key_at }) = key {
        if text.starts_with("x-") {
            object.extra.push((Box::from(&*text), reader.json()?));
        } else if let Some((_, field)) = record.field(&text) {
            if seen.iter().any(|(name, _)| *name == field.name) {
                report_twin(reader, &text, key_at);
                reader.skip()?;
            } else {
                seen.push((field.name, key_at));
                member(reader, field, key_at)?;
                if let Some(message) = support::refused(record.name, field.name) {
                    reader.report(Code::NotSupported, key_at, message, "");
                }
            }
        } else {
            reader.skip()?;
            report_unknown(reader, &text, key_at, record.name, record.fields.iter().map(|field| field.name));
        }
        key = reader.next_key()?;
    }
    check_extra(reader, &object.extra);
    for field in record.fields.iter().filter(|field| field.required) {
        if !seen.iter().any(|(name, _)| *name == field.name) {
            report_missing(reader, field.name, record.name, at);
        }
    }
    let place = |name: &str| seen.iter().find(|(seen, _)| *seen == name).map(|(_, at)| *at);
    check_choices(reader, record.choices, record.name, at, place);
    Ok(Some(object))
}

/// Reports keys of the user's own that stand twice.
pub(super) fn check_extra(reader: &mut Reader<'_>, extra: &[(Box<str>, Json)]) {
    if extra.len() < 2 {
        return;
    }
    let mut keys: Vec<(&str, u32)> = extra.iter().map(|(name, value)| (&**name, value.at)).collect();
    keys.sort_unstable();
    for pair in keys.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        report_twin(reader, pair[1].0, pair[1].1);
    }
}

pub(super) fn report_twin(reader: &mut Reader<'_>, key: &str, at: u32) {
    reader.report(
        Code::DuplicateKey,
        at,
        format!("the key `{key}` stands twice in one object"),
        "Remove one of them.",
    );
}

pub(super) fn report_unknown<'n>(
    reader: &mut Reader<'_>,
    key: &str,
    at: u32,
    owner: &str,
    candidates: impl Iterator<Item = &'n str>,
) {
    let hint = match nearest(key, candidates) {
        Some(name) => format!("Did you mean `{name}`?"),
        None => "Keys of your own begin with `x-` or stand in `metadata`.".to_owned(),
    };
    reader.report(Code::UnknownKey, at, format!("`{owner}` has no field `{key}`"), hint);
}

pub(super) fn report_missing(reader: &mut Reader<'_>, name: &str, owner: &str, at: u32) {
    reader.report(Code::MissingField, at, format!("`{owner}` has no `{name}`"), format!("Add \"{name}\"."));
}

/// Checks fields that depend on each other; `place` answers where the key of a field stands, if it is there.
pub(super) fn check_choices(
    reader: &mut Reader<'_>,
    choices: &[Choice],
    owner: &str,
    at: u32,
    place: impl Fn(&str) -> Option<u32>,
) {
    for choice in choices {
        let present: Vec<(&str, u32)> =
            choice.of.iter().filter_map(|name| Some((*name, place(name)?))).collect();
        if present.is_empty() && choice.rule != Rule::AtMost {
            let message = format!("`{owner}` has none of {}", listed(choice.of));
            let many = if choice.rule == Rule::AtLeast { "at least" } else { "exactly" };
            reader.report(Code::MissingField, at, message, format!("Add {many} one of them."));
        }
        if present.len() > 1 && choice.rule != Rule::AtLeast {
            let last = present.iter().max_by_key(|(_, at)| *at).map_or(at, |(_, at)| *at);
            let names: Vec<&str> = present.iter().map(|(name, _)| *name).collect();
            let message = format!("{} exclude each other", listed(&names));
            reader.report(Code::NoMeaningHere, last, message, "Keep one of them.");
        }
    }
}

/// Checks a value that is kept only as it stands.
pub(super) fn check<'j>(reader: &mut Reader<'j>, field: &'static Field) -> Result<(), Stop> {
    let name = field.name;
    match field.kind {
        Kind::Text => discard(reader.text_at(name, "a string")?),
        Kind::Condition | Kind::Name => discard(reader.name(name)?),
        Kind::Id => discard(reader.id(name)?),
        Kind::Ids => discard(ids(reader, field)?),
        Kind::Bool => discard(reader.bool(name)?),
        Kind::Int { .. } => discard(reader.int(field)?),
        Kind::Number { .. } => discard(reader.number(field)?),
        Kind::Duration | Kind::PositiveDuration => discard(reader.duration(field)?),
        Kind::OneOf(_) => discard(reader.word(field)?),
        Kind::Template => reader.skip()?,
        Kind::Parameters | Kind::Object | Kind::Schema => discard(shaped(reader, field)?),
        Kind::TemplateMap => discard(templates(reader, field)?),
        Kind::Version => discard(reader.version(name)?),
        Kind::Range => discard(reader.range(name)?),
        Kind::RangeMap => discard(map(reader, field, |reader, key| reader.range(key))?),
        Kind::Patterns => discard(patterns(reader, field)?),
        Kind::Retry => discard(retry::field(reader)?),
        Kind::RetryMap => discard(map(reader, field, |reader, _| retry::policy(reader))?),
        Kind::Steps | Kind::CleanupSteps => discard(step::list_in(reader, field)?),
        Kind::Items => discard(step::items(reader)?),
        Kind::Tolerance => discard(tolerance(reader)?),
        Kind::Trigger => discard(trigger(reader)?),
        Kind::Activation => activation(reader, field)?,
        Kind::Record(record) => discard(object(reader, record, |reader, field, _| check(reader, field))?),
        Kind::Records { record, min } => discard(list(reader, name, min, |reader| {
            object(reader, record, |reader, field, _| check(reader, field))
        })?),
    }
    Ok(())
}

/// The value has been checked, which is all that was wanted of it.
fn discard<T>(_: Option<T>) {}

/// A list of at least `min` elements; faulty ones are left out.
pub(super) fn list<'j, T>(
    reader: &mut Reader<'j>,
    name: &str,
    min: usize,
    mut element: impl FnMut(&mut Reader<'j>) -> Read<T>,
) -> Read<Vec<T>> {
    let (peek, at) = reader.begin()?;
    if peek != Peek::Array {
        return reader.wrong(name, "an array");
    }
    let mut elements = Vec::new();
    let mut count = 0;
    let mut more = reader.first_element()?;
    while more {
        count += 1;
        elements.extend(element(reader)?);
        more = reader.next_element()?;
    }
    if count < min {
        reader.report(Code::BadValue, at, format!("`{name}` is empty"), "At least one element is needed.");
    }
    Ok(Some(elements))
}

/// An object with keys of the user's choice; faulty values are left out.
pub(super) fn map<'j, T>(
    reader: &mut Reader<'j>,
    field: &Field,
    mut value: impl FnMut(&mut Reader<'j>, &str) -> Read<T>,
) -> Read<IndexMap<Box<str>, T>> {
    let (peek, _) = reader.begin()?;
    if peek != Peek::Object {
        return reader.wrong(field.name, "an object");
    }
    let mut members = IndexMap::new();
    let mut key = reader.first_key()?;
    while let Some(Key { text, at }) = key {
        if members.contains_key(&*text) {
            report_twin(reader, &text, at);
            reader.skip()?;
        } else if let Some(value) = value(reader, &text)? {
            members.insert(Box::from(&*text), value);
        }
        key = reader.next_key()?;
    }
    Ok(Some(members))
}

/// Templates by name.
pub(super) fn templates(reader: &mut Reader<'_>, field: &Field) -> Read<IndexMap<Box<str>, Json>> {
    map(reader, field, |reader, _| reader.json().map(Some))
}

/// JSON whose outermost type depends on the kind of `field`.
pub(super) fn shaped(reader: &mut Reader<'_>, field: &Field) -> Read<Json> {
    let (peek, _) = reader.begin()?;
    let (fits, expected) = match field.kind {
        Kind::Parameters => (matches!(peek, Peek::Object | Peek::String), "an object or a template"),
        Kind::Schema => (matches!(peek, Peek::Object | Peek::True | Peek::False), "a JSON Schema"),
        _ => (peek == Peek::Object, "an object"),
    };
    if fits { reader.json().map(Some) } else { reader.wrong(field.name, expected) }
}

/// Step ids.
pub(super) fn ids(reader: &mut Reader<'_>, field: &Field) -> Read<Vec<At<Box<str>>>> {
    let ids = list(reader, field.name, 0, |reader| reader.name(field.name))?;
    let mut seen = HashSet::new();
    for id in ids.iter().flatten() {
        if !seen.insert(&*id.value) {
            let message = format!("`{}` names `{}` twice", field.name, id.value);
            reader.report(Code::BadValue, id.at, message, "Remove one of them.");
        }
    }
    Ok(ids)
}

/// Patterns of error types.
pub(super) fn patterns(reader: &mut Reader<'_>, field: &Field) -> Read<Vec<Box<str>>> {
    list(reader, field.name, 1, |reader| Ok(reader.name(field.name)?.map(|pattern| pattern.value)))
}

/// Words for trigger rules without a number.
pub(in crate::model) const TRIGGER_RULES: &[(&str, TriggerRule)] = &[
    ("none_failed", TriggerRule::NoneFailed),
    ("all_completed", TriggerRule::AllCompleted),
    ("all_settled", TriggerRule::AllSettled),
    ("any_failed", TriggerRule::AnyFailed),
    ("any_completed", TriggerRule::AnyCompleted),
];

/// `trigger_rule`.
pub(super) fn trigger(reader: &mut Reader<'_>) -> Read<At<TriggerRule>> {
    let (peek, at) = reader.begin()?;
    let names = TRIGGER_RULES.iter().map(|(name, _)| *name);
    let allowed = format!("Allowed: {}, {{\"completed\": n}}.", listed(&names.clone().collect::<Vec<_>>()));
    if peek == Peek::Object {
        let Some(value) = trigger_count(reader, &allowed)? else { return Ok(None) };
        return Ok(Some(At { value, at }));
    }
    if peek != Peek::String {
        return reader.wrong("trigger_rule", "a rule");
    }
    let Some(word) = reader.text_at("trigger_rule", "a rule")? else { return Ok(None) };
    if let Some((_, value)) = TRIGGER_RULES.iter().find(|(name, _)| *name == &*word.value) {
        return Ok(Some(At { value: *value, at }));
    }
    let hint = match nearest(&word.value, names) {
        Some(name) => format!("Did you mean `{name}`? {allowed}"),
        None => allowed,
    };
    reader.report(Code::BadValue, at, format!("`trigger_rule` cannot be `{}`", word.value), hint);
    Ok(None)
}

/// `{"completed": n}`.
fn trigger_count(reader: &mut Reader<'_>, allowed: &str) -> Read<TriggerRule> {
    let (_, at) = reader.begin()?;
    let mut count = None;
    let mut others = 0;
    let mut key = reader.first_key()?;
    while let Some(Key { text, .. }) = key {
        if text == "completed" && count.is_none() {
            count = Some(reader.int_in("completed", 1, u64::from(u32::MAX))?);
        } else {
            others += 1;
            reader.skip()?;
        }
        key = reader.next_key()?;
    }
    if others > 0 || count.is_none() {
        reader.report(Code::BadValue, at, "`trigger_rule` has only the field `completed`", allowed);
        return Ok(None);
    }
    Ok(count.flatten().and_then(|count| u32::try_from(count.value).ok()).map(TriggerRule::Completed))
}

/// `tolerated_failures`: a count, or a percentage such as "5%".
pub(super) fn tolerance(reader: &mut Reader<'_>) -> Read<Tolerance> {
    let (peek, at) = reader.begin()?;
    let name = "tolerated_failures";
    if peek != Peek::String {
        let count = reader.int_in(name, 0, u64::from(u32::MAX))?;
        return Ok(count.and_then(|count| u32::try_from(count.value).ok()).map(Tolerance::Count));
    }
    let Some(text) = reader.text_at(name, "a count")? else { return Ok(None) };
    let digits = text
        .value
        .strip_suffix('%')
        .filter(|it| it.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
    let percent = digits.filter(|it| it.starts_with(|c: char| c.is_ascii_digit()) && !it.ends_with('.'));
    let percent = percent.and_then(|it| it.parse::<f64>().ok()).filter(|it| *it <= 100.0);
    if percent.is_none() {
        let message = format!("`{name}` cannot be `{}`", text.value);
        reader.report(
            Code::BadValue,
            at,
            message,
            "Write a count such as 3, or a percentage such as \"5%\".",
        );
    }
    Ok(percent.map(Tolerance::Percent))
}

/// Words for `activation`.
pub(in crate::model) const ACTIVATIONS: [&str; 3] = ["each", "all", "latest"];

/// `activation` as an object.
pub(in crate::model) static WINDOW: Record = Record {
    name: "activation",
    doc: "A window over several upstream stages.",
    choices: &[],
    fields: &[
        Field {
            name: "batch",
            kind: Kind::Int { min: 1, max: 4_294_967_295 },
            required: true,
            default: "",
            doc: "Items in a window.",
        },
        Field {
            name: "every",
            kind: Kind::PositiveDuration,
            required: true,
            default: "",
            doc: "Longest time that a window stays open.",
        },
    ],
};

/// `activation` of a pipeline stage.
fn activation(reader: &mut Reader<'_>, field: &Field) -> Result<(), Stop> {
    let (peek, at) = reader.begin()?;
    if peek == Peek::Object {
        object(reader, &WINDOW, |reader, field, _| check(reader, field))?;
    } else if let Some(word) = reader.text_at(field.name, "a word or an object")?
        && !ACTIVATIONS.contains(&&*word.value)
    {
        let message = format!("`{}` cannot be `{}`", field.name, word.value);
        reader.report(
            Code::BadValue,
            at,
            message,
            format!("Allowed: {}, {{batch, every}}.", listed(&ACTIVATIONS)),
        );
    }
    Ok(())
}
