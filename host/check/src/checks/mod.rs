//! What is asked of a plugin, in order. What cannot be asked because of an earlier finding is left out.

mod calls;
mod configs;
mod offers;
mod steady;

use crate::job::{Job, Seen, Task};
use crate::life::{self, Ending, Life};
use crate::report::{Code, Findings, Report};
use crate::{CheckError, Options};
use jackfield_loader::inspect_file;
use jackfield_plugin_api::manifest::Manifest;
use jackfield_plugin_api::worker::{FsGrant, Grant, Sandbox};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The place of findings that belong to no method.
const PLUGIN: &str = "plugin";

/// What becomes of a check without processes for it.
const HERE: &str =
    "the plugin was met in this process: without a sandbox, and what it printed was not looked at";

/// How long opening, describing, making and ending an instance may take each, in milliseconds.
const PATIENCE_MS: u64 = 10_000;
/// How long a call goes on before it is told to stop, in milliseconds.
const CANCEL_AFTER_MS: u64 = 100;
/// How long it may take to stop then, in milliseconds: the grace of a worker unless configured.
const GRACE_MS: u64 = 2_000;
/// How long one process may take in all beyond the time for its calls.
const LIFE_MAX: Duration = Duration::from_secs(60);

/// A plugin that is being checked.
struct Session<'a> {
    options: &'a Options,
    manifest: &'a Manifest,
    library: PathBuf,
    dir: &'a Path,
    lives: u32,
    config: String,
    findings: Findings,
}

pub(crate) fn run(file: &Path, options: &Options) -> Result<Report, CheckError> {
    let bytes = fs::read(file).map_err(|source| CheckError::Read { file: file.to_owned(), source })?;
    let mut findings = Findings::default();
    let manifest = match inspect_file(file, &bytes) {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            findings.add(Code::File, PLUGIN, format!("{error} [{}]", error.code()));
            None
        }
    };
    if let Some(manifest) = &manifest {
        let dir = tempfile::Builder::new().prefix("jackfield-check-").tempdir()?;
        let dir_path = dir.path().canonicalize()?;
        let library = dir_path.join(format!("plugin{}", std::env::consts::DLL_SUFFIX));
        // a copy, so that a build that goes on does not change it meanwhile
        fs::write(&library, &bytes)?;
        let mut session =
            Session { options, manifest, library, dir: &dir_path, lives: 0, config: "{}".into(), findings };
        session.all()?;
        findings = session.findings;
        if options.program.is_none() {
            findings.notes.push(HERE.to_owned());
        }
    }
    let (findings, methods, notes) = findings.waived(&options.waivers).into_parts();
    Ok(Report {
        file: file.to_owned(),
        plugin: manifest.as_ref().map(|it| it.name.clone()),
        version: manifest.map(|it| it.version),
        seed: options.seed,
        ok: findings.iter().all(|finding| finding.waived.is_some()),
        findings,
        methods,
        notes,
    })
}

