//! The fields of the document and of the objects that stand only there, and of retry policies.

use super::{Choice, Field, Kind, Record, Rule, count, field};
use crate::model::Overlap;

/// The id of the JSON Schema of the format.
pub(crate) const SCHEMA_ID: &str = "urn:jackfield:workflow:1";

const MODE: Field = field("mode", Kind::OneOf(MODES), "How the steps relate.").default("\"sequential\"");

/// Words for modes, in the order of [`crate::model::Mode`].
pub(super) const MODES: &[&str] = &["sequential", "parallel", "conditional", "pipeline"];

/// `mode`, shared by everything that holds steps.
pub(super) const fn mode() -> Field {
    MODE
}

/// `steps`, shared by everything that holds steps.
pub(super) const fn steps() -> Field {
    field("steps", Kind::Steps, "The steps, at least one.").required()
}

const RETRY_CHOICE: Choice = Choice { of: &["max_retries", "retry"], rule: Rule::AtMost };

/// `max_retries` and `retry` exclude each other wherever they stand.
pub(super) const RETRY_CHOICES: &[Choice] = &[RETRY_CHOICE];

/// The document.
pub(crate) static DOCUMENT: Record = Record {
    name: "document",
    doc: "A workflow: steps, how they relate, and what holds for the run as a whole.",
    choices: &[],
    fields: &[
        field("$schema", Kind::OneOf(&[SCHEMA_ID]), "The JSON Schema of the format."),
        field("dsl", Kind::OneOf(&["1"]), "Version of the format.").default("\"1\""),
        field("id", Kind::Id, "Id of the workflow.").required(),
        field("version", Kind::Version, "Semantic version of the workflow.").default("\"0.0.0\""),
        field("name", Kind::Text, "Shown to people; the id if absent."),
        field("description", Kind::Text, "Shown to people."),
        field("metadata", Kind::Object, "The user's own data, never interpreted."),
        MODE,
        field(
            "max_concurrency",
            count(0),
            "Attempts of call steps at a time, at any depth; 0 is the host's limit.",
        )
        .default("0"),
        field("requires", Kind::RangeMap, "Version ranges by plugin id, resolved once when the run starts."),
        field(
            "input_schema",
            Kind::Schema,
            "JSON Schema that the input is checked against before the run starts.",
        ),
        field("variables", Kind::TemplateMap, "Initial variables: templates by name."),
        field("defaults", Kind::Record(&DEFAULTS), "What holds for steps that do not say otherwise."),
        field("retry_policies", Kind::RetryMap, "Retry policies by name, for `retry: \"name\"`."),
        steps(),
        field("output", Kind::Template, "Output of the run; if absent that of the steps."),
        field("timeout", Kind::PositiveDuration, "Limit of the whole run, clean-up not counted."),
        field("rollback", Kind::OneOf(&["on_failure", "never"]), "When compensations run.")
            .default("\"on_failure\""),
        field("on_failure", Kind::CleanupSteps, "Steps that run after a failure, one after the other."),
        field("finally", Kind::CleanupSteps, "Steps that run at every end, one after the other."),
        field(
            "cleanup_timeout",
            Kind::PositiveDuration,
            "Limit of compensation, on_failure and finally together.",
        )
        .default("\"10m\""),
        field("schedule", Kind::Record(&SCHEDULE), "When runs start by themselves."),
        field("concurrency", Kind::Record(&CONCURRENCY), "How many runs may share a key."),
        field("priority", Kind::Int { min: 0, max: 9 }, "Order among queued runs, 9 first.").default("5"),
    ],
};

/// `defaults`.
pub(crate) static DEFAULTS: Record = Record {
    name: "defaults",
    doc: "What holds for steps that do not say otherwise.",
    choices: RETRY_CHOICES,
    fields: &[
        field(
            "timeout",
            Kind::Duration,
            "Limit of an attempt of a call step; 0 is no limit; if absent that of the method or 60 seconds.",
        ),
        field("max_retries", count(0), "Retries of a call step after the first attempt, one second apart.")
            .default("0"),
        field("retry", Kind::Retry, "Retry policy of call steps, or the name of one."),
        field("critical", Kind::Bool, "Whether the failure of a step fails what contains it.")
            .default("true"),
        field("session", Kind::Template, "Affinity key of call steps."),
        field("pool", Kind::Name, "Pool that limits call steps."),
    ],
};

/// A retry policy.
pub(crate) static RETRY: Record = Record {
    name: "retry",
    doc: "How often and when a failed attempt is made again.",
    choices: &[],
    fields: &[
        field("max_attempts", count(1), "Attempts at most, counting the first.").default("3"),
        field("delay", Kind::Duration, "Time before the second attempt.").default("\"1s\""),
        field("backoff", Kind::OneOf(&["none", "fixed", "linear", "exponential"]), "How the delay grows.")
            .default("\"exponential\""),
        field("multiplier", Kind::Number { min: 1.0, max: 1000.0 }, "Factor of exponential growth.")
            .default("2"),
        field("max_delay", Kind::Duration, "Longest delay.").default("\"1h\""),
        field("jitter", Kind::Number { min: 0.0, max: 1.0 }, "Share of the delay that is left to chance.")
            .default("0"),
        field("total_timeout", Kind::PositiveDuration, "Limit of all attempts and delays together."),
        field("errors", Kind::Patterns, "Patterns of error types that are retried; `*` matches any text.")
            .default("[\"*\"]"),
        field("when", Kind::Condition, "Condition over `error`; false ends the retries."),
    ],
};

/// `schedule`.
pub(crate) static SCHEDULE: Record = Record {
    name: "schedule",
    doc: "When runs start by themselves.",
    choices: &[Choice { of: &["cron", "every", "at", "on_event"], rule: Rule::Exactly }],
    fields: &[
        field("cron", Kind::Name, "Times as a cron expression of 5 fields, or 6 with seconds in front."),
        field("every", Kind::PositiveDuration, "Time between two starts, at least a second."),
        field("at", Kind::Name, "One point in time (RFC 3339)."),
        field("on_event", Kind::Name, "Name of an event that starts a run each time it is emitted to all."),
        field("timezone", Kind::Name, "IANA time zone of `cron`, such as Europe/Vienna.").default("\"UTC\""),
        field(
            "input",
            Kind::Template,
            "Input of the runs; sees what started it as `event`. If absent: {}, or the data of the event.",
        ),
        field("enabled", Kind::Bool, "Whether the schedule is in force.").default("true"),
        field(
            "overlap",
            Kind::OneOf(Overlap::WORDS),
            "What happens when a run of the schedule has not ended.",
        )
        .default("\"skip\""),
        field("catch_up", Kind::Duration, "How far back missed starts are made up for.").default("0"),
        field("jitter", Kind::Duration, "Delay of a start that looks random, at most; 24 hours at most.")
            .default("0"),
    ],
};

/// `concurrency` of the document.
pub(crate) static CONCURRENCY: Record = Record {
    name: "concurrency",
    doc: "How many runs may share a key.",
    choices: &[],
    fields: &[
        field("key", Kind::Condition, "Expression that yields the key.").required(),
        field("limit", count(1), "Runs with one key at a time.").default("1"),
        field(
            "on_conflict",
            Kind::OneOf(&["queue", "reject", "cancel_running"]),
            "What happens to a run too many.",
        )
        .default("\"queue\""),
    ],
};
