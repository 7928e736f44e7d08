//! Dependencies between plugins: a plugin can be called only while everything that it requires can be.

use crate::error::{LoadError, MissingDependency};
use crate::plugin::PluginEntry;
use std::sync::Arc;

/// Takes the plugins out whose requirements cannot be met, and says why. Plugins that require each other hold each
/// other up. Every plugin is told what it lacks itself: `a` that needs `b` that needs a missing `c` lacks `b`.
pub(crate) fn resolve(plugins: &mut Vec<Arc<PluginEntry>>) -> Vec<LoadError> {
    let mut faults = Vec::new();
    loop {
        let lacking = plugins.iter().map(|plugin| lack(plugin, plugins)).collect::<Vec<_>>();
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

fn lack(plugin: &PluginEntry, plugins: &[Arc<PluginEntry>]) -> Option<LoadError> {
    let required = plugin.manifest.requires.iter().filter(|requirement| !requirement.optional);
    for requirement in required {
        let versions: Vec<_> = plugins
            .iter()
            .filter(|other| other.manifest.name == requirement.name)
            .map(|other| &other.manifest.version)
            .collect();
        if versions.iter().any(|version| requirement.version.matches(version)) {
            continue;
        }
        let listed = versions.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(", ");
        let found = match versions.len() {
            0 => "it is not there".to_owned(),
            1 => format!("{listed} is there"),
            _ => format!("{listed} are there"),
        };
        let lack = MissingDependency {
            plugin: plugin.manifest.name.clone(),
            version: plugin.manifest.version.clone(),
            needs: requirement.name.clone(),
            range: requirement.version.clone(),
            found,
        };
        return Some(LoadError::MissingDependency(Box::new(lack)));
    }
    None
}
