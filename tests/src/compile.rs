//! Plugins in C, compiled for a test.

use crate::workspace;
use std::env;
use std::path::Path;
use std::process::Command;

/// Compiles `source`, a path from the root of the workspace, into the library `to`; `defines` are macros such as
/// `("VERSION", "\"1.0.0\"")`.
///
/// # Panics
/// If there is no C compiler or the source is not accepted.
pub fn compile_c(source: &str, to: &Path, defines: &[(&str, &str)]) {
    let root = workspace::root();
    let mut compiler = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-std=c11", "-Wall", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", "-I"]);
    compiler.arg(root.join("plugin-api/include")).arg(root.join(source)).arg("-o").arg(to);
    for (name, value) in defines {
        compiler.arg(format!("-D{name}={value}"));
    }
    let output = compiler.output().expect("there is a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
