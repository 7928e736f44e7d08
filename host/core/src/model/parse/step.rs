//! Reads steps. The members of a step are read in whatever order they stand in, `type` perhaps last, so the fields of
//! all types are read alike and what does not belong to the step's type is reported at the end.

use super::object::{
    check, check_choices, check_extra, ids, list, object, report_missing, report_twin, report_unknown,
    trigger,
};
use super::parts::{Member, Parts};
use super::reader::{Key, NESTING_MAX, Read, Reader, Stop, abridged, listed};
use super::retry;
use crate::diagnostic::Code;
use crate::model::fields::{CALL, COMPENSATE, Field, Kind, Record, STEP, TYPES};
use crate::model::{Body, CallFields, Catch, Compensate, Delivery, Isolation, Items, Mode, Step, support};
use jiter::Peek;
use std::sync::LazyLock;

/// How deep lists of steps may stand in each other.
pub(super) const STEP_NESTING_MAX: usize = 64;
/// Most elements of a literal array of `items`.
pub(in crate::model) const ITEMS_MAX: usize = 100_000;

pub(super) const MODES: [Mode; 4] = [Mode::Sequential, Mode::Parallel, Mode::Conditional, Mode::Pipeline];

/// The fields of all types of steps, each name once, and which of them each type has.
struct Union {
    fields: Vec<&'static Field>,
    common: u128,
    by_type: Vec<u128>,
    refused: u128,
}

static UNION: LazyLock<Union> = LazyLock::new(|| {
    let mut fields: Vec<&'static Field> = STEP.fields.iter().collect();
    for field in TYPES.iter().flat_map(|kind| kind.fields) {
        if !fields.iter().any(|known| known.name == field.name) {
            fields.push(field);
        }
    }
    assert!(fields.len() <= 128, "the sets of fields have 128 places");
    let places = |test: &dyn Fn(&str) -> bool| {
        fields.iter().enumerate().filter(|(_, field)| test(field.name)).map(|(place, _)| 1 << place).sum()
    };
    let common = places(&|name| STEP.field(name).is_some());
    let by_type = TYPES.iter().map(|kind| places(&|name| kind.field(name).is_some())).collect();
    let refused = places(&|name| {
        support::refusal("step", name).is_some()
            || TYPES.iter().any(|kind| support::refusal(kind.name, name).is_some())
    });
    Union { fields, common, by_type, refused }
});

/// A list of at least `min` steps.
pub(super) fn list_of_steps(reader: &mut Reader<'_>, name: &str, min: usize) -> Read<Vec<Step>> {
    if reader.depth == STEP_NESTING_MAX {
        let (_, at) = reader.begin()?;
        let message = format!("steps are nested deeper than {STEP_NESTING_MAX} levels");
        reader.skip()?;
        reader.report(Code::TooLarge, at, message, "Move the inner steps to a workflow of their own.");
        return Ok(None);
    }
    reader.depth += 1;
    let steps = list(reader, name, min, step);
    reader.depth -= 1;
    steps
}

/// The list of steps that `field` holds.
pub(super) fn list_in(reader: &mut Reader<'_>, field: &Field) -> Read<Vec<Step>> {
    list_of_steps(reader, field.name, usize::from(matches!(field.kind, Kind::Steps)))
}

/// One step.
fn step(reader: &mut Reader<'_>) -> Read<Step> {
    let (peek, at) = reader.begin()?;
    if peek != Peek::Object {
        return reader.wrong("step", "an object");
    }
    let union = &*UNION;
    let mut parts = Box::new(Parts::default());
    let mut seen: u128 = 0;
    let mut key = reader.first_key()?;
    while let Some(Key { text, at: key_at }) = key {
        let place = union.fields.iter().position(|field| field.name == text);
        if let Some(place) = place {
            if seen & (1 << place) == 0 {
                seen |= 1 << place;
                let (_, value_at) = reader.begin()?;
                member(reader, &mut parts, union.fields[place])?;
                parts.members.push(Member { place, key_at, value_at, end: reader.position() });
            } else {
                report_twin(reader, &text, key_at);
                reader.skip()?;
            }
        } else if text.starts_with("x-") {
            let value = reader.json()?;
            parts.extra.push((Box::from(&*text), value));
        } else {
            reader.skip()?;
            parts.unknown.push((text.into_owned(), key_at));
        }
        key = reader.next_key()?;
    }
    check_extra(reader, &parts.extra);
    if let Some(id) = &parts.id {
        reader.claim(id);
    }
    finish(reader, union, &mut parts, seen, at);
    Ok(Some(parts.into_step(reader, at, |place| union.fields[place].name)))
}

