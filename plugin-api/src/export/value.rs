//! How parameters become values, and results become JSON text.

use crate::{Error, RawJson};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::{self, DeserializeOwned, Deserializer};
use std::fmt;

/// Parameters of a method: any type that is `Deserialize + JsonSchema`, or [`RawJson`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameters of a method",
    note = "derive `Deserialize` and `JsonSchema` for it"
)]
pub trait Params: Sized {
    /// Reads JSON text.
    ///
    /// # Errors
    /// Of the type `validation`, naming the path in the parameters.
    fn decode(text: &[u8]) -> Result<Self, Error>;

    /// Describes them.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: DeserializeOwned + JsonSchema> Params for T {
    #[inline]
    fn decode(text: &[u8]) -> Result<Self, Error> {
        // most calls of methods without parameters; a type that takes an object in its own way asks the parser
        if text == b"{}"
            && let Ok(empty) = T::deserialize(EmptyObject)
        {
            return Ok(empty);
        }
        parse(text)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.root_schema_for::<T>()
    }
}

impl<S: JsonSchema> Params for RawJson<S> {
    fn decode(text: &[u8]) -> Result<Self, Error> {
        Ok(Self::new(text))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.root_schema_for::<S>()
    }
}

/// Not inlined, so that a call without parameters does not set up what only the parser needs.
#[inline(never)]
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).or_else(|_| explain(text))
}

/// The object `{}`, without a text that would have to be parsed.
struct EmptyObject;

/// `{}` is not what was asked for.
#[derive(Debug)]
struct NotEmpty;

impl fmt::Display for NotEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an empty object does not do")
    }
}

impl std::error::Error for NotEmpty {}

impl de::Error for NotEmpty {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> de::MapAccess<'de> for EmptyObject {
    type Error = NotEmpty;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, NotEmpty> {
        Ok(None)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, NotEmpty> {
        Err(NotEmpty)
    }
}

impl<'de> Deserializer<'de> for EmptyObject {
    type Error = NotEmpty;

    #[inline]
    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotEmpty> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Reads the text once more, keeping track of where it is: only worth its price when something is wrong.
#[cold]
fn explain<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(" at `{path}`") };
        Error::validation(format!("the parameters do not fit{place}: {}", error.inner()))
            .details(&serde_json::json!({ "path": path }))
    })?;
    // what stands behind a value that fits is why it could not be read the first time
    let rest = reader.end().map_err(|error| Error::validation(format!("the parameters do not fit: {error}")));
    rest.map(|()| read)
}

/// Result of a method: any type that is `Serialize + JsonSchema`, or [`RawJson`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a method",
    note = "derive `Serialize` and `JsonSchema` for it"
)]
pub trait Output: Sized {
    /// Writes JSON text; empty stands for `null`.
    ///
    /// # Errors
    /// If the value has no JSON form.
    fn encode(self) -> Result<Vec<u8>, Error>;

    /// Describes it.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: Serialize + JsonSchema> Output for T {
    fn encode(self) -> Result<Vec<u8>, Error> {
        if is_null(&self) {
            return Ok(Vec::new());
        }
        serde_json::to_vec(&self).map_err(|error| {
            Error::new("validation", format!("the result has no JSON form: {error}")).permanent()
        })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.root_schema_for::<T>()
    }
}

impl<S: JsonSchema> Output for RawJson<S> {
    fn encode(self) -> Result<Vec<u8>, Error> {
        Ok(self.into_bytes())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.root_schema_for::<S>()
    }
}

/// Whether a value of size zero, such as `()`, is written as `null`: found out without an allocation, which would cost
/// more than the whole call.
fn is_null<T: Serialize>(value: &T) -> bool {
    if size_of::<T>() > 0 {
        return false;
    }
    let mut room = [0_u8; 4];
    serde_json::to_writer(&mut room[..], value).is_ok() && &room == b"null"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoParams;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    struct Settings {
        #[serde(default)]
        depth: u32,
        title: Option<String>,
    }

    #[derive(Deserialize, JsonSchema, Debug)]
    struct Strict {
        #[serde(rename = "n")]
        _n: u32,
    }

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(transparent)]
    struct Wrapped(Option<Settings>);

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Settings(Settings),
    }

    #[test]
    fn an_empty_object_reads_as_the_parser_reads_it() {
        fn both<T: DeserializeOwned + JsonSchema + PartialEq + fmt::Debug>() -> T {
            let (short, parsed) = (T::decode(b"{}").unwrap(), T::decode(b"{ }").unwrap());
            assert_eq!(short, parsed);
            short
        }
        assert_eq!(both::<Settings>(), Settings { depth: 0, title: None });
        assert_eq!(both::<Option<Settings>>(), Some(Settings { depth: 0, title: None }));
        assert_eq!(both::<Wrapped>(), Wrapped(Some(Settings { depth: 0, title: None })));
        assert_eq!(both::<Either>(), Either::Settings(Settings { depth: 0, title: None }));
        assert_eq!(both::<serde_json::Value>(), serde_json::json!({}));
        assert_eq!(both::<BTreeMap<String, u32>>(), BTreeMap::new());
        assert!(NoParams::decode(b"{}").is_ok());
    }

    #[test]
    fn an_empty_object_that_does_not_do_says_what_is_missing() {
        let error = Strict::decode(b"{}").unwrap_err();
        assert!(error.message().contains("missing field `n`"), "{error}");
        assert!(<Vec<u32> as Params>::decode(b"{}").is_err());
        assert!(u32::decode(b"{}").is_err());
        assert!(NoParams::decode(b"{\"n\":1}").is_err());
    }

    #[test]
    fn nothing_may_stand_behind_the_parameters() {
        for text in ["{}{}", "{} x", "{\"depth\":1}]"] {
            let error = Settings::decode(text.as_bytes()).unwrap_err();
            assert!(error.message().contains("trailing characters"), "{text}: {error}");
        }
        assert!(Settings::decode(b" {} \n").is_ok());
    }
}
