//! Calls that methods make of other plugins' methods.

use std::fmt;
use std::sync::Arc;

/// The methods that a call was made from, the nearest first.
#[derive(Debug)]
pub struct Lineage {
    /// `plugin.method` that made the call.
    pub caller: Box<str>,
    /// What that one was called from; `None` if it was a step.
    pub upper: Option<Arc<Lineage>>,
}

impl Lineage {
    /// From the nearest caller outwards.
    pub fn callers(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self), |lineage| lineage.upper.as_deref()).map(|lineage| &*lineage.caller)
    }

    /// How many calls deep a call with this lineage is: at least 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.callers().count()
    }
}

/// From the step inwards: `a.x -> b.y`.
impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut callers: Vec<&str> = self.callers().collect();
        callers.reverse();
        f.write_str(&callers.join(" -> "))
    }
}
