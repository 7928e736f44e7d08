//! What the integration tests are written with: built artifacts, a bench to run documents on, the command line.
//!
//! A test makes a [`Bench`], hands it a document and looks at what came of it: [`Finished`] runs, [`Faults`] of
//! documents, [`CliOutput`] of the command. Nothing here but `crash` knows the engine; all else goes through the crate
//! `jackfield`.

mod artifacts;
mod bench;
mod cli;
mod clock;
mod compile;
#[cfg(unix)]
pub mod crash;
mod document;
mod faults;
mod finished;
pub mod workspace;

pub use artifacts::{bundled_plugin, jackfield_command, worker_program};
pub use bench::{Bench, Started};
pub use cli::{CliOutput, Limits};
pub use clock::{SetClock, in_time};
pub use compile::{Counter, Handover, compile_c, compile_program};
pub use document::{Document, chain, fan, skipped_chain};
pub use faults::{Fault, Faults};
pub use finished::Finished;
