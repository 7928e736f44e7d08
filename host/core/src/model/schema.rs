//! The JSON Schema of the format, made of the table of fields.

use super::fields::{
    CONCURRENCY, DOCUMENT, Field, Kind, RETRY, Record, Rule, SCHEMA_ID, STAGE_FIELDS, STEP, TYPES,
};
use super::parse::{ITEMS_MAX, TRIGGER_RULES};
use serde_json::{Map, Value, json};

/// JSON Schema (2020-12) of the format. It says everything that the parser says, except what a schema cannot: unique
/// ids and names, keys that stand twice, limits on nesting and length, and `max_concurrency` of a document in which
/// nothing runs at the same time. Conversely it takes what this version does not perform, which the parser refuses.
#[must_use]
pub fn schema() -> Value {
    let mut root = record(&DOCUMENT, "stages_or_steps");
    root.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    root.insert("$id".to_owned(), SCHEMA_ID.into());
    root.insert("title".to_owned(), "Jackfield workflow, format 1".into());
    root.insert("$defs".to_owned(), definitions());
    root.insert("allOf".to_owned(), json!([by_mode()]));
    Value::Object(root)
}

fn definitions() -> Value {
    let mut definitions = Map::new();
    definitions.insert("step".to_owned(), step());
    definitions.insert("retry".to_owned(), Value::Object(record(&RETRY, "steps")));
    let absent = |names: &[&str]| json!({ "properties": Map::from_iter(names.iter().map(|name| (name.to_string(), json!(false)))) });
    let list = |names: &[&str], doc: &str| {
        json!({ "description": doc, "type": "array", "minItems": 1,
                "items": { "allOf": [{ "$ref": "#/$defs/step" }, absent(names)] } })
    };
    let outside: Vec<&str> = STAGE_FIELDS.to_vec();
    let contestants: Vec<&str> = [&["dependencies", "trigger_rule"][..], STAGE_FIELDS].concat();
    definitions.insert("steps".to_owned(), list(&outside, "Steps outside a pipeline."));
    definitions.insert("stages".to_owned(), list(&["dependencies", "trigger_rule"], "Stages of a pipeline."));
    definitions.insert("contestants".to_owned(), list(&contestants, "Contestants of a race."));
    let mut duration = json!({ "oneOf": [
        { "type": "integer", "minimum": 0, "maximum": super::duration::MAX.as_millis() as u64 },
        { "type": "string", "pattern": DURATION },
    ] });
    duration["description"] =
        "Whole milliseconds, text such as \"1h30m\", or ISO 8601 such as \"PT30S\".".into();
    definitions.insert("duration".to_owned(), duration);
    Value::Object(definitions)
}

const DURATION: &str = concat!(
    r"^(?:(?=\d)(?:\d+(?:\.\d+)?w)?(?:\d+(?:\.\d+)?d)?(?:\d+(?:\.\d+)?h)?(?:\d+(?:\.\d+)?m)?(?:\d+(?:\.\d+)?s)?",
    r"(?:\d+(?:\.\d+)?ms)?(?:\d+(?:\.\d+)?us)?(?:\d+(?:\.\d+)?ns)?",
    r"|[Pp](?=[\dTt])(?:\d+(?:\.\d+)?[Ww])?(?:\d+(?:\.\d+)?[Dd])?",
    r"(?:[Tt](?=\d)(?:\d+(?:\.\d+)?[Hh])?(?:\d+(?:\.\d+)?[Mm])?(?:\d+(?:\.\d+)?[Ss])?)?)$",
);

/// Steps of a pipeline are stages; those of other modes are not.
fn by_mode() -> Value {
    json!({
        "if": { "properties": { "mode": { "const": "pipeline" } }, "required": ["mode"] },
        "then": { "properties": { "steps": { "$ref": "#/$defs/stages" } } },
        "else": { "properties": { "steps": { "$ref": "#/$defs/steps" } } },
    })
}

