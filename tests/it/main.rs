//! The product as a whole, seen from outside: documents in; diagnostics, runs and command output out.

mod bench;
mod definition;
mod deploy;
#[cfg(unix)]
mod doctor;
mod durable;
mod examples;
mod fields;
mod isolation;
mod partner;
mod plugins;
mod plugins_author;
mod plugins_check;
mod plugins_store;
mod plugins_trust;
mod plugins_watch;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod python;
mod readme;
mod running;
#[cfg(unix)]
mod server;
mod tidy;
