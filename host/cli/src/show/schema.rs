//! JSON Schemas of methods for people: one line for each property.

use serde_json::Value;

/// What a value of this schema looks like; a line for each property of an object, else one line.
pub(crate) fn lines(schema: &Value) -> Vec<String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return vec![with_description(type_name(schema, schema), schema)];
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let width = properties.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |(name, property): (&String, &Value)| {
        let mut what = type_name(property, schema);
        if let Some(default) = property.get("default") {
            what.push_str(&format!(", default {default}"));
        } else if !required.contains(&name.as_str()) {
            what.push_str(", optional");
        }
        format!("{name:width$}  {}", with_description(what, property))
    };
    properties.iter().map(line).collect()
}

fn with_description(what: String, schema: &Value) -> String {
    match schema.get("description").and_then(Value::as_str) {
        Some(text) => format!("{what}: {}", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        None => what,
    }
}

/// The type in a few words; references are looked up in `root`.
pub(crate) fn type_name(schema: &Value, root: &Value) -> String {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        // one step: a type that refers to itself has a name, but no end
        let name = target.rsplit('/').next().unwrap_or(target);
        return match found.and_then(|found| found.get("enum")) {
            Some(words) => words_of(words),
            None => name.to_owned(),
        };
    }
    if let Some(words) = schema.get("enum") {
        return words_of(words);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            return choices.iter().map(|it| type_name(it, root)).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    match schema.get("type") {
        Some(Value::String(name)) => named(name, schema, root),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            names.map(|name| named(name, schema, root)).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

/// A type by its name, with that of what it consists of.
fn named(name: &str, schema: &Value, root: &Value) -> String {
    let parts = match name {
        "array" => schema.get("items"),
        "object" => schema.get("additionalProperties").filter(|parts| parts.is_object()),
        _ => None,
    };
    match parts {
        Some(parts) => format!("{name} of {}", type_name(parts, root)),
        None => name.to_owned(),
    }
}

fn words_of(words: &Value) -> String {
    let words = words.as_array().into_iter().flatten();
    words.map(Value::to_string).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_property_has_a_line_with_type_default_and_description() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "Where\n it is." },
                "mode": { "$ref": "#/$defs/Mode", "default": "fast" },
                "rows": { "type": ["array", "null"], "items": { "type": ["integer", "null"] } },
                "ages": { "type": "object", "additionalProperties": { "type": "integer" } },
                "word": { "type": "string", "const": "yes" },
                "any": true
            },
            "required": ["path"],
            "$defs": { "Mode": { "enum": ["fast", "slow"] } }
        });
        let expected = [
            "path  string: Where it is.",
            "mode  \"fast\" or \"slow\", default \"fast\"",
            "rows  array of integer or null or null, optional",
            "ages  object of integer, optional",
            "word  \"yes\", optional",
            "any   anything, optional",
        ];
        assert_eq!(lines(&schema), expected);
    }

    #[test]
    fn a_value_that_is_no_object_has_one_line() {
        assert_eq!(lines(&json!({ "type": "integer" })), ["integer"]);
        assert_eq!(
            lines(&json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] })),
            ["string or null"]
        );
        assert_eq!(lines(&json!(true)), ["anything"]);
    }
}
