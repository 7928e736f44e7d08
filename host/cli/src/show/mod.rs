//! How things look to people.

pub(crate) mod diagnostics;
pub(crate) mod failure;
pub(crate) mod schema;
pub(crate) mod time;

/// What is wrong and what to do about it, on one line.
pub(crate) fn with_remedy(message: &str, remedy: &str) -> String {
    if remedy.is_empty() { message.to_owned() } else { format!("{message}. {remedy}") }
}
