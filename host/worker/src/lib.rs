//! The process that runs one plugin apart from its host.

pub mod sandbox;
