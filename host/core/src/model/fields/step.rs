//! The fields of steps: those that every step has, and those of each type.

use super::document::{RETRY_CHOICES, mode, steps};
use super::{Choice, Field, Kind, Record, Rule, count, field};

/// Fields that every step has.
pub(crate) static STEP: Record = Record {
    name: "step",
    doc: "One step of a workflow.",
    choices: RETRY_CHOICES,
    fields: &[
        field("id", Kind::Id, "Id, unique in the document.").required(),
        field("type", Kind::OneOf(TYPE_NAMES), "What the step does.").default("\"call\""),
        field("name", Kind::Text, "Shown to people; the id if absent."),
        field("description", Kind::Text, "Shown to people."),
        field("metadata", Kind::Object, "The user's own data, never interpreted."),
        field("dependencies", Kind::Ids, "Sibling steps to wait for.").default("[]"),
        field(
            "trigger_rule",
            Kind::Trigger,
            "When the dependencies let the step go; `all_completed` in conditional mode.",
        )
        .default("\"none_failed\""),
        field("when", Kind::Condition, "Condition; if false the step is skipped.").default("\"true\""),
        field(
            "timeout",
            Kind::Duration,
            "Limit of an attempt; 0 is none; if absent, for calls that of the method or 60 seconds.",
        ),
        field("max_retries", count(0), "Retries after the first attempt, one second apart.").default("0"),
        field("retry", Kind::Retry, "Retry policy, or the name of one."),
        field("critical", Kind::Bool, "Whether a failure fails what contains the step.").default("true"),
        field(
            "catch",
            Kind::Records { record: &CATCH, min: 0 },
            "What happens instead of a failure; first match.",
        )
        .default("[]"),
        field("compensate", Kind::Record(&COMPENSATE), "The call that undoes the step."),
        field("output", Kind::Template, "Output of the step, a template over `result`.")
            .default("\"${result}\""),
        field("status", Kind::Template, "Custom status of the run, set when the step starts."),
    ],
};

/// Words for step types, in the order of [`TYPES`].
pub(crate) const TYPE_NAMES: &[&str] = &[
    "call",
    "group",
    "switch",
    "foreach",
    "repeat",
    "race",
    "wait",
    "wait_for_event",
    "receive",
    "emit",
    "workflow",
    "set",
    "log",
    "fail",
    "return",
    "continue_as_new",
];

/// The step types with the fields that only they have.
pub(crate) static TYPES: &[&Record] = &[
    &CALL,
    &GROUP,
    &SWITCH,
    &FOREACH,
    &REPEAT,
    &RACE,
    &WAIT,
    &WAIT_FOR_EVENT,
    &RECEIVE,
    &EMIT,
    &WORKFLOW,
    &SET,
    &LOG,
    &FAIL,
    &RETURN,
    &CONTINUE_AS_NEW,
];

/// Fields of a call that have a meaning only in a stage of a pipeline.
pub(crate) const STAGE_FIELDS: &[&str] =
    &["concurrency", "buffer", "batch", "batch_timeout", "ordered", "flatten", "from", "activation", "merge"];

const PLUGIN: Field = field("plugin", Kind::Name, "Plugin id.").required();
const METHOD: Field = field("method", Kind::Name, "Method of the plugin.").required();
const PLUGIN_VERSION: Field = field("plugin_version", Kind::Range, "Range of plugin versions.");
const PARAMETERS: Field = field("parameters", Kind::Parameters, "Parameters of the call.").default("{}");
const SESSION: Field =
    field("session", Kind::Template, "Affinity key; an empty string clears an inherited one.");
const PRIORITY: Field = field(
    "priority",
    Kind::Int { min: 0, max: 9 },
    "Order among ready calls, 9 first; that of a step with a body holds for the calls in it.",
);
const POOL: Field = field("pool", Kind::Name, "Pool that limits the call.");
const ISOLATION: Field = field("isolation", Kind::OneOf(&["in_process", "worker"]), "Where the call runs.")
    .default("\"in_process\"");
const DETACHED: Field =
    field("detached", Kind::Bool, "Whether the step completes without waiting.").default("false");
const HEARTBEAT: Field = field("heartbeat_timeout", Kind::PositiveDuration, "Longest silence of the method.");
const DELIVERY: Field = field(
    "delivery",
    Kind::OneOf(&["at_least_once", "at_most_once"]),
    "What a crash in the middle of the call means.",
)
.default("\"at_least_once\"");

