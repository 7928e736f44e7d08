//! An upgrade in a running host: the state of a plugin that offers `jf.state/1` goes over to its newer version, before the first
//! run gets that. If the newer one cannot use it, the older one goes on.

use crate::error::{LoadError, one_line};
use crate::fault::Fault;
use crate::plugin::PluginEntry;
use crate::registry::{Found, Registry};
use std::sync::Arc;

/// What one version of a plugin hands to another: JSON, which the host does not look into.
pub(crate) type SavedState = Arc<[u8]>;

/// Why a state of so many bytes does not go over.
pub(crate) fn too_large(bytes: u64, bytes_max: u64) -> String {
    format!("it has {bytes} bytes, more than the {bytes_max} of `result_bytes_max`")
}

/// A state that may go over.
fn checked(saved: SavedState, bytes_max: usize) -> Result<SavedState, String> {
    if saved.len() > bytes_max {
        return Err(too_large(saved.len() as u64, bytes_max as u64));
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(&saved) {
        Ok(_) => Ok(saved),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

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
        let around = self.surroundings();
        let Some(saved) = old.save_state(&around) else { return Ok(()) };
        let saved = saved.and_then(|saved| checked(saved, self.config.result_bytes_max));
        let saved = saved
            .map_err(|reason| one_line(&format!("the older version does not hand it over: {reason}")))?;
        let (plugin, from, to) = (&new.manifest.name, &old.manifest.version, &new.manifest.version);
        match new.restore_state(saved, &around) {
            Ok(true) => tracing::info!(plugin, %from, %to, "a plugin's state went over to its newer version"),
            Ok(false) => tracing::warn!(
                plugin,
                %from,
                %to,
                "a plugin's state stays with its older version: the newer one takes none, or its worker program is older than this host"
            ),
            Err(reason) => return Err(one_line(&reason)),
        }
        Ok(())
    }
}
