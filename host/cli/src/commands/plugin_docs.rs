//! `jackfield plugin docs`

mod markdown;

use crate::args::PluginName;
use crate::commands::plugin::missing;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Context, Result, bail};
use jackfield::Host;
use jackfield::manifest::Manifest;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn run(
    plugins: &[PluginName],
    out: Option<&Path>,
    settings: Settings,
    printer: &Printer,
) -> Result<Exit> {
    let host = settings.host(None)?;
    let manifests = match plugins {
        [] => newest_of_each(&host)?,
        named => chosen(&host, named)?,
    };
    if manifests.is_empty() {
        printer.note("no plugins were found; name a directory with --plugin-path");
    }
    match out {
        Some(directory) => {
            let files = write(directory, &manifests)?;
            if printer.is_json() {
                printer.result_json(&json!({ "files": files }))?;
            } else {
                let lines: String = files.iter().map(|file| format!("wrote {}\n", file.display())).collect();
                printer.result(&lines)?;
            }
        }
        None if printer.is_json() => printer.result_json(&json!({ "plugins": manifests }))?,
        None => {
            let pages: Vec<String> = manifests.iter().map(markdown::page).collect();
            printer.result(&pages.join("\n"))?;
        }
    }
    Ok(Exit::Success)
}

/// By name, as the host has them.
fn newest_of_each(host: &Host) -> Result<Vec<Manifest>> {
    let mut names: Vec<String> = host.plugins().iter().map(|plugin| plugin.name.to_string()).collect();
    names.dedup();
    let newest = |name: &String| Ok(host.plugin_manifests(name)?.into_iter().next());
    names.iter().filter_map(|name| newest(name).transpose()).collect()
}

/// What was named, once each, by name and version whatever the order was.
fn chosen(host: &Host, named: &[PluginName]) -> Result<Vec<Manifest>> {
    let mut chosen = Vec::new();
    for PluginName { name, version } in named {
        let mut all = host.plugin_manifests(name)?;
        if all.is_empty() {
            return Err(missing(name, host));
        }
        if let Some(version) = version {
            let there: Vec<String> = all.iter().map(|it| format!("`{}`", it.version)).collect();
            all.retain(|manifest| manifest.version == *version);
            if all.is_empty() {
                bail!("plugin `{name}` is not there in version `{version}`, but in {}", there.join(", "));
            }
        }
        chosen.extend(all.into_iter().next());
    }
    chosen.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
    chosen.dedup_by(|a, b| a.name == b.name && a.version == b.version);
    Ok(chosen)
}

/// One file for each: `NAME.md`, or `NAME-VERSION.md` where there are several versions.
fn write(directory: &Path, manifests: &[Manifest]) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory).with_context(|| format!("`{}` cannot be made", directory.display()))?;
    let mut files = Vec::new();
    for manifest in manifests {
        let versions = manifests.iter().filter(|other| other.name == manifest.name).count();
        let file = match versions {
            1 => format!("{}.md", manifest.name),
            _ => format!("{}-{}.md", manifest.name, manifest.version),
        };
        let path = directory.join(file);
        fs::write(&path, markdown::page(manifest))
            .with_context(|| format!("`{}` cannot be written", path.display()))?;
        files.push(path);
    }
    Ok(files)
}
