//! The command line as it is written; nothing is looked up or checked here beyond its grammar.

mod bench;
mod pattern;
mod plugin_author;
mod plugin_store;
mod plugin_trust;
mod python;
mod schedule;
mod server;
mod workflow;

pub(crate) use bench::{BenchArgs, BenchEngine, BenchIsolation, History, OutputSize, Shape};
pub(crate) use pattern::{PatternCommand, RecommendArgs};
pub(crate) use plugin_author::{AuthorCommand, CheckArgs, CheckSandbox, Language, NewArgs};
pub(crate) use plugin_store::{PluginName, StoreCommand};
pub(crate) use plugin_trust::TrustCommand;
pub(crate) use python::{ExecArgs, PythonCommand};
pub(crate) use schedule::{AddArgs, ScheduleCommand};
pub(crate) use server::{ServeArgs, TokenCommand};
pub(crate) use workflow::WorkflowCommand;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use jackfield::RunStatus;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run workflows of plugin calls.
#[derive(Debug, Parser)]
#[command(name = "jackfield", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done; 1 the workflow failed, was cancelled, or the document is invalid; \
2 it could not be done; 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Configuration file [default: jackfield.toml, then jackfield/jackfield.toml in the user's configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory with plugins, or a plugin file; may be repeated. Searched before JACKFIELD_PLUGIN_PATH, the
    /// configuration, and the directory of this program
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) plugin_path: Vec<PathBuf>,
    /// Where the journal of runs, the socket, and opened plugin files are kept [default: the user's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Server to ask instead of looking into the data directory, such as <https://jackfield.example.com>
    #[arg(long, global = true, value_name = "URL", env = "JACKFIELD_SERVER")]
    pub(crate) server: Option<String>,
    /// Token to show to the server, or @FILE with it; others can see what stands on command lines
    #[arg(long, global = true, value_name = "TOKEN|@FILE", env = "JACKFIELD_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Certificates to trust in the server, a PEM file [default: those that the system trusts]
    #[arg(long, global = true, value_name = "FILE", env = "JACKFIELD_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// Print results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Log more; may be repeated
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// How log lines look [default: pretty]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Pretty,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workflow in this process, or on a server; prints its output, or with --json the whole result
    Run(RunArgs),
    /// Check workflow files and say everything that is wrong with them
    Validate(ValidateArgs),
    /// Tell more about a diagnostic
    Explain(ExplainArgs),
    /// Print the JSON Schema of workflow documents
    Schema,
    /// Draw a workflow
    Graph(GraphArgs),
    /// Format workflow files
    Fmt(FmtArgs),
    /// Look at plugins, try their methods, install and write them
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Environments of Python, and code in them, by the plugin of that name
    #[command(subcommand)]
    Python(PythonCommand),
    /// Look at runs that are kept, and have a say in them
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Look at what starts runs by itself, and have a say in it
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Register workflows, to be run by their id
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Own the journal of the data directory: go on with its runs, and do what other commands ask
    Serve(ServeArgs),
    /// Say who may ask a server over TCP
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look after the journal that runs are kept in
    #[command(subcommand)]
    Db(DbCommand),
    /// Look for what keeps Jackfield from working on this machine, or on the server that --server names, and say what to do.
    /// Exits 0 if nothing is wrong, 1 if something is
    Doctor,
    /// Measure what steps, calls and definitions cost on this machine
    Bench(BenchArgs),
    /// Tell which way of running programs fits, and what there is to know of each
    #[command(subcommand)]
    Pattern(PatternCommand),
    /// Print what makes a shell complete this command, to be loaded by it
    Completions(CompletionsArgs),
    /// Write the manual pages, one for each command
    Man(ManArgs),
    /// Run one plugin for another process; started by it
    #[command(hide = true)]
    Worker,
    /// Go into a sandbox and say what of it is in force; started by `doctor`
    #[command(hide = true)]
    SandboxProbe,
    /// Meet one plugin for `plugin check`; started by it
    #[command(hide = true)]
    Examine,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Directory to write them to; it is made if it is not there
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Workflow file
    pub(crate) file: PathBuf,
    /// Input: JSON, or @FILE, or @- for stdin [default: {}]
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) input: Option<String>,
    /// Set one key of the input, such as `limit=3` or `db.host=localhost`; the value is JSON, else a string
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Id of the run [default: a new UUID]
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
    /// Stop after this step has settled; the rest is cancelled
    #[arg(long, value_name = "STEP")]
    pub(crate) until: Option<String>,
    /// W3C trace context that the run is part of; plugins see one of their own below it
    #[arg(long, value_name = "TRACEPARENT")]
    pub(crate) traceparent: Option<String>,
    /// Check the workflow, resolve plugins, print the plan, run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Steps in the result document, at most
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(crate) steps_max: usize,
    /// Keep the run in the journal of the data directory: it survives the end of this process in any way
    #[arg(long)]
    pub(crate) durable: bool,
    /// Begin after this time and not at once, such as 10s or 2h; needs --durable
    #[arg(long, value_name = "DURATION", requires = "durable", conflicts_with = "dry_run")]
    pub(crate) delay: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List runs, newest first
    List(ListArgs),
    /// Show where a run stands, step by step
    Show {
        /// Id of the run
        run_id: String,
        /// Steps in the result document, at most
        #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
        steps_max: usize,
    },
    /// Print everything that happened in a run
    History {
        /// Id of the run
        run_id: String,
        /// Begin with this record
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        from: u64,
        /// Of a run that has gone on as new: a former generation, the first is 1
        #[arg(long, value_name = "NUMBER")]
        generation: Option<u32>,
    },
    /// Go on with a run until it has ended, and exit as `run` does
    Wait {
        /// Id of the run
        run_id: String,
        /// Wait so many seconds at most
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<f64>,
        /// Steps in the result document, at most
        #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
        steps_max: usize,
    },
    /// End a run
    Cancel {
        /// Id of the run
        run_id: String,
        /// Why, for people
        #[arg(long, default_value = "cancelled from the command line")]
        reason: String,
        /// At once and without clean-up
        #[arg(long)]
        kill: bool,
    },
    /// Let no more steps of a run start; those under way end as they would
    Pause {
        /// Id of the run
        run_id: String,
        /// Why, for people
        #[arg(long, default_value = "paused from the command line")]
        reason: String,
    },
    /// Let a paused run go on
    Resume {
        /// Id of the run
        run_id: String,
    },
    /// Let a run that failed or was cancelled go on: what had completed is kept
    Retry {
        /// Id of the run
        run_id: String,
        /// Go back to the moment at which this step began; without it, to what the run failed with
        #[arg(long, value_name = "STEP")]
        from: Option<String>,
    },
    /// Send an event to a run; it is kept until a wait_for_event step takes it
    Signal {
        /// Id of the run
        run_id: String,
        /// Name of the event
        event: String,
        /// What goes with it: JSON, or @FILE, or @- for stdin
        #[arg(long, value_name = "JSON|@FILE", default_value = "null")]
        data: String,
    },
    /// Put a message into a queue of a run; it is kept until a receive step takes it
    Send {
        /// Id of the run
        run_id: String,
        /// Name of the queue
        queue: String,
        /// The message: JSON, or @FILE, or @- for stdin
        #[arg(long, value_name = "JSON|@FILE", default_value = "null")]
        data: String,
    },
    /// Make a new run of what a run had done when a step began, and go on with it from there
    Fork {
        /// Id of the run, which stays as it is
        run_id: String,
        /// The step
        #[arg(long, value_name = "STEP")]
        at: String,
        /// Its input from there on, if it is to be another: JSON, or @FILE, or @- for stdin
        #[arg(long, value_name = "JSON|@FILE")]
        input: Option<String>,
        /// Id of the new run; a new one if absent
        #[arg(long = "run-id", value_name = "ID")]
        new_id: Option<String>,
    },
    /// Write a run as it stands into a file, to go on with it elsewhere
    Export {
        /// Id of the run
        run_id: String,
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Make a run of such a file, and go on with it if it has not ended
    Import {
        /// The file
        file: PathBuf,
        /// Id of the run here; its own if absent
        #[arg(long, value_name = "ID")]
        run_id: Option<String>,
    },
    /// Print what the methods of a run have logged and what their programs have printed
    Logs {
        /// Id of the run
        run_id: String,
        /// Go on with what comes, until the run has ended
        #[arg(long)]
        follow: bool,
        /// Only lines of this step and of what is in it, such as probe
        #[arg(long, value_name = "PATH")]
        step: Option<String>,
        /// Begin with the line of this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        from: u64,
    },
    /// Print what happens in a run, as it happens, until it has ended
    Watch {
        /// Id of the run
        run_id: String,
        /// Begin with this record
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        from: u64,
    },
    /// Forget runs that have ended, with everything that is kept of them
    Delete {
        /// Ids of the runs
        #[arg(required = true)]
        run_ids: Vec<String>,
    },
    /// Forget all runs that ended before so long
    Prune {
        /// How long ago, such as 30d or 12h
        #[arg(long, value_name = "DURATION")]
        older_than: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only runs that stand here, such as failed; can be given more than once
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Vec<RunStatus>,
    /// Only runs of this workflow
    #[arg(long, value_name = "ID")]
    pub(crate) workflow: Option<String>,
    /// Only runs that began at this time or later, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only runs with this text in their id, workflow, reason or custom status
    #[arg(long = "query", short = 'Q', value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Lines at most
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Go on behind a page: what it named as next
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Look for damage; reads everything
    Check,
    /// Copy the journal to a new file, also while it is in use
    Backup {
        /// The copy
        file: PathBuf,
    },
    /// Give back to the system what deleted runs left free
    Compact,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Workflow files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Code of the diagnostic, such as JF0020
    pub(crate) code: String,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// Workflow file
    pub(crate) file: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A picture
    Svg,
    /// Input for Graphviz
    Dot,
    /// Input for Mermaid
    Mermaid,
    /// A tree
    Text,
}

#[derive(Debug, Args)]
pub(crate) struct FmtArgs {
    /// Workflow files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; exit with 1 if a file is not formatted
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List plugins and files that are no usable ones
    List,
    /// Show the methods of a plugin
    Info {
        /// Plugin, such as csv
        plugin: String,
    },
    /// Let a plugin out of quarantine
    Release {
        /// Plugin, such as csv
        plugin: String,
    },
    /// Call one method and print its result
    Call {
        /// Method, such as csv.load
        #[arg(value_name = "PLUGIN.METHOD")]
        method: String,
        /// Parameters: JSON, or @FILE, or @- for stdin
        #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
        params: String,
    },
    #[command(flatten)]
    Author(AuthorCommand),
    #[command(flatten)]
    Store(StoreCommand),
    #[command(flatten)]
    Trust(TrustCommand),
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// If it does not fit; also if `--plugin-path` stands on both sides of the command, for those before it would
    /// be lost.
    pub(crate) fn read(line: Vec<OsString>) -> Result<Self, clap::Error> {
        let is_path = |word: &&OsString| {
            word.as_encoded_bytes() == b"--plugin-path"
                || word.as_encoded_bytes().starts_with(b"--plugin-path=")
        };
        let given = line.iter().filter(is_path).count();
        let cli = Self::try_parse_from(line)?;
        if cli.global.plugin_path.len() < given {
            let message = "`--plugin-path` stands before and behind the command; put all of them on one side";
            return Err(Self::command().error(clap::error::ErrorKind::ArgumentConflict, message));
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn no_plugin_path_is_lost() {
        let read = |line: &str| Cli::read(line.split(' ').map(OsString::from).collect());
        let fine = "jackfield --plugin-path a --plugin-path=b plugin list";
        assert_eq!(read(fine).unwrap().global.plugin_path.len(), 2);
        assert!(read("jackfield --plugin-path a plugin list --plugin-path b").is_err());
    }

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_all_its_options() {
        let cli = parse(
            "jackfield run flow.json --input @in.json --set a=1 --set b.c=x --run-id r1 --until load --dry-run \
             --steps-max 5 --json",
        )
        .unwrap();
        let Command::Run(run) = cli.command else { panic!("not run") };
        assert_eq!((run.input.as_deref(), run.set), (Some("@in.json"), vec!["a=1".into(), "b.c=x".into()]));
        assert_eq!((run.run_id.as_deref(), run.until.as_deref()), (Some("r1"), Some("load")));
        assert!(run.dry_run && cli.global.json);
        assert_eq!(run.steps_max, 5);
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in [
            "jackfield --plugin-path a --plugin-path b schema",
            "jackfield schema --plugin-path a --plugin-path b",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.global.plugin_path, [PathBuf::from("a"), PathBuf::from("b")]);
        }
    }

    #[test]
    fn commands_and_options_of_later_versions_do_not_exist() {
        for line in ["jackfield runs tag x", "jackfield import x"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other() {
        assert!(parse("jackfield -q -v schema").is_err());
        assert_eq!(parse("jackfield -vv schema").unwrap().global.verbose, 2);
    }
}
