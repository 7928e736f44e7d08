//! Names of environments. They are names of directories, too.

use jackfield_plugin_api::Error;
use std::fmt;

/// Longest name, in bytes.
const NAME_LEN_MAX: usize = 64;
/// Names that mean something else to a system, whatever stands behind a dot in them.
const RESERVED: &[&str] = &[
    "con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A name that can be a directory everywhere, and leads nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvironmentName(String);

impl EnvironmentName {
    /// # Errors
    /// `validation` with what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| {
            let shown: String = text.escape_debug().take(80).collect();
            Err(Error::validation(format!("`{shown}` cannot be the name of an environment: {reason}")))
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > NAME_LEN_MAX {
            return refuse(&format!("it has {} bytes, at most {NAME_LEN_MAX} are allowed", text.len()));
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(bad) = text.chars().find(|c| !is_allowed(*c)) {
            return refuse(&format!(
                "`{}` is not allowed; letters, digits, `.`, `_` and `-` are",
                bad.escape_debug()
            ));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return refuse("it has to begin with a letter or a digit");
        }
        if text.contains("..") || text.ends_with('.') {
            return refuse("two dots in a row, and one at the end, are not allowed");
        }
        let stem = text.split('.').next().unwrap_or(text).to_ascii_lowercase();
        if RESERVED.contains(&stem.as_str()) {
            return refuse("some systems reserve it");
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_or_mean_something_else_are_refused() {
        let long = "x".repeat(65);
        for bad in [
            "", ".", "..", "../x", "a/b", "a\\b", "a\0b", "-x", ".x", "a..b", "a.", "nul", "NUL.txt", "com1",
            "ä", "a b", &long,
        ] {
            let error = EnvironmentName::parse(bad).unwrap_err();
            assert_eq!(error.kind(), "validation", "{bad:?}");
        }
        for good in ["a", "data-science", "py3.12", "A_1", "console", &long[..64]] {
            assert_eq!(EnvironmentName::parse(good).unwrap().as_str(), good);
        }
    }
}
