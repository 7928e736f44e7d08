//! The names of the fields, found in the JSON Schema: `step.when`, `retry.delay`, `group.mode`.
//!
//! What a schema says about a field only under a condition is a field of its own: `retry[backoff=none].delay`.

use serde_json::Value;
use std::collections::BTreeSet;

/// All fields that the schema of the format names.
pub(super) fn of_schema(schema: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk(schema, "document", &mut names);
    let shared = schema["$defs"].as_object().expect("the schema has definitions");
    for (name, schema) in shared {
        walk(schema, name, &mut names);
    }
    names
}

fn walk(schema: &Value, place: &str, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, inner) in keywords {
                match keyword.as_str() {
                    "properties" => fields(inner, place, names),
                    "$defs" | "if" => {}
                    "then" => walk(inner, &under(place, &schema["if"]), names),
                    "else" => walk(inner, &format!("{place}[else]"), names),
                    _ => walk(inner, place, names),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|inner| walk(inner, place, names)),
        _ => {}
    }
}

fn fields(properties: &Value, place: &str, names: &mut BTreeSet<String>) {
    for (name, schema) in properties.as_object().expect("properties are an object") {
        // which kind of list the steps are follows from the mode: the lists have fields of their own
        let is_list = schema.as_object().is_some_and(|it| it.len() == 1 && it.contains_key("$ref"));
        if !(is_list && place.contains('[')) {
            names.insert(format!("{place}.{name}"));
        }
        walk(schema, name, names);
    }
}

/// The name of a place where `condition` holds: of the type of step, or with the condition in brackets.
fn under(place: &str, condition: &Value) -> String {
    let first = condition.pointer("/anyOf/0").unwrap_or(condition);
    if let Some(kind) = first.pointer("/properties/type/const") {
        return kind.as_str().expect("types are words").to_owned();
    }
    let properties = first.get("properties").and_then(Value::as_object);
    let required = || first["required"][0].as_str().expect("a condition names a field").to_owned();
    let text = properties.and_then(|it| it.iter().next()).map_or_else(required, |(name, schema)| {
        format!("{name}={}", schema["const"].as_str().expect("a condition names a word"))
    });
    format!("{place}[{text}]")
}
