//! Runs the same graphs, with bodies that do nothing, on Jackfield and on other schedulers, in one interleaved run, and
//! prints what a node costs on each. `cargo build --release -p jackfield-plugin-echo` in the root makes the plugin.

mod graph;
mod measure;
mod peers;
mod report;
mod trial;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use graph::Shape;
use jackfield::HostBuilder;
use peers::{HostSource, Name, Peer};
use report::Report;
use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

/// What schedulers of task graphs cost a node, side by side.
#[derive(Debug, Parser)]
#[command(name = "jackfield-peers")]
struct Args {
    /// Only this shape; may be given more than once [default: all but large]
    #[arg(long, value_enum)]
    shape: Vec<Shape>,
    /// The large shape too
    #[arg(long)]
    large: bool,
    /// Only this peer; may be given more than once [default: all but taskflow]
    #[arg(long, value_enum)]
    peer: Vec<Name>,
    /// Taskflow too: compiles a C++ program; DIR has `taskflow/taskflow.hpp` if the compiler does not find it by itself
    #[arg(long, value_name = "DIR")]
    taskflow: Option<Option<PathBuf>>,
    /// How often each peer runs each shape
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// Threads of each peer that has more than one [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// The directory with the built plugin `echo` [default: beside this program, or `target/release` of the workspace]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // nobody may be looking
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let processors = available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(processors, usize::from);
    let (mut peers, skipped) = open_peers(args, threads)?;
    ensure!(!peers.is_empty(), "there is nobody to measure: {}", skipped.join("; "));
    let progress = |what: &str| {
        // nobody may be looking
        let _ = writeln!(io::stderr(), "{what}");
    };
    let all = measure::measure(&mut peers, &args.shapes(), args.passes.into(), progress)?;
    let report = Report::new(all, threads, processors, skipped);
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(())
}

impl Args {
    fn shapes(&self) -> Vec<Shape> {
        let wanted = |shape: &Shape| match shape {
            Shape::Large => self.large || self.shape.contains(shape),
            _ => self.shape.is_empty() || self.shape.contains(shape),
        };
        Shape::value_variants().iter().copied().filter(wanted).collect()
    }

    fn wants(&self, name: Name) -> bool {
        (name == Name::Taskflow && self.taskflow.is_some())
            || self.peer.is_empty()
            || self.peer.contains(&name)
    }
}

/// Peers that are there, and why others are left out.
type Opened = (Vec<Box<dyn Peer>>, Vec<String>);

/// The peers that are wanted. Only Taskflow may be missing.
fn open_peers(args: &Args, threads: usize) -> Result<Opened> {
    let (mut peers, mut skipped): Opened = Default::default();
    let source: &HostSource<'_> =
        &|builder: HostBuilder| Ok(builder.plugin_path(echo_library(args.plugins.as_deref())?));
    for name in Name::value_variants().iter().copied().filter(|name| args.wants(*name)) {
        let include = args.taskflow.as_ref().and_then(Option::as_deref);
        match name {
            Name::Taskflow if args.taskflow.is_none() => {
                skipped.push("Taskflow is measured when `--taskflow` is given".to_owned());
            }
            Name::Taskflow => match peers::open(name, threads, source, include) {
                Ok(peer) => peers.push(peer),
                Err(error) => skipped.push(format!("{error:#}")),
            },
            _ => peers.push(peers::open(name, threads, source, include)?),
        }
    }
    Ok((peers, skipped))
}

/// The library of the plugin `echo`.
fn echo_library(named: Option<&Path>) -> Result<PathBuf> {
    let places = match named {
        Some(named) => vec![named.to_owned()],
        None => {
            let beside = env::current_exe().context("the path of this program is not known")?;
            let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release");
            beside.parent().map(Path::to_owned).into_iter().chain([workspace]).collect()
        }
    };
    let file = format!("{DLL_PREFIX}jackfield_plugin_echo{DLL_SUFFIX}");
    let found = places.iter().map(|place| place.join(&file)).find(|path| path.is_file());
    found.with_context(|| {
        format!("there is no `{file}`. Build it with `cargo build --release -p jackfield-plugin-echo`, or name its directory with `--plugins`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::try_parse_from(["peers"].into_iter().chain(line.split_whitespace())).unwrap()
    }

    #[test]
    fn the_large_shape_is_run_only_when_it_is_asked_for() {
        let shapes =
            |line: &str| args(line).shapes().iter().map(|shape| shape.name()).collect::<Vec<_>>().join(" ");
        assert_eq!(shapes(""), "chain fan layered wave tree");
        assert_eq!(shapes("--large"), "chain fan layered wave tree large");
        assert_eq!(shapes("--shape large --shape fan"), "fan large");
        assert_eq!(shapes("--shape fan --large"), "fan large");
    }

    #[test]
    fn taskflow_is_left_out_with_a_reason_unless_it_is_asked_for() {
        let (peers, skipped) = open_peers(&args("--peer taskflow"), 1).unwrap();
        assert!(peers.is_empty());
        assert_eq!(skipped, ["Taskflow is measured when `--taskflow` is given"]);
        let (peers, _) = open_peers(&args("--peer sequential"), 1).unwrap();
        assert_eq!(peers.iter().map(|peer| peer.name()).collect::<Vec<_>>(), [Name::Sequential]);
        assert!(args("--peer sequential --taskflow").wants(Name::Taskflow));
    }

    #[test]
    fn a_missing_header_is_a_reason_and_no_error() {
        let empty = tempfile::tempdir().unwrap();
        let line = format!("--peer sequential --taskflow {}", empty.path().display());
        let (peers, skipped) = open_peers(&args(&line), 1).unwrap();
        assert_eq!(peers.len(), 1);
        assert!(skipped[0].starts_with("Taskflow cannot be used: "), "{skipped:?}");
    }

    #[test]
    fn a_missing_plugin_is_an_error_that_says_how_to_build_it() {
        let empty = tempfile::tempdir().unwrap();
        let line = format!("--peer jackfield --plugins {}", empty.path().display());
        let error = format!("{:#}", open_peers(&args(&line), 1).err().unwrap());
        assert!(error.contains("cargo build --release -p jackfield-plugin-echo"), "{error}");
    }
}
