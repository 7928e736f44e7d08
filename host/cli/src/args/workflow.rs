//! `jackfield workflow`

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Make workflow files known by id and version; a version never changes
    Register {
        /// Workflow files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Say what they would change, and register nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List registered workflows
    List,
    /// Print the document of a registered workflow
    Show(RegisteredName),
    /// Forget a version of a workflow, or all of them; runs go on
    Remove {
        /// Id of the workflow
        id: String,
        /// The version
        #[arg(long, value_name = "VERSION", required_unless_present = "all")]
        version: Option<String>,
        /// All versions
        #[arg(long, conflicts_with = "version")]
        all: bool,
    },
    /// Start a run of a registered workflow and return at once; prints the id of the run
    Start {
        #[command(flatten)]
        name: RegisteredName,
        /// Input: JSON, or @FILE, or @- for stdin [default: {}]
        #[arg(long, value_name = "JSON|@FILE")]
        input: Option<String>,
        /// Set one key of the input, such as `limit=3` or `db.host=localhost`; the value is JSON, else a string
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Id of the run [default: a new UUID]
        #[arg(long, value_name = "ID")]
        run_id: Option<String>,
        /// Begin after this time and not at once, such as 10s or 2h; until then the run is queued
        #[arg(long, value_name = "DURATION")]
        delay: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RegisteredName {
    /// Id of the workflow
    pub(crate) id: String,
    /// Range of versions, such as ^1.2 [default: the newest]
    #[arg(long, value_name = "RANGE")]
    pub(crate) version: Option<String>,
}
