//! What workers say: `{"ok": VALUE}`, or `{"error": {"message": .., "type": .., "retryable": .., "details": ..}}`.

use jackfield_plugin_api::Error;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer<'a> {
    #[serde(borrow)]
    Ok(&'a RawValue),
    Error(Fault),
}

#[derive(Deserialize)]
struct Fault {
    message: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    retryable: bool,
    #[serde(default)]
    details: Value,
}

/// The value in a frame.
///
/// # Errors
/// The error in it, of the type that it names or else `process.worker_error`; `process.bad_answer` if it holds neither.
pub(super) fn value(mut frame: Vec<u8>) -> Result<Vec<u8>, Error> {
    // nearly all: the host checks that what is left is JSON
    const BEFORE: &[u8] = b"{\"ok\":";
    if frame.starts_with(BEFORE) && frame.ends_with(b"}") {
        frame.pop();
        frame.drain(..BEFORE.len());
        return Ok(frame);
    }
    match serde_json::from_slice(&frame) {
        Ok(Answer::Ok(value)) => Ok(value.get().as_bytes().to_vec()),
        Ok(Answer::Error(fault)) => {
            let kind = fault.kind.as_deref().unwrap_or("process.worker_error");
            Err(Error::new(kind, fault.message).retryable(fault.retryable).details(&fault.details))
        }
        Err(error) => {
            let beginning: String = String::from_utf8_lossy(&frame).chars().take(200).collect();
            let message = format!(
                "a worker answers {{\"ok\": ..}} or {{\"error\": {{\"message\": ..}}}}, not `{beginning}`: {error}"
            );
            Err(Error::new("process.bad_answer", message).permanent())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_value_or_an_error() {
        let read = |text: &str| value(text.as_bytes().to_vec());
        assert_eq!(read(r#"{"ok":[1,{"a":2}]}"#).unwrap(), br#"[1,{"a":2}]"#);
        assert_eq!(read(r#" { "ok" : null } "#).unwrap(), b"null");
        let error = read(r#"{"error":{"message":"no","type":"my.own","retryable":true}}"#).unwrap_err();
        assert_eq!((error.kind(), error.message(), error.is_retryable()), ("my.own", "no", true));
        assert_eq!(read(r#"{"error":{"message":"no"}}"#).unwrap_err().kind(), "process.worker_error");
        for bad in ["7", "", "{}", "{\"ok\"", r#"{"result":1}"#] {
            assert_eq!(read(bad).unwrap_err().kind(), "process.bad_answer", "{bad}");
        }
    }
}
