//! The sandbox against a real kernel: every test starts a process, restricts it, and has it try what a plugin might.
//!
//! Nothing is skipped: a kernel that cannot enforce the sandbox fails these tests, which say what it lacks.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]

mod actions;
mod calls;
mod child;
mod files;
mod limits;
mod network;
mod policy;
mod processes;

use child::{Answer, run, sandbox};
