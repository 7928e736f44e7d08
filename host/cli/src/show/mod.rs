//! How things look to people.

pub(crate) mod diagnostics;
pub(crate) mod failure;
pub(crate) mod schema;
pub(crate) mod time;
