//! What is to happen to a process, and methods that see to it.

use super::effects::EffectLog;
use jackfield_core::catalog::{Catalog, MethodKind};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::Isolation;
use jackfield_core::ports::{Call, Completion, Method, Methods, Outcome};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is to happen to the process that runs a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// It dies at a write to its journal: which, counted from 1, and when.
    pub kill: Option<Kill>,
    /// After every write to its journal all of its files are copied to `kept/N`.
    pub is_kept: bool,
    /// Something happens to the first call of a step: its path, and what.
    pub call: Option<(String, Deed)>,
}

/// A death at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// Which write, counted from 1.
    pub write: u64,
    /// When.
    pub moment: Moment,
}

/// Before it or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// Nothing of it was done.
    Before,
    /// All of it was done, and nobody has heard of it.
    After,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// It fails without having done anything.
    Fail,
    /// Its method does everything twice.
    Repeat,
    /// The process dies.
    Kill(Moment),
}

/// The process ends at once, as by `kill -9`.
pub(crate) fn die() -> ! {
    let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    unreachable!("the process outlived its death: {killed:?}")
}

/// Methods that write down when they are called, and to which what the script says happens.
pub(crate) struct Scripted {
    pub(crate) methods: Arc<dyn Methods>,
    pub(crate) effects: Arc<EffectLog>,
    pub(crate) call: Option<Arc<Pending>>,
}

/// What has still to happen.
#[derive(Debug)]
pub(crate) struct Pending {
    path: String,
    deed: Deed,
    has_happened: AtomicBool,
}

impl Pending {
    pub(crate) fn new((path, deed): (String, Deed)) -> Self {
        Self { path, deed, has_happened: AtomicBool::new(false) }
    }

    fn take(&self, call: &Call) -> Option<Deed> {
        let is_it = call.step() == self.path && !self.has_happened.swap(true, Ordering::SeqCst);
        is_it.then_some(self.deed)
    }
}

impl Methods for Scripted {
    fn catalog(&self) -> Arc<Catalog> {
        self.methods.catalog()
    }

    fn bind(
        &self,
        plugin: &str,
        version: &Version,
        method: &str,
        isolation: Option<Isolation>,
    ) -> Result<Arc<dyn Method>, Failure> {
        let bound = self.methods.bind(plugin, version, method, isolation)?;
        let catalog = self.methods.catalog();
        let of_version = catalog.versions(plugin).iter().find(|it| it.version == *version);
        let is_pure = of_version.and_then(|it| it.method(method)).is_some_and(|it| it.pure);
        Ok(Arc::new(ScriptedMethod {
            method: bound,
            is_pure,
            effects: self.effects.clone(),
            call: self.call.clone(),
        }))
    }
}

struct ScriptedMethod {
    method: Arc<dyn Method>,
    is_pure: bool,
    effects: Arc<EffectLog>,
    call: Option<Arc<Pending>>,
}

impl ScriptedMethod {
    fn begin(&self, call: &Call) -> Option<Deed> {
        let deed = self.call.as_ref().and_then(|pending| pending.take(call));
        if deed != Some(Deed::Kill(Moment::Before)) {
            self.effects.begun(call, self.is_pure);
        } else {
            die();
        }
        deed
    }
}

fn on_purpose() -> Outcome {
    Err(Failure::new(kind::PLUGIN_ERROR, "failed on purpose"))
}

impl Method for ScriptedMethod {
    fn kind(&self) -> MethodKind {
        self.method.kind()
    }

    fn call(&self, call: &Call) -> Outcome {
        match self.begin(call) {
            None | Some(Deed::Kill(Moment::Before)) => self.method.call(call),
            Some(Deed::Fail) => on_purpose(),
            Some(Deed::Repeat) => {
                // the first answer is lost
                let _ = self.method.call(call);
                self.method.call(call)
            }
            Some(Deed::Kill(Moment::After)) => {
                let _ = self.method.call(call);
                die()
            }
        }
    }

    fn start(&self, call: Arc<Call>, done: Completion) {
        match self.begin(&call) {
            None | Some(Deed::Kill(Moment::Before)) => self.method.start(call, done),
            Some(Deed::Fail) => done(on_purpose()),
            Some(Deed::Repeat) => {
                let (method, again) = (self.method.clone(), call.clone());
                self.method.start(call, Box::new(move |_| method.start(again, done)));
            }
            Some(Deed::Kill(Moment::After)) => self.method.start(call, Box::new(|_| die())),
        }
    }

    fn cancelled(&self, call: &Call) {
        self.method.cancelled(call);
    }

    fn abandoned(&self, call: &Call) {
        self.method.abandoned(call);
    }

    fn returned(&self, call: &Call) {
        self.method.returned(call);
    }

    fn released(&self) {
        self.method.released();
    }
}
