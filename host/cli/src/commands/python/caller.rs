//! Calls of the plugin: where its sessions are, on a server or in the process that owns the journal if there is one, and
//! otherwise in this process.

use crate::access::{Keeper, Remote, RunAt};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::live::{Shown, Voices, follow, follow_while};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::show::failure;
use anyhow::Result;
use jackfield::{Host, RunReport, RunStatus};
use jackfield_server::wire::{Document, StartRun};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who makes the calls.
pub(super) struct Caller {
    at: At,
    voices: Voices,
    interrupt: Interrupt,
    printer: Printer,
}

enum At {
    Here(Host),
    There(Keeper),
}

/// What a call came to.
pub(super) enum Called {
    Value(Value),
    /// Why it failed has been said.
    Failed(Exit),
}

impl Caller {
    pub(super) fn open(settings: Settings, printer: &Printer) -> Result<Self> {
        let voices = Voices::new(printer, !settings.logs_methods());
        let remote = match settings.remote() {
            Some(server) => Some(Remote::connect(server)?),
            None => Remote::find(&settings.data_place()?)?,
        };
        let at = match remote {
            Some(remote) => At::There(Keeper::There(remote)),
            None => At::Here(settings.host(Some(Arc::new(voices.clone())))?),
        };
        Ok(Self { at, voices, interrupt: Interrupt::watch(printer)?, printer: printer.clone() })
    }

    /// Calls a method and waits for what it returns.
    pub(super) fn call(&self, method: &str, parameters: Value) -> Result<Called> {
        let report = match &self.at {
            At::Here(host) => {
                let run = host.start_call("python", method, parameters)?;
                self.interrupt.attach(host, &run);
                let run = RunAt::Here(run);
                follow(&run, Shown::Bars, &self.voices, &self.printer)?;
                run.report(1)?
            }
            At::There(keeper) => self.call_there(keeper, method, parameters)?,
        };
        if report.status == RunStatus::Completed && !self.interrupt.happened() {
            return Ok(Called::Value(report.output.value().clone()));
        }
        if let Some(error) = &report.error {
            if self.printer.is_json() {
                self.printer.result_json(&json!({ "error": error }))?;
            }
            for line in failure::lines(error, &self.voices.last_output(&error.step), &self.printer) {
                self.printer.note(&line);
            }
        }
        let exit = if self.interrupt.happened() { Exit::Interrupted } else { Exit::Failed };
        Ok(Called::Failed(exit))
    }

    /// As a run of one step, which is forgotten afterwards.
    fn call_there(&self, keeper: &Keeper, method: &str, parameters: Value) -> Result<RunReport> {
        let step = json!({
            "id": "call", "type": "call", "plugin": "python", "method": method, "parameters": "${input}", "timeout": 0,
        });
        let document = json!({ "id": "python_call", "steps": [step], "output": "${steps.call.output}" });
        let document = Document { document: document.to_string(), name: None, jsonc: false, dry_run: false };
        let request = StartRun { document: Some(document), input: parameters.into(), ..StartRun::default() };
        let run = keeper.start("", request, |_| ())?;
        let wants_more = || !self.interrupt.happened();
        if !follow_while(&run, Shown::Bars, &self.voices, &self.printer, wants_more)? {
            run.cancel(jackfield::CancelMode::Graceful, "interrupted")?;
            while !run.wait(std::time::Duration::from_millis(100))? {}
        }
        let report = run.report(1)?;
        keeper.delete(run.id())?;
        Ok(report)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let At::Here(host) = &self.at {
            host.shutdown();
        }
    }
}
