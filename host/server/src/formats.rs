//! How texts look in the description of the API: as what a schema can say of them. What reads them says more, and has the last word.

/// A duration: `1h30m`, `500ms`, `1.5s`, or ISO 8601.
pub(crate) const DURATION: &str = r"^([0-9]{1,3}(\.[0-9]{1,3})?(w|d|h|m|s|ms|us|ns)|([0-9]{1,3}w)?([0-9]{1,3}d)?([0-9]{1,3}h)?([0-9]{1,3}m)?[0-9]{1,3}(s|ms|us|ns)|PT?[0-9YMWDTHS.]+|[0-9]{1,9})$";
/// A range of semantic versions.
pub(crate) const RANGE: &str = r"^(\*|(=|>|>=|<|<=|~|\^)? ?[0-9]{1,6}(\.([0-9]{1,6}|\*)){0,2}(-[0-9A-Za-z.-]+)?(, ?(=|>|>=|<|<=|~|\^)? ?[0-9]{1,6}(\.[0-9]{1,6}){0,2}(-[0-9A-Za-z.-]+)?){0,4})$";
/// The id of a run: no control characters.
pub(crate) const ID: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";
/// The id of a workflow or of a step.
pub(crate) const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]{0,127}$";
/// W3C trace context.
pub(crate) const TRACEPARENT: &str = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$";
/// A number that a page gave.
pub(crate) const CURSOR: &str = "^[0-9]{1,18}$";
/// A document that is right wherever it is sent.
pub(crate) const DOCUMENT: &str =
    r#"{"id": "hello", "version": "1.0.0", "steps": [{"id": "say", "type": "log", "message": "hello"}]}"#;
