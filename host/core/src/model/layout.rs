//! JSON text as a tree that keeps every scalar as it was written, and its canonical layout: two spaces a level, keys
//! in the order of the table of fields, and short objects and arrays on one line.

use super::fields::{Field, Kind, Record, STEP, TYPES};
use super::parse::NESTING_MAX;
use jiter::{Jiter, JiterResult, Peek};
use std::borrow::Cow;

/// The longest line, in characters, that an object or array is folded into.
const WIDTH: usize = 100;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    /// A string, number, truth value or null as JSON text.
    Scalar(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Members with their keys as JSON text.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// A string.
    pub(super) fn text(text: &str) -> Self {
        Self::Scalar(Cow::Owned(quoted(text)))
    }

    /// Anything whose display form is JSON.
    pub(super) fn plain(value: impl std::fmt::Display) -> Self {
        Self::Scalar(Cow::Owned(value.to_string()))
    }

    /// The tree of `text`, or `None` if it is no JSON or nested deeper than a document can be.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut jiter = Jiter::new(text.as_bytes());
        let node = read(&mut jiter, text, 0).ok().flatten()?;
        jiter.finish().ok()?;
        Some(node)
    }

    fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(key, _)| is_key(key, name)).map(|(_, value)| value)
    }
}

/// A string as JSON text.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A document's steps have at most 64 levels of at most 5 values each around their own values.
const DEPTH_MAX: usize = NESTING_MAX + 64 * 5;

fn read<'a>(jiter: &mut Jiter<'a>, text: &'a str, depth: usize) -> JiterResult<Option<Node<'a>>> {
    if depth == DEPTH_MAX {
        return Ok(None);
    }
    let peek = jiter.peek()?;
    let start = jiter.current_index();
    match peek {
        Peek::Array => {
            let mut elements = Vec::new();
            let mut more = jiter.next_array()?;
            while more.is_some() {
                let Some(element) = read(jiter, text, depth + 1)? else { return Ok(None) };
                elements.push(element);
                more = jiter.array_step()?;
            }
            Ok(Some(Node::Array(elements)))
        }
        Peek::Object => {
            let base = text.as_ptr() as usize;
            let place = |key: &[u8]| (key.as_ptr() as usize - base, key.len());
            let mut members = Vec::new();
            let mut key = jiter.next_object_bytes()?.map(place);
            while let Some((at, len)) = key {
                let Some(value) = read(jiter, text, depth + 1)? else { return Ok(None) };
                members.push((Cow::Borrowed(&text[at - 1..=at + len]), value));
                key = jiter.next_key_bytes()?.map(place);
            }
            Ok(Some(Node::Object(members)))
        }
        _ => {
            jiter.known_skip(peek)?;
            Ok(Some(Node::Scalar(Cow::Borrowed(&text[start..jiter.current_index()]))))
        }
    }
}

/// Whether the JSON text `key` says `name`; names of fields are never written with escapes by anyone sane, and a key
/// that is keeps its place among the unknown ones.
fn is_key(key: &str, name: &str) -> bool {
    key.len() == name.len() + 2 && &key[1..=name.len()] == name
}

/// Puts the members of `node` and of the objects inside it into the order of `record`; keys that it does not have
/// keep their order and follow.
pub(super) fn arrange(node: &mut Node<'_>, record: &'static Record) {
    arrange_by(node, record.fields);
}

fn arrange_step(node: &mut Node<'_>) {
    let kind = match node.member("type") {
        Some(Node::Scalar(text)) => text.trim_matches('"'),
        _ => "call",
    };
    let record = TYPES.iter().find(|record| record.name == kind);
    // id and type first, then what the type has, then what every step has would tear related fields apart; readers
    // want to know what a step does before how it fails
    let (first, rest) = STEP.fields.split_at(8);
    let own = record.map_or(&[][..], |record| record.fields);
    arrange_by(node, first.iter().chain(own).chain(rest));
}

