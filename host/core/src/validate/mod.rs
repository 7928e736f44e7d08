//! Checks a model against the rules of the format and the catalog.
