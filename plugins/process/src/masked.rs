//! Secrets in what programs print.

/// Texts that must not be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mask {
    /// Longest first, so that one that is part of another leaves nothing of that.
    secrets: Vec<String>,
}

/// Stands for a secret.
const MARK: &str = "***";

impl Mask {
    pub(crate) fn new<'s>(secrets: impl Iterator<Item = &'s String>) -> Self {
        let mut secrets: Vec<String> = secrets.filter(|secret| !secret.is_empty()).cloned().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// `text` without secrets.
    pub(crate) fn over(&self, mut text: String) -> String {
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MARK);
            }
        }
        text
    }
}
