//! Taskflow: a C++ program, compiled when it is asked for, that is told graphs and runs them.

use super::{Name, Peer};
use crate::graph::Graph;
use crate::trial::{Check, Trial};
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SOURCE: &str = include_str!("taskflow.cpp");

pub(crate) struct Taskflow {
    program: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
    /// What the program was told of.
    known: HashSet<String>,
    _dir: TempDir,
}

impl Taskflow {
    /// `include` is the directory that has `taskflow/taskflow.hpp`; without it the compiler looks where it always does.
    pub(crate) fn open(include: Option<&Path>, threads: usize) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let built = compile(include, dir.path())?;
        let mut command = Command::new(built);
        command.arg(threads.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = command.spawn().context("what was compiled does not start")?;
        let to = BufWriter::new(program.stdin.take().context("standard input was not asked for")?);
        let from = BufReader::new(program.stdout.take().context("standard output was not asked for")?);
        Ok(Self { program, to, from, known: HashSet::new(), _dir: dir })
    }

    fn tell(&mut self, name: &str, graph: &Graph) -> Result<()> {
        if !self.known.insert(name.to_owned()) {
            return Ok(());
        }
        writeln!(self.to, "graph {name} {} {}", graph.len(), graph.edges())?;
        for node in graph.nodes() {
            for dependency in graph.dependencies(node) {
                writeln!(self.to, "{dependency} {node}")?;
            }
        }
        Ok(())
    }
}

impl Peer for Taskflow {
    fn name(&self) -> Name {
        Name::Taskflow
    }

    fn run(&mut self, trial: &'static Trial, check: Check) -> Result<Duration> {
        let name = format!("{}-{}", trial.graph.shape.name(), trial.graph.len());
        self.tell(&name, &trial.graph)?;
        let how = if check == Check::Order { "order" } else { "count" };
        writeln!(self.to, "run {name} {how}")?;
        self.to.flush()?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        match answer.trim().strip_prefix("ns ").map(str::parse) {
            Some(Ok(nanoseconds)) => Ok(Duration::from_nanos(nanoseconds)),
            _ => bail!("the program answered `{}`", answer.trim()),
        }
    }
}

impl Drop for Taskflow {
    fn drop(&mut self) {
        // it may be gone already, and then there is nothing to end
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn compile(include: Option<&Path>, dir: &Path) -> Result<PathBuf> {
    let (source, built) = (dir.join("taskflow.cpp"), dir.join("taskflow"));
    fs::write(&source, SOURCE)?;
    let compiler = env::var_os("CXX").unwrap_or_else(|| "g++".into());
    let mut command = Command::new(&compiler);
    command.args(["-std=c++20", "-O3", "-pthread"]);
    if let Some(include) = include {
        command.arg("-isystem").arg(include);
    }
    command.arg(&source).arg("-o").arg(&built);
    let output = command.output().with_context(|| {
        format!("there is no C++ compiler `{}`; name one in `CXX`", compiler.to_string_lossy())
    })?;
    if output.status.success() {
        return Ok(built);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let first = errors.lines().find(|line| line.contains("error")).unwrap_or("it gives no reason");
    let first = first.split_once("error: ").map_or(first, |(_, error)| error);
    bail!(
        "the compiler refuses it: {first}. `--taskflow DIR` names the directory that has `taskflow/taskflow.hpp`"
    )
}
