//! From text to the parser's tree, within limits: nothing that is handed to the parser can make it, or what walks its
//! tree, recurse too deeply.

use super::interpolate::skip_literal;
use super::{Fault, FaultKind};
use cel::common::ast::{IdedExpr, SourceInfo};
use std::sync::LazyLock;

/// Longest source of one expression, in bytes.
pub const SOURCE_LEN_MAX: usize = 64 * 1024;
/// Deepest nesting of one expression: every bracket counts two levels; every operator, selection and conditional that
/// stands inside another counts one.
pub const DEPTH_MAX: usize = 64;

/// How the parser begins its messages about syntax.
const SYNTAX_ERROR: &str = "Syntax error: ";

/// A tree and where its nodes stand.
pub(super) struct Parsed {
    pub(super) root: IdedExpr,
    pub(super) info: SourceInfo,
}

/// # Errors
/// If `source` is too large, too deep, or no CEL.
pub(super) fn parse(source: &str) -> Result<Parsed, Vec<Fault>> {
    if source.trim().is_empty() {
        let message = "the expression is empty".to_owned();
        return Err(vec![Fault { offset: 0, kind: FaultKind::Syntax, message, hint: String::new() }]);
    }
    check_limits(source).map_err(|fault| vec![fault])?;
    static ENVIRONMENT: LazyLock<cel::Env> =
        LazyLock::new(|| cel::Env::default().with_optional_support(true));
    // `Env::default` knows no macros, so that loops stay calls, which the compiler understands by itself.
    let depth = u16::try_from(DEPTH_MAX).unwrap_or(u16::MAX);
    let parser = ENVIRONMENT.parser().enable_ident_escape_syntax(true).max_recursion_depth(depth);
    match parser.parse_with_source_info(source) {
        Ok((root, info)) => Ok(Parsed { root, info }),
        Err(errors) => {
            // What follows the first syntax error is mostly its echo.
            let is_syntax = |error: &&cel::ParseError| error.msg.starts_with(SYNTAX_ERROR);
            let first = errors.errors.iter().find(is_syntax).or(errors.errors.first());
            Err(first.map(|error| syntax_fault(source, error)).into_iter().collect())
        }
    }
}

fn syntax_fault(source: &str, error: &cel::ParseError) -> Fault {
    let (line, column) = error.pos;
    let line_start = source
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0))
        .map(str::len)
        .sum::<usize>();
    let rest = source.get(line_start..).unwrap_or_default();
    let column = usize::try_from(column - 1).unwrap_or(0);
    let offset = line_start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    let (message, hint) = explain(&error.msg);
    Fault { offset, kind: FaultKind::Syntax, message, hint }
}

/// Turns the parser's words into ours.
fn explain(message: &str) -> (String, String) {
    let message = message.strip_prefix(SYNTAX_ERROR).unwrap_or(message);
    let quoted = |text: &str| {
        let text = text.split(" expecting ").next().unwrap_or(text);
        text.trim().trim_matches('\'').trim().to_owned()
    };
    for start in [
        "mismatched input ",
        "extraneous input ",
        "no viable alternative at input ",
        "token recognition error at: ",
    ] {
        if let Some(rest) = message.strip_prefix(start) {
            let token = quoted(rest);
            return match token.as_str() {
                "<EOF>" => {
                    ("the expression ends too early".into(), "Is something missing at its end?".into())
                }
                "=" => ("unexpected `=`".into(), "Equality is written `==`.".into()),
                "&" | "|" => (format!("unexpected `{token}`"), format!("Write `{token}{token}`.")),
                _ => (format!("unexpected `{token}`"), String::new()),
            };
        }
    }
    if let Some((missing, at)) = message.strip_prefix("missing ").and_then(|rest| rest.split_once(" at ")) {
        let at = quoted(at);
        let place = if at == "<EOF>" { "at the end".to_owned() } else { format!("before `{at}`") };
        return (format!("missing `{}` {place}", quoted(missing)), String::new());
    }
    (message.to_owned(), String::new())
}

/// How deep the tree gets at one level of brackets.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Conditionals, which nest to the right.
    conditions: usize,
    /// Binary operators since the last `,`, `&&`, `||`, `?` or `:`.
    operators: usize,
    /// Selections, indexes and calls of the operand at hand.
    members: usize,
}

impl Level {
    fn depth(self) -> usize {
        1 + self.conditions + self.operators + self.members
    }
}

fn check_limits(source: &str) -> Result<(), Fault> {
    let too_large = |offset, message: String| Fault {
        offset,
        kind: FaultKind::TooLarge,
        message,
        hint: "Split the work over several steps or variables.".into(),
    };
    if source.len() > SOURCE_LEN_MAX {
        let message = format!("the expression is {} bytes long, more than {SOURCE_LEN_MAX}", source.len());
        return Err(too_large(SOURCE_LEN_MAX, message));
    }
    let bytes = source.as_bytes();
    let mut levels = vec![Level::default()];
    let mut outer = 0;
    let mut at = 0;
    while at < bytes.len() {
        if let Some(end) = skip_literal(source, at) {
            at = end;
            continue;
        }
        let is_nested = levels.len() > 1;
        let level = levels.last_mut().expect("the outermost level is never popped");
        match bytes[at] {
            b'(' | b'[' | b'{' => {
                level.members += 1;
                outer += level.depth();
                levels.push(Level::default());
            }
            b')' | b']' | b'}' if is_nested => {
                levels.pop();
                outer -= levels.last().map_or(0, |level| level.depth());
            }
            b'.' => level.members += 1,
            b',' => *level = Level::default(),
            b'&' | b'|' => *level = Level { conditions: level.conditions, ..Level::default() },
            b'?' if !matches!(bytes.get(at.wrapping_sub(1)), Some(b'.' | b'[')) => {
                *level = Level { conditions: level.conditions + 1, ..Level::default() };
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' => {
                let doubled = matches!(bytes[at], b'=' | b'!' | b'-') && at > 0 && is_operator(bytes[at - 1]);
                level.operators += usize::from(!doubled);
                level.members = 0;
            }
            b'i' if is_in(bytes, at) => {
                level.operators += 1;
                level.members = 0;
            }
            _ => {}
        }
        if outer + levels.last().map_or(0, |level| level.depth()) > DEPTH_MAX {
            return Err(too_large(at, format!("the expression nests deeper than {DEPTH_MAX} levels")));
        }
        at += 1;
    }
    Ok(())
}

fn is_operator(byte: u8) -> bool {
    matches!(byte, b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!')
}

fn is_in(bytes: &[u8], at: usize) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    bytes.get(at + 1) == Some(&b'n') && !word(bytes.get(at + 2)) && (at == 0 || !word(bytes.get(at - 1)))
}
