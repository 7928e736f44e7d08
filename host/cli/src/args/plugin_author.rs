//! `jackfield plugin new|docs`

use super::PluginName;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum AuthorCommand {
    /// Begin a plugin: a directory that builds and passes its tests as it is
    New(NewArgs),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    C,
}
