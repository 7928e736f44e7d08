//! CEL expressions and templates over JSON: compiled once, evaluated on values where they stand.
//!
//! # What expressions can do (this list is longer than a module comment should be: it is the users' reference)
//! - Literals: null, bool, int, uint (`1u`), double, strings in all CEL spellings, lists, maps. No bytes, no messages.
//! - Operators: `+ - * / %`, `== != < <= > >=`, `&& || !`, `? :`, `in`, `.field`, `[index]`, `.?field`, `[?index]`,
//!   `?` before elements and keys of literals. Integers mix with doubles; overflow is an error.
//! - Presence: `has(a.b)`, which is false on null. Optionals: `optional.of`, `optional.ofNonZeroValue`,
//!   `optional.none`, `.hasValue`, `.value`, `.orValue`, `.or`, `.optMap`, `.optFlatMap`.
//! - Loops: `all`, `exists`, `exists_one` (`existsOne`), `filter`, `map` (with a filter as middle argument),
//!   `sortBy`; with two variables `all`, `exists`, `existsOne`, `transformList`, `transformMap`, `transformMapEntry`.
//!   `cel.bind(name, value, body)`.
//! - Strings: `size`, `contains`, `startsWith`, `endsWith`, `matches`, `split`, `join`, `replace`, `lowerAscii`,
//!   `upperAscii`, `trim`, `substring`, `indexOf`, `lastIndexOf`, `charAt`, `reverse`, `strings.quote`.
//! - Lists and maps: `size`, `slice`, `sort`, `distinct`, `flatten`, `reverse`, `first`, `last`, `sum`, `keys`,
//!   `values`, `lists.range`.
//! - Numbers: `math.greatest`, `least`, `abs`, `ceil`, `floor`, `round`, `trunc`, `sqrt`, `sign`, `isNaN`, `isInf`,
//!   `isFinite`.
//! - Conversions: `int`, `uint`, `double`, `string`, `bool`, `timestamp`, `duration`, `type`, `dyn`.
//! - Times: comparison, `+`, `-`, `getFullYear`, `getMonth`, `getDate`, `getDayOfMonth`, `getDayOfWeek`,
//!   `getDayOfYear`, `getHours`, `getMinutes`, `getSeconds`, `getMilliseconds`, with `UTC` or an offset as zone. Their
//!   JSON forms are RFC 3339 and seconds, such as `"90s"`.
//! - `now()`, `uuid()`, `secret('name')`.

mod compile;
mod duration;
mod expression;
mod fault;
mod functions;
mod interpolate;
mod machine;
mod node;
mod number;
mod parse;
mod path;
mod program;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use expression::{Expression, ITEMS_MAX};
pub use fault::{EvalError, Fault, FaultKind};
pub(crate) use machine::uuid_text;
pub use machine::{BUILT_BYTES_MAX, ITERATIONS_MAX};
pub use parse::{DEPTH_MAX, SOURCE_LEN_MAX};
pub use template::{Hole, HoleKind, Template};

use crate::payload::Payload;
use crate::time::Timestamp;
use std::sync::Arc;

/// Index into the plan's table of references; given by whoever compiles, handed back at evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefIx(pub u32);

/// What a dotted name at the start of a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The reference.
    pub reference: RefIx,
    /// How many segments of the path it takes up (`steps.load.output` takes 3).
    pub consumed: usize,
}

/// A name that does not exist where the expression stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What is wrong, such as "unknown step `lod`".
    pub message: String,
    /// Such as "Did you mean `load`?"; may be empty.
    pub hint: String,
}

/// Gives meaning to names while an expression is compiled.
pub trait Names {
    /// Resolves the longest meaningful prefix of `path`, which has at least one segment.
    ///
    /// # Errors
    /// If the first segments name nothing that is visible here.
    fn resolve(&mut self, path: &[&str]) -> Result<Resolved, UnknownName>;

    /// Whether `secret('name')` may be used here; a sentence saying why not otherwise.
    ///
    /// # Errors
    /// If secrets are not allowed in this field.
    fn secret(&mut self, name: &str) -> Result<(), UnknownName>;
}

/// What a reference is worth at evaluation.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string.
    Text(&'a str),
    /// A JSON value.
    Json(&'a Payload),
}

/// Gives values to references while an expression is evaluated.
pub trait Env {
    /// The value of `reference`; `nth` is its position in the `references()` of what is being evaluated.
    fn operand(&self, reference: RefIx, nth: usize) -> Operand<'_>;

    /// What `now()` answers.
    fn now(&self) -> Timestamp;

    /// What `uuid()` answers; `nth` counts the calls within one evaluation from 0.
    fn uuid(&self, nth: u32) -> [u8; 16];

    /// What `secret(name)` answers.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    fn secret(&self, name: &str) -> Result<Arc<str>, String>;
}
