//! Where a plugin runs: in this process or in a worker.

use jackfield_core::model::Isolation;
use jackfield_plugin_api::manifest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who decides where a plugin runs. The first that says something counts: the step, the entry in `plugins`, then the
/// policy. The policy is `default`, or without one: `in_process` for what lies in a trusted directory, else `worker`; and a
/// plugin whose manifest wishes for a worker gets one.
#[derive(Clone, Debug, Default)]
pub struct IsolationRules {
    /// For plugins that nothing else is said about.
    pub default: Option<Isolation>,
    /// By the name of the plugin.
    pub plugins: BTreeMap<String, Isolation>,
    /// Directories whose plugins came with the host. What lies deeper does not count.
    pub trusted_directories: Vec<PathBuf>,
}

impl IsolationRules {
    pub(crate) fn decide(
        &self,
        step: Option<Isolation>,
        plugin: &str,
        file: &Path,
        wish: Option<manifest::Isolation>,
    ) -> Isolation {
        step.or_else(|| self.plugins.get(plugin).copied()).unwrap_or_else(|| match (self.default, wish) {
            (_, Some(manifest::Isolation::Worker)) => Isolation::Worker,
            (Some(default), _) => default,
            (None, _) if self.is_trusted(file) => Isolation::InProcess,
            (None, _) => Isolation::Worker,
        })
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
        assert_eq!(rules.decide(None, "p", &own, None), InProcess);
        assert_eq!(rules.decide(None, "p", &foreign, None), Worker);
        assert_eq!(rules.decide(None, "p", &own, wish(manifest::Isolation::Worker)), Worker);
        assert_eq!(rules.decide(None, "p", &foreign, wish(manifest::Isolation::InProcess)), Worker);
        rules.default = Some(InProcess);
        assert_eq!(rules.decide(None, "p", &foreign, None), InProcess);
        rules.plugins.insert("p".into(), Worker);
        assert_eq!(rules.decide(None, "p", &own, None), Worker);
        assert_eq!(
            rules.decide(Some(InProcess), "p", &foreign, wish(manifest::Isolation::Worker)),
            InProcess
        );
    }
}
