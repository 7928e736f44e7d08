//! The rules. Each takes what it judges and answers with one line for everything that breaks it.

use super::source::Source;
use std::collections::BTreeMap;

/// Lines of a file of code, at most.
const LINES_MAX: usize = 600;

/// A crate and the crates of this workspace that it may depend on; everything else is a mistake or a decision.
const EDGES: &[(&str, &[&str])] = &[
    ("jackfield-plugin-api", &[]),
    ("jackfield-core", &[]),
    ("jackfield-engine", &["jackfield-core"]),
    ("jackfield-store-sqlite", &["jackfield-core"]),
    ("jackfield-loader", &["jackfield-core", "jackfield-plugin-api"]),
    ("jackfield", &["jackfield-core", "jackfield-engine", "jackfield-loader", "jackfield-store-sqlite"]),
    ("jackfield-worker", &["jackfield-loader", "jackfield-plugin-api"]),
    ("jackfield-check", &["jackfield-loader", "jackfield-plugin-api", "jackfield-worker"]),
    ("jackfield-server", &["jackfield"]),
    ("jackfield-cli", &["jackfield", "jackfield-check", "jackfield-server", "jackfield-worker"]),
    ("jackfield-child", &["jackfield-plugin-api"]),
    ("jackfield-file-access", &["jackfield-plugin-api"]),
    // hosts that die need stores and methods of their own
    (
        "jackfield-tests",
        &["jackfield", "jackfield-core", "jackfield-engine", "jackfield-loader", "jackfield-store-sqlite"],
    ),
];

/// Plugins see the plugin API and what plugins share.
const PLUGIN_EDGES: &[&str] = &["jackfield-child", "jackfield-file-access", "jackfield-plugin-api"];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &[
    "plugin-api/src/abi/",
    "plugin-api/src/export/",
    "host/loader/src/library.rs",
    "host/loader/src/shared/memory.rs",
    // raw system calls, to see them refused
    "host/worker/tests/sandbox/calls.rs",
    "plugins/fault/src/crash.rs",
];

/// What opens libraries, and where that happens.
const OPENING: &[&str] = &["libloading", "dlopen", "lib_header_from_path"];
const OPENS: &str = "host/loader/src/library.rs";

/// Those of a child that was started are called by a method.
const PRINTING: &[&str] = &[
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "dbg!",
    "io::stdout",
    "io::stderr",
    " stdout()",
    " stderr()",
    "(stdout()",
    "(stderr()",
];
/// Who talks to people.
const PRINTS: &[&str] = &["host/cli/", "host/worker/src/main.rs", "examples/"];

/// What a pure crate does not touch.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "tokio",
];

/// The first folder of paths that exist on one machine only.
const MACHINE_FOLDERS: &[&str] = &["home", "root", "Users", "work"];

/// Dependencies between crates of the workspace that are not on the list. `manifests` are their parsed manifests.
pub(crate) fn dependencies(manifests: &BTreeMap<String, toml::Table>) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, manifest) in manifests {
        let allowed = match EDGES.iter().find(|(of, _)| of == name) {
            Some((_, allowed)) => *allowed,
            None if name.starts_with("jackfield-plugin-") => PLUGIN_EDGES,
            None if name.starts_with("jackfield-example-") => &["jackfield"],
            None => {
                broken.push(format!("`{name}` is not in the list of crates"));
                continue;
            }
        };
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let table = manifest.get(kind).and_then(toml::Value::as_table);
            let ours = table.into_iter().flat_map(toml::Table::keys).filter(|it| manifests.contains_key(*it));
            let wrong = ours.filter(|it| !allowed.contains(&it.as_str()));
            broken.extend(wrong.map(|it| format!("`{name}` may not depend on `{it}`")));
        }
    }
    broken
}

/// Crates that go without the lints of the workspace.
pub(crate) fn lints(manifests: &BTreeMap<String, toml::Table>) -> Vec<String> {
    let inherits = |manifest: &toml::Table| {
        manifest.get("lints").and_then(|it| it.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    let without = manifests.iter().filter(|(_, manifest)| !inherits(manifest));
    without.map(|(name, _)| format!("`{name}` lacks `[lints] workspace = true`")).collect()
}

/// `unsafe` where nobody looks for it.
pub(crate) fn unsafe_code(source: &Source) -> Vec<String> {
    if UNSAFE.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    lines_with(source, &["unsafe"])
}

/// Libraries opened outside the loader's module for it.
pub(crate) fn opening(source: &Source) -> Vec<String> {
    if source.path == OPENS { Vec::new() } else { lines_with(source, OPENING) }
}

/// Output that is not for a caller to decide.
pub(crate) fn printing(source: &Source) -> Vec<String> {
    if source.is_test() || PRINTS.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    lines_with(source, PRINTING)
}

/// Files, clocks, threads and the like in the pure crate.
pub(crate) fn purity(source: &Source) -> Vec<String> {
    if source.path.starts_with("host/core/src/") && !source.is_test() {
        lines_with(source, IMPURE)
    } else {
        Vec::new()
    }
}

/// Files that are too long to be read.
pub(crate) fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= LINES_MAX {
        return Vec::new();
    }
    vec![format!("{} has {lines} lines, at most {LINES_MAX} are allowed", source.path)]
}

/// Modules that do not say what they are.
pub(crate) fn module_comment(source: &Source) -> Vec<String> {
    let opens = source.text.lines().next().is_some_and(|line| line.starts_with("//! "));
    if opens { Vec::new() } else { vec![format!("{} does not begin with `//!`", source.path)] }
}

/// Paths that exist on the machine of whoever wrote them.
pub(crate) fn machine_paths(source: &Source) -> Vec<String> {
    let names_one = |line: &str| {
        MACHINE_FOLDERS.iter().any(|folder| {
            let start = format!("/{folder}/");
            line.match_indices(&start).any(|(at, _)| {
                !line[..at]
                    .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ']'))
            })
        })
    };
    at_lines(source, &source.text, names_one)
}

