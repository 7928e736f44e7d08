//! The workflow document, format 1, as a typed value. Parsing keeps for every step and every string that can be
//! wrong in itself the byte offset where it stands, so that later passes can point at it.

mod comments;
pub mod duration;
mod fields;
mod format;
mod layout;
mod meaning;
mod parse;
mod schema;
mod serialize;
mod session;
mod step;
mod support;
#[cfg(test)]
mod tests;
mod workflow;

pub(crate) use comments::string_end;
pub use format::format;
pub(crate) use parse::parse_schedule;
pub use parse::{Dialect, Parsed, SOURCE_MAX, parse};
pub use schema::schema;
pub use serialize::to_json;
pub use session::{SESSION_BYTES_MAX, session_fault};
pub use step::{
    Action, CallFields, Case, Catch, Channel, ChildRun, Compensate, Delivery, Emit, Foreach, Isolation,
    Items, LogLevel, OnParentClose, RateLimit, Repeat, Step, Tolerance, TriggerRule, Wait,
};
pub use workflow::{
    Backoff, Body, Concurrency, Defaults, OnConflict, Overlap, Retry, RetryField, Rollback, Schedule,
    Workflow,
};

/// A value and the byte offset in the document where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Byte offset of its first character (for a string: of the opening quote).
    pub at: u32,
}

impl<T> At<T> {
    /// Another value in the same place.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), at: self.at }
    }
}

impl<T> At<Option<T>> {
    /// The place only if there is a value.
    pub(crate) fn transpose(self) -> Option<At<T>> {
        self.value.map(|value| At { value, at: self.at })
    }
}

/// A piece of JSON as it stands in the document: a template or plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    /// The JSON text as written, comments of a `.jsonc` file blanked out.
    pub text: Box<str>,
    /// Byte offset of its first character.
    pub at: u32,
}

/// How the steps of a body relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One after the other in list order.
    #[default]
    Sequential,
    /// By their dependencies.
    Parallel,
    /// By their dependencies; a skipped step takes what depends on it along.
    Conditional,
    /// Each takes the former one's output.
    Pipeline,
}
