//! Which version of which plugin a call means, and its parameters against the schema of the method.

use super::context::Context;
use super::layout::index;
use super::names::did_you_mean;
use super::parameters::Schema;
use crate::catalog::{Catalog, MethodKind, Plugin, Unusable};
use crate::diagnostic::{Code, Finding, nearest};
use crate::model::{At, CallFields, Isolation, Workflow};
use crate::plan::{MethodIx, MethodUse};
use indexmap::IndexMap;
use semver::{Version, VersionReq};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The methods that one document uses.
pub(super) struct Calls<'w, 'c> {
    catalog: &'c Catalog,
    requires: &'w IndexMap<Box<str>, At<VersionReq>>,
    /// Plugins whose entry in `requires` is at fault already.
    reported: HashSet<&'w str>,
    asked: HashMap<Asked<'w>, MethodIx>,
    known: HashMap<(&'c str, &'c Version, &'c str, Option<Isolation>), MethodIx>,
    methods: Vec<MethodUse>,
    schemas: Vec<Option<Schema<'c>>>,
}

/// What a call asks for: plugin, method, range, isolation.
type Asked<'w> = (&'w str, &'w str, Option<&'w VersionReq>, Option<Isolation>);

impl<'w, 'c> Calls<'w, 'c> {
    /// Starts with the entries of `requires`, each of which must be met whether or not a step uses the plugin.
    pub(super) fn new(workflow: &'w Workflow, catalog: &'c Catalog, findings: &mut Vec<Finding>) -> Self {
        let mut reported = HashSet::new();
        for (plugin, range) in &workflow.requires {
            let ranges = [&range.value];
            if catalog.resolve(plugin, &ranges).is_none() {
                findings.push(unresolved(catalog, plugin, &ranges, (range.at, range.at)));
                reported.insert(&**plugin);
            }
        }
        Self {
            catalog,
            requires: &workflow.requires,
            reported,
            asked: HashMap::new(),
            known: HashMap::new(),
            methods: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// The method that `call` means.
    pub(super) fn resolve(
        &mut self,
        context: &mut Context<'_, '_>,
        call: &'w CallFields,
    ) -> Option<MethodIx> {
        let range = call.plugin_version.as_ref().map(|range| &range.value);
        let isolation = call.isolation.as_ref().map(|isolation| isolation.value);
        let asked = (&*call.plugin.value, &*call.method.value, range, isolation);
        if let Some(ix) = self.asked.get(&asked) {
            return Some(*ix);
        }
        if call.plugin.value.is_empty() || self.reported.contains(&*call.plugin.value) {
            return None;
        }
        let required = self.requires.get(&call.plugin.value).map(|range| &range.value);
        let ranges: Vec<_> = required.into_iter().chain(range).collect();
        let Some(plugin) = self.catalog.resolve(&call.plugin.value, &ranges) else {
            let range_at = call.plugin_version.as_ref().map_or(call.plugin.at, |range| range.at);
            let places = (call.plugin.at, range_at);
            context.findings.push(unresolved(self.catalog, &call.plugin.value, &ranges, places));
            return None;
        };
        if call.method.value.is_empty() {
            return None;
        }
        let ix = self.method(context, plugin, &call.method, isolation)?;
        self.asked.insert(asked, ix);
        Some(ix)
    }

    fn method(
        &mut self,
        context: &mut Context<'_, '_>,
        plugin: &'c Arc<Plugin>,
        name: &At<Box<str>>,
        isolation: Option<Isolation>,
    ) -> Option<MethodIx> {
        let Some(method) = plugin.method(&name.value) else {
            self.unknown_method(context, plugin, name);
            return None;
        };
        if let Some(ix) = self.known.get(&(&*plugin.name, &plugin.version, &*method.name, isolation)) {
            return Some(*ix);
        }
        if method.kind == MethodKind::Stream {
            let message = format!(
                "method `{}.{}` produces a stream, which cannot be run yet",
                plugin.name, method.name
            );
            context.report(Code::NotSupported, name.at, message, "");
            return None;
        }
        let schema = match Schema::compile(method) {
            Ok(schema) => schema,
            Err(problem) => {
                let message = format!(
                    "the parameter schema of `{}.{}` {} is no valid JSON Schema: {problem}",
                    plugin.name, method.name, plugin.version
                );
                context.report(Code::BadSchema, name.at, message, "This is a fault of the plugin.");
                return None;
            }
        };
        let ix = MethodIx(index(self.methods.len()));
        self.known.insert((&plugin.name, &plugin.version, &method.name, isolation), ix);
        self.schemas.push(schema);
        self.methods.push(MethodUse {
            plugin: plugin.name.clone(),
            version: plugin.version.clone(),
            method: method.name.clone(),
            kind: method.kind,
            isolation,
            pure: method.pure,
            default_timeout: method.default_timeout,
        });
        Some(ix)
    }

    fn unknown_method(&self, context: &mut Context<'_, '_>, plugin: &Plugin, name: &At<Box<str>>) {
        let mut hint =
            did_you_mean("", nearest(&name.value, plugin.methods.iter().map(|method| &*method.name)));
        let others =
            self.catalog.versions(&plugin.name).iter().filter(|other| other.method(&name.value).is_some());
        let versions: Vec<_> = others.map(|other| other.version.to_string()).collect();
        if !versions.is_empty() {
            hint = format!("It is in version {}; ask for it with `plugin_version`.", versions.join(", "));
        }
        let message = format!("plugin `{}` {} has no method `{}`", plugin.name, plugin.version, name.value);
        context.report(Code::UnknownMethod, name.at, message, hint);
    }

    /// Where methods are looked for.
    pub(super) fn catalog(&self) -> &'c Catalog {
        self.catalog
    }

    /// The method at `ix`.
    pub(super) fn method_use(&self, ix: MethodIx) -> &MethodUse {
        &self.methods[ix.0 as usize]
    }

    /// The parameter schema of the method at `ix`, if it has one.
    pub(super) fn schema(&self, ix: MethodIx) -> Option<&Schema<'c>> {
        self.schemas[ix.0 as usize].as_ref()
    }

