//! `jackfield pattern`

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum PatternCommand {
    /// Say which pattern fits what is known of the work, and what to combine it with
    Recommend(RecommendArgs),
    /// Tell when a pattern is of use and what it gives, with an example
    Explain {
        /// simple, long-running, concurrent, fire-and-forget, periodic or pooled
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    /// How long the program runs, such as 120s or 5m
    #[arg(long, value_name = "DURATION")]
    pub(crate) duration: Option<String>,
    /// Its output is wanted while it runs
    #[arg(long)]
    pub(crate) streaming: bool,
    /// How many items it is run for
    #[arg(long, value_name = "COUNT")]
    pub(crate) items: Option<u64>,
    /// It is due again and again
    #[arg(long)]
    pub(crate) recurring: bool,
    /// Nobody waits for its result
    #[arg(long)]
    pub(crate) no_result: bool,
    /// It is asked for so often that starting it each time takes too long
    #[arg(long)]
    pub(crate) high_frequency: bool,
}
