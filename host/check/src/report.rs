//! What the tool found, under codes that stay the same.

use semver::Version;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal,)+) => {
        /// What a finding is about. The code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is written, such as `result.schema`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }
    };
}

codes! {
    /// The file is no plugin that this host can use.
    File = "file",
    /// The library cannot be opened, or its table does not fit.
    Open = "open",
    /// Opening the library does something that can be noticed, before anybody has called anything.
    OpenEffect = "open.effect",
    /// The opened library says something else about itself than its file, or something else each time.
    Manifest = "manifest",
    /// A method does not say what its parameters or its results are.
    SchemaMissing = "schema.missing",
    /// A schema is no JSON Schema.
    SchemaInvalid = "schema.invalid",
    /// An example does not fit the schema that it stands in.
    ExampleInvalid = "example.invalid",
    /// An example is refused, or fails although the method is pure.
    ExampleFails = "example.fails",
    /// A configuration that fits its schema is refused.
    ConfigRefused = "config.refused",
    /// A configuration that does not fit its schema is accepted.
    ConfigAccepted = "config.accepted",
    /// Parameters that do not fit their schema are accepted.
    ParamsAccepted = "params.accepted",
    /// Parameters that do not fit their schema are refused with another type than `validation`.
    ParamsRefusal = "params.refusal",
    /// A result is no JSON.
    ResultJson = "result.json",
    /// A result does not fit its schema.
    ResultSchema = "result.schema",
    /// A result is larger than a host takes.
    ResultSize = "result.size",
    /// An error has a type that is no dotted name, or one that only hosts use, or no message.
    ErrorType = "error.type",
    /// A method cannot be called in the way that its kind says.
    Kind = "kind",
    /// A call answers with a status that the ABI does not have.
    Status = "status",
    /// A panic reached the border of the ABI and was caught there.
    Panic = "panic",
    /// The process of the plugin ended.
    Crash = "crash",
    /// Something did not end: opening, making or ending an instance, the process.
    Hang = "hang",
    /// A call went on for longer than the grace after it was told to stop.
    Cancel = "cancel",
    /// A method that calls itself pure answers differently.
    Pure = "pure",
    /// A second instance does not work like the first.
    SecondInstance = "instance.second",
    /// Calls from two threads end differently.
    Threads = "threads",
    /// Threads are left when the instance has ended.
    ThreadsLeft = "threads.left",
    /// Descriptors are left open.
    DescriptorsLeft = "descriptors.left",
    /// Memory is not given back.
    Memory = "memory",
    /// Something was written to standard output or standard error.
    Output = "output",
    /// The process did not end cleanly when all was done.
    Exit = "exit",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|code| code.as_str() == text).copied().ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
            format!("`{text}` is no code of a finding; there are {}", all.join(", "))
        })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Findings of one code that are not to count, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The code.
    pub code: Code,
    /// Where: `plugin`, or the name of a method; everywhere if nobody said.
    pub place: Option<String>,
    /// Why; empty if nobody said.
    pub reason: String,
}

/// A file of waivers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waivers {
    #[serde(default)]
    waiver: Vec<Waiver>,
}

impl Waiver {
    /// Reads a TOML document with a `[[waiver]]` table for each: `code`, `reason`, and perhaps `place`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let waivers: Waivers = toml::from_str(text).map_err(|error| error.to_string())?;
        match waivers.waiver.iter().find(|it| it.reason.trim().is_empty()) {
            Some(Self { code, .. }) => {
                Err(format!("the waiver of `{code}` has no `reason`: say why it is to stay"))
            }
            None => Ok(waivers.waiver),
        }
    }

    fn is_for(&self, finding: &Finding) -> bool {
        self.code == finding.code && self.place.as_ref().is_none_or(|place| *place == finding.place)
    }
}

impl fmt::Display for Waiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "`{}` in `{place}`", self.code),
            None => write!(f, "`{}`", self.code),
        }
    }
}

impl FromStr for Waiver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (code, reason) = text.split_once('=').unwrap_or((text, ""));
        Ok(Self { code: code.trim().parse()?, place: None, reason: reason.trim().to_owned() })
    }
}

/// One thing that is wrong, in one place.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub code: Code,
    /// Where: `plugin`, or the name of a method.
    pub place: String,
    /// What was seen the first time.
    pub message: String,
    /// How often it was seen.
    pub count: u64,
    /// Why it does not count; empty if it was waived without a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
}

