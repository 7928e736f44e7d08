//! Evaluates compiled expressions. Recursion is bounded by the depth of the expression; loops, work and memory by
//! the budget.

use super::functions;
use super::node::{Arithmetic, Comparison, Element, Kind, Macro, MacroKind, Node, OptionalMap};
use super::number;
use super::value::{Key, MapValue, Value};
use super::write::write_json;
use super::{Env, EvalError, ITEMS_MAX};
use crate::payload::Payload;
use chrono::DateTime;
use smallvec::SmallVec;
use std::rc::Rc;

mod lookup;
mod loops;

pub(super) use lookup::{append_path, path_payload};

/// Most iterations of all loops of one evaluation together.
pub const ITERATIONS_MAX: u64 = 1_000_000;
/// Most bytes of text and lists that one evaluation builds, intermediate results counted.
pub const BUILT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most elements compared and blocks of text looked through in one evaluation.
const WORK_MAX: u64 = 50_000_000;
/// A unit of work looks through so many bytes.
const BYTES_PER_WORK: usize = 64;

/// What one evaluation may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    iterations: u64,
    work: u64,
    built: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { iterations: ITERATIONS_MAX, work: WORK_MAX, built: BUILT_BYTES_MAX }
    }
}

impl Budget {
    /// For values worked out while compiling.
    pub(super) fn for_folding() -> Self {
        Self { iterations: 1_000, work: 10_000, built: 64 * 1024 }
    }
}

/// One evaluation under way.
pub(super) struct Machine<'a> {
    env: &'a dyn Env,
    budget: Budget,
    locals: SmallVec<[Value<'a>; 4]>,
    uuids: u32,
}

impl<'a> Machine<'a> {
    pub(super) fn new(env: &'a dyn Env, budget: Budget) -> Self {
        Self { env, budget, locals: SmallVec::new(), uuids: 0 }
    }

    /// Counts one iteration.
    pub(super) fn iterate(&mut self) -> Result<(), EvalError> {
        match self.budget.iterations.checked_sub(1) {
            Some(left) => self.budget.iterations = left,
            None => return Err(too_many_iterations()),
        }
        Ok(())
    }

    /// Counts elements looked at.
    pub(super) fn work(&mut self, amount: usize) -> Result<(), EvalError> {
        match self.budget.work.checked_sub(amount as u64) {
            Some(left) => self.budget.work = left,
            None => {
                return Err(EvalError::fatal(format!(
                    "the expression does more than {WORK_MAX} comparisons"
                )));
            }
        }
        Ok(())
    }

    /// Counts text looked through.
    pub(super) fn scan(&mut self, text: &str) -> Result<(), EvalError> {
        self.work(text.len() / BYTES_PER_WORK + 1)
    }

    /// Counts memory taken.
    pub(super) fn build(&mut self, bytes: usize) -> Result<(), EvalError> {
        match self.budget.built.checked_sub(bytes) {
            Some(left) => self.budget.built = left,
            None => {
                return Err(EvalError::fatal(format!(
                    "the expression builds more than {BUILT_BYTES_MAX} bytes"
                )));
            }
        }
        Ok(())
    }

