//! What one side of the conversation may offer beyond the protocol. A side uses only what both have named, so that hosts and
//! workers of different ages understand each other.

/// Heartbeats of calls (`Heartbeat` frames) are of interest to the host, and passed on by the worker.
pub const HEARTBEAT: &str = "heartbeat";

/// Calls of other plugins' methods (`CallMethod` frames) are made by the host.
pub const CALL_METHOD: &str = "call_method";

/// The worker hands the plugin's state over and takes that of another version (`SaveState` and `RestoreState` frames).
pub const STATE: &str = "state";

/// All that this version knows.
pub const ALL: [&str; 3] = [HEARTBEAT, CALL_METHOD, STATE];

/// Which of them the other side has named. What is not known here is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// [`HEARTBEAT`].
    pub heartbeat: bool,
    /// [`CALL_METHOD`].
    pub call_method: bool,
    /// [`STATE`].
    pub state: bool,
}

impl Features {
    /// Those in a hello, or in the answer to one.
    #[must_use]
    pub fn of(names: &[String]) -> Self {
        let has = |name: &str| names.iter().any(|named| named == name);
        Self { heartbeat: has(HEARTBEAT), call_method: has(CALL_METHOD), state: has(STATE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_found_among_what_is_not() {
        let names = ALL.map(str::to_owned);
        assert_ne!(Features::of(&names), Features::default());
        assert_eq!(Features::of(&["telepathy".to_owned()]), Features::default());
        assert!(Features::of(&["telepathy".to_owned(), "heartbeat".to_owned()]).heartbeat);
    }
}
