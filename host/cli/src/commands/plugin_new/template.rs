//! The files of a new plugin. Templates have names in capitals between two `@`.

use super::api::Api;
use jackfield::{Dialect, Error};
use serde_json::Value;
use std::path::Path;

/// Paths in the new directory, with `/` between their parts, and what stands there.
pub(super) type Files = Vec<(String, String)>;

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
/// The oldest compiler that the plugin API can be built with.
const RUST_VERSION: &str = "1.88";
const LICENSE_MIT: &str = include_str!("../../../templates/license-mit.in");
const LICENSE_APACHE: &str = include_str!("../../../../../LICENSE-APACHE");
const HEADER: &str = include_str!("../../../../../plugin-api/include/jackfield.h");

/// A crate.
pub(super) fn rust(name: &str, author: &str, api: &Api) -> Result<Files, Error> {
    let package = package_name(name);
    let values = [
        ("NAME", name.to_owned()),
        ("LIBRARY", package.replace('-', "_")),
        ("PACKAGE", package),
        ("AUTHOR", author.to_owned()),
        ("AUTHOR_QUOTED", quoted(author)),
        ("REPOSITORY", REPOSITORY.to_owned()),
        ("RUST_VERSION", RUST_VERSION.to_owned()),
        ("API", dependency(api)),
        ("API_README", api_for_readers(api)),
        ("API_CI", api_for_ci(api)),
    ];
    let templates = [
        ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml.in")),
        ("src/lib.rs", include_str!("../../../templates/rust/lib.rs.in")),
        ("src/methods.rs", include_str!("../../../templates/rust/methods.rs.in")),
        ("workflow.json", include_str!("../../../templates/rust/workflow.json.in")),
        ("README.md", include_str!("../../../templates/rust/README.md.in")),
        (".github/workflows/ci.yml", include_str!("../../../templates/rust/ci.yml.in")),
        (".gitignore", include_str!("../../../templates/rust/gitignore.in")),
        ("LICENSE-MIT", LICENSE_MIT),
        ("LICENSE-APACHE", LICENSE_APACHE),
    ];
    filled(&templates, &values)
}

/// A directory with one file of C and a makefile.
pub(super) fn c(name: &str, author: &str) -> Result<Files, Error> {
    let values = [
        ("NAME", name.to_owned()),
        ("AUTHOR", author.to_owned()),
        ("AUTHOR_C", in_c_text(&quoted(author))),
        ("REPOSITORY", REPOSITORY.to_owned()),
    ];
    let source = format!("{name}.c");
    let templates = [
        (&*source, include_str!("../../../templates/c/plugin.c.in")),
        ("jackfield.h", HEADER),
        ("Makefile", include_str!("../../../templates/c/Makefile.in")),
        ("test.sh", include_str!("../../../templates/c/test.sh.in")),
        ("workflow.json", include_str!("../../../templates/c/workflow.json.in")),
        ("README.md", include_str!("../../../templates/c/README.md.in")),
        (".github/workflows/ci.yml", include_str!("../../../templates/c/ci.yml.in")),
        (".gitignore", include_str!("../../../templates/c/gitignore.in")),
        ("LICENSE-MIT", LICENSE_MIT),
        ("LICENSE-APACHE", LICENSE_APACHE),
    ];
    filled(&templates, &values)
}

fn filled(templates: &[(&str, &str)], values: &[(&str, String)]) -> Result<Files, Error> {
    let file = |(file, template): &(&str, &str)| {
        let text = fill(template, values);
        // where its lines break depends on the length of the names in it
        let text = match *file {
            "workflow.json" => jackfield::format(file, &text, Dialect::Json)?,
            _ => text,
        };
        Ok(((*file).to_owned(), text))
    };
    templates.iter().map(file).collect()
}

/// The template with its names replaced, once: a value that looks like a name stays.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut parts = template.split('@');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut is_name = true;
    for part in parts {
        let value = values.iter().find(|(name, _)| is_name && *name == part);
        match value {
            Some((_, value)) => text.push_str(value),
            None => {
                // the `@` before this part closes a name, or is one that was meant
                if is_name {
                    text.push('@');
                }
                text.push_str(part);
            }
        }
        is_name = value.is_none();
    }
    text
}

/// What a crate with this plugin is called: the name as Cargo likes it, and not that of a crate that it uses.
fn package_name(name: &str) -> String {
    const TAKEN: [&str; 11] = [
        "alloc",
        "core",
        "jackfield-plugin-api",
        "proc-macro",
        "schemars",
        "serde",
        "serde-json",
        "std",
        "tempfile",
        "test",
        "jackfield",
    ];
    const KEYWORDS: &str = " abstract as async await become box break const continue crate do dyn else enum extern \
        false final fn for gen if impl in let loop macro match mod move mut override priv pub ref return self \
        static struct super trait true try type typeof unsafe unsized use virtual where while yield ";
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(['-', '_']).filter(|word| !word.is_empty()).collect();
    let package = words.join("-");
    let begins_well = package.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins_well {
        format!("plugin-{package}").trim_end_matches('-').to_owned()
    } else if TAKEN.contains(&&*package) || KEYWORDS.contains(&format!(" {package} ")) {
        format!("{package}-plugin")
    } else {
        package
    }
}

