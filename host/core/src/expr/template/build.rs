//! Compiles templates: walks the JSON text once, copies what is literal and compiles what stands in `${...}`.

use super::{Body, Chunk, Hole, HoleKind, Template};
use crate::expr::interpolate::{self, Piece};
use crate::expr::program::Program;
use crate::expr::value::Value;
use crate::expr::write::write_inside_string;
use crate::expr::{Fault, FaultKind, Names, RefIx};
use crate::payload::{Payload, push_escaped, scan};
use std::fmt::Write;

/// See [`Template::compile`].
pub(super) fn compile(json: &str, names: &mut dyn Names) -> Result<Template, Vec<Fault>> {
    if let Err(error) = Payload::parse(json) {
        return Err(vec![no_json(json, &error)]);
    }
    let mut builder = Builder {
        json,
        names,
        references: Vec::new(),
        faults: Vec::new(),
        holes: Vec::new(),
        chunks: Vec::new(),
        text: String::new(),
        pointer: String::new(),
    };
    builder.walk();
    builder.finish()
}

fn no_json(json: &str, error: &serde_json::Error) -> Fault {
    let lines = json.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    Fault {
        offset: json.floor_char_boundary(lines + error.column().saturating_sub(1)),
        kind: FaultKind::Syntax,
        message: format!("no JSON: {error}"),
        hint: String::new(),
    }
}

struct Builder<'s, 'n> {
    json: &'s str,
    names: &'n mut dyn Names,
    references: Vec<RefIx>,
    faults: Vec<Fault>,
    holes: Vec<Hole>,
    chunks: Vec<Chunk>,
    /// Literal text that is no chunk yet.
    text: String,
    /// JSON pointer of the value at hand.
    pointer: String,
}

/// An array or an object that the walk is in.
enum Around {
    /// Position of the element at hand, and how long the pointer to the array is.
    Array(usize, usize),
    /// Whether a key comes next, and how long the pointer to the object is.
    Object(bool, usize),
}

impl Builder<'_, '_> {
    /// Walks valid JSON; its depth is bounded, and the walk does not recurse.
    fn walk(&mut self) {
        let bytes = self.json.as_bytes();
        let mut around: Vec<Around> = Vec::new();
        let mut at = scan::skip_space(bytes, 0);
        while let Some(byte) = bytes.get(at) {
            let end = match byte {
                b'"' => {
                    let end = scan::skip_string(bytes, at);
                    self.string(at, end, around.last_mut());
                    end
                }
                b'{' | b'[' | b'}' | b']' | b',' | b':' => {
                    self.text.push(char::from(*byte));
                    self.punctuation(*byte, &mut around);
                    at + 1
                }
                _ => {
                    let end = scan::skip_value(bytes, at);
                    self.text.push_str(&self.json[at..end]);
                    end
                }
            };
            at = scan::skip_space(bytes, end);
        }
    }

    fn punctuation(&mut self, byte: u8, around: &mut Vec<Around>) {
        match byte {
            b'{' => around.push(Around::Object(true, self.pointer.len())),
            b'[' => {
                around.push(Around::Array(0, self.pointer.len()));
                self.pointer.push_str("/0");
            }
            b'}' | b']' => {
                if let Some(Around::Array(_, len) | Around::Object(_, len)) = around.pop() {
                    self.pointer.truncate(len);
                }
            }
            b',' => match around.last_mut() {
                Some(Around::Array(position, len)) => {
                    *position += 1;
                    self.pointer.truncate(*len);
                    write!(self.pointer, "/{position}").expect("writing to a string cannot fail");
                }
                Some(Around::Object(is_key, len)) => {
                    *is_key = true;
                    self.pointer.truncate(*len);
                }
                None => {}
            },
            _ => {}
        }
    }

    /// A string from the quote at `start` to after the quote before `end`: a key, or a value with perhaps holes.
    fn string(&mut self, start: usize, end: usize, around: Option<&mut Around>) {
        let raw = &self.json[start + 1..end - 1];
        let content = scan::unescape(raw.as_bytes()).unwrap_or_default();
        if let Some(Around::Object(is_key @ true, _)) = around {
            *is_key = false;
            self.text.push_str(&self.json[start..end]);
            self.pointer.push('/');
            self.pointer.push_str(&content.replace('~', "~0").replace('/', "~1"));
            return;
        }
        if !content.contains("${") {
            self.text.push_str(&self.json[start..end]);
            return;
        }
        let map = OffsetMap { raw, start: start + 1 };
        match interpolate::split(&content) {
            Ok(pieces) => self.pieces(&content, &pieces, &map),
            Err(at) => self.faults.push(Fault {
                offset: map.offset(at),
                kind: FaultKind::Syntax,
                message: "`${` is never closed".into(),
                hint: "Close it with `}`, or write `$${` for the text itself.".into(),
            }),
        }
    }

