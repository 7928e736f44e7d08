//! The command and the plugin libraries, built once per test process and kept apart from what cargo does later.

use crate::workspace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// What was built.
struct Artifacts {
    command: PathBuf,
    worker: PathBuf,
    plugins: BTreeMap<String, PathBuf>,
}

static ARTIFACTS: LazyLock<Artifacts> = LazyLock::new(build);

/// The built command `jackfield`, in a directory without plugins.
#[must_use]
pub fn jackfield_command() -> &'static Path {
    &ARTIFACTS.command
}

/// The built program `jackfield-worker`.
#[must_use]
pub fn worker_program() -> &'static Path {
    &ARTIFACTS.worker
}

/// The library of a bundled plugin, such as `echo`.
///
/// # Panics
/// If there is no such plugin.
#[must_use]
pub fn bundled_plugin(name: &str) -> &'static Path {
    let plugins = &ARTIFACTS.plugins;
    plugins.get(name).unwrap_or_else(|| panic!("no plugin `{name}` among {:?}", plugins.keys()))
}

/// Temporary directories of tests lie beside what was built, on the same file system.
pub(crate) fn scratch_dir() -> PathBuf {
    let dir = profile_dir().with_file_name("tmp").join("jackfield-tests");
    fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    dir
}

/// `target/debug`, or whatever profile this test was built with: test programs lie in `deps` of it.
fn profile_dir() -> PathBuf {
    let program = env::current_exe().expect("a running program has a path");
    let deps = program.parent().expect("programs lie in directories");
    deps.parent().expect("cargo puts tests into `deps`").to_owned()
}

fn build() -> Artifacts {
    let home = scratch_dir().join("built");
    fs::create_dir_all(home.join("bin")).expect("the target directory can be written");
    // a second test process may be here too: one builds and copies at a time
    let lock = File::create(home.join("lock")).expect("the target directory can be written");
    lock.lock().expect("the file system has locks");
    let mut artifacts =
        Artifacts { command: PathBuf::new(), worker: PathBuf::new(), plugins: BTreeMap::new() };
    for (package, file) in cargo_build() {
        if package == "jackfield-cli" {
            artifacts.command = keep(&file, &home.join("bin").join(file_name(&file)));
        } else if package == "jackfield-worker" {
            artifacts.worker = keep(&file, &home.join("bin").join(file_name(&file)));
        } else if let Some(plugin) = package.strip_prefix("jackfield-plugin-") {
            artifacts.plugins.insert(plugin.to_owned(), keep(&file, &home.join(file_name(&file))));
        }
    }
    assert!(artifacts.command.is_file(), "cargo built no command");
    assert!(artifacts.worker.is_file(), "cargo built no worker");
    artifacts
}

/// Builds with the profile and into the target directory of this test; the name of each package with its file.
/// It is the whole workspace, because then libraries have the features that `cargo test --workspace` built them with.
fn cargo_build() -> Vec<(String, PathBuf)> {
    let profile_dir = profile_dir();
    let profile = match file_name(&profile_dir).as_str() {
        "debug" => "dev".to_owned(),
        other => other.to_owned(),
    };
    let target_dir = profile_dir.parent().expect("profiles lie in the target directory").to_owned();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root());
    cargo.args(["build", "--quiet", "--message-format=json-render-diagnostics", "--profile", &profile]);
    cargo.arg("--workspace").arg("--target-dir").arg(target_dir);
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    text.lines()
        .filter_map(|line| artifact(&serde_json::from_str(line).expect("cargo writes JSON")))
        .collect()
}

/// The name of the package and its file, if the message of cargo tells of a program or a plugin library.
fn artifact(message: &Value) -> Option<(String, PathBuf)> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let file = match message["target"]["kind"][0].as_str()? {
        "bin" => message["executable"].as_str()?,
        "cdylib" => message["filenames"][0].as_str()?,
        _ => return None,
    };
    let manifest = fs::read_to_string(message["manifest_path"].as_str()?).ok()?;
    let name = manifest.split_once("name = \"")?.1.split_once('"')?.0;
    Some((name.to_owned(), file.into()))
}

/// Copies what cargo built to where no later build replaces it during the tests; a copy that is there stays.
fn keep(file: &Path, to: &Path) -> PathBuf {
    let modified = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    if !to.is_file() || modified(to) < modified(file) {
        let fresh = to.with_extension("new");
        fs::copy(file, &fresh).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        fs::rename(&fresh, to).expect("both lie in one directory");
    }
    to.to_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("the path names a file").to_string_lossy().into_owned()
}
