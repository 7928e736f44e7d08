//! Parameters from a schema: such as it allows, and such as it does not. The same seed gives the same ones.

mod spoil;
mod value;

use fastrand::Rng;
use jsonschema::Validator;
use serde_json::Value;

/// Tries for one value before the schema is given up as too hard.
const TRIES: u32 = 30;

/// Makes values for one schema.
pub(crate) struct Generator<'a> {
    schema: &'a Value,
    validator: &'a Validator,
    rng: Rng,
}

impl<'a> Generator<'a> {
    /// Values for `schema`; `validator` is made from it. `seed` and `salt` decide which.
    pub(crate) fn new(schema: &'a Value, validator: &'a Validator, seed: u64, salt: &str) -> Self {
        // FNV-1a: the methods of a plugin are not to have the same values in the same order
        let salt = salt.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { schema, validator, rng: Rng::with_seed(seed ^ salt) }
    }

    /// A value that the schema allows; `None` if none was found.
    pub(crate) fn valid(&mut self) -> Option<Value> {
        (0..TRIES).find_map(|_| {
            let value = value::Maker { root: self.schema, rng: &mut self.rng }.make(self.schema, 0);
            self.validator.is_valid(&value).then_some(value)
        })
    }

    /// A value that the schema does not allow, made from one that it allows; `None` if none was found.
    pub(crate) fn invalid(&mut self) -> Option<Value> {
        for _ in 0..TRIES {
            // where nothing fits there is nothing to spoil
            let mut value = self.valid()?;
            spoil::spoil(&mut value, &mut self.rng);
            if !self.validator.is_valid(&value) {
                return Some(value);
            }
        }
        None
    }
}

/// The values that a schema gives as examples.
pub(crate) fn examples(schema: &Value) -> Vec<Value> {
    schema.get("examples").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Texts that are no JSON.
pub(crate) fn no_json() -> Vec<String> {
    ["", " ", "{", "{\"", "nul", "{\"a\":1,}", "\u{0}", "[1,2", "{}{}"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn generate(schema: &Value, seed: u64) -> (Vec<Value>, Vec<Value>) {
        let validator = jsonschema::validator_for(schema).unwrap();
        let mut generator = Generator::new(schema, &validator, seed, "m");
        let valid: Vec<Value> = (0..200).filter_map(|_| generator.valid()).collect();
        let invalid: Vec<Value> = (0..200).filter_map(|_| generator.invalid()).collect();
        assert!(valid.iter().all(|it| validator.is_valid(it)));
        assert!(!invalid.iter().any(|it| validator.is_valid(it)));
        (valid, invalid)
    }

    #[test]
    fn values_of_all_sorts_are_found_and_the_same_for_the_same_seed() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "minLength": 1 },
                "mode": { "enum": ["a", "b"] },
                "level": { "type": ["integer", "null"], "format": "uint8", "minimum": 0, "maximum": 255 },
                "rate": { "type": "number", "exclusiveMinimum": 0 },
                "rows": { "type": "array", "items": { "$ref": "#/$defs/row" }, "minItems": 1 },
                "pair": { "type": "array", "prefixItems": [{ "const": 1 }, { "type": "boolean" }], "minItems": 2, "maxItems": 2 },
                "either": { "oneOf": [{ "type": "string" }, { "type": "integer" }] },
                "all": { "allOf": [{ "$ref": "#/$defs/row" }, { "required": ["x"] }] },
                "more": { "type": "object", "additionalProperties": { "type": "integer" } }
            },
            "required": ["path", "mode", "rows", "all"],
            "additionalProperties": false,
            "$defs": { "row": { "type": "object", "properties": { "x": { "type": "integer", "multipleOf": 5 } } } }
        });
        let (valid, invalid) = generate(&schema, 7);
        assert!(valid.len() > 150 && invalid.len() > 100, "{} {}", valid.len(), invalid.len());
        for key in ["level", "rate", "pair", "either", "more"] {
            let with = valid.iter().filter(|it| it.get(key).is_some()).count();
            assert!((20..180).contains(&with), "{key}: {with}");
        }
        assert_eq!(generate(&schema, 7), (valid.clone(), invalid));
        assert_ne!(generate(&schema, 8).0, valid);
    }

    #[test]
    fn a_schema_that_allows_anything_or_nothing_is_borne() {
        assert_eq!(generate(&json!(true), 1).1, Vec::<Value>::new());
        assert_eq!(generate(&json!(false), 1).0, Vec::<Value>::new());
        let endless =
            json!({ "type": "object", "properties": { "next": { "$ref": "#" } }, "required": ["next"] });
        assert_eq!(generate(&endless, 1).0, Vec::<Value>::new());
    }
}
