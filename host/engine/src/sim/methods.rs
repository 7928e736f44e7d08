//! Methods of the simulation. Asynchronous ones answer when the simulation says so.

use super::world::World;
use jackfield_core::catalog::{self, Catalog, MethodKind, Plugin};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::Isolation;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, Completion, Method, Methods, Outcome};
use semver::Version;
use std::sync::Arc;

/// A call under way.
pub(super) struct Open {
    pub(super) call: Arc<Call>,
    pub(super) done: Completion,
}

/// Name, how it is called, whether it is pure.
const METHODS: &[(&str, MethodKind, bool)] = &[
    ("later", MethodKind::Async, false),
    ("pure_later", MethodKind::Async, true),
    ("inline", MethodKind::Inline, false),
    ("pure", MethodKind::Inline, true),
    ("blocking", MethodKind::Blocking, false),
];

/// What a call comes to: its parameter `value`, or a failure before the attempt `good`.
pub(super) fn outcome(call: &Call) -> Outcome {
    let parameters = call.parameters.value();
    let good = parameters["good"].as_u64().unwrap_or(1);
    if u64::from(call.attempt) >= good {
        return Ok(Payload::encode(&parameters["value"]));
    }
    let kind = parameters["type"].as_str().unwrap_or(kind::PLUGIN_ERROR);
    Err(Failure { retryable: kind == kind::PLUGIN_ERROR, ..Failure::new(kind, "on purpose") })
}

struct Bound {
    kind: MethodKind,
    is_pure: bool,
}

impl Bound {
    fn begin(&self, call: &Call) {
        if let Some(world) = World::current() {
            world.begin(call, self.is_pure);
        }
    }
}

impl Method for Bound {
    fn kind(&self) -> MethodKind {
        self.kind
    }

    fn call(&self, call: &Call) -> Outcome {
        self.begin(call);
        let is_unlucky = World::current().is_some_and(|world| !world.is_calm.get() && world.chance(5));
        if is_unlucky {
            World::current().into_iter().for_each(|world| world.count("worker died in a call"));
            return Err(Failure::new(kind::PLUGIN_CRASH, "the worker died"));
        }
        outcome(call)
    }

    fn start(&self, call: Arc<Call>, done: Completion) {
        self.begin(&call);
        if let Some(world) = World::current() {
            world.open.borrow_mut().push(Open { call, done });
        }
    }

    fn cancelled(&self, _: &Call) {}

    fn abandoned(&self, call: &Call) {
        if let Some(world) = World::current() {
            world.given_up.borrow_mut().insert(super::judge::name(call));
        }
    }

    fn returned(&self, _: &Call) {}

    fn released(&self) {}
}

pub(super) struct Source;

impl Methods for Source {
    fn catalog(&self) -> Arc<Catalog> {
        let method = |(name, kind, pure): &(&str, MethodKind, bool)| catalog::Method {
            name: (*name).into(),
            description: "".into(),
            kind: *kind,
            pure: *pure,
            idempotent: false,
            serial: false,
            default_timeout: None,
            parameters: Payload::null(),
            output: Payload::null(),
        };
        Arc::new(Catalog::new(vec![Arc::new(Plugin {
            name: "s".into(),
            version: Version::new(1, 0, 0),
            description: "".into(),
            methods: METHODS.iter().map(method).collect(),
        })]))
    }

    fn bind(
        &self,
        _: &str,
        _: &Version,
        method: &str,
        _: Option<Isolation>,
    ) -> Result<Arc<dyn Method>, Failure> {
        if World::current().is_some_and(|world| world.is_plugin_missing.get()) {
            return Err(Failure::new(kind::PLUGIN_UNAVAILABLE, "the plugin is not there"));
        }
        let found = METHODS.iter().find(|(name, _, _)| *name == method);
        let (_, kind, is_pure) =
            found.ok_or_else(|| Failure::new(kind::PLUGIN_UNAVAILABLE, "no such method"))?;
        Ok(Arc::new(Bound { kind: *kind, is_pure: *is_pure }))
    }
}
