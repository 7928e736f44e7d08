//! The configuration, and what it names.

use super::findings::Findings;
use crate::args::Global;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::Result;
use jackfield::{Config, SecretSource};
use std::path::Path;

const AREA: &str = "config";

/// Reads the configuration. If that cannot be done the other checks go on without one.
pub(super) fn check(global: &Global, printer: &Printer, findings: &mut Findings) -> Result<Settings> {
    let path = global.config.clone().or_else(Config::find);
    let config = match &path {
        None => {
            findings.note(AREA, "there is no configuration file: defaults count", "");
            Config::default()
        }
        Some(path) => match Config::load(path) {
            Ok(config) => {
                findings.ok(AREA, format!("{} can be read", path.display()));
                config
            }
            Err(error) => {
                findings.problem(
                    AREA,
                    error.to_string(),
                    "Mend the file; the other checks are made without it. `docs/deploy/jackfield.toml` has every key.",
                );
                Config::default()
            }
        },
    };
    secrets(&config, findings);
    let settings = Settings::of(config, global, printer)?;
    for dir in settings.plugin_paths().iter().filter(|path| !path.exists()) {
        findings.problem(
            AREA,
            format!("plugins are looked for in {}, which is not there", dir.display()),
            "Make it, or take it off `plugin_paths`, --plugin-path or JACKFIELD_PLUGIN_PATH.",
        );
    }
    Ok(settings)
}

fn secrets(config: &Config, findings: &mut Findings) {
    if let Some(dir) = config.secrets_dir.as_ref().filter(|dir| std::fs::read_dir(dir).is_err()) {
        let message = format!("the directory of secrets, {}, cannot be read", dir.display());
        findings.problem(AREA, message, "Make it readable for this user, or change `secrets_dir`.");
    }
    for (name, source) in &config.secrets {
        let fault = match source {
            SecretSource::Env(variable) if std::env::var_os(variable).is_none() => {
                format!("the environment has no {variable}")
            }
            SecretSource::File(path) => match std::fs::File::open(path) {
                Err(error) => format!("{}: {error}", path.display()),
                Ok(_) if is_open_to_others(path) => {
                    format!("others than its owner may read {}", path.display())
                }
                Ok(_) => continue,
            },
            SecretSource::Env(_) => continue,
        };
        findings.problem(
            AREA,
            format!("secret `{name}`: {fault}"),
            "Mend that, or change `[secrets]` in the configuration.",
        );
    }
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}
