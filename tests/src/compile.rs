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
    let defines: Vec<String> = defines.iter().map(|(name, value)| format!("-D{name}={value}")).collect();
    let library = ["-fPIC", "-shared", "-fvisibility=hidden"].map(str::to_owned);
    compile(source, to, library.into_iter().chain(defines));
}

/// Compiles `source`, a path from the root of the workspace, into the program `to`.
///
/// # Panics
/// As [`compile_c`].
pub fn compile_program(source: &str, to: &Path) {
    compile(source, to, []);
}

fn compile(source: &str, to: &Path, arguments: impl IntoIterator<Item = String>) {
    let root = workspace::root();
    let mut compiler = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-std=c11", "-Wall", "-Werror", "-I"]).arg(root.join("plugin-api/include"));
    let output = compiler.arg(root.join(source)).arg("-o").arg(to).args(arguments).output();
    let output = output.expect("there is a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A plugin in C whose one method answers with its version and how often it was called.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Other plugins that it requires, as JSON.
    pub requires: &'a str,
    /// The name of its method.
    pub method: &'a str,
    /// Where it wishes to run; nothing if it does not say.
    pub isolation: &'a str,
}

/// How a [`Counter`] takes its count over between versions (`jf.state/1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// As it should.
    TakesOver,
    /// It cannot use that of another version.
    Refuses,
    /// Its process ends when it is to hand its own over.
    CrashesAtSave,
    /// It never hands its own over.
    HangsAtSave,
    /// Its process ends when it is to take that of another version.
    CrashesAtRestore,
    /// It never takes that of another version.
    HangsAtRestore,
    /// Its own has 100,000 bytes.
    Large,
    /// Its own is no JSON.
    NoJson,
    /// One process takes that of another version, which it notes in a file beside the library; others cannot.
    TakesOverOnce,
}

impl Handover {
    fn in_c(self) -> &'static str {
        match self {
            Self::TakesOver => "TAKES_OVER",
            Self::Refuses => "REFUSES",
            Self::CrashesAtSave => "CRASHES_AT_SAVE",
            Self::HangsAtSave => "HANGS_AT_SAVE",
            Self::CrashesAtRestore => "CRASHES_AT_RESTORE",
            Self::HangsAtRestore => "HANGS_AT_RESTORE",
            Self::Large => "LARGE",
            Self::NoJson => "NO_JSON",
            Self::TakesOverOnce => "TAKES_OVER_ONCE",
        }
    }
}

impl<'a> Counter<'a> {
    /// A plugin without requirements, with the method `next`.
    #[must_use]
    pub fn new(name: &'a str, version: &'a str) -> Self {
        Self { name, version, requires: "[]", method: "next", isolation: "" }
    }

    /// Compiles it into the library `to`.
    pub fn compile(&self, to: &Path) {
        self.compile_as("tests/fixtures/counter.c", to, &[]);
    }

    /// Compiles it into the library `to` with its count as state that goes over between versions.
    pub fn compile_with_state(&self, to: &Path, handover: Handover) {
        let mark = quoted(to.with_extension("mark").to_str().expect("the path is text"));
        self.compile_as("tests/fixtures/counter.c", to, &[("STATE", handover.in_c()), ("MARK", &mark)]);
    }

    /// Compiles it into the library `to` with a constructor that creates the file `mark` when the library is opened.
    pub fn compile_with_mark(&self, to: &Path, mark: &Path) {
        let mark = quoted(mark.to_str().expect("the path is text"));
        self.compile_as("tests/fixtures/constructor.c", to, &[("MARK", &mark)]);
    }

    fn compile_as(&self, source: &str, to: &Path, more: &[(&str, &str)]) {
        let isolation = match self.isolation {
            "" => quoted(""),
            wish => quoted(&format!("\"isolation\":\"{wish}\",")),
        };
        let own = [
            ("NAME", quoted(self.name)),
            ("VERSION", quoted(self.version)),
            ("REQUIRES", quoted(self.requires)),
            ("METHOD", quoted(self.method)),
            ("ISOLATION", isolation),
        ];
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        compile_c(source, to, &own.chain(more.iter().copied()).collect::<Vec<_>>());
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}
