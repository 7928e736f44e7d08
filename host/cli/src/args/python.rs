//! Arguments of `jackfield python`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum PythonCommand {
    /// List environments
    Envs,
    /// Make an environment
    Create {
        /// Its name
        name: String,
        /// Its interpreter: a version such as 3.12, or a path
        #[arg(long, value_name = "VERSION|PATH")]
        python: Option<String>,
        /// Packages of a profile: base, data-science, machine-learning, web, or one of the configuration
        #[arg(long)]
        profile: Option<String>,
        /// Packages, such as idna or 'idna>=3'
        packages: Vec<String>,
    },
    /// Remove an environment
    Delete {
        /// Its name
        name: String,
        /// End sessions that are open in it
        #[arg(long)]
        force: bool,
    },
    /// Install packages
    Install {
        /// The environment
        environment: String,
        /// Packages, such as idna or 'idna>=3'
        #[arg(required = true)]
        packages: Vec<String>,
    },
    /// List the packages of an environment
    Packages {
        /// The environment
        environment: String,
    },
    /// List the sessions of the process that owns the journal, or of a server
    Sessions,
    /// Execute code
    Exec(ExecArgs),
    /// List the interpreters of this machine
    Discover,
    /// Tell how the plugin is
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The code; - for standard input: on a terminal one statement after the other, otherwise all of it
    #[arg(allow_hyphen_values = true)]
    pub(crate) code: String,
    /// Take one statement after the other from standard input even if it is no terminal
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Environment [default: the current one]
    #[arg(long, value_name = "NAME", conflicts_with = "session")]
    pub(crate) env: Option<String>,
    /// An open session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Limit of each execution, such as 90s [default: as configured]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
}
