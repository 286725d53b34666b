use std::path::Path;

use serde::Serialize;

/// Room on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Disk {
    pub(super) total_bytes: u64,
    pub(super) free_bytes: u64,
}

/// The machine's memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    pub(super) total_bytes: u64,
    pub(super) available_bytes: u64,
    /// What the gateway's process alone holds; its tools are not counted.
    pub(super) gateway_bytes: Option<u64>,
    pub(super) supervisor_bytes: Option<u64>,
}

/// The room on the file system that a path is on; `None` where it cannot be told.
pub(super) fn disk(path: &Path) -> Option<Disk> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    let unit = found.fragment_size();
    Some(Disk { total_bytes: found.blocks() * unit, free_bytes: found.blocks_available() * unit })
}

/// The machine's memory (proc_meminfo(5)); `None` where it cannot be told.
pub(super) fn memory(gateway: Option<i32>) -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some(Memory {
        total_bytes: kilobytes(&text, "MemTotal:")?,
        available_bytes: kilobytes(&text, "MemAvailable:")?,
        gateway_bytes: gateway.and_then(resident),
        supervisor_bytes: i32::try_from(std::process::id()).ok().and_then(resident),
    })
}

fn resident(pid: i32) -> Option<u64> {
    kilobytes(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

fn kilobytes(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_a_disk() {
        let memory = memory(None).unwrap();
        assert!(memory.available_bytes > 0 && memory.available_bytes <= memory.total_bytes);
        assert!(memory.supervisor_bytes.unwrap() > 1024 * 1024);
        let disk = disk(Path::new("/")).unwrap();
        assert!(disk.free_bytes <= disk.total_bytes && disk.total_bytes > 0);
        assert_eq!(super::disk(Path::new("/no/such/folder")), None);
    }
}
