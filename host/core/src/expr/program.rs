//! One compiled expression with its source: what conditions and the holes of templates have in common.

use super::compile::Compiler;
use super::machine::{self, Budget, Machine};
use super::node::{Kind, Node};
use super::value::Value;
use super::write::write_json;
use super::{Env, EvalError, Fault, Names, Operand, RefIx};
use crate::payload::Payload;
use crate::time::Timestamp;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Program {
    source: Arc<str>,
    root: Node,
    constant: Option<Payload>,
    uses_secrets: bool,
}

impl Program {
    /// Compiles `source`; references are added to `references` unless they are there.
    ///
    /// # Errors
    /// All faults that were found, at least one.
    pub(super) fn compile(
        source: &str,
        names: &mut dyn Names,
        references: &mut Vec<RefIx>,
    ) -> Result<Self, Vec<Fault>> {
        let mut compiler = Compiler::new(source, names, references);
        let root = compiler.root();
        let (faults, depends, uses_secrets) = compiler.finish();
        let Some(root) = root.filter(|_| faults.is_empty()) else { return Err(faults) };
        let mut program = Self { source: source.into(), root, constant: None, uses_secrets };
        if !depends {
            program.constant = program.fold();
        }
        Ok(program)
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn constant(&self) -> Option<Payload> {
        self.constant.clone()
    }

    pub(super) fn uses_secrets(&self) -> bool {
        self.uses_secrets
    }

    /// The value of an expression without references. One that always fails has none: it fails when it runs.
    fn fold(&self) -> Option<Payload> {
        self.with_value(&Nothing, Budget::for_folding(), machine::to_payload).ok()
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// If something in it fails, a limit is exceeded, or the value has no JSON form.
    pub(super) fn evaluate(&self, env: &dyn Env) -> Result<Payload, EvalError> {
        if let Some(constant) = &self.constant {
            return Ok(constant.clone());
        }
        if let Kind::Path(path) = &self.root.kind {
            return machine::path_payload(path, env)
                .map_err(|error| error.at(self.root.offset).of(&self.source));
        }
        self.with_value(env, Budget::default(), machine::to_payload)
    }

    /// Appends the value to JSON text that is being written.
    ///
    /// # Errors
    /// As [`Self::evaluate`], and if the text grows too long.
    pub(super) fn append(&self, env: &dyn Env, text: &mut String) -> Result<(), EvalError> {
        if let Kind::Path(path) = &self.root.kind {
            return machine::append_path(path, env, text)
                .map_err(|error| error.at(self.root.offset))
                .and_then(|()| machine::check_len(text))
                .map_err(|error| error.of(&self.source));
        }
        self.with_value(env, Budget::default(), |value| write_json(text, value, machine::BUILT_BYTES_MAX))
    }

    /// Hands the value to `take`.
    ///
    /// # Errors
    /// If the evaluation fails or `take` does.
    pub(super) fn with_value<T>(
        &self,
        env: &dyn Env,
        budget: Budget,
        take: impl FnOnce(&Value<'_>) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        let mut machine = Machine::new(env, budget);
        let result = machine.eval_lazy(&self.root).and_then(|value| take(&value));
        result.map_err(|error| {
            let error = if self.uses_secrets { error.without_values() } else { error };
            error.at(self.root.offset).of(&self.source)
        })
    }
}

/// What an expression that depends on nothing is evaluated in.
struct Nothing;

impl Env for Nothing {
    fn operand(&self, _: RefIx, _: usize) -> Operand<'_> {
        Operand::Null
    }

    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn uuid(&self, _: u32) -> [u8; 16] {
        [0; 16]
    }

    fn secret(&self, name: &str) -> Result<Arc<str>, String> {
        Err(format!("secret `{name}` is not known here"))
    }
}
