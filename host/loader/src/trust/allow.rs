//! Lists of plugins that may be used.

use semver::{Version, VersionReq};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// A name, in which `*` stands for any characters, and perhaps a range of versions: `csv`, `vendor-*@^2`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AllowRule {
    name: String,
    range: Option<VersionReq>,
}

impl AllowRule {
    pub(crate) fn admits(&self, name: &str, version: &Version) -> bool {
        fits(&self.name, name) && self.range.as_ref().is_none_or(|range| range.matches(version))
    }
}

impl FromStr for AllowRule {
    type Err = String;

    /// # Errors
    /// A sentence that names the rule, if a character in it cannot stand in names, or its range is none.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, range) = match text.split_once('@') {
            Some((name, range)) => (name, Some(range)),
            None => (text, None),
        };
        let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*');
        if name.is_empty() || !name.chars().all(may_stand) {
            return Err(format!(
                "`{text}` is no rule for plugins; write a name such as `csv`, `vendor-*` or `vendor-*@^2`"
            ));
        }
        let range = range.map(VersionReq::parse).transpose();
        let range =
            range.map_err(|error| format!("`{text}` has no range of versions behind the @: {error}"))?;
        Ok(Self { name: name.to_owned(), range })
    }
}

impl TryFrom<String> for AllowRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.range {
            None => f.write_str(&self.name),
            Some(range) => write!(f, "{}@{range}", self.name),
        }
    }
}

/// Whether `name` is `pattern` with something, or nothing, in the place of each `*`.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    // what is behind the last star must end the name; what is between stars may be as early as it can
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_admit_what_they_say() {
        for (rule, name, version, expected) in [
            ("csv", "csv", "1.0.0", true),
            ("csv", "csv2", "1.0.0", false),
            ("vendor-*@^2", "vendor-x", "2.3.0", true),
            ("vendor-*@^2", "vendor-x", "1.3.0", false),
            ("vendor-*", "vendor-", "1.0.0", true),
            ("*", "anything", "0.0.1", true),
            ("a*b*c", "a1b2c", "1.0.0", true),
            ("a*b*c", "a1c", "1.0.0", false),
            ("ab*ba", "aba", "1.0.0", false),
            ("a**c", "abc", "1.0.0", true),
        ] {
            let parsed: AllowRule = rule.parse().unwrap();
            let version = Version::parse(version).unwrap();
            assert_eq!(parsed.admits(name, &version), expected, "{rule} {name}");
        }
        for wrong in ["", "@^1", "a b", "csv@one"] {
            assert!(wrong.parse::<AllowRule>().unwrap_err().contains('`'), "{wrong}");
        }
    }
}
