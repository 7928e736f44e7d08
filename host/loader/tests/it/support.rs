//! Builds the plugins that the tests load, once per run, and makes calls.

use jackfield_core::failure::Failure;
use jackfield_core::model::Isolation;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, CallListener, LogLevel, Method, Methods, Outcome, Silent, StepAddress};
use jackfield_loader::{Registry, RegistryConfig};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use tempfile::TempDir;

/// Libraries built by cargo from the manifest `manifest`, by their crate's name (and version, `name-version`).
fn build(manifest: &Path, arguments: &[&str]) -> Vec<(String, PathBuf)> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(manifest)
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let mut libraries = Vec::new();
    for line in text.lines() {
        let message: serde_json::Value = serde_json::from_str(line).expect("cargo writes JSON");
        if message["reason"] == "compiler-artifact" && message["target"]["kind"][0] == "cdylib" {
            let id = message["package_id"].as_str().expect("a package has an id").to_owned();
            let file = message["filenames"][0].as_str().expect("a library has a file");
            libraries.push((id, PathBuf::from(file)));
        }
    }
    libraries
}

fn find(libraries: &[(String, PathBuf)], part: &str) -> PathBuf {
    let found = libraries.iter().find(|(id, _)| id.contains(part));
    found.unwrap_or_else(|| panic!("no {part} among {libraries:?}")).1.clone()
}

/// The bundled plugins that the tests use.
pub(crate) static BUNDLED: LazyLock<(PathBuf, PathBuf)> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let libraries = build(&root, &["-p", "jackfield-plugin-echo", "-p", "jackfield-plugin-fault"]);
    (find(&libraries, "plugins/echo"), find(&libraries, "plugins/fault"))
});

pub(crate) fn echo() -> PathBuf {
    BUNDLED.0.clone()
}

pub(crate) fn fault() -> PathBuf {
    BUNDLED.1.clone()
}

/// Where plugins lie that are no members of the workspace.
pub(crate) fn outside() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside")
}

/// Their one target directory, so that what they all depend on is built once.
pub(crate) fn outside_target() -> PathBuf {
    outside().join("target")
}

/// Writes a file of such a plugin. An unchanged one keeps its time, so that cargo has nothing to do.
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("the directory is ours");
    if std::fs::read_to_string(path).ok().as_deref() != Some(text) {
        std::fs::write(path, text).expect("the directory is ours");
    }
}

/// Gives such a plugin the versions of the workspace, which are there already.
pub(crate) fn lock(directory: &Path) {
    let lock = directory.join("Cargo.lock");
    if !lock.exists() {
        let of_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        std::fs::copy(of_workspace, lock).expect("the workspace is locked");
    }
}

/// Builds such a plugin; its library is known by `part` of its package's id.
pub(crate) fn build_outside(directory: &Path, part: &str) -> PathBuf {
    lock(directory);
    build_there(directory, part, &[])
}

/// The same for a plugin that has versions of its own, which must not change.
pub(crate) fn build_locked(directory: &Path, part: &str) -> PathBuf {
    build_there(directory, part, &["--locked"])
}

fn build_there(directory: &Path, part: &str, arguments: &[&str]) -> PathBuf {
    let target = outside_target();
    let to = ["--target-dir", target.to_str().expect("the path is text")];
    find(&build(&directory.join("Cargo.toml"), &[&to, arguments].concat()), part)
}

/// The plugin `counter` in its versions 1.0.0 and 2.0.0, and `needy`, which requires `counter ^2`.
pub(crate) struct Counters {
    pub(crate) one: PathBuf,
    pub(crate) two: PathBuf,
    pub(crate) needy: PathBuf,
}

pub(crate) static COUNTERS: LazyLock<Counters> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let api = here.join("../../plugin-api");
    let directory = outside().join("counters");
    let crates = [
        ("one", "counter", "1.0.0", ""),
        ("two", "counter", "2.0.0", ""),
        ("needy", "needy", "1.0.0", "requires"),
    ];
    for (folder, name, version, feature) in crates {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\
             [lib]\nname = \"{folder}\"\npath = \"{}\"\ncrate-type = [\"cdylib\"]\n\
             [features]\ndefault = [{}]\nrequires = []\n\
             [dependencies]\njackfield-plugin-api = {{ path = \"{}\" }}\nserde = \"1\"\nschemars = \"1\"\n[workspace]\n",
            here.join("tests/it/fixtures/counter.rs").display(),
            if feature.is_empty() { String::new() } else { format!("\"{feature}\"") },
            api.display(),
        );
        write(&directory.join(folder).join("Cargo.toml"), &manifest);
    }
    let library = |folder: &str| build_outside(&directory.join(folder), folder);
    Counters { one: library("one"), two: library("two"), needy: library("needy") }
});