/// Reads the value of one field.
fn member(reader: &mut Reader<'_>, parts: &mut Parts, field: &'static Field) -> Result<(), Stop> {
    match field.name {
        "id" => parts.id = reader.id(field.name)?,
        "type" => {
            parts.kind = reader.word(field)?;
            parts.kind_is_faulty = parts.kind.is_none();
        }
        "name" => parts.name = reader.text_at(field.name, "a string")?.map(|text| text.value),
        "description" => parts.description = reader.text_at(field.name, "a string")?.map(|text| text.value),
        "metadata" => parts.metadata = super::object::shaped(reader, field)?,
        "dependencies" => parts.dependencies = ids(reader, field)?.unwrap_or_default(),
        "trigger_rule" => parts.trigger_rule = trigger(reader)?,
        "when" => parts.when = reader.name(field.name)?,
        "timeout" => {
            parts.timeout = reader.duration(field)?.map(|it| Some(it.value).filter(|it| !it.is_zero()))
        }
        "max_retries" => parts.retry = retry::max_retries(reader, field)?,
        "retry" => parts.retry = retry::field(reader)?,
        "critical" => parts.critical = reader.bool(field.name)?.map(|it| it.value),
        "catch" => parts.catch = list(reader, field.name, 0, catch)?.unwrap_or_default(),
        "compensate" => parts.compensate = compensate(reader)?.map(Box::new),
        "output" => parts.output = Some(reader.json()?),
        "status" => parts.status = Some(reader.json()?),
        "priority" => parts.priority = super::document::priority(reader, field)?,
        "rate_limit" => parts.rate_limit = super::document::rate_limit(reader)?,
        "steps" => parts.body.steps = list_in(reader, field)?.unwrap_or_default(),
        "mode" => parts.body.mode = mode(reader, field)?,
        "max_concurrency" => parts.body.max_concurrency = reader.count(field)?,
        _ if CALL.field(field.name).is_some() => call_member(reader, &mut parts.call, field)?,
        _ => super::parts::typed_member(reader, parts, field)?,
    }
    Ok(())
}

/// Reads one field of a call. The fields of streaming stages are kept by whoever knows where they stand.
pub(super) fn call_member(
    reader: &mut Reader<'_>,
    call: &mut CallFields,
    field: &'static Field,
) -> Result<(), Stop> {
    match field.name {
        "plugin" => call.plugin = reader.name(field.name)?.unwrap_or_else(|| call.plugin.clone()),
        "method" => call.method = reader.name(field.name)?.unwrap_or_else(|| call.method.clone()),
        "plugin_version" => call.plugin_version = reader.range(field.name)?,
        "parameters" => call.parameters = super::object::shaped(reader, field)?,
        "session" => call.session = Some(reader.json()?),
        "pool" => call.pool = reader.name(field.name)?,
        "isolation" => {
            call.isolation = reader
                .word(field)?
                .map(|word| word.map(|word| [Isolation::InProcess, Isolation::Worker].into_iter().nth(word)))
                .and_then(crate::model::At::transpose);
        }
        "detached" => call.detached = reader.bool(field.name)?,
        "delivery" => {
            call.delivery = reader
                .word(field)?
                .map(|word| {
                    word.map(|word| [Delivery::AtLeastOnce, Delivery::AtMostOnce].into_iter().nth(word))
                })
                .and_then(crate::model::At::transpose);
        }
        "heartbeat_timeout" => call.heartbeat_timeout = reader.duration(field)?,
        _ => check(reader, field)?,
    }
    Ok(())
}

/// `mode`.
pub(super) fn mode(reader: &mut Reader<'_>, field: &Field) -> Read<crate::model::At<Mode>> {
    Ok(reader
        .word(field)?
        .map(|word| word.map(|word| MODES.get(word).copied()))
        .and_then(crate::model::At::transpose))
}

/// `items`.
pub(super) fn items(reader: &mut Reader<'_>) -> Read<Items> {
    let (peek, at) = reader.begin()?;
    match peek {
        Peek::String => Ok(reader.name("items")?.map(Items::Expression)),
        Peek::Array => {
            let mut count = 0;
            list(reader, "items", 0, |reader| {
                count += 1;
                reader.skip().map(|()| None::<()>)
            })?;
            if count > ITEMS_MAX {
                let message = format!("`items` has {count} elements; the limit is {ITEMS_MAX}");
                reader.report(Code::TooLarge, at, message, "Split the array, or let each item be a batch.");
                return Ok(None);
            }
            let text = &reader.text()[at as usize..reader.position() as usize];
            Ok(Some(Items::Literal(crate::model::Json { text: text.into(), at })))
        }
        _ => reader.wrong("items", "an expression or an array"),
    }
}

/// One entry of `catch`.
fn catch(reader: &mut Reader<'_>) -> Read<Catch> {
    let mut catch = Catch { at: 0, errors: None, when: None, bind: None, steps: Vec::new(), output: None };
    let read = object(reader, &crate::model::fields::CATCH, |reader, field, _| {
        match field.name {
            "errors" => catch.errors = super::object::patterns(reader, field)?,
            "when" => catch.when = reader.name(field.name)?,
            "as" => catch.bind = reader.id(field.name)?,
            "steps" => catch.steps = list_in(reader, field)?.unwrap_or_default(),
            _ => catch.output = Some(reader.json()?),
        }
        Ok(())
    })?;
    Ok(read.map(|object| Catch { at: object.at, ..catch }))
}

