//! The header through which `abi_stable` finds the table and verifies its layout.

use super::entry::{self, Export};
use crate::abi::{Root, RootRef};
pub use abi_stable::library::LibHeader;
use abi_stable::library::{CheckTypeLayout, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;

/// The header of a library whose root module `constructor` makes.
#[must_use]
pub const fn header(constructor: extern "C" fn() -> RootModuleResult) -> LibHeader {
    // SAFETY: the macro passes `constructor`, below, and that makes a `RootRef`.
    unsafe { LibHeader::from_constructor::<RootRef>(constructor, CheckTypeLayout::Yes) }
}

/// Makes the root module of the plugin `E`; it does not unwind.
pub extern "C" fn constructor<E: Export>() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(root::<E>)
}

fn root<E: Export>() -> RootRef {
    Root { table: const { &entry::table::<E>() } }.leak_into_prefix()
}
