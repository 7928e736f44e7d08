//! `jackfield schema`

use crate::exit::Exit;
use crate::printer::Printer;
use anyhow::Result;

pub(crate) fn run(printer: &Printer) -> Result<Exit> {
    printer.result_json(&jackfield::model::schema())?;
    Ok(Exit::Success)
}