/// `compensate`.
fn compensate(reader: &mut Reader<'_>) -> Read<Compensate> {
    let mut compensate = Compensate { at: 0, call: CallFields::default(), timeout: None, retry: None };
    let read = object(reader, &COMPENSATE, |reader, field, _| {
        match field.name {
            "timeout" => {
                compensate.timeout =
                    reader.duration(field)?.map(|it| Some(it.value).filter(|it| !it.is_zero()));
            }
            "max_retries" => compensate.retry = retry::max_retries(reader, field)?,
            "retry" => compensate.retry = retry::field(reader)?,
            _ => call_member(reader, &mut compensate.call, field)?,
        }
        Ok(())
    })?;
    let Some(object) = read else { return Ok(None) };
    compensate.at = object.at;
    compensate.call.place_at(object.at);
    Ok(Some(compensate))
}

/// A body of `record`: `mode` and `steps`, with other fields for `other`.
pub(super) fn body<'j>(
    reader: &mut Reader<'j>,
    record: &'static Record,
    mut other: impl FnMut(&mut Reader<'j>, &'static Field) -> Result<(), Stop>,
) -> Read<(u32, Body)> {
    let mut body = Body::default();
    let read = object(reader, record, |reader, field, _| {
        match field.name {
            "mode" => body.mode = mode(reader, field)?,
            "steps" => body.steps = list_in(reader, field)?.unwrap_or_default(),
            _ => other(reader, field)?,
        }
        Ok(())
    })?;
    Ok(read.map(|object| (object.at, body)))
}

/// Reports what is wrong with the members of a step as a whole, now that its type is known.
fn finish(reader: &mut Reader<'_>, union: &Union, parts: &mut Parts, seen: u128, at: u32) {
    let unknown = std::mem::take(&mut parts.unknown);
    if parts.kind_is_faulty {
        for (key, key_at) in unknown {
            report_unknown(reader, &key, key_at, "step", union.fields.iter().map(|field| field.name));
        }
        return;
    }
    let kind = parts.kind.as_ref().map_or(0, |kind| kind.value);
    let record = TYPES[kind];
    let allowed = union.common | union.by_type[kind];
    for (key, key_at) in unknown {
        let names = union.fields.iter().enumerate().filter(|(place, _)| allowed & (1 << place) != 0);
        report_unknown(reader, &key, key_at, record.name, names.map(|(_, field)| field.name));
    }
    if let Some(place) = parts.kind.as_ref().map(|kind| kind.at)
        && let Some(message) = support::refused("type", record.name)
    {
        reader.report(Code::NotSupported, place, message, "");
    }
    if seen & !allowed != 0 {
        for member in parts.members.iter().filter(|member| allowed & (1 << member.place) == 0) {
            report_stranger(reader, union, record, member);
        }
    }
    if seen & union.refused != 0 {
        for member in
            parts.members.iter().filter(|member| (union.refused & allowed) & (1 << member.place) != 0)
        {
            let name = union.fields[member.place].name;
            let owner = if union.common & (1 << member.place) != 0 { "step" } else { record.name };
            if let Some(message) = support::refused(owner, name) {
                reader.report(Code::NotSupported, member.key_at, message, "");
            }
        }
    }
    let place = |name: &str| {
        parts
            .members
            .iter()
            .find(|member| union.fields[member.place].name == name)
            .map(|member| member.key_at)
    };
    for field in STEP.fields.iter().chain(record.fields).filter(|field| field.required) {
        if place(field.name).is_none() {
            report_missing(reader, field.name, if field.name == "id" { "step" } else { record.name }, at);
        }
    }
    check_choices(reader, STEP.choices, "step", at, place);
    check_choices(reader, record.choices, record.name, at, place);
    if record.name == "repeat" || record.name == "wait" {
        parts.settle_until(reader, record.name);
    }
}

/// A field of another type.
fn report_stranger(reader: &mut Reader<'_>, union: &Union, record: &Record, member: &Member) {
    let name = union.fields[member.place].name;
    let owners: Vec<&str> =
        TYPES.iter().filter(|kind| kind.field(name).is_some()).map(|kind| kind.name).collect();
    let types = if owners.len() == 1 { "type" } else { "types" };
    let message = format!("`{}` has no meaning in a step of type `{}`", abridged(name), record.name);
    reader.report(
        Code::NoMeaningHere,
        member.key_at,
        message,
        format!("`{name}` belongs to {types} {}.", listed(&owners)),
    );
}

const _: () = assert!(STEP_NESTING_MAX < NESTING_MAX, "steps need fewer levels than values");