pub(crate) static CALL: Record = Record {
    name: "call",
    doc: "Calls a plugin method.",
    choices: &[],
    fields: &[
        PLUGIN,
        METHOD,
        PLUGIN_VERSION,
        PARAMETERS,
        SESSION,
        POOL,
        PRIORITY,
        field(
            "rate_limit",
            Kind::Record(&RATE_LIMIT),
            "How many attempts may begin in a time, over all runs.",
        ),
        ISOLATION,
        DETACHED,
        DELIVERY,
        HEARTBEAT,
        field("concurrency", count(1), "Workers of a pipeline stage.").default("1"),
        field("buffer", count(1), "Items between this pipeline stage and the next.").default("64"),
        field("batch", count(1), "Items that a pipeline stage takes at once.").default("1"),
        field("batch_timeout", Kind::PositiveDuration, "Longest wait for a full batch."),
        field("ordered", Kind::Bool, "Whether workers of a pipeline stage keep the order of items.")
            .default("true"),
        field("flatten", Kind::Bool, "Whether the results of a batch are items again.").default("false"),
        field("from", Kind::Ids, "Upstream stages; the former stage if absent."),
        field("activation", Kind::Activation, "When a stage with several upstream stages fires."),
        field(
            "merge",
            Kind::OneOf(&["override", "append", "collect"]),
            "How items of several stages become one.",
        ),
    ],
};

static GROUP: Record = Record {
    name: "group",
    doc: "Steps in a scope of their own.",
    choices: &[],
    fields: &[
        PRIORITY,
        mode(),
        field(
            "max_concurrency",
            count(0),
            "Attempts of call steps in this body at a time; 0 is the host's limit.",
        )
        .default("0"),
        steps(),
    ],
};

static SWITCH: Record = Record {
    name: "switch",
    doc: "Runs the first case, or all cases, whose condition holds.",
    choices: &[],
    fields: &[
        PRIORITY,
        field("match", Kind::OneOf(&["first", "all"]), "Whether one case is taken or all that hold.")
            .default("\"first\""),
        field("cases", Kind::Records { record: &CASE, min: 1 }, "The cases in order.").required(),
        field("default", Kind::Record(&CASE_DEFAULT), "What runs when no case holds."),
    ],
};

/// One case of a switch.
pub(crate) static CASE: Record = Record {
    name: "case",
    doc: "One case of a switch.",
    choices: &[],
    fields: &[
        field("name", Kind::Name, "Name, unique in the switch.").required(),
        field("when", Kind::Condition, "Condition.").required(),
        mode(),
        steps(),
    ],
};

/// `default` of a switch.
pub(crate) static CASE_DEFAULT: Record = Record {
    name: "default",
    doc: "What runs when no case holds.",
    choices: &[],
    fields: &[mode(), steps()],
};

static FOREACH: Record = Record {
    name: "foreach",
    doc: "Runs its steps for every item.",
    choices: &[],
    fields: &[
        PRIORITY,
        field("items", Kind::Items, "An expression that yields an array, or an array of templates.")
            .required(),
        field("as", Kind::Id, "Name of the item in the body.").default("\"item\""),
        field("index_as", Kind::Id, "Name of the index in the body.").default("\"index\""),
        field("max_concurrency", count(0), "Items at a time; 0 is the host's limit.").default("1"),
        field("batch_size", count(1), "Items per body; above 1 the item is an array.").default("1"),
        field(
            "tolerated_failures",
            Kind::Tolerance,
            "Failed items that do not fail the step: a count or \"5%\".",
        )
        .default("0"),
        field("while", Kind::Condition, "Condition; once false no more items start."),
        mode(),
        steps(),
    ],
};

static REPEAT: Record = Record {
    name: "repeat",
    doc: "Runs its steps again and again.",
    choices: &[Choice { of: &["while", "until"], rule: Rule::Exactly }],
    fields: &[
        PRIORITY,
        field("while", Kind::Condition, "Goes on as long as this holds."),
        field("until", Kind::Condition, "Goes on until this holds."),
        field("max_iterations", count(1), "Iterations at most.").default("10000"),
        field("delay", Kind::Duration, "Time between two iterations."),
        mode(),
        steps(),
    ],
};

static RACE: Record = Record {
    name: "race",
    doc: "The first of its steps to complete win; the others are cancelled.",
    choices: &[],
    fields: &[PRIORITY, field("winners", count(1), "How many win.").default("1"), steps()],
};

static WAIT: Record = Record {
    name: "wait",
    doc: "Lets time pass.",
    choices: &[Choice { of: &["duration", "until"], rule: Rule::Exactly }],
    fields: &[
        field("duration", Kind::Template, "How long: a duration or a template that yields one."),
        field("until", Kind::Template, "Until when (RFC 3339), or a template that yields it."),
    ],
};

static WAIT_FOR_EVENT: Record = Record {
    name: "wait_for_event",
    doc: "Waits for an event.",
    choices: &[],
    fields: &[
        field("event", Kind::Name, "Name of the event.").required(),
        field("filter", Kind::Condition, "Condition over `event`."),
    ],
};

