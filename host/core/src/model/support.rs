//! What format 1 describes and this version does not perform. It is parsed and checked like everything else and then
//! refused by name, so that no workflow runs without something that it asks for.

/// One thing that is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The object it stands in, by the name of its record; `type` for a step type.
    pub(crate) record: &'static str,
    /// The field, or the step type.
    pub(crate) name: &'static str,
    /// The one value, as JSON text, that asks for nothing but what happens anyway; empty if there is none.
    pub(crate) accepted: &'static str,
}

const fn refuse(record: &'static str, name: &'static str) -> Refusal {
    Refusal { record, name, accepted: "" }
}

const fn refuse_but(record: &'static str, name: &'static str, accepted: &'static str) -> Refusal {
    Refusal { record, name, accepted }
}

/// Everything that is refused. A feature that is performed loses its rows here and nothing else.
pub(crate) const REFUSED: &[Refusal] = &[
    refuse("step", "rate_limit"),
    refuse_but("step", "priority", "5"),
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

/// Why `name` is refused with the value `written`, as a message and a hint; `None` if it is not.
pub(crate) fn refused(record: &str, name: &str, written: &str) -> Option<(String, String)> {
    let row = refusal(record, name)?;
    if !row.accepted.is_empty() && row.accepted == written {
        return None;
    }
    let what = if record == "type" { "step type" } else { "field" };
    let message = format!("this version does not perform the {what} `{name}`");
    let hint = match row.accepted {
        "" => String::new(),
        accepted => format!("The only value that it takes is {accepted}."),
    };
    Some((message, hint))
}
