//! The options of `jackfield bench`.

use clap::{Args, ValueEnum, value_parser};
use jackfield::model::duration;
use serde::Serialize;
use std::time::Duration;

const AFTER_HELP: &str = "\
What is measured: runs of a generated workflow document that is checked and started like any other, with default \
timeouts, on methods of the plugin `echo`: `noop`, `spin` for bodies, `produce` for outputs. The documents of \
`--output 200b` and `64k` have each step read the result of the step before it. After the clock has stopped, every \
step of every run must have completed once, at its first attempt and behind the steps it depends on, and 100 records \
and outputs chosen at random must be what they ought to be; otherwise the exit code is 2. With `--history none` only \
the number of completed steps is left to be looked at.

Figures (medians over the repeats; for people also the smallest and the largest):
  ns_per_step     time from the start of the first run to the end of the last, divided by all steps
  steps_per_s     the same, the other way round
  bytes_per_step  growth of the allocated memory per step of finished runs, with all their records and outputs, as
                  the C library counts it (GNU/Linux only; left out elsewhere)
  efficiency      time that bare spin loops would take on as many threads, or on the critical path if that is
                  longer, divided by the time taken; null without a body. For people also against the ideal,
                  the nominal length of the bodies
  metg_us         (stencil) METG(50 %): the smallest body at which half of the ideal is reached, in microseconds;
                  left out if not even 1 ms is enough
  latency_us      (more than one run) from the start of a run to having its result, in microseconds; (calls into a
                  worker) from the start of a call of the first size to having its result
  set_up_s        (waiting) until all runs have started and wait, in seconds
  released_s      (waiting) from the first event that is sent to a run to the end of the last run, in seconds
  resident_bytes  (waiting) memory of the process while all wait (Linux only, left out elsewhere, as the next two)
  resident_per_run  (waiting) by how much that has grown since there was no run, per run
  idle_cpu_percent  (waiting with --idle) processor time of the process in the second half of that time
  restart_s       (restart) from opening the journal, which was closed in order, until all runs are under way again
  recovery_s      (restart) the same of the journal as a process that is killed leaves it
  pages           (list) for each way to ask: lines on a page, and what a page takes, in milliseconds
  growth          (growth) for each length of a run: what a step of it takes, and what is written for it
  starts_per_s    (service) runs that were started a second, each by a request of its own
  start_us        (service) from such a request to its answer, in microseconds; latency_us is that of one client alone
                  that has the result of the run in the answer
  idle_bytes, idle_cpu_percent  (service) what the server holds and does before the first request
  resident_bytes  (service) what it holds behind all of it
  streams         (service) how late records reach clients that follow a run, in milliseconds, alone and beside
                  clients that read nothing
  calls           (calls) per size of parameters and result: one call through the loader, one of a Rust function
                  that copies as many bytes, in nanoseconds, and with workers its latency_us; ns_per_step is that
                  of the first size
The runs of waiting and restart wait for an event in their last step; each is then sent its own, completes, and has to return \
what that event brought. Their ns_per_step and that of list is the time for all of it, divided by all steps; that of growth \
is that of the longest run alone.
For the shape definition a step is one of the document, which is parsed, checked and made a plan.";

