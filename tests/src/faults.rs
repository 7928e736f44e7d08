//! What is wrong with a document, in a form to compare.

use jackfield::diagnostic::Diagnostic;
use std::fmt;

/// Code, JSON pointer and line of a finding: `("JF0002", "/steps/0/timout", 7)`.
pub type Fault<'a> = (&'a str, &'a str, u32);

/// Everything that was found, in the order of the text, warnings too.
#[derive(Clone, Debug)]
pub struct Faults(pub Vec<Diagnostic>);

impl Faults {
    /// Compares code, pointer and line of all findings.
    ///
    /// # Panics
    /// If one is missing, one is too many, or the order differs.
    #[track_caller]
    pub fn assert_are(&self, expected: &[Fault<'_>]) {
        let codes: Vec<String> = self.0.iter().map(|it| it.code.to_string()).collect();
        let found = self.0.iter().zip(&codes).map(|(it, code)| (code.as_str(), &*it.pointer, it.line));
        assert_eq!(found.collect::<Vec<_>>(), expected, "\n{self}");
    }

    /// The findings with this code.
    #[must_use]
    pub fn with_code(&self, code: &str) -> Vec<&Diagnostic> {
        self.0.iter().filter(|it| it.code.to_string() == code).collect()
    }

    /// The only finding with this code.
    ///
    /// # Panics
    /// If there is none or more than one.
    #[track_caller]
    #[must_use]
    pub fn the(&self, code: &str) -> &Diagnostic {
        let found = self.with_code(code);
        assert_eq!(found.len(), 1, "findings with code {code}:\n{self}");
        found[0]
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for it in &self.0 {
            writeln!(f, "{} {} line {}: {} | {}", it.code, it.pointer, it.line, it.message, it.hint)?;
        }
        Ok(())
    }
}