fn arrange_by<'f>(node: &mut Node<'_>, fields: impl IntoIterator<Item = &'f Field> + Clone) {
    let Node::Object(members) = node else { return };
    let place = |key: &str| fields.clone().into_iter().position(|field| is_key(key, field.name));
    members.sort_by_cached_key(|(key, _)| place(key).unwrap_or(usize::MAX));
    for (key, value) in members {
        if let Some(field) = fields.clone().into_iter().find(|field| is_key(key, field.name)) {
            arrange_value(value, field.kind);
        }
    }
}

fn arrange_value(value: &mut Node<'_>, kind: Kind) {
    match (kind, value) {
        (Kind::Record(record), value) => arrange(value, record),
        (Kind::Records { record, .. }, Node::Array(elements)) => {
            elements.iter_mut().for_each(|element| arrange(element, record));
        }
        (Kind::Steps | Kind::CleanupSteps, Node::Array(steps)) => steps.iter_mut().for_each(arrange_step),
        (Kind::Retry, value) => arrange(value, &super::fields::RETRY),
        (Kind::RetryMap, Node::Object(policies)) => {
            policies.iter_mut().for_each(|(_, policy)| arrange(policy, &super::fields::RETRY));
        }
        _ => {}
    }
}

/// The canonical text of `node`, ending with a line end. The outermost object is never on one line.
pub(super) fn print(node: &Node<'_>) -> String {
    let mut text = String::new();
    print_open(node, 0, &mut text);
    text.push('\n');
    text
}

fn print_open(node: &Node<'_>, indent: usize, text: &mut String) {
    match node {
        Node::Scalar(scalar) => text.push_str(scalar),
        Node::Array(elements) if !elements.is_empty() => {
            text.push('[');
            for (position, element) in elements.iter().enumerate() {
                start_line(position, indent + 2, text);
                print_folded(element, indent + 2, 0, text);
            }
            end_line(indent, text);
            text.push(']');
        }
        Node::Object(members) if !members.is_empty() => {
            text.push('{');
            for (position, (key, value)) in members.iter().enumerate() {
                start_line(position, indent + 2, text);
                text.push_str(key);
                text.push_str(": ");
                print_folded(value, indent + 2, key.chars().count() + 2, text);
            }
            end_line(indent, text);
            text.push('}');
        }
        Node::Array(_) => text.push_str("[]"),
        Node::Object(_) => text.push_str("{}"),
    }
}

fn start_line(position: usize, indent: usize, text: &mut String) {
    if position > 0 {
        text.push(',');
    }
    end_line(indent, text);
}

fn end_line(indent: usize, text: &mut String) {
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
}

/// Prints on one line what fits behind `used` characters of it and a comma.
fn print_folded(node: &Node<'_>, indent: usize, used: usize, text: &mut String) {
    let start = text.len();
    let room = WIDTH.saturating_sub(indent + used + 1);
    if print_line(node, room, text).is_none() {
        text.truncate(start);
        print_open(node, indent, text);
    }
}

/// Prints on one line and answers how much of `room` is left, or `None` as soon as it does not fit.
fn print_line(node: &Node<'_>, room: usize, text: &mut String) -> Option<usize> {
    match node {
        Node::Scalar(scalar) => {
            text.push_str(scalar);
            room.checked_sub(scalar.chars().count())
        }
        Node::Array(elements) => {
            let mut room = room.checked_sub(2)?;
            text.push('[');
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    text.push_str(", ");
                    room = room.checked_sub(2)?;
                }
                room = print_line(element, room, text)?;
            }
            text.push(']');
            Some(room)
        }
        Node::Object(members) if members.is_empty() => {
            text.push_str("{}");
            room.checked_sub(2)
        }
        Node::Object(members) => {
            let mut room = room.checked_sub(4)?;
            text.push_str("{ ");
            for (position, (key, value)) in members.iter().enumerate() {
                if position > 0 {
                    text.push_str(", ");
                    room = room.checked_sub(2)?;
                }
                text.push_str(key);
                text.push_str(": ");
                room = print_line(value, room.checked_sub(key.chars().count() + 2)?, text)?;
            }
            text.push_str(" }");
            Some(room)
        }
    }
}
