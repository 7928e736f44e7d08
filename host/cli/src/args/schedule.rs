//! Arguments of `jackfield schedule`.

use clap::{Args, Subcommand};
use jackfield::VersionReq;

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// List schedules with their next start
    List,
    /// Make a schedule for a registered workflow
    Add(Box<AddArgs>),
    /// Let a schedule start no more runs by itself
    Pause {
        /// Id of the schedule
        id: String,
        /// Why, for people
        #[arg(long, default_value = "paused from the command line")]
        reason: String,
    },
    /// Let a paused schedule go on from now
    Resume {
        /// Id of the schedule
        id: String,
    },
    /// Start a run of a schedule now
    Trigger {
        /// Id of the schedule
        id: String,
        /// What the event that it waits for would bring: JSON, or @FILE, or @- for stdin
        #[arg(long, value_name = "JSON|@FILE")]
        data: Option<String>,
    },
    /// Print the next starts of a schedule
    Next {
        /// Id of the schedule
        id: String,
        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
    /// Start the runs that a schedule would have started in the past; a time that has a run is left as it is
    Backfill {
        /// Id of the schedule
        id: String,
        /// From this time on, RFC 3339
        #[arg(long, value_name = "TIME")]
        from: String,
        /// Up to this time, RFC 3339
        #[arg(long, value_name = "TIME")]
        to: String,
    },
    /// Forget a schedule
    Remove {
        /// Id of the schedule
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true))]
pub(crate) struct AddArgs {
    /// Id of the workflow
    pub(crate) workflow: String,
    /// Id of the schedule [default: that of the workflow]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Range of versions of which the newest is taken each time, such as ^1.4 [default: any version]
    #[arg(long = "workflow-version", value_name = "RANGE")]
    pub(crate) version: Option<VersionReq>,
    /// At the times of a cron expression, such as "30 8 * * MON-FRI"
    #[arg(long, value_name = "EXPRESSION", group = "when")]
    pub(crate) cron: Option<String>,
    /// Again and again after so long, such as 15m
    #[arg(long, value_name = "DURATION", group = "when")]
    pub(crate) every: Option<String>,
    /// Once, at this time, RFC 3339
    #[arg(long, value_name = "TIME", group = "when")]
    pub(crate) at: Option<String>,
    /// Each time that an event of this name is emitted to all
    #[arg(long, value_name = "EVENT", group = "when")]
    pub(crate) on_event: Option<String>,
    /// Time zone of --cron, such as Europe/Vienna [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Input of the runs: JSON, or @FILE, or @- for stdin; sees what started the run as ${event}
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) input: Option<String>,
    /// What happens when a run has not ended: skip, queue, allow or cancel_running [default: skip]
    #[arg(long, value_name = "WORD")]
    pub(crate) overlap: Option<String>,
    /// How far back missed starts are made up for, such as 1h [default: 0]
    #[arg(long, value_name = "DURATION")]
    pub(crate) catch_up: Option<String>,
    /// Delay of a start that looks random, at most, such as 30s [default: 0]
    #[arg(long, value_name = "DURATION")]
    pub(crate) jitter: Option<String>,
    /// Make it paused
    #[arg(long)]
    pub(crate) paused: bool,
}
