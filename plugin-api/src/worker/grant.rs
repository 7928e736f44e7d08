//! What the configuration of a plugin says about its sandbox: `grant`, `limits` and `sandbox` of `[plugins.NAME]`.
//! The words are those of the manifest's capabilities.

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// Variables that every worker gets: the time zone and the language of messages.
const ENV_ALWAYS: &[&str] = &["TZ", "LANG"];
/// The variable that comes with `exec`.
const ENV_EXEC: &str = "PATH";

/// Least address space that a worker can start in, in bytes.
const MEMORY_BYTES_MIN: u64 = 64 << 20;
/// Fewest descriptors that a worker can work with.
const OPEN_FILES_MIN: u64 = 32;

/// Everything about one plugin's sandbox. Its keys stand in `[plugins.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// What the plugin may reach; nothing by default.
    #[serde(deserialize_with = "table")]
    pub grant: Grant,
    /// What it may use up.
    #[serde(deserialize_with = "table")]
    pub limits: Limits,
    /// What to do where the system cannot enforce all of it.
    #[serde(rename = "sandbox")]
    pub policy: Policy,
}

/// What to do on a system that cannot enforce everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Refuse to run the plugin, and say what is lacking.
    #[default]
    Required,
    /// Enforce what is possible, and report the rest.
    BestEffort,
    /// Enforce the limits only.
    Off,
}

/// What a plugin may reach. Nothing is granted unless it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// Files and directories.
    #[serde(deserialize_with = "table")]
    pub fs: FsGrant,
    /// Network connections over IP, in both directions.
    pub net: bool,
    /// Running other programs.
    pub exec: bool,
    /// Names of environment variables that are handed on. `TZ` and `LANG` always are, `PATH` is together with `exec`.
    pub env: Vec<String>,
}

/// Files and directories; a directory stands for everything in it. They must exist when the worker starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FsGrant {
    /// May be read and listed; together with `exec`, run.
    pub read: Vec<PathBuf>,
    /// May be created, changed, renamed and removed, but not read unless `read` says so too.
    pub write: Vec<PathBuf>,
}

/// What a worker may use up. A lower limit that the host itself has stays in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LimitsText")]
pub struct Limits {
    /// Address space in bytes, from 67108864; default 4294967296 (4 GiB). Allocating beyond it fails. Stacks of
    /// threads, mapped files and reserved memory count, so it must be several times what the plugin really uses.
    pub memory_bytes_max: u64,
    /// Open descriptors, from 32; default 256. Opening one more fails.
    pub open_files_max: u64,
    /// Processes and threads of the user that the worker runs as, all others included; default none. The kernel does
    /// not apply it to root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes_max: Option<u64>,
    /// Seconds of processor time of one worker over its whole life, from 1; default none. Beyond it the worker is
    /// killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_max: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes_max: 4 << 30, open_files_max: 256, processes_max: None, cpu_seconds_max: None }
    }
}

/// Limits as they are written, before they are checked.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsText {
    memory_bytes_max: u64,
    open_files_max: u64,
    processes_max: Option<u64>,
    cpu_seconds_max: Option<u64>,
}

impl Default for LimitsText {
    fn default() -> Self {
        let Limits { memory_bytes_max, open_files_max, processes_max, cpu_seconds_max } = Limits::default();
        Self { memory_bytes_max, open_files_max, processes_max, cpu_seconds_max }
    }
}

impl TryFrom<LimitsText> for Limits {
    type Error = String;

    fn try_from(text: LimitsText) -> Result<Self, String> {
        let LimitsText { memory_bytes_max, open_files_max, processes_max, cpu_seconds_max } = text;
        let checks = [
            ("memory_bytes_max", Some(memory_bytes_max), MEMORY_BYTES_MIN),
            ("open_files_max", Some(open_files_max), OPEN_FILES_MIN),
            ("processes_max", processes_max, 1),
            ("cpu_seconds_max", cpu_seconds_max, 1),
        ];
        for (key, value, least) in checks {
            if let Some(value) = value.filter(|value| *value < least) {
                return Err(format!(
                    "`limits.{key}` is {value}, which no worker can run with. Make it {least} or more, or leave it out"
                ));
            }
        }
        Ok(Self { memory_bytes_max, open_files_max, processes_max, cpu_seconds_max })
    }
}

