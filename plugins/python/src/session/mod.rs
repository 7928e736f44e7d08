//! Sessions: one long-lived interpreter each, with a line of calls in front of it.

mod capture;
mod code;
mod execute;
mod line;
mod modes;
mod seats;
mod spares;
mod state;
mod table;
mod terms;
#[cfg_attr(not(unix), path = "worker_elsewhere.rs")]
mod worker;

pub(crate) use execute::{
    Batch, BatchResult, Execute, Executed, RunScript, execute, execute_batch, run_script,
};
pub(crate) use modes::{SwitchMode, Switched, UseEnvironment, Used, switch_mode, use_environment};
pub(crate) use spares::Spares;
pub(crate) use state::SessionInfo;
pub(crate) use table::{CloseSession, Closed, OpenSession, Opened, Sessions, close, open};