    pub(super) fn into_methods(self) -> Vec<MethodUse> {
        self.methods
    }
}

/// The finding about a plugin that is not there, or not in a version within `ranges`.
fn unresolved(
    catalog: &Catalog,
    plugin: &str,
    ranges: &[&VersionReq],
    (plugin_at, range_at): (u32, u32),
) -> Finding {
    let versions = catalog.versions(plugin);
    let unusable = unusable(catalog, plugin, ranges);
    if versions.is_empty()
        && let Some(it) = unusable
    {
        let (code, at) = (Code::UnknownPlugin, plugin_at);
        let (message, hint) = match &it.version {
            Some(_) => (cannot_be_used(it), it.remedy.to_string()),
            None => (format!("there is no plugin `{plugin}`"), sentences(&it.reason, &it.remedy)),
        };
        return Finding { code, at, message, hint };
    }
    if versions.is_empty() {
        let guess = nearest(plugin, catalog.plugins().iter().map(|plugin| &*plugin.name));
        let message = format!("there is no plugin `{plugin}`");
        return Finding { code: Code::UnknownPlugin, at: plugin_at, message, hint: did_you_mean("", guess) };
    }
    let listed = |items: Vec<String>, word: &str| items.join(word);
    let asked = listed(ranges.iter().map(|range| format!("`{range}`")).collect(), " and ");
    let there = listed(versions.iter().map(|plugin| format!("`{}`", plugin.version)).collect(), ", ");
    Finding {
        code: Code::NoVersion,
        at: range_at,
        message: format!("no version of plugin `{plugin}` satisfies {asked}"),
        hint: match unusable.filter(|it| it.version.as_ref().is_some_and(|version| fits(version, ranges))) {
            Some(it) => format!("Installed: {there}; {}", sentences(&cannot_be_used(it), &it.remedy)),
            None => format!("Installed: {there}."),
        },
    }
}

/// Of the versions of `plugin` that cannot be used the one that would be called: the newest that fits, or else the newest.
fn unusable<'c>(catalog: &'c Catalog, plugin: &str, ranges: &[&VersionReq]) -> Option<&'c Unusable> {
    let of_name = || catalog.unusable().iter().filter(|it| &*it.name == plugin);
    let fitting = of_name().find(|it| it.version.as_ref().is_some_and(|version| fits(version, ranges)));
    fitting.or_else(|| of_name().next())
}

fn fits(version: &Version, ranges: &[&VersionReq]) -> bool {
    ranges.iter().all(|range| range.matches(version))
}

fn cannot_be_used(it: &Unusable) -> String {
    let version = it.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    format!("plugin `{}`{version} cannot be used: {}", it.name, it.reason)
}

fn sentences(first: &str, second: &str) -> String {
    if second.is_empty() { format!("{first}.") } else { format!("{first}. {second}") }
}