impl Grant {
    /// Those of the variables in `from` that a worker with this grant is to be started with.
    #[must_use]
    pub fn environment(
        &self,
        from: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Vec<(OsString, OsString)> {
        from.into_iter().filter(|(name, _)| self.has_variable(name)).collect()
    }

    /// Whether the variable `name` may be in the environment of the worker.
    #[must_use]
    pub fn has_variable(&self, name: &OsStr) -> bool {
        let granted = self.env.iter().any(|it| OsStr::new(it) == name);
        granted || ENV_ALWAYS.iter().any(|it| *it == name) || (self.exec && name == ENV_EXEC)
    }

    /// Makes relative paths relative to `dir`, the directory of the configuration file.
    pub fn anchor(&mut self, dir: &Path) {
        for path in self.fs.read.iter_mut().chain(&mut self.fs.write) {
            *path = dir.join(&*path);
        }
    }
}

/// What is written as a table with named keys.
pub trait Table: DeserializeOwned {
    /// How one looks, for whoever wrote something else.
    const EXAMPLE: &str;
}

impl Table for Grant {
    const EXAMPLE: &str = "{ fs = { read = [\"/data\"] }, net = true, exec = false, env = [\"HOME\"] }";
}

impl Table for FsGrant {
    const EXAMPLE: &str = "{ read = [\"/data\"], write = [\"/data/out\"] }";
}

impl Table for Limits {
    const EXAMPLE: &str = "{ memory_bytes_max = 1073741824, open_files_max = 64 }";
}

/// Reads a table, and nothing else, where one may be absent; for `#[serde(default, deserialize_with)]`.
///
/// # Errors
/// If it is no table, or has a key or a value that is not known.
pub fn optional_table<'de, D: Deserializer<'de>, T: Table>(deserializer: D) -> Result<Option<T>, D::Error> {
    table(deserializer).map(Some)
}

/// A list would be taken for the keys in their order.
fn table<'de, D: Deserializer<'de>, T: Table>(deserializer: D) -> Result<T, D::Error> {
    struct Keys<T>(PhantomData<T>);

    impl<'de, T: Table> Visitor<'de> for Keys<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a table such as `{}`", T::EXAMPLE)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Keys(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = r#"
        sandbox = "best_effort"
        grant = { fs = { read = ["/a", "b"], write = ["/c"] }, net = true, exec = true, env = ["HOME"] }
        limits = { memory_bytes_max = 67108864, open_files_max = 32, processes_max = 1, cpu_seconds_max = 1 }
    "#;

    #[test]
    fn every_key_is_read_and_survives_being_sent() {
        let read: Sandbox = toml::from_str(EVERYTHING).unwrap();
        let fs = FsGrant { read: vec!["/a".into(), "b".into()], write: vec!["/c".into()] };
        let limits = Limits {
            memory_bytes_max: 64 << 20,
            open_files_max: 32,
            processes_max: Some(1),
            cpu_seconds_max: Some(1),
        };
        let grant = Grant { fs, net: true, exec: true, env: vec!["HOME".into()] };
        assert_eq!(read, Sandbox { grant, limits, policy: Policy::BestEffort });
        let sent = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Sandbox>(&sent).unwrap(), read);
    }

    #[test]
    fn nothing_said_is_nothing_granted_and_all_of_it_required() {
        let read: Sandbox = toml::from_str("").unwrap();
        assert_eq!(read, Sandbox::default());
        assert_eq!(read.policy, Policy::Required);
        assert_eq!((read.limits.memory_bytes_max, read.limits.open_files_max), (4_294_967_296, 256));
        assert!(!read.grant.net && !read.grant.exec && read.grant.fs == FsGrant::default());
    }

    #[test]
    fn faults_name_the_key_the_place_and_what_to_write() {
        for (text, expected) in [
            ("grant = { network = true }", ["unknown field `network`", "`fs`, `net`, `exec`, `env`"]),
            ("grant = { fs = { readable = [] } }", ["unknown field `readable`", "`read` or `write`"]),
            ("grant = { fs = [['/a'], ['/b']] }", ["invalid type: sequence", "a table such as `{ read = "]),
            ("grant = true", ["grant = true", "a table such as `{ fs = { read"]),
            ("limits = 5", ["limits = 5", "a table such as `{ memory_bytes_max"]),
            ("grant = { net = 'yes' }", ["net = 'yes'", "expected a boolean"]),
            ("limits = { memory = 1 }", ["unknown field `memory`", "`memory_bytes_max`"]),
            ("limits = { memory_bytes_max = 1 }", ["`limits.memory_bytes_max` is 1", "67108864 or more"]),
            ("limits = { open_files_max = 31 }", ["`limits.open_files_max` is 31", "32 or more"]),
            ("limits = { processes_max = 0 }", ["`limits.processes_max` is 0", "1 or more"]),
            ("limits = { cpu_seconds_max = 0 }", ["`limits.cpu_seconds_max` is 0", "1 or more"]),
            ("sandbox = 'on'", ["unknown variant `on`", "`required`, `best_effort`, `off`"]),
        ] {
            let error = toml::from_str::<Sandbox>(text).unwrap_err().to_string();
            assert!(error.contains("line 1"), "{text}: {error}");
            for part in expected {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }

    #[test]
    fn variables_are_handed_on_only_by_name() {
        let all = ["TZ", "LANG", "PATH", "HOME", "SMTP_PASSWORD", "LANGUAGE"];
        let names = |grant: &Grant| -> Vec<String> {
            let from = all.iter().map(|name| (OsString::from(name), OsString::from("x")));
            grant.environment(from).into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
        };
        assert_eq!(names(&Grant::default()), ["TZ", "LANG"]);
        assert_eq!(names(&Grant { exec: true, ..Grant::default() }), ["TZ", "LANG", "PATH"]);
        assert_eq!(names(&Grant { env: vec!["HOME".into()], ..Grant::default() }), ["TZ", "LANG", "HOME"]);
    }

    #[test]
    fn relative_paths_are_taken_from_the_directory_of_the_file() {
        let mut read: Sandbox = toml::from_str(EVERYTHING).unwrap();
        read.grant.anchor(Path::new("/etc/jackfield"));
        assert_eq!(read.grant.fs.read, [PathBuf::from("/a"), PathBuf::from("/etc/jackfield/b")]);
    }
}
