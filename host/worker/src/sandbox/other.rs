//! Systems that this module cannot restrict a process on. It says so rather than pretend.

use super::{Enforced, Sandbox, SandboxError};
use std::path::PathBuf;

pub(super) fn apply(_: &Sandbox, _: &[PathBuf]) -> Result<Enforced, SandboxError> {
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    let lacks = |what: &str| format!("{what} (not implemented for {system})");
    let missing = ["files", "network", "other programs", "signals to other processes", "limits"];
    Ok(Enforced { missing: missing.map(lacks).to_vec(), ..Enforced::default() })
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, SandboxError};
    use super::*;

    #[test]
    fn a_required_sandbox_is_refused_with_what_is_lacking() {
        let refusal = super::super::apply(&Sandbox::default(), &[]).unwrap_err();
        assert!(matches!(&refusal, SandboxError::Unavailable(lacks) if lacks.len() == 5), "{refusal}");
        let best = Sandbox { policy: Policy::BestEffort, ..Sandbox::default() };
        assert_eq!(super::super::apply(&best, &[]).unwrap().missing.len(), 5);
    }
}
