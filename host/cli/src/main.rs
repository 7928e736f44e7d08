//! Under construction in this slice.

fn main() {}
