//! `jackfield db`: looking after the journal.

use crate::args::DbCommand;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::Result;
use jackfield::Journal;
use serde_json::json;

pub(crate) fn run(command: DbCommand, settings: &Settings, printer: &Printer) -> Result<Exit> {
    let path = settings.journal()?;
    match command {
        DbCommand::Check => {
            let journal = Journal::open_reader(&path)?;
            let (faults, stats) = (journal.check()?, journal.stats()?);
            if printer.is_json() {
                printer.result_json(&json!({
                    "faults": faults,
                    "runs": stats.runs,
                    "file_bytes": stats.file_len,
                    "wal_bytes": stats.wal_len,
                    "free_bytes": stats.free_len,
                }))?;
            } else {
                faults.iter().for_each(|fault| printer.error(fault));
                let verdict = if faults.is_empty() { "sound" } else { "damaged" };
                printer.result(&format!(
                    "{}: {verdict}, {} runs, {} bytes, {} of them free\n",
                    path.display(),
                    stats.runs,
                    stats.file_len + stats.wal_len,
                    stats.free_len
                ))?;
            }
            Ok(if faults.is_empty() { Exit::Success } else { Exit::Trouble })
        }
        DbCommand::Backup { file } => {
            Journal::open_reader(&path)?.backup(&file)?;
            printer.note(&format!("copied to {}", file.display()));
            Ok(Exit::Success)
        }
        DbCommand::Compact => {
            let compacted = Journal::open(&path)?.compact()?;
            if printer.is_json() {
                printer.result_json(
                    &json!({ "before_bytes": compacted.before, "after_bytes": compacted.after }),
                )?;
            } else {
                printer.note(&format!("{} bytes before, {} after", compacted.before, compacted.after));
            }
            Ok(Exit::Success)
        }
    }
}
