//! What others can notice of this process. The ways to it are opened before the sandbox closes them.

use crate::job::State;
use std::path::{Path, PathBuf};

/// Looks at this process.
pub(crate) struct Lookout {
    scratch: PathBuf,
    #[cfg(target_os = "linux")]
    proc: Option<proc::Proc>,
}

impl Lookout {
    pub(crate) fn open(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_owned(),
            #[cfg(target_os = "linux")]
            proc: proc::Proc::open(),
        }
    }

    pub(crate) fn state(&mut self) -> State {
        let files = std::fs::read_dir(&self.scratch).into_iter().flatten().flatten();
        let mut files: Vec<String> =
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        files.sort();
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let mut state = State {
            files,
            directory: std::env::current_dir().ok(),
            environment: std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect(),
            ..State::default()
        };
        self.look(&mut state);
        state
    }

    /// What cannot be looked at on this system, if anything.
    pub(crate) fn blind(&mut self) -> Option<&'static str> {
        match (self.threads().is_some(), allocated_bytes().is_some()) {
            (true, true) => None,
            (true, false) => Some("memory"),
            (false, true) => Some("threads, descriptors and signals"),
            (false, false) => Some("threads, descriptors, signals and memory"),
        }
    }

    /// Threads of this process; `None` where the system does not say.
    pub(crate) fn threads(&mut self) -> Option<u64> {
        let mut state = State::default();
        self.look(&mut state);
        state.threads
    }

    #[cfg(target_os = "linux")]
    fn look(&mut self, state: &mut State) {
        if let Some(proc) = &mut self.proc {
            proc.look(state);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn look(&mut self, _: &mut State) {}
}

#[cfg(target_os = "linux")]
mod proc {
    use crate::job::State;
    use rustix::fs::Dir;
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom};

    pub(super) struct Proc {
        status: File,
        descriptors: Dir,
    }

    impl Proc {
        pub(super) fn open() -> Option<Self> {
            let status = File::open("/proc/self/status").ok()?;
            let descriptors = Dir::read_from(File::open("/proc/self/fd").ok()?).ok()?;
            Some(Self { status, descriptors })
        }

        pub(super) fn look(&mut self, state: &mut State) {
            self.descriptors.rewind();
            let names = self.descriptors.by_ref().flatten();
            let count = names.filter(|it| !it.file_name().to_bytes().starts_with(b".")).count();
            state.descriptors = Some(count as u64);
            let Some(status) = self.status() else { return };
            let value = |key: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
                line.map(str::trim)
            };
            state.threads = value("Threads").and_then(|count| count.parse().ok());
            let signals = [value("SigIgn"), value("SigCgt")].map(Option::unwrap_or_default);
            state.signals = Some(signals.join(" "));
        }

        fn status(&mut self) -> Option<String> {
            let mut text = String::new();
            self.status.seek(SeekFrom::Start(0)).ok()?;
            self.status.read_to_string(&mut text).ok()?;
            Some(text)
        }
    }
}

/// Bytes that this process has allocated and not freed; `None` where the system does not say.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn allocated_bytes() -> Option<u64> {
    use malloc_info::info::{SystemType, TotalType};
    let info = malloc_info::malloc_info().ok()?;
    let total = |kind: TotalType| info.total.iter().find(|it| it.r#type == kind).map(|it| it.size as u64);
    // what the heaps have from the system, less what is free in them, and the blocks that lie outside
    let heaps = info.system.iter().find(|it| it.r#type == SystemType::Current)?.size as u64;
    let free = total(TotalType::Fast)? + total(TotalType::Rest)?;
    Some(heaps.saturating_sub(free) + total(TotalType::Mmap)?)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn allocated_bytes() -> Option<u64> {
    None
}
