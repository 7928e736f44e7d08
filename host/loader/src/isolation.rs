//! Where a plugin runs: in this process or in a worker.

use jackfield_core::model::Isolation;
use jackfield_plugin_api::manifest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who decides where a plugin runs. The first that says something counts: the step, the entry in `plugins`, then the
/// policy. The policy is `default`, or without one: `in_process` for what lies in a trusted directory, else `worker`; and a
/// plugin whose manifest wishes for a worker gets one. A step can ask for a worker, but take a plugin into this process only
/// where the configuration or the policy trusts it with that.
#[derive(Clone, Debug, Default)]
pub struct IsolationRules {
    /// For plugins that nothing else is said about.
    pub default: Option<Isolation>,
    /// By the name of the plugin.
    pub plugins: BTreeMap<String, Isolation>,
    /// Directories whose plugins came with the host. What lies deeper does not count.
    pub trusted_directories: Vec<PathBuf>,
}

/// A step asks to take a plugin into this process, which nobody trusts with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTrusted;

impl IsolationRules {
    pub(crate) fn decide(
        &self,
        step: Option<Isolation>,
        plugin: &str,
        file: &Path,
        wish: Option<manifest::Isolation>,
    ) -> Result<Isolation, NotTrusted> {
        let configured = self.plugins.get(plugin).copied();
        let policy = || match self.default {
            Some(default) => default,
            None if self.is_trusted(file) => Isolation::InProcess,
            None => Isolation::Worker,
        };
        match (step, configured, wish) {
            (Some(Isolation::InProcess), _, _) => match configured.unwrap_or_else(policy) {
                Isolation::InProcess => Ok(Isolation::InProcess),
                Isolation::Worker => Err(NotTrusted),
            },
            (Some(Isolation::Worker), _, _) => Ok(Isolation::Worker),
            (None, Some(configured), _) => Ok(configured),
            (None, None, Some(manifest::Isolation::Worker)) => Ok(Isolation::Worker),
            (None, None, _) => Ok(policy()),
        }
    }

    /// Whether a file lies in a trusted directory; of a link both ends must.
    fn is_trusted(&self, file: &Path) -> bool {
        let canonical = |path: &Path| path.canonicalize().ok();
        let real = canonical(file).and_then(|file| Some(file.parent()?.to_owned()));
        let named = file.parent().and_then(canonical);
        let trusted: Vec<PathBuf> =
            self.trusted_directories.iter().filter_map(|dir| canonical(dir)).collect();
        [real, named].iter().all(|dir| dir.as_ref().is_some_and(|dir| trusted.contains(dir)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Isolation::{InProcess, Worker};

    #[test]
    fn the_step_goes_before_the_configuration_and_that_before_the_policy() {
        let dir = tempfile::tempdir().unwrap();
        let (own, foreign) = (dir.path().join("own"), dir.path().join("foreign"));
        for dir in [&own, &foreign] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("p.so"), "").unwrap();
        }
        let mut rules =
            IsolationRules { trusted_directories: vec![own.clone()], ..IsolationRules::default() };
        let (own, foreign) = (own.join("p.so"), foreign.join("p.so"));
        let wish = |wish| Some(wish);
        assert_eq!(rules.decide(None, "p", &own, None), Ok(InProcess));
        assert_eq!(rules.decide(None, "p", &foreign, None), Ok(Worker));
        assert_eq!(rules.decide(None, "p", &own, wish(manifest::Isolation::Worker)), Ok(Worker));
        assert_eq!(rules.decide(None, "p", &foreign, wish(manifest::Isolation::InProcess)), Ok(Worker));
        let asks = |rules: &IsolationRules, file: &Path| {
            rules.decide(Some(InProcess), "p", file, wish(manifest::Isolation::Worker))
        };
        assert_eq!((asks(&rules, &own), asks(&rules, &foreign)), (Ok(InProcess), Err(NotTrusted)));
        rules.default = Some(InProcess);
        assert_eq!(rules.decide(None, "p", &foreign, None), Ok(InProcess));
        assert_eq!(rules.decide(Some(Worker), "p", &own, None), Ok(Worker));
        assert_eq!(asks(&rules, &foreign), Ok(InProcess));
        rules.plugins.insert("p".into(), Worker);
        assert_eq!(rules.decide(None, "p", &own, None), Ok(Worker));
        assert_eq!(asks(&rules, &own), Err(NotTrusted));
        rules.default = Some(Worker);
        rules.plugins.insert("p".into(), InProcess);
        assert_eq!(asks(&rules, &foreign), Ok(InProcess));
    }
}
