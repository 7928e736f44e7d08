//! Plugins: whether each can be used, and what some of them need besides.

use super::findings::Findings;
use crate::settings::Settings;
use jackfield::Host;
use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;

const AREA: &str = "plugins";
const TOOLS: &str = "tools";

/// Programs that bundled plugins start.
const NEEDED: &[(&str, &str, &str)] = &[
    (
        "python",
        "uv",
        "Install it from https://docs.astral.sh/uv, or name it in the configuration of the plugin.",
    ),
    ("python", "python3", "Install Python, or let the plugin fetch one."),
];

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    let host = match settings.clone().host(None) {
        Ok(host) => host,
        Err(error) => {
            let remedy = "Mend that first: no command that needs plugins works.";
            return findings.problem(AREA, format!("{error:#}"), remedy);
        }
    };
    // paths that are not there have been told of with the configuration
    let faults = |host: &Host| {
        let mut all = host.plugin_problems();
        all.retain(|problem| problem.code != "plugin.not_found");
        all
    };
    let known = faults(&host);
    for problem in &known {
        findings.problem(AREA, problem.to_string(), problem.remedy.clone());
    }
    let names: BTreeSet<String> = host.plugins().iter().map(|plugin| plugin.name.to_string()).collect();
    if names.is_empty() {
        findings.note(
            AREA,
            "no plugins were found",
            "Name a directory with --plugin-path or `plugin_paths`.",
        );
    }
    for name in &names {
        // what it says of itself is asked of it in a process of its own
        match host.plugin(name) {
            Ok(versions) => {
                let versions: Vec<_> = versions.iter().map(|plugin| plugin.version.to_string()).collect();
                findings.ok(AREA, format!("{name} {}", versions.join(", ")));
            }
            Err(error) => findings.problem(AREA, format!("{name}: {error}"), ""),
        }
    }
    // some are quarantined for how they answered
    for problem in faults(&host).into_iter().skip(known.len()) {
        findings.problem(AREA, problem.to_string(), problem.remedy);
    }
    trust(&host, findings);
    for exit in host.unclean_exits() {
        let open = if exit.plugins.is_empty() { "no plugin".to_owned() } else { exit.plugins.join(", ") };
        let message = format!("process {} ended out of order, with {open} open in it", exit.pid);
        findings.note(
            AREA,
            message,
            "One of them may be the reason; `isolation = \"worker\"` keeps them apart.",
        );
    }
    tools(&names, findings);
    host.shutdown();
}

fn trust(host: &Host, findings: &mut Findings) {
    if !host.has_plugin_policy() {
        return findings.note(
            AREA,
            "nothing is asked of plugin files: no lock, no signatures, no allow list",
            "`jackfield plugin lock` writes a lock.",
        );
    }
    let verification = host.verify_plugins();
    for locked in &verification.missing {
        let message = format!("plugin `{} {}` is in the lock and was not found", locked.name, locked.version);
        findings.problem(AREA, message, "Install it, or write the lock anew with `jackfield plugin lock`.");
    }
    if verification.is_fine() {
        findings.ok(AREA, "all plugins are as lock, signatures and allow list want them");
    }
}

fn tools(names: &BTreeSet<String>, findings: &mut Findings) {
    for (plugin, tool, remedy) in NEEDED {
        match (found(tool), names.contains(*plugin)) {
            (Some(path), _) => findings.ok(TOOLS, format!("{tool} is {}", path.display())),
            (None, true) => {
                findings.problem(
                    TOOLS,
                    format!("{tool} is not in PATH; plugin `{plugin}` needs it"),
                    *remedy,
                );
            }
            (None, false) => {
                findings.note(TOOLS, format!("{tool} is not in PATH; plugin `{plugin}` would need it"), "");
            }
        }
    }
}

fn found(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let file = format!("{tool}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&path).map(|dir| dir.join(&file)).find(|path| path.is_file())
}