/// Compiles C into a shared library.
pub(crate) fn compile_c(source: &Path, to: &Path, arguments: &[&str]) {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin-api/include");
    let output = Command::new(compiler)
        .args(["-std=c11", "-Wall", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", "-I"])
        .arg(include)
        .arg(source)
        .arg("-o")
        .arg(to)
        .args(arguments)
        .output()
        .expect("there is a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn c_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/upper.c")
}

/// A data directory, a plugin directory, and what comes of them.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is a temporary directory");
        std::fs::create_dir(dir.path().join("plugins")).expect("the directory is new");
        Self { dir }
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    /// Copies `file` into the plugin directory as `name`, with the extension of libraries.
    pub(crate) fn put(&self, file: &Path, name: &str) -> PathBuf {
        let to = self.file(name);
        std::fs::copy(file, &to).expect("the file can be copied");
        to
    }

    pub(crate) fn put_bytes(&self, bytes: &[u8], name: &str) -> PathBuf {
        let to = self.file(name);
        std::fs::write(&to, bytes).expect("the file can be written");
        to
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.plugins().join(format!("{name}{}", std::env::consts::DLL_SUFFIX))
    }

    pub(crate) fn config(&self) -> RegistryConfig {
        in_process(RegistryConfig::new(self.dir.path().join("data")).directory(self.plugins()))
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::open(self.config()).expect("the data directory can be written")
    }

    /// Names of the files in the store.
    pub(crate) fn stored(&self) -> Vec<String> {
        let store = std::fs::read_dir(self.dir.path().join("data/plugins/store")).expect("the store exists");
        store
            .map(|item| item.expect("the store can be read").file_name().to_string_lossy().into_owned())
            .collect()
    }
}

/// Plugins run in the process of the test.
pub(crate) fn in_process(mut config: RegistryConfig) -> RegistryConfig {
    config.isolation.default = Some(Isolation::InProcess);
    config
}

/// The newest version of a method, loaded and bound.
pub(crate) fn bind(registry: &Registry, plugin: &str, method: &str) -> Arc<dyn Method> {
    registry.load(&[plugin]).expect("the plugin loads");
    let version = registry.catalog().versions(plugin)[0].version.clone();
    registry.bind(plugin, &version, method, None).expect("the method exists")
}

pub(crate) fn call_with(parameters: &str, step: &str, listener: Arc<dyn CallListener>) -> Call {
    let parameters = Payload::parse(parameters).expect("the test writes JSON");
    Call { listener, ..Call::new(parameters, StepAddress::new("run", step)) }
}

pub(crate) fn call(parameters: &str) -> Call {
    call_with(parameters, "step", Arc::new(Silent))
}

pub(crate) fn run(registry: &Registry, plugin: &str, method: &str, parameters: &str) -> Outcome {
    bind(registry, plugin, method).call(&call(parameters))
}

pub(crate) fn failure(outcome: Outcome) -> Failure {
    outcome.expect_err("the call fails")
}

/// Starts an asynchronous call and waits for its end.
pub(crate) fn start(method: &Arc<dyn Method>, call: Call) -> Outcome {
    let (tx, rx) = std::sync::mpsc::channel();
    method.start(Arc::new(call), Box::new(move |outcome| tx.send(outcome).expect("the test waits")));
    rx.recv().expect("a call is completed")
}

/// Writes down what a method says.
#[derive(Default)]
pub(crate) struct Listener(pub(crate) Mutex<Vec<String>>);

impl Listener {
    fn push(&self, line: String) {
        self.0.lock().expect("no test panics here").push(line);
    }
}

impl CallListener for Listener {
    fn log(&self, _: &Call, level: LogLevel, message: &str, fields: &str) {
        self.push(format!("{level:?} {message} {fields}"));
    }

    fn progress(&self, _: &Call, fraction: f64, message: &str) {
        self.push(format!("{fraction} {message}"));
    }

    fn output_line(&self, _: &Call, is_stderr: bool, line: &str) {
        self.push(format!("stderr={is_stderr} {line}"));
    }
}