/// Lines whose code contains one of `words` as a whole word.
fn lines_with(source: &Source, words: &[&str]) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let has = |line: &str| {
        words.iter().any(|word| {
            line.match_indices(word).any(|(at, _)| {
                !line[..at].ends_with(is_word)
                    && (word.ends_with(['!', ')']) || !line[at + word.len()..].starts_with(is_word))
            })
        })
    };
    at_lines(source, &source.code(), has)
}

fn at_lines(source: &Source, text: &str, is_broken: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = text.lines().zip(source.text.lines()).enumerate();
    let broken = lines.filter(|(_, (looked_at, _))| is_broken(looked_at));
    broken.map(|(ix, (_, shown))| format!("{}:{}: {}", source.path, ix + 1, shown.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    fn manifests(list: &[(&str, &str)]) -> BTreeMap<String, toml::Table> {
        let parse = |text: &str| text.parse().expect("the test writes TOML");
        list.iter().map(|(name, text)| ((*name).to_owned(), parse(text))).collect()
    }

    #[test]
    fn a_dependency_against_the_direction_is_named() {
        let bad = manifests(&[
            ("jackfield-core", "[dependencies]\njackfield-loader.workspace = true\nserde = \"1\""),
            ("jackfield-loader", "[dev-dependencies]\njackfield-core.workspace = true"),
            ("jackfield-plugin-x", "[build-dependencies]\njackfield-core.workspace = true"),
            ("jackfield-new", ""),
        ]);
        let expected = [
            "`jackfield-core` may not depend on `jackfield-loader`",
            "`jackfield-new` is not in the list of crates",
            "`jackfield-plugin-x` may not depend on `jackfield-core`",
        ];
        assert_eq!(dependencies(&bad), expected);
    }

    #[test]
    fn a_crate_without_lints_is_named() {
        let bad =
            manifests(&[("a", "[lints]\nworkspace = true"), ("b", "[lints]\nworkspace = false"), ("c", "")]);
        assert_eq!(lints(&bad).len(), 2);
    }

    #[test]
    fn unsafe_code_is_found_only_outside_its_places() {
        let text = "// unsafe\nfn f() { unsafe { g() } }\n#![expect(unsafe_code)]\nlet s = \"unsafe\";";
        assert_eq!(
            unsafe_code(&rust("host/core/src/a.rs", text)),
            ["host/core/src/a.rs:2: fn f() { unsafe { g() } }"]
        );
        assert!(unsafe_code(&rust("plugin-api/src/abi/a.rs", text)).is_empty());
        assert_eq!(unsafe_code(&rust("plugin-api/src/context.rs", text)).len(), 1);
    }

    #[test]
    fn opening_libraries_is_found_outside_the_loader() {
        let text = "use libloading::Library;\nlet x = dlopen(p);\n// dlopen";
        assert_eq!(opening(&rust("host/engine/src/a.rs", text)).len(), 2);
        assert_eq!(opening(&rust("host/loader/src/plugin.rs", text)).len(), 2);
        assert!(opening(&rust("host/loader/src/library.rs", text)).is_empty());
    }

    #[test]
    fn printing_is_found_in_libraries() {
        let text = "eprintln!(\"x\");\nlet o = io::stdout();\npprintln!(1);";
        assert_eq!(printing(&rust("host/engine/src/a.rs", text)).len(), 2);
        assert!(printing(&rust("host/cli/src/a.rs", text)).is_empty());
        assert!(printing(&rust("host/engine/src/a/tests.rs", text)).is_empty());
    }

    #[test]
    fn the_outside_world_is_found_in_the_pure_crate() {
        let text = "use std::fs;\nlet t = Instant::now();\nuse std::fmt;";
        assert_eq!(purity(&rust("host/core/src/run/a.rs", text)).len(), 2);
        assert!(purity(&rust("host/engine/src/a.rs", text)).is_empty());
    }

    #[test]
    fn one_line_too_many_is_too_many() {
        assert!(length(&rust("a.rs", &"x\n".repeat(600))).is_empty());
        assert_eq!(length(&rust("a.rs", &"x\n".repeat(601))).len(), 1);
    }

    #[test]
    fn a_module_without_comment_is_named() {
        assert!(module_comment(&rust("a.rs", "//! Says it.\n")).is_empty());
        for text in ["", "use a;\n//! late", "//!\n", "/// of an item"] {
            assert_eq!(module_comment(&rust("a.rs", text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn paths_of_one_machine_are_found_in_comments_and_texts_too() {
        for folder in MACHINE_FOLDERS {
            let text = format!(
                "// see /{folder}/x\nlet a = \"/{folder}/y\";\nexamples/{folder}/z and /{folder}flow"
            );
            assert_eq!(machine_paths(&rust("a.rs", &text)).len(), 2, "{text}");
        }
    }
}
