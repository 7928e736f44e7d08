//! From text to a checked workflow: the one way, for files, JSON and code alike.

use crate::calls::calls;
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::graph::Graph;
use crate::sketch::draft;
use crate::{Error, Workflow, model};
use jackfield_core::catalog::Catalog;
use jackfield_core::validate;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

pub use jackfield_core::model::Dialect;

/// Largest workflow document in bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The text of a workflow file, and how it is to be read.
///
/// # Errors
/// If it cannot be read, is no UTF-8 or is larger than [`DOCUMENT_BYTES_MAX`].
pub fn read(path: &Path) -> Result<(Box<str>, Dialect), Error> {
    let mut text = String::new();
    let mut read = || File::open(path)?.take(DOCUMENT_BYTES_MAX + 1).read_to_string(&mut text);
    read().map_err(|source| Error::io("read", path, source))?;
    if text.len() as u64 > DOCUMENT_BYTES_MAX {
        let shown = path.display();
        return Err(Error::setup(format!("`{shown}` is larger than {DOCUMENT_BYTES_MAX} bytes")));
    }
    Ok((text.into(), dialect_of(path)))
}

/// `.jsonc` files may have comments.
#[must_use]
pub fn dialect_of(path: &Path) -> Dialect {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jsonc")) {
        Dialect::Jsonc
    } else {
        Dialect::Json
    }
}

/// Checks `source`. `load` makes the named plugins known and answers with everything that can be called;
/// `options` say what else the host has.
pub(crate) fn check(
    name: &str,
    source: Box<str>,
    dialect: Dialect,
    options: &validate::Options,
    load: impl FnOnce(&[&str]) -> Result<Arc<Catalog>, Error>,
) -> Result<Workflow, Error> {
    let parsed = model::parse(source.as_bytes(), dialect);
    let mut findings = parsed.findings;
    let mut plan = None;
    if let Some(workflow) = &parsed.workflow {
        let catalog = load(&Vec::from_iter(plugins(workflow)))?;
        let compiled = validate::compile(workflow, &catalog, options);
        findings.extend(compiled.findings);
        plan = compiled.plan;
    }
    let diagnostics = diagnostic::locate(source.as_bytes(), &findings);
    let faulty = diagnostics.iter().any(|it| it.severity == Severity::Error);
    match plan {
        Some(plan) if !faulty => Ok(Workflow::checked(source, plan, diagnostics)),
        _ => Err(Error::invalid_document(name, source, diagnostics)),
    }
}

/// The plugins that a document names: those that it calls, and those that it only requires.
fn plugins(workflow: &model::Workflow) -> BTreeSet<&str> {
    let called = calls(workflow).into_iter().map(|call| &*call.plugin.value);
    called.chain(workflow.requires.keys().map(|name| &**name)).collect()
}

/// Formats a document. `name` is what errors call it.
///
/// # Errors
/// [`Error::Invalid`] if it has faults that formatting cannot keep apart from its text.
pub fn format(name: &str, source: &str, dialect: Dialect) -> Result<String, Error> {
    model::format(source.as_bytes(), dialect).map_err(|findings| {
        let diagnostics = diagnostic::locate(source.as_bytes(), &findings);
        Error::invalid_document(name, source.into(), diagnostics)
    })
}

/// Draws a document without its plugins, also one with faults: then edges that come from expressions may be
/// missing. The diagnostics say what is wrong apart from plugins. `name` is what errors call it.
///
/// # Errors
/// [`Error::Invalid`] if the text is no workflow at all.
pub fn sketch(name: &str, source: &str, dialect: Dialect) -> Result<(Graph, Vec<Diagnostic>), Error> {
    match draft(source, dialect) {
        (Some(graph), diagnostics) => Ok((graph, diagnostics)),
        (None, diagnostics) => Err(Error::invalid_document(name, source.into(), diagnostics)),
    }
}
