//! Code as a parameter: a text, or its lines, which read better in a document.

use jackfield_plugin_api::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Code of Python.
#[derive(Clone, Debug)]
pub(crate) struct Code(String);

impl Code {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrLines)
    }
}

struct TextOrLines;

impl<'de> Visitor<'de> for TextOrLines {
    type Value = Code;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("code as a text or as a list of lines")
    }

    fn visit_str<E>(self, text: &str) -> Result<Code, E> {
        Ok(Code(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut lines: A) -> Result<Code, A::Error> {
        let mut text = String::new();
        while let Some(line) = lines.next_element::<Cow<'de, str>>()? {
            text.push_str(&line);
            text.push('\n');
        }
        Ok(Code(text))
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "items": { "type": "string" },
            "description": "Code of Python, as a text or as a list of its lines."
        })
    }
}