/// What one method was put to.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct MethodReport {
    /// Its name.
    pub name: String,
    /// Calls with generated parameters and with examples.
    pub calls: u64,
    /// Calls that ended with a result.
    pub results: u64,
    /// Calls that failed with an error other than `validation`.
    pub errors: u64,
    /// Calls that were refused as `validation`.
    pub refusals: u64,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// The outcome of a check.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// The plugin; `None` if the file does not say.
    pub plugin: Option<String>,
    /// Its version.
    pub version: Option<Version>,
    /// What the parameters were generated from.
    pub seed: u64,
    /// Whether nothing was found that counts.
    pub ok: bool,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was done with each method.
    pub methods: Vec<MethodReport>,
    /// What could not be looked at, and waivers that were not needed.
    pub notes: Vec<String>,
}

/// Findings as they come.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    all: Vec<Finding>,
    pub(crate) notes: Vec<String>,
    pub(crate) methods: Vec<MethodReport>,
}

impl Findings {
    /// Adds a finding; one of the same code in the same place counts up.
    pub(crate) fn add(&mut self, code: Code, place: &str, message: impl Into<String>) {
        match self.all.iter_mut().find(|it| it.code == code && it.place == place) {
            Some(known) => known.count += 1,
            None => self.all.push(Finding {
                code,
                place: place.to_owned(),
                message: message.into(),
                count: 1,
                waived: None,
            }),
        }
    }

    pub(crate) fn has(&self, code: Code, place: &str) -> bool {
        self.all.iter().any(|it| it.code == code && it.place == place)
    }

    /// Applies the waivers. One that nothing was found for is noted, so that it does not stay for ever.
    pub(crate) fn waived(mut self, waivers: &[Waiver]) -> Self {
        for waiver in waivers {
            let mut found = self.all.iter_mut().filter(|it| waiver.is_for(it)).peekable();
            if found.peek().is_none() {
                self.notes.push(format!("the waiver of {waiver} is not needed"));
            }
            found.for_each(|it| it.waived = Some(waiver.reason.clone()));
        }
        self
    }

    pub(crate) fn into_parts(self) -> (Vec<Finding>, Vec<MethodReport>, Vec<String>) {
        (self.all, self.methods, self.notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_waivers_are_read_as_they_are_written() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse::<Code>().as_ref(), Ok(code));
        }
        let waiver: Waiver = "output = the library below prints".parse().unwrap();
        let reason = "the library below prints".to_owned();
        assert_eq!(waiver, Waiver { code: Code::Output, place: None, reason });
        assert!("outputs".parse::<Waiver>().unwrap_err().contains("`outputs` is no code"));
    }

    #[test]
    fn a_file_of_waivers_says_what_is_wrong_with_it() {
        let waivers =
            Waiver::parse_all("[[waiver]]\ncode = 'memory'\nplace = 'load'\nreason = 'a cache'").unwrap();
        let expected = Waiver { code: Code::Memory, place: Some("load".into()), reason: "a cache".into() };
        assert_eq!(waivers, [expected]);
        assert_eq!(Waiver::parse_all(""), Ok(Vec::new()));
        for (text, part) in [
            ("[[waiver]]\ncode = 'memories'\nreason = 'a'", "`memories` is no code"),
            ("[[waiver]]\ncode = 'memory'", "missing field `reason`"),
            ("[[waiver]]\ncode = 'memory'\nreason = ' '", "the waiver of `memory` has no `reason`"),
            ("[[waiver]]\ncode = 'memory'\nreason = 'a'\nmethod = 'b'", "unknown field `method`"),
            ("[[waive]]", "unknown field `waive`"),
            ("code", "line 1"),
        ] {
            let said = Waiver::parse_all(text).unwrap_err();
            assert!(said.contains(part), "`{part}` in {said}");
        }
    }

    #[test]
    fn a_waiver_for_a_place_does_not_count_elsewhere() {
        let mut findings = Findings::default();
        ["load", "store"].iter().for_each(|place| findings.add(Code::Memory, place, "grows"));
        let of = |place: &str| Waiver { code: Code::Memory, place: Some(place.into()), reason: "a".into() };
        let (all, _, notes) = findings.waived(&[of("load"), of("gone")]).into_parts();
        assert_eq!(all.iter().map(|it| it.waived.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(notes, ["the waiver of `memory` in `gone` is not needed"]);
    }
}
