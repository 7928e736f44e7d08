//! Opens the plugin that the host names.

use crate::call::instance_log;
use crate::sandbox::{self, Policy};
use crate::wire::Wire;
use jackfield_loader::open_library;
use jackfield_plugin_api::abi::host::{CallFault, CancelFunction, Instance};
use jackfield_plugin_api::manifest::{Manifest, MethodKind};
use jackfield_plugin_api::worker::{Hello, PROTOCOL, REFUSED_BY_SANDBOX, Refusal};
use serde_json::value::RawValue;
use std::io;
use std::sync::Arc;

/// A plugin that is open.
pub(crate) struct Opened {
    /// As JSON.
    pub(crate) manifest: Vec<u8>,
    /// How each method wants to be called.
    pub(crate) kinds: Box<[MethodKind]>,
    /// How calls are told to stop, if the plugin has a function for that.
    pub(crate) cancel: Option<CancelFunction>,
    /// What calls are made on; `None` if the host only wants to know what the plugin says about itself.
    pub(crate) instance: Option<Arc<Instance>>,
    /// What of the sandbox could not be put in force.
    pub(crate) unenforced: Vec<String>,
}

/// Puts the sandbox in force, opens the library and makes an instance. The process must have one thread.
///
/// # Errors
/// If the sandbox cannot be put in force, or the library cannot be opened, does not describe itself, or refuses its configuration.
pub(crate) fn open(hello: &Hello, wire: &Arc<Wire>) -> Result<Opened, Refusal> {
    if hello.protocol != PROTOCOL {
        let reason = format!("the host speaks protocol {}, this worker {PROTOCOL}", hello.protocol);
        return Err(refusal("plugin.worker_protocol", reason));
    }
    // everything of the process's own is set up, and no code of the plugin has run
    let enforced = sandbox::apply(&hello.sandbox, std::slice::from_ref(&hello.library))
        .map_err(|error| refusal(REFUSED_BY_SANDBOX, error.to_string()))?;
    let unenforced = match hello.sandbox.policy {
        Policy::BestEffort => enforced.missing,
        // nothing is lacking, or nothing was asked for
        Policy::Required | Policy::Off => Vec::new(),
    };
    let table = open_library(&hello.plugin, &hello.library)
        .map_err(|error| refusal(error.code(), error.to_string()))?;
    let Some(config) = &hello.config else {
        let manifest = table.describe().map_err(|fault| refusal("plugin.describe_failed", why(&fault)))?;
        return Ok(Opened {
            manifest: manifest.as_bytes().to_vec(),
            kinds: Box::default(),
            cancel: None,
            instance: None,
            unenforced,
        });
    };
    let manifest = table.manifest();
    let kinds = Manifest::parse(manifest)
        .map_err(|error| refusal("plugin.manifest_invalid", error.to_string()))?
        .methods
        .iter()
        .map(|method| method.kind)
        .collect();
    let instance = table
        .create(config.get(), instance_log(wire))
        .map_err(|fault| refusal("plugin.create_failed", why(&fault)))?;
    let cancel = table.cancel();
    Ok(Opened { manifest: manifest.to_vec(), kinds, cancel, instance: Some(Arc::new(instance)), unenforced })
}

fn refusal(code: &str, reason: String) -> Refusal {
    Refusal { code: code.to_owned(), reason }
}

fn why(fault: &CallFault) -> String {
    match fault {
        CallFault::Failed(error) => error.message().to_owned(),
        CallFault::Panicked(message) => format!("it panicked: {message}"),
        CallFault::Unsupported(message) => message.to_string(),
        CallFault::BadStatus(status) => format!("it answered with the unknown status {status}"),
    }
}

/// A manifest as it is sent.
pub(crate) fn raw(manifest: &[u8]) -> io::Result<Box<RawValue>> {
    Ok(serde_json::from_slice(manifest)?)
}
