//! The store as the engine uses it.

mod model;
mod property;
mod round_trip;
mod sample;
