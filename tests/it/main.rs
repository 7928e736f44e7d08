//! The product as a whole, seen from outside: documents in; diagnostics, runs and command output out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in what it shares with others too")]

mod definition;
mod examples;
mod plugins;
mod readme;
mod running;
mod tidy;
