//! What the end of a program means for its step.

use crate::masked::Mask;
use jackfield_child::{Exit, Told};
use jackfield_plugin_api::prelude::*;
use serde_json::json;
use std::time::Duration;

/// Lines of standard error that an error quotes.
pub(crate) const LINES_QUOTED: usize = 20;

/// What exit codes mean. A code stands in one list at most; those in none fail the step for good.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitCodes {
    /// Success.
    #[serde(default = "success")]
    ok: Vec<i32>,
    /// A failure that is worth another try.
    #[serde(default)]
    retry: Vec<i32>,
    /// Nothing was to be done: the step completes with `outcome: "skip"`, which `when` of later steps can read.
    #[serde(default)]
    skip: Vec<i32>,
}

fn success() -> Vec<i32> {
    vec![0]
}

impl Default for ExitCodes {
    fn default() -> Self {
        Self { ok: success(), retry: Vec::new(), skip: Vec::new() }
    }
}

/// How a step that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Meaning {
    /// The exit code means success.
    Ok,
    /// The exit code means that nothing was to be done.
    Skip,
}

/// What is said about an end besides how it was.
pub(crate) struct Circumstances<'a> {
    /// The program, for messages.
    pub(crate) program: String,
    /// The last lines of standard error.
    pub(crate) stderr: Vec<String>,
    /// What must not be shown.
    pub(crate) mask: &'a Mask,
}

impl ExitCodes {
    /// Refuses a code that means two things.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let lists = [("ok", &self.ok), ("retry", &self.retry), ("skip", &self.skip)];
        for (at, (name, codes)) in lists.iter().enumerate() {
            for (other, others) in &lists[at + 1..] {
                if let Some(code) = codes.iter().find(|code| others.contains(code)) {
                    let message =
                        format!("the exit code {code} stands in `{name}` and in `{other}` of `exit_codes`");
                    return Err(Error::validation(message));
                }
            }
        }
        Ok(())
    }

    /// What an end that nobody asked for means.
    pub(crate) fn judge(&self, exit: Exit, around: &Circumstances<'_>) -> Result<Meaning, Error> {
        match exit.code {
            Some(code) if self.ok.contains(&code) => Ok(Meaning::Ok),
            Some(code) if self.skip.contains(&code) => Ok(Meaning::Skip),
            Some(code) => {
                let message = format!("{} ended with exit code {code}", around.program);
                let details = json!({ "code": code, "stderr": around.stderr });
                Err(around.error("process.exit", message, &details).retryable(self.retry.contains(&code)))
            }
            None => {
                let message = format!("{} was ended by {exit}", around.program);
                let details = json!({ "signal": exit.signal, "stderr": around.stderr });
                Err(around.error("process.signal", message, &details))
            }
        }
    }
}

impl Circumstances<'_> {
    /// The error of a program that took too long.
    pub(crate) fn timeout(&self, limit: Duration, told: Told, exit: Exit) -> Error {
        let by = told.signal().unwrap_or("nothing");
        let message = match told {
            Told::Terminate => format!("ended by {by}"),
            _ => format!("did not end when asked to and was ended by {by}"),
        };
        let message = format!("{} took longer than {} ms, {message}", self.program, limit.as_millis());
        let details = json!({
            "timeout_ms": u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            "signal": told.signal(),
            "code": exit.code,
            "stderr": self.stderr,
        });
        self.error("process.timeout", message, &details)
    }

    fn error(&self, kind: &str, message: String, details: &serde_json::Value) -> Error {
        let last = self.stderr.iter().rev().find(|line| !line.trim().is_empty());
        let message = match last {
            Some(last) => format!("{message}: {}", last.trim()),
            None => message,
        };
        Error::new(kind, self.mask.over(message)).details(details)
    }
}
