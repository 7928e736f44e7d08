//! The name of what this host is built for, as Rust has it.

use std::env::consts::ARCH;
use std::sync::LazyLock;

/// The target of this host, such as `x86_64-unknown-linux-gnu`: a plugin has one file, and so one hash, for each.
#[must_use]
pub fn target() -> &'static str {
    static TARGET: LazyLock<String> = LazyLock::new(|| {
        let arch = if ARCH == "x86" { "i686" } else { ARCH };
        let environment = if cfg!(target_env = "musl") {
            "musl"
        } else if cfg!(target_env = "msvc") {
            "msvc"
        } else {
            "gnu"
        };
        match std::env::consts::OS {
            "linux" => format!("{arch}-unknown-linux-{environment}"),
            "macos" => format!("{arch}-apple-darwin"),
            "windows" => format!("{arch}-pc-windows-{environment}"),
            os => format!("{arch}-unknown-{os}"),
        }
    });
    &TARGET
}