    /// A string that was just made, counted.
    pub(super) fn text(&mut self, text: String) -> Result<Value<'a>, EvalError> {
        self.build(text.len())?;
        Ok(Value::text(text))
    }

    /// A list that was just made, counted.
    pub(super) fn list(&mut self, items: Vec<Value<'a>>) -> Result<Value<'a>, EvalError> {
        self.build(items.len() * size_of::<Value<'_>>())?;
        Ok(Value::list(items))
    }

    /// The value of `node`.
    pub(super) fn eval(&mut self, node: &'a Node) -> Result<Value<'a>, EvalError> {
        self.eval_lazy(node).map(Value::force)
    }

    /// The value of `node`; it may be JSON that nobody has looked into yet.
    pub(super) fn eval_lazy(&mut self, node: &'a Node) -> Result<Value<'a>, EvalError> {
        let result = match &node.kind {
            Kind::Constant(constant) => return Ok(constant.value()),
            Kind::Local(slot) => return Ok(self.locals[*slot].clone()),
            Kind::Path(path) => lookup::path_value(path, self.env),
            Kind::Comparison(op, sides) => self.comparison(*op, &sides.0, &sides.1),
            Kind::And(sides) => self.logic(&sides.0, &sides.1, false),
            Kind::Or(sides) => self.logic(&sides.0, &sides.1, true),
            Kind::Not(operand) => self.truth(operand).map(|truth| Value::Bool(!truth)),
            Kind::Condition(parts) => {
                let taken = self.truth(&parts.0).map_err(|error| error.at(node.offset))?;
                return self.eval_lazy(if taken { &parts.1 } else { &parts.2 });
            }
            Kind::Arithmetic(op, sides) => self.arithmetic(*op, &sides.0, &sides.1),
            Kind::Negate(operand) => self.negate(operand),
            Kind::Select(operand, field) => {
                self.eval(operand).and_then(|value| lookup::select(&value, field))
            }
            Kind::OptionalSelect(operand, field) => {
                self.eval(operand).map(|value| lookup::select_optional(&value, field))
            }
            Kind::Has(operand, field) => self.has(operand, field),
            Kind::Index(sides) => self.index(&sides.0, &sides.1),
            Kind::OptionalIndex(sides) => self.index_optional(&sides.0, &sides.1),
            Kind::In(sides) => self.contains(&sides.0, &sides.1),
            Kind::List(elements) => self.list_literal(elements),
            Kind::Map(entries) => self.map_literal(entries),
            Kind::Macro(looped) => self.run_loop(looped),
            Kind::Bind(binding) => self.bind(binding),
            Kind::OptionalMap(mapped) => self.optional_map(mapped),
            Kind::Matches(parts) => self.matches(&parts.0, &parts.1),
            Kind::Call(function, arguments) => self.call(function, arguments),
            Kind::Now => Ok(self.now()),
            Kind::Uuid => Ok(self.uuid()),
            Kind::Secret(name) => {
                self.env.secret(name).map(|secret| Value::text(&*secret)).map_err(EvalError::fatal)
            }
        };
        result.map_err(|error| error.at(node.offset))
    }

    /// The value of `node`, which must be a bool.
    fn truth(&mut self, node: &'a Node) -> Result<bool, EvalError> {
        match self.eval(node)? {
            Value::Bool(truth) => Ok(truth),
            other => {
                Err(EvalError::new(format!("expected a bool, got {}", other.describe())).at(node.offset))
            }
        }
    }

    fn comparison(
        &mut self,
        op: Comparison,
        left: &'a Node,
        right: &'a Node,
    ) -> Result<Value<'a>, EvalError> {
        let left = self.eval(left)?;
        let right = self.eval(right)?;
        if let (Value::Int(a), Value::Int(b)) = (&left, &right) {
            return Ok(Value::Bool(match op {
                Comparison::Equal => a == b,
                Comparison::NotEqual => a != b,
                Comparison::Less => a < b,
                Comparison::LessEqual => a <= b,
                Comparison::Greater => a > b,
                Comparison::GreaterEqual => a >= b,
            }));
        }
        number::compare(self, op, &left, &right).map(Value::Bool)
    }

    /// `||` if `decisive`, else `&&`: the decisive value on either side wins over an error on the other.
    fn logic(&mut self, left: &'a Node, right: &'a Node, decisive: bool) -> Result<Value<'a>, EvalError> {
        match self.truth(left) {
            Ok(truth) if truth == decisive => Ok(Value::Bool(decisive)),
            Ok(_) => self.truth(right).map(Value::Bool),
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => match self.truth(right) {
                Ok(truth) if truth == decisive => Ok(Value::Bool(decisive)),
                Err(fatal) if fatal.is_fatal() => Err(fatal),
                _ => Err(error),
            },
        }
    }

    fn arithmetic(
        &mut self,
        op: Arithmetic,
        left: &'a Node,
        right: &'a Node,
    ) -> Result<Value<'a>, EvalError> {
        let left = self.eval(left)?;
        let right = self.eval(right)?;
        match number::arithmetic(op, &left, &right) {
            Some(result) => result,
            None => functions::other_arithmetic(self, op, &left, &right),
        }
    }

    fn negate(&mut self, operand: &'a Node) -> Result<Value<'a>, EvalError> {
        match self.eval(operand)? {
            Value::Int(int) => int.checked_neg().map(Value::Int).ok_or_else(|| number::overflow("int")),
            Value::Double(double) => Ok(Value::Double(-double)),
            Value::Span(span) => Ok(Value::Span(-span)),
            other => Err(EvalError::new(format!("cannot negate {}", other.describe()))),
        }
    }

    fn has(&mut self, operand: &'a Node, field: &str) -> Result<Value<'a>, EvalError> {
        let value = self.eval(operand)?;
        match lookup::select_optional(&value, field) {
            Value::Optional(found) => Ok(Value::Bool(found.is_some())),
            other => Ok(other),
        }
    }

    fn index(&mut self, operand: &'a Node, index: &'a Node) -> Result<Value<'a>, EvalError> {
        let operand = self.eval(operand)?;
        let index = self.eval(index)?;
        lookup::index(&operand, &index)
    }

    fn index_optional(&mut self, operand: &'a Node, index: &'a Node) -> Result<Value<'a>, EvalError> {
        let operand = self.eval(operand)?;
        let index = self.eval(index)?;
        Ok(lookup::index_optional(&operand, &index))
    }

    fn contains(&mut self, needle: &'a Node, range: &'a Node) -> Result<Value<'a>, EvalError> {
        let needle = self.eval(needle)?;
        let range = self.eval(range)?;
        if range.map_len().is_some() {
            return Ok(Value::Bool(range.entry_of(&needle).is_some()));
        }
        if range.list_len().is_none() {
            return Err(EvalError::new(format!(
                "`in` looks into lists and maps, not into {}",
                range.describe()
            )));
        }
        for (_, item) in range.entries() {
            if number::equal(self, &needle, &item)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn list_literal(&mut self, elements: &'a [Element]) -> Result<Value<'a>, EvalError> {
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            if let Some(value) = self.element(element)? {
                items.push(value);
            }
        }
        self.list(items)
    }

    fn map_literal(&mut self, entries: &'a [(Node, Element)]) -> Result<Value<'a>, EvalError> {
        let mut map = MapValue::with_capacity(entries.len());
        for (key, element) in entries {
            let key = self.eval(key)?;
            if let Some(value) = self.element(element)? {
                insert(&mut map, key, value)?;
            }
        }
        self.map(map)
    }

    /// A map that was just made, counted.
    fn map(&mut self, map: MapValue<'a>) -> Result<Value<'a>, EvalError> {
        self.build(map.len() * (size_of::<Value<'_>>() + size_of::<Key<'_>>() + size_of::<usize>()))?;
        Ok(Value::Map(Rc::new(map)))
    }

    /// The value of an element; `None` if it is to be left out.
    fn element(&mut self, element: &'a Element) -> Result<Option<Value<'a>>, EvalError> {
        let value = self.eval_lazy(&element.node)?;
        if !element.optional {
            return Ok(Some(value));
        }
        match value {
            Value::Optional(inner) => Ok(inner.map(|inner| (*inner).clone())),
            other => Err(EvalError::new(format!("`?` needs an optional, got {}", other.describe()))),
        }
    }

    fn bind(&mut self, binding: &'a (usize, Node, Node)) -> Result<Value<'a>, EvalError> {
        let value = self.eval_lazy(&binding.1)?;
        self.locals.push(value);
        let result = self.eval_lazy(&binding.2);
        self.locals.truncate(binding.0);
        result
    }

    fn optional_map(&mut self, mapped: &'a OptionalMap) -> Result<Value<'a>, EvalError> {
        let inner = match self.eval(&mapped.operand)? {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => (*inner).clone(),
            other => return Err(EvalError::new(format!("expected an optional, got {}", other.describe()))),
        };
        self.locals.push(inner);
        let result = self.eval(&mapped.body);
        self.locals.truncate(mapped.slot);
        match result? {
            value if !mapped.flat => Ok(Value::some(value)),
            value @ Value::Optional(_) => Ok(value),
            other => Err(EvalError::new(format!("expected an optional, got {}", other.describe()))),
        }
    }

    fn matches(&mut self, text: &'a Node, regex: &'a regex::Regex) -> Result<Value<'a>, EvalError> {
        let value = self.eval(text)?;
        let Some(text) = value.as_str() else {
            return Err(EvalError::new(format!("`matches` needs a string, got {}", value.describe())));
        };
        self.scan(text)?;
        Ok(Value::Bool(regex.is_match(text)))
    }

    fn call(
        &mut self,
        function: &'static functions::Function,
        arguments: &'a [Node],
    ) -> Result<Value<'a>, EvalError> {
        let mut values = SmallVec::<[Value<'a>; 4]>::new();
        for argument in arguments {
            values.push(self.eval(argument)?);
        }
        (function.body)(self, &values)
    }

    fn now(&self) -> Value<'a> {
        Value::Time(DateTime::from_timestamp_nanos(i64::try_from(self.env.now().0).unwrap_or(i64::MAX)))
    }

    fn uuid(&mut self) -> Value<'a> {
        let bytes = self.env.uuid(self.uuids);
        self.uuids += 1;
        Value::text(uuid_text(bytes))
    }
}

/// The usual text of a UUID.
pub(crate) fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (ix, byte) in bytes.iter().enumerate() {
        if matches!(ix, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

fn too_many_iterations() -> EvalError {
    EvalError::fatal(format!("the expression loops more than {ITERATIONS_MAX} times"))
        .hint("Do such work in a plugin method, or split it over steps.")
}

fn insert<'a>(map: &mut MapValue<'a>, key: Value<'a>, value: Value<'a>) -> Result<(), EvalError> {
    let shown = key.describe();
    match map.insert(Key::of(key)?, value) {
        None => Ok(()),
        Some(_) => Err(EvalError::new(format!("the key {shown} is there twice"))),
    }
}

/// The value as a payload; one that came in as a payload is shared.
pub(super) fn to_payload(value: &Value<'_>) -> Result<Payload, EvalError> {
    if let Value::Payload(payload) = value {
        return Ok((*payload).clone());
    }
    let mut text = String::new();
    write_json(&mut text, value, BUILT_BYTES_MAX)?;
    Ok(Payload::trusted(text))
}

/// The elements of a list as payloads.
pub(super) fn list_items(value: &Value<'_>) -> Result<Vec<Payload>, EvalError> {
    let value = value.clone().force();
    let Some(len) = value.list_len() else {
        return Err(EvalError::new(format!("expected a list, got {}", value.describe())));
    };
    if len > ITEMS_MAX {
        return Err(EvalError::fatal(format!("the list has {len} elements, more than {ITEMS_MAX}")));
    }
    match &value {
        Value::List(items) => items.iter().map(to_payload).collect(),
        other => other.entries().map(|(_, item)| to_payload(&item)).collect(),
    }
}

/// # Errors
/// If text that is being written is longer than allowed.
pub(super) fn check_len(text: &str) -> Result<(), EvalError> {
    if text.len() > BUILT_BYTES_MAX {
        return Err(EvalError::fatal(format!("the result is longer than {BUILT_BYTES_MAX} bytes")));
    }
    Ok(())
}
