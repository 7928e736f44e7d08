//! An engine put together as the facade does it, with a store and with methods of a test.

use super::effects::EffectLog;
use super::script::{Pending, Script, Scripted};
use jackfield_core::journal::Store;
use jackfield_core::model::{self, Dialect, Isolation};
use jackfield_core::payload::Payload;
use jackfield_core::plan::SharedPlan;
use jackfield_core::ports::{Clock, Methods, Secrets};
use jackfield_core::time::Timestamp;
use jackfield_core::validate;
use jackfield_engine::{Config, Document, Engine, EngineError, Ports, SilentListener, StartRequest};
use jackfield_loader::{Registry, RegistryConfig};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Plugins, opened once, and documents checked against them.
pub struct Lab {
    registry: Arc<Registry>,
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::default().after(since_epoch.expect("the clock is set"))
    }
}

/// The secrets of the examples.
struct FileSecrets;

impl Secrets for FileSecrets {
    fn get(&self, name: &str) -> Result<Arc<str>, String> {
        let file = format!("examples/secrets/{}", name.replace('_', "-"));
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        Ok(text.trim_end().into())
    }
}

impl Lab {
    /// Opens the plugins in `plugins`; `data` keeps what is remembered of them.
    ///
    /// # Panics
    /// If they cannot be opened.
    #[must_use]
    pub fn new(plugins: &Path, data: &Path) -> Self {
        let mut config = RegistryConfig::new(data).directory(plugins);
        config.isolation.default = Some(Isolation::InProcess);
        config.plugins.insert("http".into(), serde_json::json!({ "allow_private": true }));
        let registry = Arc::new(Registry::open(config).expect("the data directory can be written"));
        registry.connect();
        Self { registry }
    }

    /// Checks a document and makes a request to run it.
    ///
    /// # Panics
    /// If it has a fault.
    #[must_use]
    pub fn request(&self, text: &str, run_id: &str) -> StartRequest {
        let parsed = model::parse(text.as_bytes(), Dialect::Json);
        let workflow = parsed.workflow.unwrap_or_else(|| panic!("{:?}", parsed.findings));
        let plugins = ["csv", "echo", "fault", "fs", "http", "json", "table"];
        self.registry.load(&plugins).expect("bundled plugins describe themselves");
        let config = values();
        let options = validate::Options { config_keys: Some(config.keys().cloned().collect()), pools: None };
        let compiled = validate::compile(&workflow, &self.registry.catalog(), &options);
        let plan: SharedPlan = compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.findings));
        let document: Value = serde_json::from_str(text).expect("it was parsed before");
        let input = document["metadata"].get("input").cloned().unwrap_or_else(|| serde_json::json!({}));
        StartRequest {
            run_id: Some(run_id.into()),
            config: Arc::new(config),
            document: Some(Document::new(text)),
            attach: true,
            ..StartRequest::new(plan, Payload::from(input))
        }
    }

    /// An engine on `store`, to which what `script` says happens. `dir` is where effects are written down.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn engine(&self, store: Arc<dyn Store>, dir: &Path, script: &Script) -> Result<Engine, EngineError> {
        let effects = Arc::new(EffectLog::open(&dir.join(super::file::EFFECTS)));
        effects.born();
        let call = script.call.clone().map(|call| Arc::new(Pending::new(call)));
        let methods = Arc::new(Scripted { methods: self.registry.clone(), effects, call });
        Engine::durable(config(), ports(methods), store)
    }

    /// An engine that shows what is in `store`.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn reader(&self, store: Arc<dyn Store>) -> Result<Engine, EngineError> {
        Engine::reader(config(), ports(self.registry.clone()), store)
    }
}

fn ports(methods: Arc<dyn Methods>) -> Ports {
    let (secrets, clock) = (Arc::new(FileSecrets), Arc::new(WallClock));
    Ports { methods, secrets, clock, listener: Arc::new(SilentListener), compile: None, spans: None }
}

fn config() -> Config {
    Config { shutdown_grace: Duration::ZERO, cancel_grace: Duration::from_millis(100), ..Config::default() }
}

/// What `config.<key>` is in the examples.
fn values() -> BTreeMap<Box<str>, Payload> {
    let values = [("station", "SEA"), ("unit", "C")];
    values.into_iter().map(|(key, value)| (key.into(), Payload::string(value))).collect()
}
