//! An upgrade in a running host: the state of a plugin that offers `jf.state/1` goes over to its newer version, before the first
//! run gets that. If the newer one cannot use it, the older one goes on.

use crate::error::{LoadError, one_line};
use crate::fault::Fault;
use crate::instances::reason;
use crate::plugin::PluginEntry;
use crate::registry::{Found, Registry};
use std::sync::Arc;

/// The version of `plugin` that runs get where nothing is said about versions.
fn newest<'a>(plugin: &str, all: &'a [Arc<PluginEntry>]) -> Option<&'a Arc<PluginEntry>> {
    let of_name = all.iter().filter(|entry| entry.manifest.name == plugin);
    of_name.max_by(|a, b| a.manifest.version.cmp(&b.manifest.version))
}

impl Registry {
    /// Hands state over to those of `found` that take the place of others. Called before `found` counts, so that no run has begun
    /// with them.
    pub(crate) fn hand_over(&self, found: &mut Found) {
        let before = self.found.read().usable.clone();
        let is_known = |entry: &PluginEntry| before.iter().any(|known| known.hash == entry.hash);
        let fresh: Vec<_> = found.usable.iter().filter(|entry| !is_known(entry)).cloned().collect();
        for new in fresh {
            let name = &new.manifest.name;
            if newest(name, &found.usable).is_none_or(|newest| newest.hash != new.hash) {
                continue;
            }
            let Some(old) = newest(name, &before) else { continue };
            if let Err(reason) = self.take_over(old, &new) {
                let (version, old_version) = (&new.manifest.version, Box::new(old.manifest.version.clone()));
                let (plugin, own) = (name.clone(), version.clone());
                let error = LoadError::StateRefused { plugin, version: own, old: old_version, reason };
                tracing::warn!("{error}; version {} goes on", old.manifest.version);
                found.usable.retain(|entry| entry.hash != new.hash);
                found.faults.push(Fault::of(name, version, error));
                if !found.usable.iter().any(|entry| entry.hash == old.hash) {
                    found.known.insert(old.hash, Arc::clone(old));
                    found.usable.push(Arc::clone(old));
                }
            }
        }
    }

    /// Why `new` does not go on where `old` is.
    fn take_over(&self, old: &PluginEntry, new: &PluginEntry) -> Result<(), String> {
        let Some(saved) = old.save_state() else { return Ok(()) };
        let saved =
            saved.map_err(|fault| format!("the older version does not hand it over: {}", reason(&fault)))?;
        let (plugin, from, to) = (&new.manifest.name, &old.manifest.version, &new.manifest.version);
        match new.restore_state(saved.as_bytes(), &self.surroundings()) {
            Ok(true) => tracing::info!(plugin, %from, %to, "a plugin's state went over to its newer version"),
            Ok(false) => tracing::warn!(
                plugin,
                %from,
                %to,
                "a plugin's state stays with its older version: the newer one takes none, or runs in workers"
            ),
            Err(reason) => return Err(one_line(&reason)),
        }
        Ok(())
    }
}
