//! What the loader is told.

use crate::trust::TrustConfig;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where plugins are, where the loader keeps its own files, and its limits.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Directories whose files are plugins; what lies deeper is not looked at.
    pub directories: Vec<PathBuf>,
    /// The loader keeps its files in `plugins/` below it.
    pub data_dir: PathBuf,
    /// Largest plugin file in bytes; 512 MiB unless set.
    pub file_bytes_max: u64,
    /// Largest result of a call in bytes; 64 MiB unless set.
    pub result_bytes_max: usize,
    /// Most instances of one plugin version, counting those that wait for given-up calls; 8 unless set.
    pub instances_max: usize,
    /// Which plugins may be used.
    pub trust: TrustConfig,
    /// Configurations of plugins by name, handed to each of their instances.
    pub plugins: BTreeMap<String, Value>,
}

impl RegistryConfig {
    /// No plugins, with the default limits.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            directories: Vec::new(),
            data_dir: data_dir.into(),
            file_bytes_max: 512 << 20,
            result_bytes_max: 64 << 20,
            instances_max: 8,
            trust: TrustConfig::default(),
            plugins: BTreeMap::new(),
        }
    }

    /// With one directory more.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directories.push(directory.into());
        self
    }

    pub(crate) fn plugin_config(&self, name: &str) -> String {
        self.plugins.get(name).map_or_else(|| "{}".to_owned(), Value::to_string)
    }
}
