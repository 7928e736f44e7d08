//! Dependencies between plugins: a plugin can be called only while everything that it requires can be.

use crate::error::{LoadError, MissingDependency};
use crate::fault::Fault;
use crate::plugin::PluginEntry;
use jackfield_plugin_api::manifest::Requirement;
use std::sync::Arc;

/// Takes the plugins out whose requirements cannot be met, and says why. Plugins that require each other hold each
/// other up. Every plugin is told what it lacks itself: `a` that needs `b` that needs a missing `c` lacks `b`.
pub(crate) fn resolve(plugins: &mut Vec<Arc<PluginEntry>>) -> Vec<Fault> {
    let all = plugins.clone();
    let mut faults = Vec::new();
    loop {
        let lacking = plugins.iter().map(|plugin| lack(plugin, plugins, &all)).collect::<Vec<_>>();
        if lacking.iter().all(Option::is_none) {
            return faults;
        }
        let mut lacking = lacking.into_iter();
        plugins.retain(|_| match lacking.next().flatten() {
            None => true,
            Some(fault) => {
                faults.push(fault);
                false
            }
        });
    }
}

/// What `plugin` requires and is not among the `usable` ones; `all` are those of whom some have been taken out.
fn lack(plugin: &PluginEntry, usable: &[Arc<PluginEntry>], all: &[Arc<PluginEntry>]) -> Option<Fault> {
    let (name, version) = (&plugin.manifest.name, &plugin.manifest.version);
    let required = plugin.manifest.requires.iter().filter(|requirement| !requirement.optional);
    let lacking = required.into_iter().find(|requirement| fitting(requirement, usable).next().is_none())?;
    let lack = MissingDependency {
        plugin: name.clone(),
        version: version.clone(),
        needs: lacking.name.clone(),
        range: lacking.version.clone(),
        found: found_instead(lacking, all),
    };
    Some(Fault::of(name, version, LoadError::MissingDependency(Box::new(lack))))
}

fn fitting<'a>(
    requirement: &'a Requirement,
    plugins: &'a [Arc<PluginEntry>],
) -> impl Iterator<Item = &'a Arc<PluginEntry>> {
    let fits = |plugin: &&Arc<PluginEntry>| {
        plugin.manifest.name == requirement.name && requirement.version.matches(&plugin.manifest.version)
    };
    plugins.iter().filter(fits)
}

fn found_instead(requirement: &Requirement, all: &[Arc<PluginEntry>]) -> String {
    let name = &requirement.name;
    if let Some(plugin) = fitting(requirement, all).next() {
        return format!("and `{name} {}` cannot be used itself", plugin.manifest.version);
    }
    let others = all.iter().filter(|other| other.manifest.name == *name);
    let mut others: Vec<_> = others.map(|other| &other.manifest.version).collect();
    others.sort();
    let listed = others.iter().map(|version| format!("`{name} {version}`")).collect::<Vec<_>>().join(", ");
    match others.len() {
        0 => "which is not there".to_owned(),
        1 => format!("and only {listed} is there"),
        _ => format!("and only {listed} are there"),
    }
}
