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

    /// Whether it holds state that goes over to other versions.
    fn has_state(&self) -> bool {
        false
    }

    /// The state in `config`, as JSON.
    ///
    /// # Errors
    /// If it cannot be handed over; the plugin says why.
    fn save(&self, _config: &Config) -> Result<Vec<u8>, Error> {
        Err(no_state())
    }

    /// Puts the state of another version into `config`.
    ///
    /// # Errors
    /// If it cannot be used; the plugin says why.
    fn restore(&self, _config: &Config, _state: &[u8]) -> Result<(), Error> {
        Err(no_state())
    }
}

fn no_state() -> Error {
    Error::other("the plugin has no state").permanent()
}

/// What an instance knows and hands over to a newer version of its plugin while the host runs on (`stateful_config` of
/// [`export_plugin!`](crate::export_plugin)). Calls go on meanwhile, so it stands behind locks of its own.
pub trait State {
    /// What the newer version is to know.
    ///
    /// # Errors
    /// If it cannot be handed over; then the older version goes on.
    fn save(&self) -> Result<serde_json::Value, Error>;

    /// Takes over what another version has saved, before the first call.
    ///
    /// # Errors
    /// If it cannot be used; then the older version goes on.
    fn restore(&self, saved: serde_json::Value) -> Result<(), Error>;
}

/// A configuration of the type `T` that holds state.
pub struct StatefulConfigOf<T>(ConfigOf<T>);

impl<T> StatefulConfigOf<T> {
    /// The one value.
    #[expect(clippy::new_without_default, reason = "a default cannot be constant")]
    #[must_use]
    pub const fn new() -> Self {
        Self(ConfigOf::new())
    }
}

impl<T: DeserializeOwned + JsonSchema + State + Send + Sync + 'static> AnyConfig for StatefulConfigOf<T> {
    fn read(&self, json: &[u8]) -> Result<Config, Error> {
        self.0.read(json)
    }

    fn schema(&self, generators: &mut Generators) -> Option<Schema> {
        self.0.schema(generators)
    }

    fn has_state(&self) -> bool {
        true
    }

    fn save(&self, config: &Config) -> Result<Vec<u8>, Error> {
        let config = config.downcast_ref::<T>().ok_or_else(no_state)?;
        Ok(serde_json::to_vec(&config.save()?)?)
    }

    fn restore(&self, config: &Config, state: &[u8]) -> Result<(), Error> {
        let config = config.downcast_ref::<T>().ok_or_else(no_state)?;
        let saved = serde_json::from_slice(state).map_err(|error| Error::validation(error.to_string()))?;
        config.restore(saved)
    }
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
