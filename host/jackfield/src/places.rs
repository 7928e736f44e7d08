//! Where things are kept on this machine, by the conventions of the platform.

use etcetera::BaseStrategy;
use std::path::PathBuf;

/// The user's configuration directory of Jackfield; `None` if the user has no home directory.
#[must_use]
pub fn user_config_dir() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("jackfield"))
}

/// The user's data directory of Jackfield; `None` if the user has no home directory.
#[must_use]
pub fn user_data_dir() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.data_dir().join("jackfield"))
}

/// The directory of this program, and `plugins` in it; only those that exist. Plugins there came with the program.
#[must_use]
pub fn beside_executable() -> Vec<PathBuf> {
    let Some(dir) = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned())) else {
        return Vec::new();
    };
    [dir.join("plugins"), dir].into_iter().filter(|path| path.is_dir()).collect()
}
