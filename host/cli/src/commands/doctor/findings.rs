//! What was found.

use serde::Serialize;

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is wrong.
    Note,
    /// Something does not work, or will not.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// What it is about, in a word.
    pub(crate) area: &'static str,
    pub(crate) level: Level,
    pub(crate) message: String,
    /// What to do, as a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) remedy: String,
}

#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn all(&self) -> &[Finding] {
        &self.0
    }

    pub(crate) fn has_problems(&self) -> bool {
        self.0.iter().any(|finding| finding.level == Level::Problem)
    }

    pub(crate) fn ok(&mut self, area: &'static str, message: impl Into<String>) {
        self.add(area, Level::Ok, message.into(), String::new());
    }

    pub(crate) fn note(&mut self, area: &'static str, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(area, Level::Note, message.into(), remedy.into());
    }

    pub(crate) fn problem(
        &mut self,
        area: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(area, Level::Problem, message.into(), remedy.into());
    }

    fn add(&mut self, area: &'static str, level: Level, message: String, remedy: String) {
        self.0.push(Finding { area, level, message, remedy });
    }
}
