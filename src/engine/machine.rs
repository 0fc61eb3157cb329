//! Facts about the machine that an engine or its user needs.

use std::ffi::CString;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::EngineError;

/// Returns the processor's name; `cpu` where the system does not report it.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("cpu", |(_, name)| name.trim()).to_owned()
}

/// True where the processor multiplies and adds bytes in 32 bits. Without that, ONNX Runtime adds pairs of products in
/// 16 bits, where large ones are cut off: an int8 model then gives other numbers.
pub fn has_int8_dot() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// Returns how many bytes the process can still take before the system or its container ends it; `None` where neither
/// reports it.
pub fn available_memory() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let free = field(&info, "MemAvailable:")?;
    Some(container_memory().map_or(free, |left| free.min(left)))
}

/// Returns how many bytes can still be written to the disk of a folder, by users who may not use its reserve; `None`
/// where the system does not report it.
pub fn free_disk(folder: &Path) -> Option<u64> {
    let folder = CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in a zero, and the structure is there to be written.
    let answer = unsafe { libc::statvfs(folder.as_ptr(), found.as_mut_ptr()) };
    if answer != 0 {
        return None;
    }
    // SAFETY: after a good answer all of it was written.
    let found = unsafe { found.assume_init() };
    // their types differ from system to system
    #[allow(clippy::unnecessary_cast)]
    let (blocks, size) = (found.f_bavail as u64, found.f_frsize as u64);
    blocks.checked_mul(size)
}

/// Bytes that the process holds in memory.
pub fn resident_memory() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Has all threads share a few of glibc's heaps; to be called before there are any. What is free in one heap serves no
/// other: with one for each of the many threads that encode parts, memory grew part by part to many times what a part
/// takes. A setting of the user is kept.
pub fn share_heaps() {
    let is_set = |name| std::env::var_os(name).is_some();
    if is_set("MALLOC_ARENA_MAX") || is_set("GLIBC_TUNABLES") {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let heaps = (cores / 4).clamp(2, 8);
    // SAFETY: glibc's own; it sets a number, which limits heaps that come later.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, i32::try_from(heaps).unwrap_or(2));
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = heaps;
}

/// Gives memory that was freed back to the system, so that what is measured next starts from what is held.
pub fn give_back_memory() {
    // SAFETY: glibc's own; it touches only memory that is free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Refuses a batch size whose slots the machine has no room for, before any of them is taken: an allocation that fails
/// ends the process, and one that succeeds may end it later.
///
/// # Errors
/// [`EngineError::OutOfMemory`].
pub fn room_for(bytes: usize, batch_size: usize) -> Result<(), EngineError> {
    let too_large = |why: String| EngineError::OutOfMemory { batch_size, why };
    let wanted = bytes >> 20;
    if let Some(left) = available_memory().filter(|left| bytes as u64 > *left) {
        return Err(too_large(format!(
            "the images of all batches take {wanted} MiB of the machine's memory, {} MiB are left",
            left >> 20
        )));
    }
    // taken and released, untouched: only the allocator knows the limits of the process
    let mut room: Vec<u8> = Vec::new();
    room.try_reserve_exact(bytes)
        .map_err(|error| too_large(format!("the images of all batches take {wanted} MiB ({error})")))
}

/// Returns whether `bytes` are at most half of what the process can still take, as far as system and allocator report.
pub fn has_plenty(bytes: u64) -> bool {
    let fits = available_memory().is_some_and(|left| bytes <= left / 2);
    // only the allocator knows the limits of the process
    fits && usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok())
}

/// `Name:   123 kB`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns how many bytes the control group (v2, as containers mount it at its root) leaves. Its cache is released when
/// memory is short, so it does not count.
fn container_memory() -> Option<u64> {
    let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (most, used) = (number("memory.max")?, number("memory.current")?);
    let stat = read("memory.stat").unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok());
    Some(most.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_system_are_read_in_bytes() {
        let text = "MemTotal:  10 kB\nMemAvailable:    7 kB\nVmRSS: x kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(7 << 10));
        assert_eq!((field(text, "VmRSS:"), field(text, "Mem:")), (None, None));
    }

    #[test]
    fn this_process_holds_memory_and_the_machine_has_some_left() {
        if cfg!(target_os = "linux") {
            assert!(resident_memory().unwrap() > 1 << 20);
            assert!(available_memory().unwrap() > 1 << 20);
            assert!(!processor().is_empty());
        }
    }

    #[test]
    fn a_disk_has_room_and_a_folder_that_is_not_there_has_no_disk() {
        assert!(free_disk(&std::env::temp_dir()).unwrap() > 0);
        assert_eq!(free_disk(Path::new("/no/such/folder")), None);
    }
}
