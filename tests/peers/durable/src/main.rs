//! Runs the same durable workloads on Jackfield and on duroxide, in one interleaved run, and prints what they take.
//! `cargo build --release -p jackfield-cli -p jackfield-plugin-echo` in the root makes what of Jackfield is measured.

mod duroxide;
mod jackfield;
mod report;
mod workload;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use report::Report;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use workload::{System, Workload};

/// What durable runs cost on Jackfield and on duroxide, both on SQLite, side by side.
#[derive(Debug, Parser)]
#[command(name = "jackfield-durable-peers")]
struct Args {
    /// Only this workload; may be given more than once [default: all]
    #[arg(long, value_enum)]
    workload: Vec<Workload>,
    /// Only this system; may be given more than once [default: all]
    #[arg(long, value_enum)]
    system: Vec<System>,
    /// How often each system runs each workload
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// The command `jackfield` with the plugin `echo` beside it [default: that in `target/release` of the workspace]
    #[arg(long, value_name = "FILE")]
    jackfield: Option<PathBuf>,
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
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/release/jackfield");
    let command = args.jackfield.clone().unwrap_or(beside);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    for workload in chosen(&args.workload) {
        for pass in 1..=args.passes {
            for system in chosen(&args.system) {
                // nobody may be looking
                let _ = writeln!(io::stderr(), "{workload}, pass {pass}: {system}");
                let sample = match system {
                    System::Jackfield => jackfield::measure(&command, workload),
                    System::Duroxide => runtime.block_on(duroxide::measure(false, workload.size())),
                    System::DuroxideTuned => runtime.block_on(duroxide::measure(true, workload.size())),
                };
                match sample.with_context(|| format!("{workload} on {system}")) {
                    Ok(sample) => report.note(workload, system, sample),
                    Err(error) if system == System::Jackfield => return Err(error),
                    // it happens to the others that a run fails because their database is locked; the report says so
                    Err(error) => {
                        let _ = writeln!(io::stderr(), "{error:#}");
                        report.note_failed(workload, system);
                    }
                }
            }
        }
    }
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(())
}

/// What was asked for, or all there is, in the order of their declaration.
fn chosen<T: ValueEnum + Copy + PartialEq>(wanted: &[T]) -> Vec<T> {
    let is_wanted = |it: &T| wanted.is_empty() || wanted.contains(it);
    T::value_variants().iter().copied().filter(is_wanted).collect()
}
