//! What the kernel says about processes: `/proc/<pid>/stat`, see `proc_pid_stat(5)`.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::host::ProcessStat;

/// The identity of this boot of the kernel.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// One row of the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) group: i32,
    /// In clock ticks since the kernel's boot.
    pub(super) start_time: u64,
    /// Ended, but not yet collected by its parent.
    pub(super) dead: bool,
    /// Stopped by a signal.
    pub(super) stopped: bool,
    /// In the kernel, until what it waits for has happened: it heeds no signal before that.
    pub(super) uninterruptible: bool,
}

/// The row of a process, if there is such a process.
pub(super) fn row(pid: i32) -> Option<Row> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Row> {
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let state = *fields.first()?;
    Some(Row {
        group: fields.get(2)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
        dead: matches!(state, "Z" | "X" | "x"),
        stopped: matches!(state, "T" | "t"),
        uninterruptible: state == "D",
    })
}

/// Whether a process of this group still does anything. Ended processes that a distant parent has not collected do not count: nobody
/// can end them any further.
pub(super) fn group_lives(group: i32) -> bool {
    if killpg(Pid::from_raw(group), None) == Err(Errno::ESRCH) {
        return false;
    }
    let Ok(table) = std::fs::read_dir("/proc") else { return false };
    table
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(row)
        .any(|row| row.group == group && !row.dead)
}

/// Sends a signal to one process. That it has just ended is no failure.
pub(super) fn signal_process(pid: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(pid), signal)
        && error != Errno::ESRCH
    {
        tracing::warn!(pid, %signal, %error, "a signal could not be sent");
    }
}

/// Sends a signal to every process of a group.
pub(super) fn signal_group(group: i32, signal: Signal) {
    if let Err(error) = killpg(Pid::from_raw(group), signal)
        && error != Errno::ESRCH
    {
        tracing::warn!(group, %signal, %error, "a signal could not be sent to a group");
    }
}

/// Ends at once every process that was started in a machine. Returns whether there was any.
pub(super) fn kill_started_in(machine: &str, folder: &Path) -> bool {
    let started = started_in(machine, folder);
    started.iter().for_each(|pid| signal_process(*pid, Signal::SIGKILL));
    !started.is_empty()
}

/// Every process of a machine that still does something: those that were started in it, and those of the group that its main process leads.
pub(super) fn all_of(group: i32, machine: &str, folder: &Path) -> Vec<(i32, Row)> {
    let Ok(table) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = table.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let rows = pids.filter_map(|pid| Some((pid, row(pid)?))).filter(|(_, row)| !row.dead);
    rows.filter(|(pid, row)| row.group == group || is_started_in(*pid, machine, folder)).collect()
}

/// Every process that was started in a machine, whatever group or parent it has by now: a supervisor gives its gateway a group of its own,
/// and a daemon leaves both. What they all keep is the environment, which names the machine and its folder.
pub(super) fn started_in(machine: &str, folder: &Path) -> Vec<i32> {
    let Ok(table) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = table.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| is_started_in(*pid, machine, folder)).collect()
}

/// Whether a process was started in a machine.
pub(super) fn is_started_in(pid: i32, machine: &str, folder: &Path) -> bool {
    // An ended process has no environment any more, and somebody else's cannot be read.
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let id = format!("FLY_MACHINE_ID={machine}");
    let folder = [folder.as_os_str().as_bytes(), b"/"].concat();
    let mut variables = environment.split(|byte| *byte == 0);
    // Both are asked for: a person's shell may stand in the folder, but it bears no machine's name.
    variables.any(|variable| variable == id.as_bytes()) && environment.windows(folder.len()).any(|window| window == folder)
}

/// Whether a process has no environment: it never had one, or it is about to become another program, whose environment the kernel has not yet
/// written (`execve(2)` takes the old one away first).
pub(super) fn names_nothing(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| environment.is_empty())
}

/// What a process does and has.
pub(super) fn stat(pid: i32) -> Option<ProcessStat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let number = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    Some(ProcessStat {
        pid,
        command: String::from_utf8_lossy(&arguments).trim_end_matches('\0').replace('\0', " "),
        directory: directory.display().to_string(),
        // The kernel counts pages.
        rss: number(21) * 4096,
        stime: number(12),
        rtime: number(11) + number(12),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = "4711 (a) Z (b) S 1 4700 4700 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 4096 10 18446744073709551615";
        assert_eq!(parse(stat), Some(Row { group: 4700, start_time: 987_654, dead: false, stopped: false, uninterruptible: false }));
        assert!(parse(&stat.replace(" S ", " T ")).unwrap().stopped);
        assert!(parse(&stat.replace(" S ", " D ")).unwrap().uninterruptible);
    }

    #[test]
    fn this_process_is_found_and_lives() {
        let me = i32::try_from(std::process::id()).unwrap();
        let row = row(me).unwrap();
        assert!(!row.dead && row.start_time > 0);
        assert!(group_lives(row.group));
    }
}