/// The schema of an object with exactly the fields of `of`; its `steps` are `list`.
fn record(of: &'static Record, list: &str) -> Map<String, Value> {
    let mut object = members(of, list);
    object.insert("description".to_owned(), of.doc.into());
    object.insert("type".to_owned(), "object".into());
    object.insert("patternProperties".to_owned(), json!({ "^x-": true }));
    object.insert("additionalProperties".to_owned(), false.into());
    object
}

/// What `of` says about its fields, without closing the object.
fn members(of: &'static Record, list: &str) -> Map<String, Value> {
    let mut object = Map::new();
    let properties = of.fields.iter().map(|field| (field.name.to_owned(), property(field, list)));
    object.insert("properties".to_owned(), Value::Object(properties.collect()));
    let required: Vec<&str> =
        of.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    let rules: Vec<Value> = of.choices.iter().map(|choice| rule(choice.of, choice.rule)).collect();
    let rules: Vec<Value> = rules.into_iter().chain(idle_fields(of)).collect();
    if !rules.is_empty() {
        object.insert("allOf".to_owned(), rules.into());
    }
    object
}

fn rule(names: &[&str], rule: Rule) -> Value {
    let each: Vec<Value> = names.iter().map(|name| json!({ "required": [name] })).collect();
    match rule {
        Rule::AtMost => json!({ "not": { "required": names } }),
        Rule::Exactly => json!({ "oneOf": each }),
        Rule::AtLeast => json!({ "anyOf": each }),
    }
}

/// Fields of a retry policy that its way of growing never looks at.
fn idle_fields(of: &Record) -> Vec<Value> {
    if of.name != RETRY.name {
        return Vec::new();
    }
    super::parse::IDLE_FIELDS
        .iter()
        .map(|(word, idle)| {
            let absent: Map<String, Value> =
                idle.iter().map(|name| ((*name).to_owned(), false.into())).collect();
            json!({ "if": { "properties": { "backoff": { "const": word } }, "required": ["backoff"] },
                    "then": { "properties": absent } })
        })
        .collect()
}

/// The schema of a step: what every step has, and by `type` what only that type has.
fn step() -> Value {
    let mut object = members(&STEP, "steps");
    let mut rules = object.remove("allOf").and_then(|rules| rules.as_array().cloned()).unwrap_or_default();
    for kind in TYPES {
        let is_kind = json!({ "properties": { "type": { "const": kind.name } }, "required": ["type"] });
        let condition = match kind.name {
            "call" => json!({ "anyOf": [is_kind, { "not": { "required": ["type"] } }] }),
            _ => is_kind,
        };
        let list = if kind.name == "race" { "contestants" } else { "stages_or_steps" };
        let mut own = members(kind, list);
        own.insert("description".to_owned(), kind.doc.into());
        let mut own_rules =
            own.remove("allOf").and_then(|rules| rules.as_array().cloned()).unwrap_or_default();
        if kind.field("mode").is_some() {
            own_rules.push(by_mode());
        }
        if kind.name == "group" {
            let concurrent = json!({ "properties": { "mode": { "enum": ["parallel", "conditional"] } }, "required": ["mode"] });
            own_rules.push(json!({ "if": { "required": ["max_concurrency"] }, "then": concurrent }));
        }
        if !own_rules.is_empty() {
            own.insert("allOf".to_owned(), own_rules.into());
        }
        rules.push(json!({ "if": condition, "then": own }));
    }
    rules.push(json!({ "if": { "required": ["trigger_rule"] },
        "then": { "required": ["dependencies"], "properties": { "dependencies": { "minItems": 1 } } } }));
    object.insert("description".to_owned(), STEP.doc.into());
    object.insert("type".to_owned(), "object".into());
    object.insert("allOf".to_owned(), rules.into());
    object.insert("patternProperties".to_owned(), json!({ "^x-": true }));
    object.insert("unevaluatedProperties".to_owned(), false.into());
    Value::Object(object)
}

