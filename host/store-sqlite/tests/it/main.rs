//! The store as the engine uses it.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]

mod damage;
mod full;
mod garbage;
mod model;
mod process;
mod property;
mod round_trip;
mod sample;
mod upkeep;
