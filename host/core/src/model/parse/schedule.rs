//! Reads `schedule`: in a document, or by itself.

use super::checked_text;
use super::document::written;
use super::object::object;
use super::reader::{Read, Reader};
use crate::diagnostic::Finding;
use crate::model::fields::SCHEDULE;
use crate::model::{Json, Overlap, Schedule};

/// `schedule`.
pub(super) fn schedule(reader: &mut Reader<'_>) -> Read<Schedule> {
    let json = Json { text: Box::default(), at: 0 };
    let mut read = Schedule {
        json,
        cron: None,
        every: None,
        moment: None,
        on_event: None,
        timezone: None,
        input: None,
        enabled: None,
        overlap: None,
        catch_up: None,
        jitter: None,
    };
    let found = object(reader, &SCHEDULE, |reader, field, _| {
        match field.name {
            "cron" => read.cron = reader.name(field.name)?,
            "every" => read.every = reader.duration(field)?,
            "at" => read.moment = reader.name(field.name)?,
            "on_event" => read.on_event = reader.name(field.name)?,
            "timezone" => read.timezone = reader.name(field.name)?,
            "input" => read.input = Some(reader.json()?),
            "enabled" => read.enabled = reader.bool(field.name)?.map(|it| it.value),
            "overlap" => read.overlap = reader.word(field)?.map(|word| Overlap::ALL[word.value]),
            "catch_up" => read.catch_up = reader.duration(field)?,
            _ => read.jitter = reader.duration(field)?,
        }
        Ok(())
    })?;
    Ok(found.map(|object| Schedule { json: written(reader, object.at), ..read }))
}

/// Reads a text that is a `schedule` and nothing else.
pub(crate) fn parse_schedule(source: &[u8]) -> (Option<Schedule>, Vec<Finding>) {
    let text = match checked_text(source) {
        Ok(text) => text,
        Err(finding) => return (None, vec![finding]),
    };
    let mut reader = Reader::new(text);
    let read = schedule(&mut reader).and_then(|read| reader.finish().map(|()| read));
    (read.ok().flatten(), reader.into_findings())
}
