//! Strings. Positions count characters, not bytes.

use super::{Function, Style, argument, expected, index, text};
use crate::expr::EvalError;
use crate::expr::machine::Machine;
use crate::expr::value::{Value, position};
use std::cell::RefCell;

const fn method(
    name: &'static str,
    usage: &'static str,
    arity: std::ops::RangeInclusive<usize>,
    body: super::Body,
) -> Function {
    Function { name, style: Style::Method, arity, usage, body }
}

pub(super) const ALL: &[Function] = &[
    method("contains", "text.contains(part)", 2..=2, |machine, values| {
        test(machine, values, |text, part| text.contains(part))
    }),
    method("startsWith", "text.startsWith(part)", 2..=2, |machine, values| {
        test(machine, values, |text, part| text.starts_with(part))
    }),
    method("endsWith", "text.endsWith(part)", 2..=2, |machine, values| {
        test(machine, values, |text, part| text.ends_with(part))
    }),
    Function {
        name: "matches",
        style: Style::Both,
        arity: 2..=2,
        usage: "text.matches(pattern)",
        body: matches,
    },
    method("split", "text.split(separator, limit)", 2..=3, split),
    method("join", "list.join(separator)", 1..=2, join),
    method("replace", "text.replace(old, new, limit)", 3..=4, replace),
    method("lowerAscii", "text.lowerAscii()", 1..=1, |machine, values| {
        changed(machine, values, str::to_ascii_lowercase)
    }),
    method("upperAscii", "text.upperAscii()", 1..=1, |machine, values| {
        changed(machine, values, str::to_ascii_uppercase)
    }),
    method("trim", "text.trim()", 1..=1, |machine, values| {
        changed(machine, values, |text| text.trim().to_owned())
    }),
    method("substring", "text.substring(from, to)", 2..=3, substring),
    method("indexOf", "text.indexOf(part, from)", 2..=3, index_of),
    method("lastIndexOf", "text.lastIndexOf(part)", 2..=2, last_index_of),
    method("charAt", "text.charAt(index)", 2..=2, char_at),
    Function {
        name: "strings.quote",
        style: Style::Global,
        arity: 1..=1,
        usage: "strings.quote(text)",
        body: quote,
    },
];

type Answer<'a> = Result<Value<'a>, EvalError>;

