//! The checked form of the options: what is to be measured, with nothing that means nothing.

use super::document::Work;
use super::graph::Graph;
use crate::args::{BenchArgs, BenchEngine, BenchIsolation, History, OutputSize, Shape};
use anyhow::{Result, bail};
use std::time::Duration;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) shape: Shape,
    pub(crate) graph: Graph,
    pub(crate) work: Work,
    pub(crate) engine: BenchEngine,
    pub(crate) history: History,
    /// Threads of the engine.
    pub(crate) threads: usize,
    /// Runs per repeat.
    pub(crate) runs: usize,
    /// Runs at a time.
    pub(crate) concurrency: usize,
    pub(crate) repeats: usize,
    /// How long runs wait that wait.
    pub(crate) idle: Duration,
    /// Clients that follow a run,
    pub(crate) streams: usize,
    /// and those that read nothing.
    pub(crate) slow: usize,
}

/// Runs of shapes that are about many.
const MANY_RUNS: u32 = 10_000;
/// How many of them at a time.
const MANY_AT_ONCE: u32 = 256;
/// Clients of a service that start runs.
const CLIENTS: u32 = 64;
/// Clients that follow a run,
const STREAMS: u32 = 1_000;
/// and those beside them that read nothing.
const SLOW: u32 = 10;
/// Steps where not one is the natural number.
const STEPS: u32 = 10_000;

impl Shape {
    /// Whether there are runs.
    pub(crate) fn has_runs(self) -> bool {
        !matches!(self, Self::Calls | Self::Definition)
    }

    /// Whether it is about many runs, not about their graph.
    fn is_crowd(self) -> bool {
        matches!(self, Self::Waiting | Self::Restart | Self::List | Self::Service)
    }

    /// Whether a run has the graph, and its steps the work, that the options say.
    pub(crate) fn has_work(self) -> bool {
        self.has_runs() && !self.is_crowd() && self != Self::Growth
    }
}

impl Job {
    /// Checks `args`. `threads` is what the engine will have.
    pub(crate) fn new(args: &BenchArgs, threads: usize) -> Result<Self> {
        refuse_meaningless(args)?;
        let shape = args.shape;
        let has_runs = shape.has_runs();
        let runs = args.runs.unwrap_or(if shape.is_crowd() { MANY_RUNS } else { 1 });
        let concurrency = args.concurrency.unwrap_or(match shape {
            Shape::Growth => MANY_AT_ONCE,
            Shape::Service => CLIENTS.min(runs),
            _ if shape.is_crowd() => MANY_AT_ONCE.min(runs),
            _ => 1,
        });
        // growth has as many runs as there are at a time
        let runs = if shape == Shape::Growth { concurrency } else { runs };
        if concurrency > runs {
            bail!("`--concurrency {concurrency}` needs as many runs; say `--runs {concurrency}` or more");
        }
        let steps = args.steps.unwrap_or(if shape.is_crowd() { 1 } else { STEPS });
        let output = if shape == Shape::Calls { OutputSize::Small } else { args.output.unwrap_or_default() };
        Ok(Self {
            shape,
            graph: Graph::new(shape, steps as usize, args.width.map(|width| width as usize)),
            work: Work { body: args.body.unwrap_or(Duration::ZERO), output },
            engine: args.engine,
            history: if has_runs { args.history } else { History::None },
            threads: if has_runs { threads } else { 1 },
            runs: runs as usize,
            concurrency: concurrency as usize,
            repeats: args.repeats as usize,
            idle: args.idle.unwrap_or_default(),
            streams: args.streams.unwrap_or(STREAMS) as usize,
            slow: args.slow.unwrap_or(SLOW) as usize,
        })
    }

    /// Steps of all runs of a repeat.
    pub(crate) fn steps_in_all(&self) -> usize {
        self.graph.steps * self.runs
    }

    /// What all runs of a repeat take if each step takes `step_ns` and nothing else takes any time.
    pub(crate) fn ideal_ns(&self, step_ns: f64) -> f64 {
        let work = self.steps_in_all() as f64 / self.threads as f64;
        let path = (self.graph.critical_path() * self.runs.div_ceil(self.concurrency)) as f64;
        work.max(path) * step_ns
    }
}

