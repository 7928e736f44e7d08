//! The configuration of an instance.

use super::method::Generators;
use super::value::Params;
use crate::Error;
use crate::context::Config;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::sync::Arc;

/// Reads and describes configurations of a type that is forgotten.
pub trait AnyConfig: Send + Sync {
    /// Reads JSON; nothing at all stands for an empty object.
    ///
    /// # Errors
    /// If it does not fit.
    fn read(&self, json: &[u8]) -> Result<Config, Error>;

    /// Describes it; `None` if the plugin has no configuration.
    fn schema(&self, generators: &mut Generators) -> Option<Schema>;
}

/// A plugin without configuration takes any and looks at none.
pub struct NoConfig;

impl AnyConfig for NoConfig {
    fn read(&self, _: &[u8]) -> Result<Config, Error> {
        Ok(Arc::new(()))
    }

    fn schema(&self, _: &mut Generators) -> Option<Schema> {
        None
    }
}

/// A configuration of the type `T`.
pub struct ConfigOf<T>(PhantomData<fn() -> T>);

impl<T> ConfigOf<T> {
    /// The one value.
    #[expect(clippy::new_without_default, reason = "a default cannot be constant")]
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> AnyConfig for ConfigOf<T> {
    fn read(&self, json: &[u8]) -> Result<Config, Error> {
        let json = if json.is_empty() { b"{}" } else { json };
        let config =
            <T as Params>::decode(json).map_err(|error| error.context("the configuration is not valid"))?;
        Ok(Arc::new(config))
    }

    fn schema(&self, generators: &mut Generators) -> Option<Schema> {
        Some(generators.reading::<T>())
    }
}