/// The command line of `bench`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct BenchArgs {
    /// What to measure
    #[arg(long, value_enum, default_value = "layered")]
    pub(crate) shape: Shape,
    /// Steps of a run, for growth of the longest; calls per repeat for the shape calls [default: 1 for waiting, restart,
    /// list and service, else 10000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(crate) steps: Option<u32>,
    /// Steps side by side [default: 100 for layered and definition, 4 for stencil, a square for wave]
    #[arg(long, value_name = "W", value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(crate) width: Option<u32>,
    /// How long each step computes, such as 0, 750ns, 10us or 1ms [default: 0]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = body)]
    pub(crate) body: Option<Duration>,
    /// What each step returns [default: empty]
    #[arg(long, value_enum, value_name = "SIZE")]
    pub(crate) output: Option<OutputSize>,
    /// What is kept of completed steps
    #[arg(long, value_enum, default_value = "full")]
    pub(crate) history: History,
    /// Runs per repeat [default: 10000 for waiting, restart, list and service, else 1]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) runs: Option<u32>,
    /// Runs at a time; each has a thread that starts it and waits for it, or a connection to the service [default: 256 for
    /// waiting, restart, list and the many runs of growth, 64 for service, else 1]
    #[arg(long, value_name = "C", value_parser = value_parser!(u32).range(1..=1_024))]
    pub(crate) concurrency: Option<u32>,
    /// (waiting) How long all runs wait before they are released, such as 12s [default: 0]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = idle)]
    pub(crate) idle: Option<Duration>,
    /// (service) Clients that follow a run; 0 leaves them out [default: 1000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=1_400))]
    pub(crate) streams: Option<u32>,
    /// (service) Clients beside them that read nothing [default: 10]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=100))]
    pub(crate) slow: Option<u32>,
    /// Where runs live
    #[arg(long, value_enum, default_value = "memory")]
    pub(crate) engine: BenchEngine,
    /// Where the methods run; for workers the program `jackfield` becomes one
    #[arg(long, value_enum, default_value = "in_process")]
    pub(crate) isolation: BenchIsolation,
    /// How calls reach a worker [default: that of the configuration, else socket]
    #[arg(long, value_enum)]
    pub(crate) transport: Option<BenchTransport>,
    /// Threads that run steps; 0 is one per core [default: that of the configuration, else 0]
    #[arg(long, value_name = "T", value_parser = value_parser!(u32).range(0..=1_024))]
    pub(crate) threads: Option<u32>,
    /// How often to measure, after a warm-up
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) repeats: u32,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// Each step depends on the one before
    Chain,
    /// One step, all others depend on it
    Fan,
    /// Layers; each step depends on three of the layer before
    Layered,
    /// A grid; each step depends on its left and its upper neighbour
    Wave,
    /// A binary tree from its root
    Tree,
    /// Layers; each step depends on itself and its neighbours in the layer before
    Stencil,
    /// One method call at 200 B, 64 KiB and 1 MiB, without a run
    Calls,
    /// Parsing, checking and planning of a layered document
    Definition,
    /// Runs that all wait for an event, then get it
    Waiting,
    /// A journal with open runs is opened again
    Restart,
    /// Pages of the list of runs, among many
    List,
    /// Chains of 10 steps and more, in one run and in many at a time
    Growth,
    /// A server in a process of its own, with clients over TCP that start runs, wait for them and follow them
    Service,
}

/// What a step returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum OutputSize {
    /// Nothing
    #[default]
    #[serde(rename = "empty")]
    Empty,
    /// A JSON object of 200 bytes
    #[value(name = "200b")]
    #[serde(rename = "200b")]
    Small,
    /// A JSON object of 64 KiB
    #[value(name = "64k")]
    #[serde(rename = "64k")]
    Large,
}

/// What is kept of completed steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum History {
    /// How many there were
    None,
    /// All records
    Full,
}

/// Where the methods run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum BenchIsolation {
    /// In the process of the command
    InProcess,
    /// In a process of their own
    Worker,
}

/// How calls reach a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum BenchTransport {
    /// By a socket; large values by shared memory
    Socket,
    /// All by shared memory
    SharedMemory,
}

impl From<BenchTransport> for jackfield::Transport {
    fn from(transport: BenchTransport) -> Self {
        match transport {
            BenchTransport::Socket => Self::Socket,
            BenchTransport::SharedMemory => Self::SharedMemory,
        }
    }
}

impl From<History> for jackfield::History {
    fn from(history: History) -> Self {
        match history {
            History::None => Self::None,
            History::Full => Self::Full,
        }
    }
}

/// Where runs live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BenchEngine {
    /// In memory
    Memory,
    /// On a journal in SQLite that survives a loss of power, in a directory of its own that is removed afterwards
    Sqlite,
}

fn idle(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| format!("it {error}; write it as `500ms` or `12s`"))
}

fn body(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    duration::parse(text).map_err(|error| format!("it {error}; write it as `10us` or `1.5ms`"))
}