/// An option that would change nothing is a mistake about what is measured.
fn refuse_meaningless(args: &BenchArgs) -> Result<()> {
    let shape = args.shape;
    let (has_runs, has_work) = (shape.has_runs(), shape.has_work());
    if matches!(shape, Shape::Restart | Shape::List | Shape::Service) && args.engine == BenchEngine::Memory {
        let name = format!("{shape:?}").to_lowercase();
        bail!("the shape `{name}` is about a journal; say `--engine sqlite`");
    }
    let has_width = matches!(shape, Shape::Layered | Shape::Wave | Shape::Stencil | Shape::Definition);
    let given = [
        ("--width", args.width.is_some(), has_width),
        ("--body", args.body.is_some(), has_work),
        ("--output", args.output.is_some(), has_work),
        ("--runs", args.runs.is_some(), has_runs && shape != Shape::Growth),
        ("--concurrency", args.concurrency.is_some(), has_runs),
        ("--transport", args.transport.is_some(), args.isolation == BenchIsolation::Worker),
        ("--idle", args.idle.is_some(), shape == Shape::Waiting),
        ("--streams", args.streams.is_some(), shape == Shape::Service),
        ("--slow", args.slow.is_some(), shape == Shape::Service && args.streams != Some(0)),
        ("--isolation worker", args.isolation == BenchIsolation::Worker, shape != Shape::Service),
        ("--threads", args.threads.is_some(), has_runs),
        ("--history none", args.history == History::None, has_runs && shape != Shape::Service),
        ("--engine sqlite", args.engine == BenchEngine::Sqlite, has_runs),
    ];
    match given.into_iter().find(|(_, is_given, has_meaning)| *is_given && !has_meaning) {
        Some(("--transport", ..)) => bail!("`--transport` has no meaning without `--isolation worker`"),
        Some((option, ..)) => {
            let shape = format!("{shape:?}").to_lowercase();
            bail!("`{option}` has no meaning for the shape `{shape}`; leave it out")
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};

    fn job(options: &str) -> Result<Job> {
        let line = format!("jackfield bench {options}");
        let cli = Cli::read(line.split_whitespace().map(Into::into).collect())?;
        let Command::Bench(args) = cli.command else { panic!("not bench") };
        Job::new(&args, 2)
    }

    #[test]
    fn options_that_change_nothing_are_refused() {
        for (options, option) in [
            ("--shape chain --width 4", "--width"),
            ("--shape calls --body 1us", "--body"),
            ("--shape calls --output 64k", "--output"),
            ("--shape definition --runs 2", "--runs"),
            ("--shape definition --threads 2", "--threads"),
            ("--shape calls --history none", "--history none"),
            ("--shape calls --transport shared_memory", "`--transport` has no meaning"),
            ("--concurrency 2", "--concurrency 2"),
            ("--shape waiting --body 1us", "--body"),
            ("--shape list --engine sqlite --output 64k", "--output"),
            ("--shape growth --runs 2", "--runs"),
            ("--shape chain --idle 1s", "--idle"),
            ("--shape restart", "`--engine sqlite`"),
            ("--shape list", "`--engine sqlite`"),
            ("--shape service", "`--engine sqlite`"),
            ("--shape service --engine sqlite --streams 0 --slow 1", "--slow"),
            ("--shape service --engine sqlite --isolation worker", "--isolation worker"),
            ("--shape fan --streams 10", "--streams"),
            ("--shape waiting --runs 3 --concurrency 4", "--runs 4"),
            ("--body -1us", "--body"),
            ("--body 10", "--body"),
            ("--steps 0", "--steps"),
        ] {
            let error = job(options).unwrap_err().to_string();
            assert!(error.contains(option), "{options}: {error}");
        }
        assert_eq!(job("--body 0").unwrap().work.body, Duration::ZERO);
        assert_eq!(job("--body 1.5us").unwrap().work.body, Duration::from_nanos(1_500));
    }

    #[test]
    fn shapes_about_many_runs_have_many() {
        let sizes = |options: &str| {
            let job = job(options).unwrap();
            (job.graph.steps, job.runs, job.concurrency)
        };
        assert_eq!(sizes(""), (10_000, 1, 1));
        assert_eq!(sizes("--shape waiting"), (1, 10_000, 256));
        assert_eq!(sizes("--shape list --engine sqlite --runs 20"), (1, 20, 20));
        assert_eq!(sizes("--shape growth --steps 500"), (500, 256, 256));
        assert_eq!(sizes("--shape service --engine sqlite"), (1, 10_000, 64));
    }

    #[test]
    fn the_ideal_is_bound_by_the_threads_or_by_the_critical_path() {
        assert_eq!(job("--shape fan --steps 101").unwrap().ideal_ns(10.0), 505.0);
        assert_eq!(job("--shape chain --steps 100").unwrap().ideal_ns(10.0), 1_000.0);
        let two_at_a_time = job("--shape chain --steps 100 --runs 5 --concurrency 2").unwrap();
        assert_eq!(two_at_a_time.ideal_ns(10.0), 3_000.0);
        let four_at_a_time = job("--shape chain --steps 100 --runs 8 --concurrency 4").unwrap();
        assert_eq!(four_at_a_time.ideal_ns(10.0), 4_000.0);
    }
}
