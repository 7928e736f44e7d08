//! The pure heart of Jackfield: no runtime, files, sockets, clock or randomness.
//!
//! Three straight lines start here: a document becomes a [`model::Workflow`], then a [`plan::Plan`]; a
//! [`run::RunState`] takes records and yields commands; records are what everybody else looks at.
//! [`journal`] says what of it lasts.

pub mod catalog;
pub mod diagnostic;
pub mod expr;
pub mod failure;
pub mod journal;
pub mod line;
pub mod model;
pub mod payload;
pub mod plan;
pub mod ports;
pub mod run;
pub mod schedule;
pub mod time;
pub mod trace;
pub mod validate;
