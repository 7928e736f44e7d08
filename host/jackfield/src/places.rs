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
