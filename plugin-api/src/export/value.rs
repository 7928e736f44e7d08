//! How parameters become values, and results become JSON text.

use crate::{Error, RawJson};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
    fn decode(text: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(text).or_else(|_| explain(text))
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

/// Reads the text once more, keeping track of where it is: only worth its price when something is wrong.
#[cold]
fn explain<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(" at `{path}`") };
        Error::validation(format!("the parameters do not fit{place}: {}", error.inner()))
            .details(&serde_json::json!({ "path": path }))
    })
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
