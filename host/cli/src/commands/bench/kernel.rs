//! What the kernel counts of processes. Where there is no `/proc` of Linux nothing is known, and figures are left out.

use std::fs::{read_dir, read_to_string};
use std::time::Duration;

/// Bytes that this process has had written to disks since it began.
pub(crate) fn written_bytes() -> Option<u64> {
    field("/proc/self/io", "write_bytes:")
}

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// This one.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// Bytes of memory that it has at the moment, its pages of shared files included.
    pub(crate) fn resident_bytes(self) -> Option<u64> {
        field(&format!("/proc/{}/status", self.0), "VmRSS:").map(|kib| kib * 1024)
    }

    /// Processor time of the threads that it has at the moment.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        let threads = read_dir(format!("/proc/{}/task", self.0)).ok()?;
        let nanos = |path| read_to_string(path).ok()?.split_whitespace().next()?.parse::<u64>().ok();
        // a thread that ends meanwhile does not count
        let all: Vec<u64> =
            threads.flatten().filter_map(|thread| nanos(thread.path().join("schedstat"))).collect();
        (!all.is_empty()).then(|| Duration::from_nanos(all.iter().sum()))
    }
}

/// The number behind `name` at the beginning of a line.
fn field(file: &str, name: &str) -> Option<u64> {
    let told = read_to_string(file).ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::time::Instant;

    #[test]
    fn memory_and_work_show() {
        let taken = black_box(vec![1_u8; 32 << 20]);
        assert!(Process::own().resident_bytes().unwrap() >= 32 << 20);
        drop(taken);
        let time = Process::own().cpu_time().unwrap();
        let begun = Instant::now();
        while Process::own().cpu_time().unwrap() < time + Duration::from_millis(5) {
            assert!(begun.elapsed() < Duration::from_secs(60), "work does not show");
        }
    }
}