    fn pieces(&mut self, content: &str, pieces: &[Piece], map: &OffsetMap<'_>) {
        if let [Piece::Hole(range)] = pieces {
            let Some(program) = self.program(content, range.clone(), map) else { return };
            match program.constant() {
                Some(constant) => self.text.push_str(constant.as_str()),
                None => {
                    self.hole(HoleKind::Any);
                    self.chunk(Chunk::Value(program));
                }
            }
            return;
        }
        let mut dynamic = false;
        self.text.push('"');
        for piece in pieces {
            match piece {
                Piece::Text(literal) => push_escaped(&mut self.text, literal),
                Piece::Hole(range) => {
                    let Some(program) = self.program(content, range.clone(), map) else { continue };
                    dynamic |= !self.constant_inside(&program);
                    if program.constant().is_none() {
                        self.chunk(Chunk::Inside(program));
                    }
                }
            }
        }
        self.text.push('"');
        if dynamic {
            self.hole(HoleKind::Text);
        }
    }

    /// Writes the value of a constant expression into the string at hand; false if it is none.
    fn constant_inside(&mut self, program: &Program) -> bool {
        let Some(constant) = program.constant() else { return false };
        let value = Value::from_json(constant.value());
        write_inside_string(&mut self.text, &value, usize::MAX).is_ok()
    }

    fn program(
        &mut self,
        content: &str,
        range: std::ops::Range<usize>,
        map: &OffsetMap<'_>,
    ) -> Option<Program> {
        let start = range.start;
        match Program::compile(&content[range], self.names, &mut self.references) {
            Ok(program) => Some(program),
            Err(faults) => {
                let moved = faults
                    .into_iter()
                    .map(|fault| Fault { offset: map.offset(start + fault.offset), ..fault });
                self.faults.extend(moved);
                None
            }
        }
    }

    fn hole(&mut self, kind: HoleKind) {
        self.holes.push(Hole { pointer: self.pointer.clone(), kind });
    }

    fn chunk(&mut self, chunk: Chunk) {
        if !self.text.is_empty() {
            self.chunks.push(Chunk::Text(std::mem::take(&mut self.text).into()));
        }
        self.chunks.push(chunk);
    }

    fn finish(mut self) -> Result<Template, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let body = if self.chunks.is_empty() {
            Body::Constant(Payload::trusted(self.text))
        } else if self.text.is_empty() && matches!(self.chunks.as_slice(), [Chunk::Value(_)]) {
            match self.chunks.pop() {
                Some(Chunk::Value(program)) => Body::Whole(Box::new(program)),
                _ => Body::Constant(Payload::null()),
            }
        } else {
            if !self.text.is_empty() {
                self.chunks.push(Chunk::Text(self.text.into()));
            }
            let literal = |chunk: &Chunk| if let Chunk::Text(text) = chunk { text.len() } else { 24 };
            let len = self.chunks.iter().map(literal).sum();
            Body::Chunks { chunks: self.chunks.into(), len }
        };
        Ok(Template { body, references: self.references.into(), holes: self.holes.into() })
    }
}

/// From positions in the content of a JSON string to positions in the JSON text.
struct OffsetMap<'s> {
    /// What stands between the quotes.
    raw: &'s str,
    /// Where that starts.
    start: usize,
}

impl OffsetMap<'_> {
    fn offset(&self, content_at: usize) -> usize {
        let bytes = self.raw.as_bytes();
        let (mut at, mut content) = (0, 0);
        while at < bytes.len() && content < content_at {
            let (raw_len, content_len) = match (bytes[at], bytes.get(at + 1)) {
                (b'\\', Some(b'u')) => unicode_escape(&self.raw[at..]),
                (b'\\', _) => (2, 1),
                _ => (1, 1),
            };
            at += raw_len;
            content += content_len;
        }
        self.start + at.min(bytes.len())
    }
}

/// Length of a `\u` escape (or a pair of them) and of the character it stands for.
fn unicode_escape(raw: &str) -> (usize, usize) {
    let unit = |at: usize| raw.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match unit(2) {
        Some(0xD800..0xE000) => (12, 4),
        Some(code) => (6, char::from_u32(code).map_or(1, char::len_utf8)),
        None => (2, 1),
    }
}
