//! A value for a schema. It need not fit: whoever asks looks.

use fastrand::Rng;
use serde_json::{Map, Number, Value};

/// Nesting at most; beyond it only what must be there is made.
const DEPTH_MAX: usize = 6;
/// Nesting at which nothing more is made.
const DEPTH_END: usize = 12;

/// Texts that programs stumble over.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "hello world",
    "0",
    "-1",
    "true",
    "null",
    "../../etc/passwd",
    "/dev/null",
    "C:\\x",
    "a\nb\r\n\tc",
    "\u{0}",
    "\u{feff}ü\u{1f600}\u{301}",
    "${steps.x.output}",
    "%s%n",
    "' OR 1=1 --",
    "<a href=\"x\">&amp;</a>",
    "2024-02-30T25:61:61Z",
    "1e400",
    "[[[[",
    "{\"a\":",
    "http://127.0.0.1:9/x",
];

pub(super) struct Maker<'a> {
    pub(super) root: &'a Value,
    pub(super) rng: &'a mut Rng,
}

impl Maker<'_> {
    pub(super) fn make(&mut self, schema: &Value, depth: usize) -> Value {
        let Some(schema) = schema.as_object().filter(|_| depth < DEPTH_END) else {
            return self.anything(depth);
        };
        if let Some(value) = self.given(schema) {
            return value;
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(options) = schema.get(key).and_then(Value::as_array).filter(|it| !it.is_empty()) {
                let option = &options[self.rng.usize(..options.len())];
                let mut rest = schema.clone();
                rest.remove(key);
                return self.make(&merged(&rest, option), depth + 1);
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let mut rest = schema.clone();
            rest.remove("allOf");
            let all = parts.iter().fold(Value::Object(rest), |all, part| match all.as_object() {
                Some(object) => merged(object, &self.resolved(part)),
                None => all,
            });
            return self.make(&all, depth + 1);
        }
        if let Some(target) = self.target(schema) {
            let mut rest = schema.clone();
            rest.remove("$ref");
            return self.make(&merged(&rest, &target), depth + 1);
        }
        self.of_type(schema, depth)
    }

    /// A value that the schema names itself.
    fn given(&mut self, schema: &Map<String, Value>) -> Option<Value> {
        if let Some(value) = schema.get("const") {
            return Some(value.clone());
        }
        let list = match schema.get("enum") {
            Some(list) => list,
            None => schema.get("examples").filter(|_| self.rng.u8(..4) == 0)?,
        };
        let list = list.as_array().filter(|list| !list.is_empty())?;
        Some(list[self.rng.usize(..list.len())].clone())
    }

    fn target(&self, schema: &Map<String, Value>) -> Option<Value> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer).cloned()
    }

    fn resolved(&self, schema: &Value) -> Value {
        schema.as_object().and_then(|schema| self.target(schema)).unwrap_or_else(|| schema.clone())
    }

    fn of_type(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Array(kinds)) if !kinds.is_empty() => {
                kinds[self.rng.usize(..kinds.len())].as_str().unwrap_or_default().to_owned()
            }
            _ if schema.contains_key("properties") || schema.contains_key("required") => "object".into(),
            _ if schema.contains_key("items") || schema.contains_key("prefixItems") => "array".into(),
            _ => String::new(),
        };
        match kind.as_str() {
            "null" => Value::Null,
            "boolean" => Value::Bool(self.rng.bool()),
            "integer" => self.integer(schema),
            "number" => self.number(schema),
            "string" => self.text(schema).into(),
            "array" => self.array(schema, depth),
            "object" => self.object(schema, depth),
            _ => self.anything(depth),
        }
    }

    fn anything(&mut self, depth: usize) -> Value {
        let nothing = Map::new();
        match self.rng.u8(..7) {
            0 => Value::Null,
            1 => Value::Bool(self.rng.bool()),
            2 => self.integer(&nothing),
            3 => self.number(&nothing),
            4 if depth < DEPTH_MAX => (0..self.rng.usize(..4)).map(|_| self.anything(depth + 1)).collect(),
            5 if depth < DEPTH_MAX => {
                let keys = self.rng.usize(..4);
                (0..keys).map(|_| (self.text(&nothing), self.anything(depth + 1))).collect()
            }
            _ => self.text(&nothing).into(),
        }
    }

    fn integer(&mut self, schema: &Map<String, Value>) -> Value {
        let (least, most) = range_of(schema.get("format").and_then(Value::as_str).unwrap_or_default());
        let bound = |key: &str| schema.get(key).and_then(whole);
        let low = [bound("minimum"), bound("exclusiveMinimum").map(|it| it + 1)];
        let low = low.into_iter().flatten().fold(least, i128::max);
        let high = [bound("maximum"), bound("exclusiveMaximum").map(|it| it - 1)];
        let high = high.into_iter().flatten().fold(most, i128::min).max(low);
        let step = bound("multipleOf").filter(|it| *it > 0).unwrap_or(1);
        let value = match self.rng.u8(..8) {
            0 => low,
            1 => high,
            2 => 0,
            3 => 1,
            4 | 5 => low + i128::from(self.rng.u8(..20)),
            6 => i128::from(self.rng.i32(..)),
            _ => self.rng.i128(low..=high),
        };
        number_of(value.clamp(low, high).div_euclid(step) * step)
    }

    fn number(&mut self, schema: &Map<String, Value>) -> Value {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let low = bound("minimum").or(bound("exclusiveMinimum"));
        let high = bound("maximum").or(bound("exclusiveMaximum"));
        let (from, to) = (low.unwrap_or(-1e9), high.unwrap_or(1e9));
        let value = match self.rng.u8(..8) {
            0 => from,
            1 => to,
            2 => 0.0,
            3 => -0.5,
            4 => 1e-300,
            5 if high.is_none() => 1e300,
            6 => f64::from(self.rng.i32(-100..100)),
            _ => from + self.rng.f64() * (to - from),
        };
        float(value)
    }

    fn text(&mut self, schema: &Map<String, Value>) -> String {
        let length =
            |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
        let (least, most) = (length("minLength").unwrap_or(0), length("maxLength").unwrap_or(usize::MAX));
        let of_format = schema.get("format").and_then(Value::as_str).and_then(text_of);
        let mut text = match self.rng.u8(..10) {
            0..7 if of_format.is_some() => of_format.unwrap_or_default().to_owned(),
            0 => "x".repeat(self.rng.usize(..5000).min(most)),
            1..4 => (0..self.rng.usize(..12)).map(|_| self.rng.char('!'..='~')).collect(),
            4 => (0..self.rng.usize(..6)).map(|_| self.rng.char(..)).collect(),
            _ => TEXTS[self.rng.usize(..TEXTS.len())].to_owned(),
        };
        let chars = text.chars().count();
        if chars > most {
            text = text.chars().take(most).collect();
        } else if chars < least {
            text.extend(std::iter::repeat_n('a', (least - chars).min(1 << 16)));
        }
        text
    }

    fn array(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let count = |key: &str| schema.get(key).and_then(Value::as_u64);
        let least = count("minItems").unwrap_or(0).min(64);
        let most = count("maxItems").unwrap_or(u64::MAX).min(least + if depth < DEPTH_MAX { 4 } else { 0 });
        let first = schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let rest = schema.get("items").cloned().unwrap_or(Value::Bool(true));
        let len = self.rng.u64(least..=most.max(least)).max(least) as usize;
        (0..len).map(|at| self.make(first.get(at).unwrap_or(&rest), depth + 1)).collect()
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut object = Map::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let must = required.iter().any(|it| it == name.as_str());
            if must || (depth < DEPTH_MAX && self.rng.bool()) {
                object.insert(name.clone(), self.make(property, depth + 1));
            }
        }
        let more = schema.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
        for name in required.iter().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                object.insert(name.to_owned(), self.make(&more, depth + 1));
            }
        }
        let has_properties = schema.contains_key("properties");
        if more != Value::Bool(false) && depth < DEPTH_MAX && (!has_properties || self.rng.u8(..8) == 0) {
            for _ in 0..self.rng.usize(..4) {
                object.insert(self.text(&Map::new()), self.make(&more, depth + 1));
            }
        }
        Value::Object(object)
    }
}

