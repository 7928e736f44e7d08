//! `jackfield plugin new`: fills the templates and writes them where nothing else is.

mod api;
mod template;

use crate::args::{Language, NewArgs};
use crate::exit::Exit;
use crate::printer::Printer;
use anyhow::{Context, Result, bail};
use api::Api;
use jackfield::manifest::is_plugin_name;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) fn run(args: NewArgs, printer: &Printer) -> Result<Exit> {
    let name = &*args.name;
    if !is_plugin_name(name) {
        bail!(
            "`{}` cannot name a plugin: take a letter or `_`, then letters, digits, `_` and `-`, at most 128",
            name.escape_debug()
        );
    }
    let directory = args.path.unwrap_or_else(|| PathBuf::from(name));
    check_free(&directory)?;
    let author = match args.author {
        Some(author) => author,
        None => author_in_git().unwrap_or_else(|| {
            let author = format!("The {name} developers");
            printer
                .note(&format!("nobody said who writes it, so it is \"{author}\"; --author names somebody"));
            author
        }),
    };
    if author.trim().is_empty() || author.chars().any(char::is_control) {
        bail!("`{}` cannot be an author: take one line of text", author.escape_debug());
    }
    let files = match (args.lang, args.api) {
        (Language::C, Some(_)) => {
            bail!(
                "--api is for plugins in Rust; one in C needs `jackfield.h` only, which is written beside it"
            )
        }
        (Language::C, None) => template::c(name, &author)?,
        (Language::Rust, api) => {
            let api = Api::find(api.as_deref())?;
            make(&directory)?;
            template::rust(name, &author, &api.seen_from(&directory)?)?
        }
    };
    for (file, text) in &files {
        write(&directory.join(file), text)?;
    }
    if printer.is_json() {
        let paths: Vec<&str> = files.iter().map(|(file, _)| &**file).collect();
        printer.result_json(&json!({ "plugin": name, "directory": directory, "files": paths }))?;
    } else {
        printer.result(&format!("made {}\n", directory.display()))?;
        let test = match args.lang {
            Language::Rust => "cargo test",
            Language::C => "make test",
        };
        printer.note(&format!("next: cd {} && {test}; README.md there says more", directory.display()));
    }
    Ok(Exit::Success)
}

/// Whether nothing would be mixed or overwritten.
fn check_free(directory: &Path) -> Result<()> {
    let shown = directory.display();
    if !directory.exists() {
        return Ok(());
    }
    if !directory.is_dir() {
        bail!("`{shown}` is a file; name another directory with --path");
    }
    let mut items = fs::read_dir(directory).with_context(|| format!("`{shown}` cannot be read"))?;
    if items.next().is_some() {
        bail!("`{shown}` is not empty; name another directory with --path");
    }
    Ok(())
}

/// `Name <mail>` of whoever works here, as far as git knows.
fn author_in_git() -> Option<String> {
    let name = git_config("user.name")?;
    Some(match git_config("user.email") {
        Some(mail) => format!("{name} <{mail}>"),
        None => name,
    })
}

fn git_config(key: &str) -> Option<String> {
    let output = Command::new("git").args(["config", "--get", key]).stderr(Stdio::null()).output().ok()?;
    let value = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !value.is_empty()).then_some(value)
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("`{}` cannot be made", directory.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    make(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))
}
