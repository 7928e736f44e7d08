//! The input of a run against the document's `input_schema`: defaults filled in, then checked.

use super::Plan;
use crate::payload::Payload;
use jsonschema::Validator;
use serde_json::Value;

/// JSON pointer and what is wrong there.
pub(crate) type InputFaults = Vec<(String, String)>;

/// What the input of a run is checked against; compiled once for all runs.
#[derive(Debug)]
pub struct InputSchema {
    source: Value,
    validator: Validator,
}

impl InputSchema {
    /// Compiles a JSON Schema.
    ///
    /// # Errors
    /// What is wrong with it, after the JSON pointer of the place.
    pub(crate) fn compile(source: &str) -> Result<Self, (String, String)> {
        let source: Value =
            serde_json::from_str(source).map_err(|error| (String::new(), error.to_string()))?;
        match jsonschema::validator_for(&source) {
            Ok(validator) => Ok(Self { source, validator }),
            Err(error) => Err((error.instance_path().to_string(), error.to_string())),
        }
    }

    /// The input with the schema's defaults filled in, or every place that does not fit.
    pub(crate) fn accept(&self, input: Payload) -> Result<Payload, InputFaults> {
        let mut value = input.value().clone();
        let is_changed = fill(&mut value, &self.source);
        let faults: InputFaults = self
            .validator
            .iter_errors(&value)
            .map(|error| (error.instance_path().to_string(), error.to_string()))
            .collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(if is_changed { Payload::encode(&value) } else { input })
    }

    /// The schema as the document has it.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.source
    }
}

impl Plan {
    /// The input with the schema's defaults filled in.
    ///
    /// # Errors
    /// Every place that does not fit the schema.
    pub fn accept_input(&self, input: Payload) -> Result<Payload, InputFaults> {
        match &self.input_schema {
            Some(schema) => schema.accept(input),
            None => Ok(input),
        }
    }
}

/// Fills in the defaults of absent properties, inner objects included. Returns whether anything changed.
fn fill(value: &mut Value, schema: &Value) -> bool {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return false };
    let mut is_changed = false;
    if value.is_null() && schema.get("type").is_some_and(|kind| kind == "object") {
        *value = Value::Object(serde_json::Map::new());
        is_changed = true;
    }
    let Some(object) = value.as_object_mut() else { return false };
    for (name, property) in properties {
        match (object.get_mut(name), property.get("default")) {
            (Some(inner), _) => is_changed |= fill(inner, property),
            (None, Some(default)) => {
                object.insert(name.clone(), default.clone());
                is_changed = true;
            }
            (None, None) => {}
        }
    }
    is_changed
}
