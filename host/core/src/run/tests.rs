//! Behaviour of the state machine is tested where documents can be written: see the crate's `tests` folder.
