//! Runs of documents on a real engine, with methods made of closures: what a document says is what happens.

mod bodies;
mod calls;
mod catching;
mod cleanup;
mod durable;
mod foreach;
mod generations;
mod kit;
mod lab;
mod limits;
pub(crate) mod memory_store;
mod modes;
mod observing;
mod pausing;
mod race;
pub(crate) mod random;
mod reference;
mod registered;
mod repeat;
mod retries;
mod rules;
mod simple;
mod stopping;
mod stress;
mod switch;
mod timeouts;
