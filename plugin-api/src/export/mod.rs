//! `export_plugin!`: turns functions into a library that a host can load. The macro only wires; what it wires lies here.
#![expect(unsafe_code, reason = "the exported functions take C pointers from the host")]

pub(crate) mod cancel;
pub mod config;
pub mod definition;
pub mod entry;
mod json;
pub mod method;
pub mod root;
#[cfg(feature = "async")]
mod runtime;
pub mod value;

mod macros;
