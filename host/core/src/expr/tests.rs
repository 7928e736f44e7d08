//! What expressions and templates promise.
