//! The product as a whole, seen from outside: documents in; diagnostics, runs and command output out.

mod definition;
mod examples;
mod plugins;
mod readme;
mod running;
mod tidy;
