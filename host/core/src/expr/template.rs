//! JSON with `${...}` in its strings, compiled into ready-made text with holes.

use super::machine::{self, Budget};
use super::program::Program;
use super::write::write_inside_string;
use super::{Env, EvalError, Fault, Names, RefIx};
use crate::payload::Payload;
use std::collections::HashMap;

mod build;

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    body: Body,
    references: Box<[RefIx]>,
    holes: Box<[Hole]>,
}

/// What a template is worth.
#[derive(Debug)]
enum Body {
    /// It has no expression in it.
    Constant(Payload),
    /// It is one expression.
    Whole(Box<Program>),
    /// JSON text with holes.
    Chunks { chunks: Box<[Chunk]>, len: usize },
}

#[derive(Debug)]
enum Chunk {
    /// JSON text as it is.
    Text(Box<str>),
    /// A value.
    Value(Program),
    /// Text inside a string.
    Inside(Program),
}

/// A place in a template whose value is not known before the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// JSON pointer.
    pub pointer: String,
    /// What is known of it.
    pub kind: HoleKind,
}

/// What is known of a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleKind {
    /// Any value: the string is one expression.
    Any,
    /// A string: there is text around the expression.
    Text,
}

impl Template {
    /// Compiles `json`; `names` gives meaning to the names in its expressions.
    ///
    /// # Errors
    /// All faults that were found, at least one; their offsets are bytes into `json`.
    pub fn compile(json: &str, names: &mut dyn Names) -> Result<Self, Vec<Fault>> {
        build::compile(json, names)
    }

    /// The references it makes, each once, in the order of their first use.
    #[must_use]
    pub fn references(&self) -> &[RefIx] {
        &self.references
    }

    /// Its value, if that depends on nothing.
    #[must_use]
    pub fn constant(&self) -> Option<&Payload> {
        match &self.body {
            Body::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Lets equal small constants of many templates be one value in memory.
    pub(crate) fn share_constant(&mut self, known: &mut HashMap<Box<str>, Payload>) {
        const SHARED_LEN_MAX: usize = 256;
        if let Body::Constant(value) = &mut self.body
            && value.as_str().len() <= SHARED_LEN_MAX
        {
            match known.get(value.as_str()) {
                Some(shared) => *value = shared.clone(),
                None => drop(known.insert(value.as_str().into(), value.clone())),
            }
        }
    }

    /// Whether `secret(...)` stands in it.
    #[must_use]
    pub fn uses_secrets(&self) -> bool {
        self.programs().any(Program::uses_secrets)
    }

    /// The value as JSON. A template that is one path shares the memory of what the path leads to.
    ///
    /// # Errors
    /// If an expression in it fails, or the text grows beyond a limit.
    pub fn render(&self, env: &dyn Env) -> Result<Payload, EvalError> {
        match &self.body {
            Body::Constant(value) => Ok(value.clone()),
            Body::Whole(program) => program.evaluate(env),
            Body::Chunks { chunks, len } => {
                let mut text = String::with_capacity(*len);
                write_chunks(chunks, env, &mut text)?;
                Ok(Payload::trusted(text))
            }
        }
    }

    /// The same, in place of what `into` was and in its memory where nobody else holds that.
    ///
    /// # Errors
    /// As [`Self::render`]; `into` is then any value.
    pub(crate) fn render_into(&self, env: &dyn Env, into: &mut Payload) -> Result<(), EvalError> {
        match &self.body {
            // equal constants are one value: nothing is written while the same one comes again and again
            Body::Constant(value) if into.is_same(value) => {}
            Body::Chunks { chunks, .. } => {
                return into.rewrite(|text| write_chunks(chunks, env, text));
            }
            Body::Constant(_) | Body::Whole(_) => *into = self.render(env)?,
        }
        Ok(())
    }

    /// What is known before the run: the value with `null` for every hole, and the holes.
    #[must_use]
    pub fn skeleton(&self) -> (serde_json::Value, Vec<Hole>) {
        let mut value = match &self.body {
            Body::Constant(value) => return (value.value().clone(), Vec::new()),
            Body::Whole(_) => serde_json::Value::Null,
            Body::Chunks { chunks, .. } => {
                let known = chunks.iter().map(|chunk| match chunk {
                    Chunk::Text(literal) => literal,
                    Chunk::Value(_) => "null",
                    Chunk::Inside(_) => "",
                });
                serde_json::from_str(&known.collect::<String>()).unwrap_or_default()
            }
        };
        for hole in &self.holes {
            if let Some(place) = value.pointer_mut(&hole.pointer) {
                *place = serde_json::Value::Null;
            }
        }
        (value, self.holes.to_vec())
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        let (whole, chunks) = match &self.body {
            Body::Constant(_) => (None, [].as_slice()),
            Body::Whole(program) => (Some(&**program), [].as_slice()),
            Body::Chunks { chunks, .. } => (None, &**chunks),
        };
        whole.into_iter().chain(chunks.iter().filter_map(|chunk| match chunk {
            Chunk::Text(_) => None,
            Chunk::Value(program) | Chunk::Inside(program) => Some(program),
        }))
    }
}

fn write_chunks(chunks: &[Chunk], env: &dyn Env, text: &mut String) -> Result<(), EvalError> {
    for chunk in chunks {
        match chunk {
            Chunk::Text(literal) => text.push_str(literal),
            Chunk::Value(program) => program.append(env, text)?,
            Chunk::Inside(program) => program.with_value(env, Budget::default(), |value| {
                write_inside_string(text, value, machine::BUILT_BYTES_MAX)
            })?,
        }
    }
    Ok(())
}
