//! JSON that a method takes or gives as text, without a Rust type of its own.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// JSON text. As parameters it is what the step wrote; as a result it is handed on as it is, without encoding it again.
/// The host checks results: text that is no JSON, or that does not fit the schema of `S`, fails the step.
///
/// `S` is the type whose schema describes the text; by default it may be anything.
///
/// ```
/// # use jackfield_plugin_api::prelude::*;
/// fn echo(_ctx: &Context, parameters: RawJson) -> Result<RawJson, Error> {
///     Ok(parameters)
/// }
/// ```
pub struct RawJson<S = serde_json::Value> {
    text: Vec<u8>,
    schema: PhantomData<fn() -> S>,
}

impl<S> RawJson<S> {
    /// Takes JSON text as it is.
    #[must_use]
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), schema: PhantomData }
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The text, without copying it.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    /// The text as a value of type `T`.
    ///
    /// # Errors
    /// If the text is no JSON or has another form.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, crate::Error> {
        Ok(serde_json::from_slice(&self.text)?)
    }
}

impl<S> Clone for RawJson<S> {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}

impl<S> fmt::Debug for RawJson<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

/// The parameters of a method that has none: an empty object.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, serde::Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}