/// As a text in JSON and in TOML, quotes and all.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// As a part of a text in C. Question marks might be trigraphs.
fn in_c_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('?', "\\?")
}

fn shown(path: &Path) -> String {
    // forward slashes are understood everywhere
    path.display().to_string().replace(std::path::MAIN_SEPARATOR, "/")
}

fn dependency(api: &Api) -> String {
    match api {
        Api::Directory(path) => format!("{{ path = {} }}", quoted(&shown(path))),
        Api::Registry(version) => quoted(version),
        Api::Git { url, tag: None } => format!("{{ git = {} }}", quoted(url)),
        Api::Git { url, tag: Some(tag) } => format!("{{ git = {}, tag = {} }}", quoted(url), quoted(tag)),
    }
}

fn api_for_readers(api: &Api) -> String {
    match api {
        Api::Directory(path) => format!(
            "`Cargo.toml` takes `jackfield-plugin-api` from `{}`, a checkout of Jackfield on the machine where this was made,\n\
             because no released version is in a registry yet. Elsewhere there must be a checkout in the same place, or the line\n\
             becomes `jackfield-plugin-api = {{ git = \"{REPOSITORY}\" }}`. The CI workflow changes it so for itself.\n\
             Which one is taken does not matter to hosts: ABI 1 is frozen.",
            shown(path)
        ),
        Api::Registry(version) => {
            format!("`Cargo.toml` takes `jackfield-plugin-api` in version `{version}` from the registry.")
        }
        Api::Git { url, tag } => format!(
            "`Cargo.toml` takes `jackfield-plugin-api` from the git repository {url}, {}.",
            match tag {
                Some(tag) => format!("at the tag `{tag}`"),
                None => "as `Cargo.lock` pins it; commit that file".to_owned(),
            }
        ),
    }
}

fn api_for_ci(api: &Api) -> String {
    match api {
        // a path leads nowhere on another machine
        Api::Directory(_) => format!(
            "      # Cargo.toml names a directory that is not here; drop this once it names a repository or a version\n      \
             - run: cargo add jackfield-plugin-api --git {REPOSITORY}\n"
        ),
        Api::Registry(_) | Api::Git { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_once_and_other_signs_stay() {
        let values = [("A", "1@B@".to_owned()), ("B", "2".to_owned())];
        assert_eq!(fill("@A@,@B@;@A@@B@ me@x.org $@ @C@", &values), "1@B@,2;1@B@2 me@x.org $@ @C@");
        assert_eq!(fill("none", &values), "none");
    }

    #[test]
    fn no_name_of_a_template_is_left_over() {
        let api = Api::Directory("../plugin-api".into());
        for (file, text) in
            rust("some-plugin", "Ada", &api).unwrap().into_iter().chain(c("some-plugin", "Ada").unwrap())
        {
            let is_name =
                |part: &&str| !part.is_empty() && part.chars().all(|c| c == '_' || c.is_ascii_uppercase());
            let mut left = text.split('@').skip(1).filter(is_name);
            assert_eq!(left.next(), None, "{file}");
        }
    }

    #[test]
    fn crates_have_names_that_cargo_takes() {
        for (name, package) in [
            ("words", "words"),
            ("Word_Count", "word-count"),
            ("_a--b_", "a-b"),
            ("_1", "plugin-1"),
            ("_", "plugin"),
            ("serde", "serde-plugin"),
            ("match", "match-plugin"),
            ("jackfield_plugin_api", "jackfield-plugin-api-plugin"),
        ] {
            assert_eq!(package_name(name), package);
        }
    }

    #[test]
    fn authors_stand_in_any_file_as_they_are_called() {
        let author = r#"Ann "A" \ O'Neil ??/"#;
        let api = Api::Registry("0.1".into());
        let text = |files: Files, name: &str| files.into_iter().find(|(file, _)| file == name).unwrap().1;
        let toml = text(rust("x", author, &api).unwrap(), "Cargo.toml");
        assert!(toml.contains(r#"authors = ["Ann \"A\" \\ O'Neil ??/"]"#), "{toml}");
        let source = text(c("x", author).unwrap(), "x.c");
        assert!(source.contains(r#"[\"Ann \\\"A\\\" \\\\ O'Neil \?\?/\"]"#), "{source}");
    }
}