/// Both schemas at once, as far as that can be had by putting their keys together.
fn merged(schema: &Map<String, Value>, other: &Value) -> Value {
    let Some(other) = other.as_object() else { return Value::Object(schema.clone()) };
    let mut all = schema.clone();
    for (key, value) in other {
        match (all.get_mut(key), value) {
            (Some(Value::Object(have)), Value::Object(more)) => {
                more.iter().for_each(|(key, value)| _ = have.insert(key.clone(), value.clone()));
            }
            (Some(Value::Array(have)), Value::Array(more)) if key == "required" => have.extend(more.clone()),
            _ => _ = all.insert(key.clone(), value.clone()),
        }
    }
    Value::Object(all)
}

/// A text of a format of JSON Schema. Nobody answers at its addresses.
fn text_of(format: &str) -> Option<&'static str> {
    Some(match format {
        "uri" | "url" | "iri" => "http://127.0.0.1:9/x?y=1#z",
        "date-time" => "2024-02-29T12:30:45.5Z",
        "date" => "2024-02-29",
        "time" => "12:30:45Z",
        "duration" => "P1DT2H",
        "uuid" => "0190a5b8-7b2e-7c3a-9f1e-3d5c7a9b1e2f",
        "email" => "ada@example.org",
        "hostname" => "example.invalid",
        "ip" | "ipv4" => "127.0.0.1",
        "ipv6" => "::1",
        _ => return None,
    })
}

/// What an integer of a format of schemars may be. Without a format it is one that every language has.
fn range_of(format: &str) -> (i128, i128) {
    match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint" | "uint64" => (0, u64::MAX.into()),
        "int" | "int64" => (i64::MIN.into(), i64::MAX.into()),
        _ => (-(1 << 53), 1 << 53),
    }
}

fn whole(value: &Value) -> Option<i128> {
    let number = value.as_number()?;
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    exact.or_else(|| number.as_f64().map(|it| it as i128))
}

fn number_of(value: i128) -> Value {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => Value::Null,
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
