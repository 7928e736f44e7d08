//! The fields of the format as data: one table that the parser, the canonical layout and the JSON Schema all
//! read, so that they cannot disagree about a name, a type, a range or a default.

mod document;
mod step;

pub(crate) use document::{CONCURRENCY, DEFAULTS, DOCUMENT, RETRY, SCHEDULE, SCHEMA_ID};
pub(crate) use step::{
    CALL, CASE, CASE_DEFAULT, CATCH, COMPENSATE, FAILURE, RATE_LIMIT, STAGE_FIELDS, STEP, TYPES,
};

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any string.
    Text,
    /// A string of at least one character.
    Name,
    /// An identifier.
    Id,
    /// A list of step ids.
    Ids,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int { min: u64, max: u64 },
    /// Any number in a range.
    Number { min: f64, max: f64 },
    /// A duration; zero is allowed.
    Duration,
    /// A duration above zero.
    PositiveDuration,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A bare CEL expression.
    Condition,
    /// Any JSON whose strings are templates.
    Template,
    /// An object of templates, or a template that yields one.
    Parameters,
    /// An object of templates by name.
    TemplateMap,
    /// Any object.
    Object,
    /// A JSON Schema.
    Schema,
    /// A semantic version.
    Version,
    /// A range of semantic versions.
    Range,
    /// Ranges by plugin id.
    RangeMap,
    /// A list of patterns, at least one.
    Patterns,
    /// The name of a policy or a policy.
    Retry,
    /// Policies by name.
    RetryMap,
    /// A list of steps, at least one.
    Steps,
    /// A list of steps, possibly none.
    CleanupSteps,
    /// An expression or an array.
    Items,
    /// A count or a percentage.
    Tolerance,
    /// A trigger rule.
    Trigger,
    /// `each`, `all`, `latest` or `{batch, every}`.
    Activation,
    /// An object with fields of its own.
    Record(&'static Record),
    /// A list of such objects with so many at least.
    Records { record: &'static Record, min: usize },
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Name as documents write it.
    pub(crate) name: &'static str,
    /// What it may hold.
    pub(crate) kind: Kind,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// What holds when it is absent, as JSON text; empty if there is nothing to say.
    pub(crate) default: &'static str,
    /// One sentence for the schema.
    pub(crate) doc: &'static str,
}

/// How many fields of a [`Choice`] may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// At most one.
    AtMost,
    /// Exactly one.
    Exactly,
    /// At least one.
    AtLeast,
}

/// Fields that depend on each other.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Their names.
    pub(crate) of: &'static [&'static str],
    /// How many of them may be there.
    pub(crate) rule: Rule,
}

/// An object of the format.
#[derive(Debug)]
pub(crate) struct Record {
    /// What it is called in messages and in the schema.
    pub(crate) name: &'static str,
    /// One sentence for the schema.
    pub(crate) doc: &'static str,
    /// Its fields in canonical order.
    pub(crate) fields: &'static [Field],
    /// Fields that exclude each other.
    pub(crate) choices: &'static [Choice],
}

impl Record {
    /// The field called `name` and its position.
    pub(crate) fn field(&self, name: &str) -> Option<(usize, &'static Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }
}

/// Most that a count of the format may be.
pub(crate) const COUNT_MAX: u64 = u32::MAX as u64;

/// A count of at least `min`.
const fn count(min: u64) -> Kind {
    Kind::Int { min, max: COUNT_MAX }
}

/// An optional field without a default.
const fn field(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { name, kind, required: false, default: "", doc }
}

impl Field {
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn default(mut self, json: &'static str) -> Self {
        self.default = json;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_lists_a_field_twice_or_chooses_among_fields_it_does_not_have() {
        let mut records = vec![
            &DOCUMENT,
            &DEFAULTS,
            &RETRY,
            &SCHEDULE,
            &CONCURRENCY,
            &STEP,
            &CASE,
            &CASE_DEFAULT,
            &CATCH,
            &COMPENSATE,
            &FAILURE,
            &RATE_LIMIT,
        ];
        records.extend(TYPES.iter().copied());
        for record in records {
            for (position, field) in record.fields.iter().enumerate() {
                assert_eq!(record.field(field.name).unwrap().0, position, "{}.{}", record.name, field.name);
                assert!(
                    field.default.is_empty()
                        || serde_json::from_str::<serde_json::Value>(field.default).is_ok()
                );
            }
            for name in record.choices.iter().flat_map(|choice| choice.of) {
                assert!(record.field(name).is_some(), "{}.{name}", record.name);
            }
        }
        assert!(STAGE_FIELDS.iter().all(|name| CALL.field(name).is_some()));
    }
}
