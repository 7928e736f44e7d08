//! How much memory this process has allocated. A counting allocator would know, but every allocation of every command
//! would pay for it; the C library of GNU/Linux keeps count anyway. Resident memory would say nothing: what
//! parsing the document gave back is used again, and so hardly any page is new.

/// Bytes that are allocated and not freed, those of plugins too; `None` where the C library does not say.
pub(crate) fn allocated_bytes() -> Option<u64> {
    platform::allocated_bytes()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod platform {
    use malloc_info::info::{Malloc, SystemType, TotalType};

    pub(super) fn allocated_bytes() -> Option<u64> {
        in_use(&malloc_info::malloc_info().ok()?)
    }

    /// What the heaps have from the system, less what is free in them, and the blocks that lie outside.
    fn in_use(info: &Malloc) -> Option<u64> {
        let total = |kind: TotalType| info.total.iter().find(|it| it.r#type == kind).map(|it| it.size as u64);
        let heaps = info.system.iter().find(|it| it.r#type == SystemType::Current)?.size as u64;
        let free = total(TotalType::Fast)? + total(TotalType::Rest)?;
        Some(heaps.saturating_sub(free) + total(TotalType::Mmap)?)
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod platform {
    pub(super) fn allocated_bytes() -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// The bounds are wide because other tests allocate and free meanwhile.
    #[test]
    fn small_blocks_and_large_ones_count_until_they_are_freed() {
        for (blocks, bytes) in [(200_000, 1_000), (1, 200_000_000)] {
            let before = allocated_bytes().unwrap();
            let taken: Vec<Vec<u8>> = (0..blocks).map(|_| Vec::with_capacity(bytes)).collect();
            let during = allocated_bytes().unwrap();
            drop(taken);
            let after = allocated_bytes().unwrap();
            assert!((before + 100_000_000..before + 300_000_000).contains(&during), "{before} {during}");
            assert!(after < during - 100_000_000, "{during} {after}");
        }
    }
}
