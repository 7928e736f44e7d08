//! A picture of a document without its plugins: a catalog is made up of what the document asks for, so that
//! everything else about it can be resolved.

use crate::calls::calls;
use crate::diagnostic::{self, Diagnostic};
use crate::graph::Graph;
use crate::model::{self, Dialect, Workflow};
use jackfield_core::catalog::{Catalog, Method, MethodKind, Plugin};
use jackfield_core::payload::Payload;
use jackfield_core::validate;
use semver::{Op, Version, VersionReq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The picture, if the text is a workflow at all, and what is wrong with the document apart from plugins.
pub(crate) fn draft(source: &str, dialect: Dialect) -> (Option<Graph>, Vec<Diagnostic>) {
    let parsed = model::parse(source.as_bytes(), dialect);
    let mut findings = parsed.findings;
    let graph = parsed.workflow.map(|workflow| {
        let compiled = validate::compile(&workflow, &imagined(&workflow), &validate::Options::default());
        findings.extend(compiled.findings);
        Graph::new(&workflow, compiled.plan.as_deref())
    });
    (graph, diagnostic::locate(source.as_bytes(), &findings))
}

/// Plugins with every method that the document calls, in versions that fit its ranges if any do.
fn imagined(workflow: &Workflow) -> Catalog {
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut ranges: BTreeMap<&str, Vec<&VersionReq>> = BTreeMap::new();
    for (plugin, range) in &workflow.requires {
        ranges.entry(plugin).or_default().push(&range.value);
        methods.entry(plugin).or_default();
    }
    for call in calls(workflow) {
        methods.entry(&call.plugin.value).or_default().insert(&call.method.value);
        let range = call.plugin_version.iter().map(|range| &range.value);
        ranges.entry(&call.plugin.value).or_default().extend(range);
    }
    let plugins = methods.into_iter().flat_map(|(name, methods)| {
        let ranges = ranges.get(name).map(Vec::as_slice).unwrap_or_default();
        let methods: Vec<Method> = methods.into_iter().map(method).collect();
        versions(ranges).into_iter().map(move |version| {
            let methods = methods.clone();
            Arc::new(Plugin { name: name.into(), version, description: "".into(), methods })
        })
    });
    Catalog::new(plugins.collect())
}

/// Versions at the edges of the ranges, and one for documents that name none.
fn versions(ranges: &[&VersionReq]) -> BTreeSet<Version> {
    let mut versions = BTreeSet::from([Version::new(1, 0, 0)]);
    for comparator in ranges.iter().flat_map(|range| &range.comparators) {
        let mut edge =
            Version::new(comparator.major, comparator.minor.unwrap_or(0), comparator.patch.unwrap_or(0));
        edge.pre = comparator.pre.clone();
        if comparator.op == Op::Greater {
            edge.patch += 1;
        }
        if comparator.op == Op::Less {
            // a range without a lower end
            versions.insert(Version::new(0, 0, 0));
        }
        versions.insert(edge);
    }
    versions
}

fn method(name: &str) -> Method {
    Method {
        name: name.into(),
        description: "".into(),
        kind: MethodKind::Blocking,
        pure: false,
        idempotent: false,
        serial: false,
        default_timeout: None,
        parameters: Payload::null(),
        output: Payload::null(),
    }
}
