//! From plugin files to methods that engines can call.
//!
//! ```text
//! file -> inspect (whole? for this machine? manifest?) -> store under its hash -> registry -> open -> instances -> calls
//! ```
//!
//! Nothing of a plugin runs before it is opened, and it is opened only when somebody asks for it by name
//! ([`Registry::load`]) or binds one of its methods. Files that cannot be used are one-line [`LoadError`]s.
//!
//! ```no_run
//! use jackfield_core::ports::Methods;
//! use jackfield_loader::{Registry, RegistryConfig};
//!
//! let registry = Registry::open(RegistryConfig::new("data").directory("plugins"))?;
//! for fault in registry.faults() {
//!     eprintln!("{}: {fault}", fault.code());
//! }
//! registry.load(&["csv"])?;
//! let catalog = registry.catalog();
//! let csv = &catalog.versions("csv")[0];
//! let load = registry.bind("csv", &csv.version, "load", None);
//! # Ok::<(), jackfield_loader::LoadError>(())
//! ```

mod cache;
mod changes;
mod config;
mod describe;
mod error;
mod fault;
mod handover;
mod inspect;
mod install;
mod installed;
mod installing;
mod instances;
mod isolation;
mod lease;
mod library;
mod look;
mod method;
mod outcome;
mod peers;
mod plugin;
mod quarantine;
mod refusal;
mod registry;
mod requires;
mod serial;
mod sessions;
#[cfg(unix)]
#[doc(hidden)]
pub mod shared;
mod spans;
mod stamp;
mod standing;
mod store;
mod trust;
mod unclean;
mod verify;
#[cfg(unix)]
mod worker;

pub use changes::{Changes, PluginVersion};
pub use config::{RegistryConfig, SessionLimits, Transport, WorkerLimits, WorkerProgram};
pub use error::{LoadError, MissingDependency};
pub use fault::Fault;
pub use inspect::inspect_file;
pub use install::{Direction, Downgrade, Update};
pub use installed::InstalledPlugin;
pub use installing::InstallError;
pub use isolation::IsolationRules;
pub use jackfield_plugin_api::worker::{FsGrant, Grant, Limits, Policy, Sandbox, optional_table};
pub use library::open_library;
pub use look::Places;
pub use registry::{ExitNote, Registry};
pub use standing::{Standing, WorkerStanding, Workers};
pub use store::Hash;
pub use trust::{AllowRule, Distrust, KeyId, Lock, LockedPlugin, TrustConfig, TrustedKey, target};
pub use unclean::UncleanExit;
pub use verify::{Verdict, Verification};

pub use jackfield_plugin_api::manifest;
