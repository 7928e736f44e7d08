//! A compiled expression, as conditions and `items` are.

use super::machine::{self, Budget};
use super::program::Program;
use super::value::Value;
use super::{Env, EvalError, Fault, Names, RefIx};
use crate::payload::Payload;

/// Most elements that [`Expression::evaluate_items`] yields.
pub const ITEMS_MAX: usize = 100_000;

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    program: Program,
    references: Box<[RefIx]>,
}

impl Expression {
    /// Compiles `source`; `names` gives meaning to the names in it.
    ///
    /// # Errors
    /// All faults that were found, at least one.
    pub fn compile(source: &str, names: &mut dyn Names) -> Result<Self, Vec<Fault>> {
        let mut references = Vec::new();
        let program = Program::compile(source, names, &mut references)?;
        Ok(Self { program, references: references.into() })
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        self.program.source()
    }

    /// The references it makes, each once, in the order of their first use.
    #[must_use]
    pub fn references(&self) -> &[RefIx] {
        &self.references
    }

    /// Its value, if that depends on nothing.
    #[must_use]
    pub fn constant(&self) -> Option<Payload> {
        self.program.constant()
    }

    /// The value as JSON. A path alone shares the memory of what it leads to.
    ///
    /// # Errors
    /// If something in it fails, a limit is exceeded, or the value has no JSON form.
    pub fn evaluate(&self, env: &dyn Env) -> Result<Payload, EvalError> {
        self.program.evaluate(env)
    }

    /// The truth value.
    ///
    /// # Errors
    /// As [`Self::evaluate`], and if the value is anything but a bool.
    pub fn evaluate_bool(&self, env: &dyn Env) -> Result<bool, EvalError> {
        self.program.with_value(env, Budget::default(), |value| match value {
            Value::Bool(truth) => Ok(*truth),
            other => Err(EvalError::new(format!("expected a bool, got {}", other.describe()))
                .hint("A condition is true or false; compare the value with something.")),
        })
    }

    /// The elements of the list that it yields.
    ///
    /// # Errors
    /// As [`Self::evaluate`], and if the value is no list or has more than [`ITEMS_MAX`] elements.
    pub fn evaluate_items(&self, env: &dyn Env) -> Result<Vec<Payload>, EvalError> {
        self.program.with_value(env, Budget::default(), machine::list_items)
    }
}
