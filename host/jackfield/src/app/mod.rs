//! Methods of the host application itself: closures that workflows call like methods of plugins.

mod error;
mod method;
mod runtime;
#[cfg(test)]
mod tests;

pub use error::MethodError;
pub use method::AppMethod;
pub(crate) use runtime::AppRuntime;

use crate::Error;
use jackfield_core::catalog::{Catalog, MethodKind, Plugin};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::Isolation;
use jackfield_core::ports::{Call, Completion, Method, Methods, Outcome};
use method::Body;
use parking_lot::Mutex;
use semver::Version;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The plugins that an application is made of, by name and version.
#[derive(Default)]
pub(crate) struct AppPlugins {
    plugins: BTreeMap<(String, Version), BTreeMap<String, Arc<AppMethod>>>,
}

impl AppPlugins {
    /// Adds a method.
    ///
    /// # Errors
    /// If the version is no semver, or the method is there already.
    pub(crate) fn add(&mut self, plugin: &str, version: &str, method: AppMethod) -> Result<(), Error> {
        let parsed = Version::parse(version).map_err(|error| {
            Error::setup(format!("version `{version}` of the application's plugin `{plugin}`: {error}"))
        })?;
        let methods = self.plugins.entry((plugin.to_owned(), parsed)).or_default();
        if methods.contains_key(method.name()) {
            let name = method.name();
            return Err(Error::setup(format!("method `{plugin}.{name}` {version} is registered twice")));
        }
        methods.insert(method.name().to_owned(), Arc::new(method));
        Ok(())
    }

    /// Whether some method answers by a future.
    pub(crate) fn has_async(&self) -> bool {
        self.plugins.values().flat_map(BTreeMap::values).any(|method| method.kind() == MethodKind::Async)
    }

    fn describe(&self) -> Vec<Arc<Plugin>> {
        let plugin = |((name, version), methods): (&(String, Version), &BTreeMap<String, Arc<AppMethod>>)| {
            Arc::new(Plugin {
                name: name.as_str().into(),
                version: version.clone(),
                description: "methods of the host application".into(),
                methods: methods.values().map(|method| method.describe()).collect(),
            })
        };
        self.plugins.iter().map(plugin).collect()
    }
}

/// Methods of the application and of plugin files under one roof. Of two with the same plugin name and version
/// the application's is taken.
pub(crate) struct AllMethods {
    app: AppPlugins,
    described: Vec<Arc<Plugin>>,
    files: Arc<dyn Methods>,
    /// For asynchronous methods of the application.
    runtime: Option<AppRuntime>,
    /// The files' catalog that was merged last, and what came of it.
    merged: Mutex<Option<(Arc<Catalog>, Arc<Catalog>)>>,
}

impl AllMethods {
    /// `runtime` performs asynchronous methods of the application.
    pub(crate) fn new(app: AppPlugins, files: Arc<dyn Methods>, runtime: Option<AppRuntime>) -> Self {
        let described = app.describe();
        Self { app, described, files, runtime, merged: Mutex::new(None) }
    }
}

impl Methods for AllMethods {
    fn catalog(&self) -> Arc<Catalog> {
        let files = self.files.catalog();
        let mut merged = self.merged.lock();
        if let Some((from, catalog)) = &*merged
            && Arc::ptr_eq(from, &files)
        {
            return catalog.clone();
        }
        let plugins = self.described.iter().chain(files.plugins()).cloned().collect();
        let catalog = Arc::new(Catalog::new(plugins).with_unusable(files.unusable().to_vec()));
        *merged = Some((files, catalog.clone()));
        catalog
    }

    fn bind(
        &self,
        plugin: &str,
        version: &Version,
        method: &str,
        isolation: Option<Isolation>,
    ) -> Result<Arc<dyn Method>, Failure> {
        let Some(methods) = self.app.plugins.get(&(plugin.to_owned(), version.clone())) else {
            return self.files.bind(plugin, version, method, isolation);
        };
        if isolation == Some(Isolation::Worker) {
            let message = format!(
                "`{plugin}.{method}` is a method of the application and cannot run in a worker; leave `isolation` out"
            );
            return Err(Failure { retryable: false, ..Failure::new(kind::PLUGIN_UNAVAILABLE, message) });
        }
        let method = methods.get(method).ok_or_else(|| {
            let message = format!("the application's plugin `{plugin}` {version} has no method `{method}`");
            Failure::new(kind::PLUGIN_UNAVAILABLE, message)
        })?;
        Ok(Arc::new(Bound {
            method: method.clone(),
            runtime: self.runtime.as_ref().and_then(AppRuntime::handle),
        }))
    }
}

struct Bound {
    method: Arc<AppMethod>,
    runtime: Option<tokio::runtime::Handle>,
}

impl Method for Bound {
    fn kind(&self) -> MethodKind {
        self.method.kind()
    }

    fn call(&self, call: &Call) -> Outcome {
        match self.method.body() {
            Body::Sync(run) => {
                catch_unwind(AssertUnwindSafe(|| run(call))).unwrap_or_else(|_| self.panicked())
            }
            Body::Async(_) => {
                Err(Failure::new(kind::INTERNAL, "an asynchronous method was called as a blocking one"))
            }
        }
    }

    fn start(&self, call: Arc<Call>, done: Completion) {
        let (Body::Async(begin), Some(runtime)) = (self.method.body(), &self.runtime) else {
            return done(Err(Failure::new(kind::INTERNAL, "there is no runtime for asynchronous methods")));
        };
        let future = match catch_unwind(AssertUnwindSafe(|| begin(call))) {
            Ok(future) => future,
            Err(_) => return done(self.panicked()),
        };
        let task = runtime.spawn(future);
        let method = self.method.clone();
        runtime.spawn(async move {
            let outcome = match task.await {
                Ok(outcome) => outcome,
                Err(error) if error.is_panic() => panicked(&method),
                Err(_) => Err(Failure::new(kind::CANCELLED, "the runtime of the application has ended")),
            };
            done(outcome);
        });
    }

    // closures keep no state between calls, so an abandoned one is in nobody's way
    fn abandoned(&self, call: &Call) {
        call.cancelled.store(true, Ordering::Relaxed);
    }

    fn returned(&self, _: &Call) {}

    fn cancelled(&self, _: &Call) {}

    fn released(&self) {}
}

impl Bound {
    fn panicked(&self) -> Outcome {
        panicked(&self.method)
    }
}

fn panicked(method: &AppMethod) -> Outcome {
    let message = format!("method `{}` of the application panicked", method.name());
    Err(Failure::new(kind::PLUGIN_PANIC, message))
}
