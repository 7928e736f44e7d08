//! Plugin files: what is opened, what is refused, what a misbehaving one costs.