/// The schema of one field.
fn property(field: &Field, list: &str) -> Value {
    let mut schema = match field.kind {
        Kind::Record(of) if std::ptr::eq(of, &CONCURRENCY) => Value::Object(record(of, "steps")),
        Kind::Record(of) => nested(of),
        Kind::Records { record, min: 0 } => json!({ "type": "array", "items": nested(record) }),
        Kind::Records { record, min } => json!({ "type": "array", "minItems": min, "items": nested(record) }),
        // with a mode beside it, the rule on modes says what the elements are
        Kind::Steps if list == "stages_or_steps" => json!({ "type": "array", "minItems": 1 }),
        Kind::Steps => json!({ "$ref": format!("#/$defs/{list}") }),
        kind => plain(kind),
    };
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), field.doc.into());
        if let Ok(default) = serde_json::from_str::<Value>(field.default) {
            schema.insert("default".to_owned(), default);
        }
    }
    schema
}

fn nested(of: &'static Record) -> Value {
    if of.field("mode").is_none() {
        return Value::Object(record(of, "steps"));
    }
    let mut object = record(of, "stages_or_steps");
    object.insert("allOf".to_owned(), json!([by_mode()]));
    Value::Object(object)
}

const ID: &str = "^[A-Za-z_][A-Za-z0-9_]{0,127}$";
const NUMBER: &str = r"(0|[1-9]\d*)";

fn plain(kind: Kind) -> Value {
    let name = json!({ "type": "string", "minLength": 1 });
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Name | Kind::Condition => name,
        Kind::Id => json!({ "type": "string", "pattern": ID }),
        Kind::Ids => json!({ "type": "array", "items": name, "uniqueItems": true }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Kind::Duration => json!({ "$ref": "#/$defs/duration" }),
        Kind::PositiveDuration => {
            json!({ "$ref": "#/$defs/duration", "minimum": 1, "not": { "type": "string", "pattern": "^[^1-9]*$" } })
        }
        Kind::OneOf(words) => json!({ "enum": words }),
        Kind::Template => json!({}),
        Kind::Parameters => json!({ "type": ["object", "string"] }),
        Kind::TemplateMap | Kind::Object => json!({ "type": "object" }),
        Kind::Schema => json!({ "type": ["object", "boolean"] }),
        Kind::Version => {
            let pattern = format!(r"^{NUMBER}\.{NUMBER}\.{NUMBER}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$");
            json!({ "type": "string", "pattern": pattern })
        }
        Kind::Range => range(),
        Kind::RangeMap => json!({ "type": "object", "additionalProperties": range() }),
        Kind::Patterns => json!({ "type": "array", "minItems": 1, "items": name }),
        Kind::Retry => json!({ "oneOf": [name, { "$ref": "#/$defs/retry" }] }),
        Kind::RetryMap => json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/retry" } }),
        Kind::CleanupSteps => {
            json!({ "anyOf": [{ "$ref": "#/$defs/steps" }, { "type": "array", "maxItems": 0 }] })
        }
        Kind::Items => json!({ "oneOf": [name, { "type": "array", "maxItems": ITEMS_MAX }] }),
        Kind::Tolerance => json!({ "oneOf": [plain(Kind::Int { min: 0, max: super::fields::COUNT_MAX }),
            { "type": "string", "pattern": r"^(0*100(\.0+)?|0*\d{1,2}(\.\d+)?)%$" }] }),
        Kind::Trigger => {
            let words: Vec<&str> = TRIGGER_RULES.iter().map(|(word, _)| *word).collect();
            let count = plain(Kind::Int { min: 1, max: super::fields::COUNT_MAX });
            json!({ "oneOf": [{ "enum": words }, { "type": "object", "required": ["completed"],
                "properties": { "completed": count }, "additionalProperties": false }] })
        }
        Kind::Activation => json!({ "oneOf": [{ "enum": super::parse::ACTIVATIONS },
            Value::Object(record(&super::parse::WINDOW, "steps"))] }),
        Kind::Steps | Kind::Record(_) | Kind::Records { .. } => json!({}),
    }
}

/// Comparators of numbers with wildcards, separated by commas.
fn range() -> Value {
    let part = r"([0-9]+|\*|x|X)";
    let one = format!(
        r"\s*(=|>=?|<=?|~|\^)?\s*{part}(\.{part}(\.{part}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?\s*"
    );
    json!({ "type": "string", "pattern": format!("^{one}(,{one})*$") })
}
