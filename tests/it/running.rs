//! Running workflows as users see it: documents on a host with the bundled plugins `echo` and `fault`.

mod ends;
mod flow;
