//! The root module by which `abi_stable` verifies the layout of the tables in plugins written in Rust. It has one field
//! and never gets another; its version is a constant, because the tables carry their own.

use super::JfPlugin;
use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;

/// What a Rust plugin exports beside `jf_plugin_v1`: the same table, with its layout.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = RootRef)))]
#[sabi(missing_field(panic))]
pub struct Root {
    /// The plugin's table.
    #[sabi(last_prefix_field)]
    pub table: &'static JfPlugin,
}

impl RootModule for RootRef {
    abi_stable::declare_root_module_statics! {RootRef}
    const BASE_NAME: &'static str = "jackfield_plugin";
    const NAME: &'static str = "jackfield_plugin";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

/// The symbol under which `abi_stable` looks for the header of a library. The export macro has to write it out,
/// because an attribute takes no constant; a test holds the two together.
pub const ROOT_SYMBOL: &str = "_1as_0lib_1header_0root_bmodule_bloader";