static RECEIVE: Record = Record {
    name: "receive",
    doc: "Takes messages from a queue of the run.",
    choices: &[],
    fields: &[
        field("queue", Kind::Name, "Name of the queue.").required(),
        field("max_messages", count(1), "Messages at most; above 1 the output is an array.").default("1"),
    ],
};

static EMIT: Record = Record {
    name: "emit",
    doc: "Sends an event or a message.",
    choices: &[Choice { of: &["event", "queue"], rule: Rule::Exactly }],
    fields: &[
        field("event", Kind::Name, "Name of the event."),
        field("queue", Kind::Name, "Name of the queue."),
        field("to", Kind::Template, "Run that it goes to; if absent, everybody."),
        field("data", Kind::Template, "What is sent."),
    ],
};

static WORKFLOW: Record = Record {
    name: "workflow",
    doc: "Runs another workflow.",
    choices: &[],
    fields: &[
        field("workflow", Kind::Id, "Id of the workflow.").required(),
        field("version", Kind::Range, "Range of its versions."),
        field("run_id", Kind::Template, "Id of the run."),
        field("input", Kind::Template, "Input of the run."),
        DETACHED,
        field(
            "on_parent_close",
            Kind::OneOf(&["cancel", "abandon"]),
            "What becomes of it when this run ends first.",
        ),
    ],
};

static SET: Record = Record {
    name: "set",
    doc: "Writes variables.",
    choices: &[],
    fields: &[field("variables", Kind::TemplateMap, "Templates by name.").required()],
};

static LOG: Record = Record {
    name: "log",
    doc: "Writes a line to the run's log.",
    choices: &[],
    fields: &[
        field("message", Kind::Template, "The line.").required(),
        field("level", Kind::OneOf(&["trace", "debug", "info", "warn", "error"]), "Severity.")
            .default("\"info\""),
        field("data", Kind::Template, "Data that goes with it."),
    ],
};

static FAIL: Record = Record {
    name: "fail",
    doc: "Fails.",
    choices: &[],
    fields: &[field("error", Kind::Record(&FAILURE), "The error.").required()],
};

/// `error` of a `fail` step.
pub(crate) static FAILURE: Record = Record {
    name: "error",
    doc: "An error.",
    choices: &[],
    fields: &[
        field("type", Kind::Template, "Dotted type.").default("\"fail\""),
        field("message", Kind::Template, "What is wrong."),
        field("details", Kind::Template, "Data that goes with it."),
    ],
};

static RETURN: Record = Record {
    name: "return",
    doc: "Ends the run as completed.",
    choices: &[],
    fields: &[field("value", Kind::Template, "Output of the run.").default("null")],
};

static CONTINUE_AS_NEW: Record = Record {
    name: "continue_as_new",
    doc: "Starts the next generation of the run.",
    choices: &[],
    fields: &[
        field("input", Kind::Template, "Its input."),
        field("version", Kind::Range, "Range of versions of the workflow."),
    ],
};

/// `catch`.
pub(crate) static CATCH: Record = Record {
    name: "catch",
    doc: "What happens instead of a failure: steps, an output, or both.",
    choices: &[Choice { of: &["steps", "output"], rule: Rule::AtLeast }],
    fields: &[
        field("errors", Kind::Patterns, "Patterns of error types; `*` matches any text.").default("[\"*\"]"),
        field("when", Kind::Condition, "Condition over the error."),
        field("as", Kind::Id, "Name of the error in the other fields.").default("\"error\""),
        field("steps", Kind::Steps, "Steps that run instead, one after the other."),
        field("output", Kind::Template, "Output of the step that was caught."),
    ],
};

/// `compensate`.
pub(crate) static COMPENSATE: Record = Record {
    name: "compensate",
    doc: "The call that undoes a step.",
    choices: RETRY_CHOICES,
    fields: &[
        PLUGIN,
        METHOD,
        PLUGIN_VERSION,
        PARAMETERS,
        SESSION,
        POOL,
        ISOLATION,
        DELIVERY,
        HEARTBEAT,
        field(
            "timeout",
            Kind::Duration,
            "Limit of an attempt; 0 is none; if absent that of the method or 60 seconds.",
        ),
        field("max_retries", count(0), "Retries after the first attempt, one second apart.").default("0"),
        field("retry", Kind::Retry, "Retry policy, or the name of one."),
    ],
};

/// `rate_limit`.
pub(crate) static RATE_LIMIT: Record = Record {
    name: "rate_limit",
    doc: "How many attempts may begin in a time.",
    choices: &[],
    fields: &[
        field("key", Kind::Template, "What the limit is counted by.").required(),
        field("per", Kind::PositiveDuration, "Length of the window.").required(),
        field("count", count(1), "Attempts that begin within any window at most.").required(),
    ],
};
