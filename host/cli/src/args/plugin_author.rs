//! `jackfield plugin new|docs|check`

use super::PluginName;
use clap::{Args, Subcommand, ValueEnum};
use jackfield_check::Waiver;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum AuthorCommand {
    /// Begin a plugin: a directory that builds and passes its tests as it is
    New(NewArgs),
    /// Put a plugin to the test: does it keep to the ABI and to its own word, whatever it is called with
    #[command(
        after_help = "Exit codes: 0 nothing was found that counts; 1 something was; 2 it could not be checked."
    )]
    Check(CheckArgs),
    /// Write the documentation of plugins as Markdown, from what they say about themselves
    Docs {
        /// Plugins, such as csv, or csv@1.2.0 for one that is not the newest [default: the newest of each]
        #[arg(value_name = "NAME[@VERSION]")]
        plugins: Vec<PluginName>,
        /// Directory for one file a plugin, NAME.md [default: all of it to stdout]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Name of the plugin, as workflows will write it
    pub(crate) name: String,
    /// Language that it is written in
    #[arg(long, value_enum, default_value = "rust")]
    pub(crate) lang: Language,
    /// Directory to make; an empty one may be there [default: NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
    /// Who writes it, such as "Ada <ada@example.org>" [default: as git has it]
    #[arg(long)]
    pub(crate) author: Option<String>,
    /// Where a crate gets jackfield-plugin-api from: a checkout of Jackfield, a version in the registry, or the
    /// URL of a git repository, perhaps with #TAG [default: the checkout that this program or the current
    /// directory lies in]
    #[arg(long, value_name = "PATH|VERSION|URL")]
    pub(crate) api: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Plugin file, or a plugin that is found, such as csv or csv@1.2.0
    #[arg(value_name = "FILE|NAME[@VERSION]")]
    pub(crate) plugin: String,
    /// What parameters are generated from: the same seed gives the same ones
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Generated parameters for each method that fit, and half as many that do not
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) calls: usize,
    /// Findings with this code do not count; the reason stands in the report. May be repeated
    #[arg(long, value_name = "CODE[=REASON]")]
    pub(crate) waive: Vec<Waiver>,
    /// TOML file with more of them: a table `waiver` for each, with code, reason, and perhaps place
    #[arg(long, value_name = "FILE")]
    pub(crate) waivers: Option<PathBuf>,
    /// What to do where the sandbox, in which the plugin is run with nothing granted, cannot be enforced
    #[arg(long, value_enum, default_value = "required")]
    pub(crate) sandbox: CheckSandbox,
    /// Meet the plugin in this process, to look at it with a debugger: a crash ends the check, and there is no sandbox
    #[arg(long, conflicts_with = "sandbox")]
    pub(crate) in_process: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckSandbox {
    /// Refuse to check
    Required,
    /// Check with what can be enforced
    #[value(name = "best_effort")]
    BestEffort,
    /// Check without: the methods are called with made-up parameters and all your rights
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    C,
}
