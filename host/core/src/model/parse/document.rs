//! Reads the document and the objects that stand only there.

use super::object::{Object, map, object, shaped, templates};
use super::reader::{Read, Reader, Stop};
use super::{retry, schedule, step};
use crate::model::fields::{CONCURRENCY, DEFAULTS, DOCUMENT, Field, RATE_LIMIT, SCHEMA_ID};
use crate::model::{At, Body, Concurrency, Defaults, Json, OnConflict, RateLimit, Rollback, Workflow};
use std::time::Duration;

/// Reads the document and nothing behind it.
pub(super) fn document(reader: &mut Reader<'_>) -> Read<Workflow> {
    let mut workflow = empty();
    let read = object(reader, &DOCUMENT, |reader, field, _| member(reader, &mut workflow, field))?;
    reader.finish()?;
    let Some(Object { extra, .. }) = read else { return Ok(None) };
    workflow.extra = extra;
    Ok(Some(workflow))
}

fn empty() -> Workflow {
    Workflow {
        schema: None,
        dsl: None,
        id: At::default(),
        version: None,
        name: None,
        description: None,
        metadata: None,
        extra: Vec::new(),
        body: Body::default(),
        requires: indexmap::IndexMap::new(),
        input_schema: None,
        variables: indexmap::IndexMap::new(),
        defaults: Defaults::default(),
        retry_policies: indexmap::IndexMap::new(),
        output: None,
        timeout: None,
        rollback: None,
        on_failure: Vec::new(),
        finally: Vec::new(),
        cleanup_timeout: None,
        schedule: None,
        concurrency: None,
        priority: None,
    }
}

fn member(reader: &mut Reader<'_>, workflow: &mut Workflow, field: &'static Field) -> Result<(), Stop> {
    match field.name {
        "$schema" => workflow.schema = reader.word(field)?.map(|_| SCHEMA_ID.into()),
        "dsl" => workflow.dsl = reader.word(field)?.map(|_| "1".into()),
        "id" => workflow.id = reader.id(field.name)?.unwrap_or_default(),
        "version" => workflow.version = reader.version(field.name)?,
        "name" => workflow.name = reader.text_at(field.name, "a string")?.map(|text| text.value),
        "description" => {
            workflow.description = reader.text_at(field.name, "a string")?.map(|text| text.value)
        }
        "metadata" => workflow.metadata = shaped(reader, field)?,
        "mode" => workflow.body.mode = step::mode(reader, field)?,
        "max_concurrency" => workflow.body.max_concurrency = reader.count(field)?,
        "requires" => {
            workflow.requires = map(reader, field, |reader, key| reader.range(key))?.unwrap_or_default();
        }
        "input_schema" => workflow.input_schema = shaped(reader, field)?,
        "variables" => workflow.variables = templates(reader, field)?.unwrap_or_default(),
        "defaults" => workflow.defaults = defaults(reader)?,
        "retry_policies" => workflow.retry_policies = retry::policies(reader, field)?.unwrap_or_default(),
        "steps" => workflow.body.steps = step::list_in(reader, field)?.unwrap_or_default(),
        "output" => workflow.output = Some(reader.json()?),
        "timeout" => workflow.timeout = span(reader, field)?,
        "rollback" => {
            let word = reader.word(field)?;
            workflow.rollback =
                word.map(|word| if word.value == 0 { Rollback::OnFailure } else { Rollback::Never });
        }
        "on_failure" => workflow.on_failure = step::list_in(reader, field)?.unwrap_or_default(),
        "finally" => workflow.finally = step::list_in(reader, field)?.unwrap_or_default(),
        "cleanup_timeout" => workflow.cleanup_timeout = span(reader, field)?,
        "schedule" => {
            workflow.schedule = schedule::schedule(reader)?;
        }
        "concurrency" => {
            workflow.concurrency = concurrency(reader)?;
        }
        _ => workflow.priority = priority(reader, field)?,
    }
    Ok(())
}

/// The value that begins at `at` and has just been read, as it stands.
pub(super) fn written(reader: &Reader<'_>, at: u32) -> Json {
    Json { text: reader.text()[at as usize..reader.position() as usize].into(), at }
}

fn concurrency(reader: &mut Reader<'_>) -> Result<Option<Concurrency>, Stop> {
    let (mut key, mut limit, mut on_conflict) = (None, None, None);
    let read = object(reader, &CONCURRENCY, |reader, field, _| {
        match field.name {
            "key" => key = reader.name(field.name)?,
            "limit" => limit = reader.count(field)?.map(|it| it.value),
            _ => {
                let words = [OnConflict::Queue, OnConflict::Reject, OnConflict::CancelRunning];
                on_conflict = reader.word(field)?.and_then(|word| words.get(word.value).copied());
            }
        }
        Ok(())
    })?;
    Ok(read.map(|object| {
        let at = object.at;
        let key = key.unwrap_or(At { value: "".into(), at });
        Concurrency { key, limit, on_conflict, json: written(reader, at) }
    }))
}

fn span(reader: &mut Reader<'_>, field: &Field) -> Read<Duration> {
    Ok(reader.duration(field)?.map(|it| it.value))
}

/// `priority`.
pub(super) fn priority(reader: &mut Reader<'_>, field: &Field) -> Read<At<u8>> {
    let read = reader.int(field)?;
    // the table allows 0 to 9
    Ok(read.and_then(|it| u8::try_from(it.value).ok().map(|value| At { value, at: it.at })))
}

fn defaults(reader: &mut Reader<'_>) -> Result<Defaults, Stop> {
    let mut defaults = Defaults::default();
    object(reader, &DEFAULTS, |reader, field, _| {
        match field.name {
            "timeout" => defaults.timeout = span(reader, field)?,
            "max_retries" => defaults.retry = retry::max_retries(reader, field)?,
            "retry" => defaults.retry = retry::field(reader)?,
            "critical" => defaults.critical = reader.bool(field.name)?.map(|it| it.value),
            "session" => defaults.session = Some(reader.json()?),
            _ => defaults.pool = reader.name(field.name)?,
        }
        Ok(())
    })?;
    Ok(defaults)
}

/// `rate_limit`.
pub(super) fn rate_limit(reader: &mut Reader<'_>) -> Read<At<RateLimit>> {
    let mut key = None;
    let mut per = Duration::ZERO;
    let mut count = 0;
    let read = object(reader, &RATE_LIMIT, |reader, field, _| {
        match field.name {
            "key" => key = Some(reader.json()?),
            "per" => per = span(reader, field)?.unwrap_or_default(),
            _ => count = reader.count(field)?.map_or(0, |it| it.value),
        }
        Ok(())
    })?;
    Ok(read.map(|Object { at, .. }| {
        let key = key.unwrap_or(Json { text: "\"\"".into(), at });
        At { value: RateLimit { key, per, count }, at }
    }))
}
