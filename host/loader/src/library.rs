//! Opens libraries: the only place that does. What is opened stays open for ever, because code of a plugin may run, or
//! be pointed to, at any time after its last call.
#![expect(unsafe_code, reason = "opening a library runs its code, and its table is known by a pointer")]

use crate::error::{LoadError, one_line};
use abi_stable::library::{LibraryError, lib_header_from_path};
use jackfield_plugin_api::abi::host::Table;
use jackfield_plugin_api::abi::{JfPlugin, ROOT_SYMBOL, RootRef};
use std::path::Path;

/// Opens the library at `path`, which has been inspected before, and finds its table: through the header of `abi_stable`
/// with its layout verified, or, in a plugin that is not written in Rust, by the symbol `jf_plugin_v1`. This runs code of
/// the library in this process, where it stays for ever: it is for worker processes, and for a registry on its own behalf.
/// `plugin` is for messages.
///
/// # Errors
/// If the system refuses it, or it has no table that fits.
pub fn open_library(plugin: &str, path: &Path) -> Result<Table, LoadError> {
    let refused = |error: libloading::Error| LoadError::OpenFailed {
        plugin: plugin.to_owned(),
        reason: with_causes(&error),
    };
    // SAFETY: the user chose to run this plugin's code in this process; the file is whole and for this machine.
    let library = unsafe { libloading::Library::new(path) }.map_err(refused)?;
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: only whether the symbol exists is of interest; its value is not used.
    let has_layout = unsafe { library.get::<*const ()>(ROOT_SYMBOL) }.is_ok();
    let table: *const JfPlugin = if has_layout {
        verified_table(plugin, path)?
    } else {
        // SAFETY: in every plugin of ABI 1 this symbol is the table, so that its address is the pointer.
        *unsafe { library.get::<*const JfPlugin>("jf_plugin_v1") }.map_err(refused)?
    };
    // SAFETY: a plugin of ABI 1 keeps the rules of its table, and the library stays open.
    unsafe { Table::from_ptr(table) }
        .map_err(|fault| LoadError::LayoutDiffers { plugin: plugin.to_owned(), reason: fault.to_string() })
}

/// An error and what is behind it: the system's own words are often the last.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(behind) = cause {
        text = format!("{text}: {behind}");
        cause = behind.source();
    }
    one_line(&text)
}

fn verified_table(plugin: &str, path: &Path) -> Result<&'static JfPlugin, LoadError> {
    let root = lib_header_from_path(path).and_then(|header| header.init_root_module::<RootRef>());
    root.map(|root| root.table()).map_err(|error| match error {
        LibraryError::OpenError { .. } | LibraryError::RootModule { .. } => {
            LoadError::OpenFailed { plugin: plugin.to_owned(), reason: one_line(&error.to_string()) }
        }
        _ => LoadError::LayoutDiffers { plugin: plugin.to_owned(), reason: one_line(&error.to_string()) },
    })
}
