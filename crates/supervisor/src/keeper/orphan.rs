//! A gateway that outlived its supervisor.
//!
//! It holds the volume's lock, which it inherited, so it is found out: the next supervisor on the volume reads here who it is. Numbers of
//! processes are used again, so a process is known by its number, its start time and the boot it belongs to, and nothing else is touched.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process of this boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: i32,
    /// Clock ticks from the boot to its start.
    start: u64,
}

/// What a supervisor notes when it has started a gateway.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    boot: String,
    supervisor: Process,
    gateway: Process,
}

/// Notes that this process has started a gateway.
pub(super) fn note(file: &Path, gateway: Pid) -> io::Result<()> {
    let gone = || io::Error::other("the process has ended already");
    let own = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let note = Note { boot: boot()?, supervisor: identity(own).ok_or_else(gone)?, gateway: identity(gateway.as_raw()).ok_or_else(gone)? };
    fs::write(file, serde_json::to_vec(&note)?)
}

/// Ends the gateway of a supervisor that is gone, if there is one: SIGTERM first, SIGKILL after the patience has run out. Returns whether
/// there was one. The gateway of a supervisor that lives is left alone.
pub(super) async fn end(file: &Path, patience: Duration) -> bool {
    let Some(note) = fs::read(file).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok()) else { return false };
    let lives = |process: &Process| identity(process.pid).as_ref() == Some(process);
    if boot().ok().as_ref() != Some(&note.boot) || lives(&note.supervisor) || !lives(&note.gateway) {
        return false;
    }
    tracing::warn!(pid = note.gateway.pid, "ending the gateway of a supervisor that is gone");
    let pid = Pid::from_raw(note.gateway.pid);
    kill(pid, Signal::SIGTERM).ok();
    let deadline = tokio::time::Instant::now() + patience;
    while lives(&note.gateway) && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if lives(&note.gateway) {
        killpg(pid, Signal::SIGKILL).ok();
    }
    true
}

fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

/// A process that runs; one that only waits to be reaped does not.
fn identity(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc_pid_stat(5): after the name in parentheses comes the state as the third field; the start time is the twenty-second.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Process { pid, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_gateway_of_a_living_supervisor_and_a_reused_number_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.pid");
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!end(&file, Duration::ZERO).await, "there is no note");

        note(&file, Pid::from_raw(own)).unwrap();
        assert!(!end(&file, Duration::ZERO).await, "the supervisor of the note is this process, and it lives");

        let mut reused: Note = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        reused.supervisor.start += 1;
        reused.gateway.start += 1;
        fs::write(&file, serde_json::to_vec(&reused).unwrap()).unwrap();
        assert!(!end(&file, Duration::ZERO).await, "the number is another process's by now");

        reused.gateway.start -= 1;
        reused.boot = "another".to_owned();
        fs::write(&file, serde_json::to_vec(&reused).unwrap()).unwrap();
        assert!(!end(&file, Duration::ZERO).await, "the machine was booted since");
    }
}
