//! The most memory that the process held while something ran.

use std::fs;

use crate::engine::{give_back_memory, resident_memory};

/// Measures the peak memory of the process from a point in time.
pub(super) struct Peak {
    before: u64,
}

impl Peak {
    /// `None` if the system keeps no such figure.
    pub fn begin() -> Option<Peak> {
        give_back_memory();
        // proc(5): writing 5 sets the peak to what is held now
        fs::write("/proc/self/clear_refs", "5").ok()?;
        Some(Peak { before: resident_memory()? })
    }

    /// Bytes that came on top since it began, at the most.
    pub fn grown(&self) -> Option<u64> {
        let text = fs::read_to_string("/proc/self/status").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let peak: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some((peak * 1024).saturating_sub(self.before))
    }
}
