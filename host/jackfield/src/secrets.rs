//! Where `secret('name')` looks.
//!
//! 1. The `[secrets]` table of the configuration: if it has the name, only what it says counts.
//! 2. The environment variable `JACKFIELD_SECRET_<NAME>`: the name in capitals, every other character than a
//!    letter or a digit as `_`.
//! 3. The file of that name in the secrets directory, if one is configured.

use jackfield_core::ports::Secrets;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest secret in bytes.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where one secret of the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; one line break at its end is no part of the secret.
    File(PathBuf),
}

/// Secrets from the configuration, the environment and a directory, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretSources {
    pub(crate) named: BTreeMap<String, SecretSource>,
    pub(crate) dir: Option<PathBuf>,
}

impl Secrets for SecretSources {
    fn get(&self, name: &str) -> Result<Arc<str>, String> {
        if let Some(source) = self.named.get(name) {
            return match source {
                SecretSource::Env(variable) => from_env(variable)?
                    .ok_or_else(|| format!("secret `{name}`: environment variable `{variable}` is not set")),
                SecretSource::File(path) => {
                    from_file(path).map_err(|error| format!("secret `{name}`: {error}"))
                }
            };
        }
        let variable = variable_name(name);
        if let Some(secret) = from_env(&variable)? {
            return Ok(secret);
        }
        let Some(dir) = &self.dir else {
            return Err(format!("secret `{name}` is neither in the configuration nor in `{variable}`"));
        };
        if !is_file_name(name) {
            return Err(format!("secret `{name}` is not in `{variable}`, and cannot be the name of a file"));
        }
        from_file(&dir.join(name))
            .map_err(|error| format!("secret `{name}` is not in `{variable}`, and {error}"))
    }
}

fn variable_name(name: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("JACKFIELD_SECRET_{}", name.chars().map(upper).collect::<String>())
}

fn from_env(variable: &str) -> Result<Option<Arc<str>>, String> {
    match env::var(variable) {
        Ok(secret) => Ok(Some(secret.into())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("environment variable `{variable}` is not UTF-8")),
    }
}

fn from_file(path: &Path) -> Result<Arc<str>, String> {
    let shown = path.display();
    let file = fs::File::open(path).map_err(|error| format!("file `{shown}` cannot be read: {error}"))?;
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("file `{shown}` cannot be read: {error}"))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("file `{shown}` is larger than {SECRET_BYTES_MAX} bytes"));
    }
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    Ok(secret.strip_suffix('\r').unwrap_or(secret).into())
}

fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_configuration_is_looked_for_only_where_that_says() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), "from the directory").unwrap();
        fs::write(dir.path().join("other"), "named\r\n").unwrap();
        let mut sources = SecretSources { named: BTreeMap::new(), dir: Some(dir.path().into()) };
        assert_eq!(&*sources.get("key").unwrap(), "from the directory");
        sources.named.insert("key".into(), SecretSource::File(dir.path().join("other")));
        assert_eq!(&*sources.get("key").unwrap(), "named");
        sources.named.insert("key".into(), SecretSource::Env("JACKFIELD_TEST_NOT_SET".into()));
        let error = sources.get("key").unwrap_err();
        assert_eq!(error, "secret `key`: environment variable `JACKFIELD_TEST_NOT_SET` is not set");
    }

    #[test]
    fn a_variable_of_the_environment_can_be_named() {
        // PATH is set wherever cargo runs
        let named = BTreeMap::from([("p".to_owned(), SecretSource::Env("PATH".into()))]);
        let sources = SecretSources { named, dir: None };
        assert_eq!(&*sources.get("p").unwrap(), env::var("PATH").unwrap().as_str());
    }

    #[test]
    fn a_secret_that_is_nowhere_says_where_it_was_looked_for() {
        let sources = SecretSources::default();
        let error = sources.get("smtp-password").unwrap_err();
        let expected =
            "secret `smtp-password` is neither in the configuration nor in `JACKFIELD_SECRET_SMTP_PASSWORD`";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_name_cannot_leave_the_secrets_directory() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("out"), "x").unwrap();
        let sources = SecretSources { named: BTreeMap::new(), dir: Some(dir.path().join("in")) };
        let error = sources.get("../out").unwrap_err();
        assert!(error.ends_with("cannot be the name of a file"), "{error}");
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, "x".repeat(64 * 1024 + 1)).unwrap();
        assert!(from_file(&path).unwrap_err().ends_with("is larger than 65536 bytes"));
    }
}
