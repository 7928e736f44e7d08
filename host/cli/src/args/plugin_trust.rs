//! `jackfield plugin lock|verify`

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Write the lock: which plugin files may be used, by hash, for this target beside others
    Lock {
        /// Lock to write [default: that of the configuration, or jackfield.lock beside it]
        #[arg(long, value_name = "FILE")]
        lockfile: Option<PathBuf>,
        /// Lock only what these workflows need
        #[arg(value_name = "WORKFLOW")]
        workflows: Vec<PathBuf>,
    },
    /// Check every plugin against lock, signatures and allow list
    Verify,
}