impl Session<'_> {
    fn all(&mut self) -> Result<(), CheckError> {
        let Some(full) = self.offers()? else { return Ok(()) };
        if !self.configs(&full)? {
            return Ok(());
        }
        for index in 0..full.methods.len() {
            self.method(&full, index)?;
        }
        Ok(())
    }

    /// One process with the plugin. What is the same whatever it does is judged here. `work` is what its calls may take.
    fn live(&mut self, task: Task, place: &str, work: Duration) -> Result<Life, CheckError> {
        self.lives += 1;
        let scratch = self.dir.join(format!("scratch-{}", self.lives));
        fs::create_dir(&scratch)?;
        let granted = vec![scratch.clone()];
        let grant = Grant { fs: FsGrant { read: granted.clone(), write: granted }, ..Grant::default() };
        let sandbox = Sandbox { grant, policy: self.options.sandbox, ..Sandbox::default() };
        let job = Arc::new(Job {
            plugin: self.manifest.name.clone(),
            library: self.library.clone(),
            report: self.dir.join(format!("report-{}", self.lives)),
            scratch: scratch.clone(),
            sandbox: self.options.program.is_some().then_some(sandbox),
            config: self.config.clone(),
            patience_ms: PATIENCE_MS,
            cancel_after_ms: CANCEL_AFTER_MS,
            grace_ms: GRACE_MS,
            task,
        });
        let life = match &self.options.program {
            Some(program) => life::live(program, &job, LIFE_MAX + work)?,
            None => life::live_here(&job)?,
        };
        // what the plugin has left in it is of no use any more
        let _ = fs::remove_dir_all(&scratch);
        self.judge(&life, &job, place)?;
        Ok(life)
    }

    fn judge(&mut self, life: &Life, job: &Job, place: &str) -> Result<(), CheckError> {
        let (mut is_over, mut is_done, mut has_panicked) = (false, false, false);
        for seen in &life.seen {
            match seen {
                Seen::CannotCheck(reason) => return Err(CheckError::Child(reason.clone())),
                Seen::OpenFailed { code, reason } => {
                    self.findings.add(Code::Open, PLUGIN, format!("{reason} [{code}]"));
                    is_over = true;
                }
                Seen::Stuck(what) => {
                    let (code, message) = stuck(what, job);
                    self.findings.add(code, place, message);
                    is_over = true;
                }
                Seen::Created { end, .. } if !matches!(job.task, Task::Create { .. }) => {
                    let message = format!("an instance cannot be made any more: {end:?}");
                    self.findings.add(Code::ConfigRefused, PLUGIN, message);
                    is_over = true;
                }
                Seen::Called { end: crate::job::End::Panicked(_), .. } => has_panicked = true,
                Seen::Blind(what) => {
                    let note =
                        format!("this system does not show {what} of a process: nothing is said about them");
                    if !self.findings.notes.contains(&note) {
                        self.findings.notes.push(note);
                    }
                }
                Seen::Done => (is_over, is_done) = (true, true),
                _ => {}
            }
        }
        self.judge_end(life, job, place, (is_over, is_done))?;
        // a panic prints its message by itself
        if !has_panicked && !self.findings.has(Code::Panic, place) && life.end == Ending::Clean {
            self.judge_output(life, place);
        }
        Ok(())
    }

    fn judge_end(
        &mut self,
        life: &Life,
        job: &Job,
        place: &str,
        (is_over, is_done): (bool, bool),
    ) -> Result<(), CheckError> {
        let during = during(life, job);
        let last =
            life.stderr.lines().last().map(|line| format!("; its last line: {line}")).unwrap_or_default();
        match &life.end {
            Ending::Crash(how) if life.seen.is_empty() => {
                return Err(CheckError::Child(format!("the process for it {how}{last}")));
            }
            Ending::Crash(how) if is_done => {
                self.findings.add(Code::Exit, place, format!("when all was done, the process {how}{last}"));
            }
            Ending::Crash(how) => {
                self.findings.add(Code::Crash, place, format!("the process {how} {during}{last}"))
            }
            Ending::Killed if is_done => {
                self.findings.add(Code::Exit, place, "when all was done, the process did not end");
            }
            Ending::Killed if !is_over => {
                self.findings.add(Code::Hang, place, format!("the process did not come back {during}"));
            }
            Ending::Clean if !is_over => {
                let message =
                    format!("the process ended, or lost descriptors that are not the plugin's, {during}");
                self.findings.add(Code::Crash, place, message);
            }
            Ending::Killed | Ending::Clean => {}
        }
        Ok(())
    }

    fn judge_output(&mut self, life: &Life, place: &str) {
        for (stream, text) in [("output", &life.stdout), ("error", &life.stderr)] {
            if let Some(line) = text.lines().find(|line| !line.trim().is_empty()) {
                let message = format!("wrote to standard {stream}: {}", shown(line));
                self.findings.add(Code::Output, place, message);
            }
        }
    }
}

fn stuck(what: &str, job: &Job) -> (Code, String) {
    match call_number(what) {
        Some(call) => {
            let params = params_of(job, call);
            (
                Code::Cancel,
                format!(
                    "did not return within {GRACE_MS} ms after it was told to stop; parameters: {params}"
                ),
            )
        }
        None => (Code::Hang, format!("{what} did not end within {PATIENCE_MS} ms")),
    }
}

/// What was going on when the process ended.
fn during(life: &Life, job: &Job) -> String {
    let what = life.last_begun();
    match call_number(what) {
        Some(call) => format!("during a call with the parameters {}", params_of(job, call)),
        None => format!("during: {what}"),
    }
}

fn call_number(what: &str) -> Option<usize> {
    what.strip_prefix("call ")?.parse().ok()
}

fn params_of(job: &Job, call: usize) -> String {
    match &job.task {
        Task::Calls { params, .. } | Task::Steady { params, .. } => {
            params.get(call).map(|params| shown(params)).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// The beginning of a text, fit for a line.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let mut line: String = text.chars().take(CHARS_MAX).flat_map(escaped).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        line.push_str(" ...");
    }
    if line.is_empty() { "(nothing)".into() } else { line }
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let (plain, escape) = if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
    plain.into_iter().chain(escape.into_iter().flatten())
}
