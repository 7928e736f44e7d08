//! What format 1 describes and this version does not perform. It is parsed and checked like everything else and then
//! refused by name, so that no workflow runs without something that it asks for.

/// One thing that is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The object it stands in, by the name of its record; `type` for a step type.
    pub(crate) record: &'static str,
    /// The field, or the step type.
    pub(crate) name: &'static str,
}

const fn refuse(record: &'static str, name: &'static str) -> Refusal {
    Refusal { record, name }
}

/// Everything that is refused. A feature that is performed loses its rows here and nothing else.
pub(crate) const REFUSED: &[Refusal] = &[
    refuse("stage", "concurrency"),
    refuse("stage", "buffer"),
    refuse("stage", "batch"),
    refuse("stage", "batch_timeout"),
    refuse("stage", "ordered"),
    refuse("stage", "flatten"),
    refuse("stage", "from"),
    refuse("stage", "activation"),
    refuse("stage", "merge"),
];

/// The row for `name` in `record`, if it is refused.
pub(crate) fn refusal(record: &str, name: &str) -> Option<&'static Refusal> {
    REFUSED.iter().find(|row| row.name == name && row.record == record)
}

/// Why `name` is refused; `None` if it is not.
pub(crate) fn refused(record: &str, name: &str) -> Option<String> {
    refusal(record, name)?;
    let what = if record == "type" { "step type" } else { "field" };
    Some(format!("this version does not perform the {what} `{name}`"))
}
