//! What may be a session.

use serde_json::Value;

/// Longest affinity key of a call, in bytes.
pub const SESSION_BYTES_MAX: usize = 256;

/// Why `value` is no affinity key; `None` if it is one. `null` is none, as the empty text.
#[must_use]
pub fn session_fault(value: &Value) -> Option<String> {
    let len = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => return None,
        Value::String(text) if text.chars().any(char::is_control) => {
            return Some("a session has no control characters".into());
        }
        Value::String(text) => text.len(),
        Value::Array(_) => return Some("a session is a text, not an array".into()),
        Value::Object(_) => return Some("a session is a text, not an object".into()),
    };
    (len > SESSION_BYTES_MAX)
        .then(|| format!("it has {len} bytes; the limit of a session is {SESSION_BYTES_MAX}"))
}
