//! The one crate that a Jackfield plugin depends on.
//!
//! A plugin is a `cdylib` with functions and one [`export_plugin!`]. Schemas, manifest, panic guard, version and
//! documentation come from the types:
//!
//! ```
//! use jackfield_plugin_api::prelude::*;
//! use std::path::PathBuf;
//!
//! /// Where the rows come from.
//! #[derive(Deserialize, JsonSchema)]
//! struct Load {
//!     /// A file with a header line.
//!     path: PathBuf,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Table {
//!     rows: Vec<String>,
//! }
//!
//! fn load(ctx: &Context, p: Load) -> Result<Table, Error> {
//!     let text = std::fs::read_to_string(&p.path)?;
//!     ctx.progress(1.0, "read");
//!     Ok(Table { rows: text.lines().skip(1).map(str::to_owned).collect() })
//! }
//!
//! export_plugin! { name: "lines", methods: [ load { pure, description: "read a file with a header line" } ] }
//! # fn main() {}
//! ```
//!
//! The derive macros of `serde` and `schemars` name their crates in the code that they write, so `Cargo.toml` lists
//! those two beside this one. [`testing`] calls methods without a host. Plugins in other languages include
//! `include/jackfield.h`; it is generated from [`abi`].

pub mod abi;
mod context;
mod error;
#[doc(hidden)]
pub mod export;
pub mod manifest;
mod raw;
pub mod testing;
pub mod worker;

pub use context::{Context, Level, OnCancel, Stream};
pub use error::{Error, OrFail};
pub use export::config::State;
pub use manifest::{Isolation, MethodKind};
pub use raw::{NoParams, RawJson};

pub use {schemars, serde, serde_json};

/// What a plugin needs, in one line.
pub mod prelude {
    pub use crate::{
        Context, Error, Isolation, Level, NoParams, OrFail, RawJson, State, Stream, export_plugin,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

/// The guide for authors: its examples are tested here.
#[cfg(doctest)]
#[doc = include_str!("../../docs/plugins.md")]
mod guide {}
