//! What a host and a worker process say to each other: types and their form as bytes, without any reading or writing.
//!
//! Both send frames over one stream socket: a head of 13 bytes (see [`Head`]) and a body whose form its [`Kind`] tells. The
//! host opens with [`Hello`]; the worker opens the plugin that it names and answers with [`Ready`] or a [`Refusal`].
//! From then on calls go one way and their ends the other, in any order, told apart by the number of the call. A side
//! that does not know a feature of the other leaves it alone; a frame of an unknown kind, or one that cannot be read, ends
//! the conversation.

mod body;
pub mod feature;
mod frame;
mod grant;
mod hello;

pub use body::{Body, CallBody, FailureBody, LineBody, LogBody, ProgressBody, RequestBody};
pub use frame::{BrokenFrame, HEAD_BYTES, Head, Kind};
pub use grant::{FsGrant, Grant, Limits, Policy, Sandbox, Table, optional_table};
pub use hello::{Hello, Ready, Refusal};

/// The form of frames and bodies. Both sides must have the same; what is added later is a feature.
pub const PROTOCOL: u32 = 1;

/// The largest body of a frame in either direction: 1 GiB.
pub const BODY_BYTES_MAX: u32 = 1 << 30;

/// The largest body of what a method says while it runs (log, progress, output, heartbeat): 64 KiB. A worker cuts
/// texts that are longer.
pub const TELLING_BYTES_MAX: u32 = 64 << 10;

/// The code of a [`Refusal`] because the sandbox cannot be put in force.
pub const REFUSED_BY_SANDBOX: &str = "plugin.sandbox";

/// The number of no call: of frames that belong to none.
pub const NO_CALL: u64 = 0;
