//! The methods that a plan was made with, kept beside its document: so that a run keeps its plan whatever becomes of the
//! plugins, and can be read when they are gone.

use super::Damage;
use crate::catalog::{Catalog, Method, MethodKind, Plugin};
use crate::model::{self, Dialect};
use crate::payload::Payload;
use crate::plan::{Plan, SharedPlan};
use crate::validate;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a plan needs to know of the methods that it calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned(Vec<PinnedMethod>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct PinnedMethod {
    plugin: Box<str>,
    version: Version,
    method: Box<str>,
    kind: Kind,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pure: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Blocking,
    Inline,
    Async,
    Stream,
}

impl Pinned {
    /// Those of `plan`.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let methods = plan.methods.iter().map(|used| PinnedMethod {
            plugin: used.plugin.clone(),
            version: used.version.clone(),
            method: used.method.clone(),
            kind: match used.kind {
                MethodKind::Blocking => Kind::Blocking,
                MethodKind::Inline => Kind::Inline,
                MethodKind::Async => Kind::Async,
                MethodKind::Stream => Kind::Stream,
            },
            pure: used.pure,
            timeout_ns: used.default_timeout.map(|limit| crate::time::Nanos::from(limit).0),
        });
        let methods: BTreeSet<_> = methods.collect();
        Self(methods.into_iter().collect())
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        Payload::encode(self).as_str().to_owned()
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// [`Damage::Start`] if it is none of ours.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        serde_json::from_str(text).map_err(|error| Damage::Start(format!("its methods: {error}")))
    }

    /// Makes the plan of `document` once more. `config_keys` are what `config.<key>` could name.
    ///
    /// # Errors
    /// [`Damage::Start`] if the document does not give a plan any more.
    pub fn plan(&self, document: &str, config_keys: BTreeSet<Box<str>>) -> Result<SharedPlan, Damage> {
        // comments do no harm to a document that has none
        let parsed = model::parse(document.as_bytes(), Dialect::Jsonc);
        let first = |findings: &[crate::diagnostic::Finding]| {
            let said = findings.first().map_or_else(String::new, |finding| finding.message.to_string());
            Damage::Start(format!("its document is not accepted: {said}"))
        };
        let Some(mut workflow) = parsed.workflow else { return Err(first(&parsed.findings)) };
        // a plugin that is required and not called was there when the run began, which is all that was asked
        workflow.requires.retain(|name, _| self.0.iter().any(|method| method.plugin == *name));
        let options = validate::Options { config_keys: Some(config_keys), pools: None };
        let compiled = validate::compile(&workflow, &self.catalog(), &options);
        compiled.plan.ok_or_else(|| first(&compiled.findings))
    }

    fn catalog(&self) -> Catalog {
        let mut plugins: BTreeMap<_, Vec<Method>> = BTreeMap::new();
        for pinned in &self.0 {
            let methods = plugins.entry((pinned.plugin.clone(), pinned.version.clone())).or_default();
            methods.push(Method {
                name: pinned.method.clone(),
                description: "".into(),
                kind: match pinned.kind {
                    Kind::Blocking => MethodKind::Blocking,
                    Kind::Inline => MethodKind::Inline,
                    Kind::Async => MethodKind::Async,
                    Kind::Stream => MethodKind::Stream,
                },
                pure: pinned.pure,
                idempotent: false,
                serial: false,
                default_timeout: pinned.timeout_ns.map(Duration::from_nanos),
                parameters: Payload::null(),
                output: Payload::null(),
            });
        }
        let plugin =
            |((name, version), methods)| Arc::new(Plugin { name, version, description: "".into(), methods });
        Catalog::new(plugins.into_iter().map(plugin).collect())
    }
}