fn test<'a>(machine: &mut Machine<'a>, values: &[Value<'a>], holds: fn(&str, &str) -> bool) -> Answer<'a> {
    let (whole, part) = (text(values, 0)?, text(values, 1)?);
    machine.scan(whole)?;
    Ok(Value::Bool(holds(whole, part)))
}

fn changed<'a>(machine: &mut Machine<'a>, values: &[Value<'a>], change: fn(&str) -> String) -> Answer<'a> {
    let text = text(values, 0)?;
    machine.scan(text)?;
    machine.text(change(text))
}

/// With a pattern that is computed; constant ones are compiled with the expression.
fn matches<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    thread_local! {
        /// The pattern used last: in a loop it is mostly the same one.
        static LAST: RefCell<Option<regex::Regex>> = const { RefCell::new(None) };
    }
    let (whole, pattern) = (text(values, 0)?, text(values, 1)?);
    machine.scan(whole)?;
    LAST.with_borrow_mut(|last| {
        if let Some(regex) = last.as_ref().filter(|regex| regex.as_str() == pattern) {
            return Ok(Value::Bool(regex.is_match(whole)));
        }
        machine.work(1_000)?;
        let regex = regex::RegexBuilder::new(pattern)
            .size_limit(crate::expr::compile::PATTERN_SIZE_MAX)
            .build()
            .map_err(|_| EvalError::new(format!("`{pattern}` is no regular expression")))?;
        Ok(Value::Bool(last.insert(regex).is_match(whole)))
    })
}

/// A limit of pieces or replacements: a negative one is none.
fn limit(values: &[Value<'_>], ix: usize) -> Result<usize, EvalError> {
    if values.len() <= ix {
        return Ok(usize::MAX);
    }
    Ok(usize::try_from(super::int(values, ix)?).unwrap_or(usize::MAX))
}

fn split<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let (whole, separator) = (text(values, 0)?, text(values, 1)?);
    let limit = limit(values, 2)?;
    machine.scan(whole)?;
    let mut pieces: Vec<Value<'a>> = Vec::new();
    let mut push = |machine: &mut Machine<'a>, piece: &str| {
        pieces.push(Value::text(piece));
        machine.build(piece.len() + size_of::<Value<'_>>())
    };
    if separator.is_empty() {
        for (at, char) in whole.char_indices().take(limit.saturating_sub(1)) {
            push(machine, &whole[at..at + char.len_utf8()])?;
        }
        let rest = whole.char_indices().nth(limit.saturating_sub(1)).map_or("", |(at, _)| &whole[at..]);
        if limit > 0 && !rest.is_empty() {
            push(machine, rest)?;
        }
    } else {
        for piece in whole.splitn(limit, separator) {
            push(machine, piece)?;
        }
    }
    Ok(Value::list(pieces))
}

fn join<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let list = argument(values, 0)?;
    let separator = if values.len() > 1 { text(values, 1)? } else { "" };
    if list.list_len().is_none() {
        return Err(expected("a list", list));
    }
    let mut joined = String::new();
    for (ix, (_, item)) in list.entries().enumerate() {
        let piece = item.as_str().ok_or_else(|| {
            expected("a list of strings", &item)
                .hint("`list.map(x, string(x))` turns its elements into text.")
        })?;
        if ix > 0 {
            joined.push_str(separator);
        }
        machine.build(piece.len() + separator.len())?;
        joined.push_str(piece);
    }
    Ok(Value::text(joined))
}

fn replace<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let (whole, old, new) = (text(values, 0)?, text(values, 1)?, text(values, 2)?);
    let limit = limit(values, 3)?;
    machine.scan(whole)?;
    let count = whole.matches(old).take(limit).count();
    machine.build(whole.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Value::text(whole.replacen(old, new, limit)))
}

/// The byte at which character number `chars` starts.
fn byte_at(text: &str, chars: usize) -> Result<usize, EvalError> {
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.nth(chars).ok_or_else(|| {
        EvalError::new(format!(
            "the index `{chars}` is beyond the text of {} characters",
            text.chars().count()
        ))
    })
}

fn substring<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let whole = text(values, 0)?;
    machine.scan(whole)?;
    let from = byte_at(whole, index(values, 1)?)?;
    let to = if values.len() > 2 { byte_at(whole, index(values, 2)?)? } else { whole.len() };
    match whole.get(from..to) {
        Some(part) => machine.text(part.to_owned()),
        None => Err(EvalError::new("a substring cannot end before it starts")),
    }
}

fn found<'a>(whole: &str, at: Option<usize>) -> Value<'a> {
    at.map_or(Value::Int(-1), |at| position(whole[..at].chars().count()))
}

fn index_of<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let (whole, part) = (text(values, 0)?, text(values, 1)?);
    machine.scan(whole)?;
    let from = if values.len() > 2 { byte_at(whole, index(values, 2)?)? } else { 0 };
    Ok(found(whole, whole[from..].find(part).map(|at| at + from)))
}

fn last_index_of<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let (whole, part) = (text(values, 0)?, text(values, 1)?);
    machine.scan(whole)?;
    Ok(found(whole, whole.rfind(part)))
}

fn char_at<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let whole = text(values, 0)?;
    machine.scan(whole)?;
    let at = byte_at(whole, index(values, 1)?)?;
    machine.text(whole[at..].chars().next().map(String::from).unwrap_or_default())
}

/// As a JSON string, quotes included.
fn quote<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let mut quoted = String::new();
    crate::payload::push_string(&mut quoted, text(values, 0)?);
    machine.text(quoted)
}
