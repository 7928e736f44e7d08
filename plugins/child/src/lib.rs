//! How the bundled Jackfield plugins start other programs. A library, because the plugins are `cdylib`s and cannot link
//! one another.
//!
//! - A [`Program`] says what to start; [`Child::start`] refuses with one clear error before anything runs.
//! - A [`Child`] is a group of processes that ends as a whole: when it is told to, when its program ends, when the value is
//!   dropped, and when the process that started it dies in whatever way (`group`).
//! - Its output is read in bounded memory: [`Capped`] keeps the beginning, [`Tail`] the last lines, [`read_lines`] hands
//!   on line by line.
//! - A [`Channel`] is a conversation of length-prefixed JSON with a long-lived program, apart from what that prints.
//!
//! Everything blocks; who must not be held up uses a thread.

mod capture;
mod channel;
mod child;
mod error;
mod group;
mod program;

#[cfg(test)]
mod tests;

pub use capture::{CUT_MARK, Capped, Line, Tail, read_lines, text};
pub use channel::{Channel, FRAME_LEN_MAX, Receiver, Sender};
pub use child::{Child, Exit, Streams, Told};
pub use error::StartError;
pub use program::{Environment, Inherit, Input, Program};
