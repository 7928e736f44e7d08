//! What tells from outside whether a file is still the one that was read.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Size, times and identity of a file. Whoever changes its contents changes one of them, with the help of the system:
/// on Unix the time of the last change cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970, as all times here.
    modified_ns: i64,
    /// When contents or attributes changed last; only on Unix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_ns: Option<i64>,
    /// Device and inode; only on Unix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode: Option<(u64, u64)>,
}

impl Stamp {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            bytes: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: Some(ns(metadata.ctime(), metadata.ctime_nsec())),
            inode: Some((metadata.dev(), metadata.ino())),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let modified_ns = metadata.modified().map_or(0, since_1970_ns);
        Self { bytes: metadata.len(), modified_ns, changed_ns: None, inode: None }
    }

    /// Whether the last change is so long ago that another one after `now` would get another time. File systems
    /// count time in ticks; two changes within one tick look alike.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        /// The longest tick of a kernel is 10 ms.
        const FINE_TICK: Duration = Duration::from_millis(100);
        /// Some file systems count seconds, FAT every second one.
        const COARSE_TICK: Duration = Duration::from_secs(3);
        let last_ns = self.changed_ns.unwrap_or(self.modified_ns);
        let tick = if last_ns % 1_000_000_000 == 0 { COARSE_TICK } else { FINE_TICK };
        let tick_ns = i64::try_from(tick.as_nanos()).unwrap_or(i64::MAX);
        last_ns.saturating_add(tick_ns) <= since_1970_ns(now)
    }
}

fn since_1970_ns(time: SystemTime) -> i64 {
    // files from before 1970 count as of then
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_settled_when_the_next_would_have_another_time() {
        let stamp =
            |changed_ns| Stamp { bytes: 1, modified_ns: 7, changed_ns: Some(changed_ns), inode: None };
        let at_ms = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        let fine = stamp(5_000_000_001);
        assert!(!fine.is_settled(at_ms(4_000)), "its change is to come");
        assert!(!fine.is_settled(at_ms(5_090)));
        assert!(fine.is_settled(at_ms(5_110)));
        let coarse = stamp(5_000_000_000);
        assert!(!coarse.is_settled(at_ms(7_900)));
        assert!(coarse.is_settled(at_ms(8_000)));
        assert!(!stamp(i64::MAX).is_settled(at_ms(5_000)));
    }
}
