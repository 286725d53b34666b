use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tokio::sync::oneshot;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

impl Exit {
    /// Of a process that nobody waited for to its end.
    pub(super) const UNKNOWN: Self = Self { code: None, signal: None };
}

/// The gateway's process, just started.
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
    pub(super) exit: oneshot::Receiver<Exit>,
}

/// Every child of this process: the gateway, and what it left behind and the kernel handed to us.
///
/// One place reaps them all, because `waitpid` for any child would take the gateway's end away from whoever waits for it by its number.
#[derive(Debug, Default)]
pub(crate) struct Children {
    gateway: Mutex<Option<(Pid, oneshot::Sender<Exit>)>>,
    orphans_reaped: AtomicU64,
}

impl Children {
    /// Starts the gateway as the leader of a process group of its own.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Started> {
        // Held over the start: a reaper between it and the note of its number would mistake a gateway that ends at once for an orphan.
        let mut gateway = self.gateway();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let (tell, exit) = oneshot::channel();
        *gateway = Some((pid, tell));
        let taken = || io::Error::other("the process has no output");
        Ok(Started { pid, stdout: child.stdout.take().ok_or_else(taken)?, stderr: child.stderr.take().ok_or_else(taken)?, exit })
    }

    /// Reaps every child that has ended. Called on SIGCHLD, and now and then, since signals merge.
    pub(crate) fn reap(&self) {
        let mut gateway = self.gateway();
        loop {
            let ended = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => pid,
                Err(Errno::EINTR) => continue,
                _ => return,
            };
            let is_gateway = gateway.as_ref().is_some_and(|(pid, _)| *pid == ended);
            if is_gateway {
                // Until it is reaped, its number is still its own: what is left of its group ends with it, and nobody else's can be hit.
                killpg(ended, Signal::SIGKILL).ok();
            }
            let exit = match waitpid(ended, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Exit { code: Some(code), signal: None },
                Ok(WaitStatus::Signaled(_, signal, _)) => Exit { code: None, signal: Some(signal as i32) },
                _ => return,
            };
            if is_gateway {
                if let Some((_, tell)) = gateway.take() {
                    // Nobody waits when the supervisor gave the process up.
                    tell.send(exit).ok();
                }
            } else {
                self.orphans_reaped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Sends a signal to the gateway's process, unless it was reaped. One that has ended and was not reaped takes no notice.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some((pid, _)) = self.gateway().as_ref() {
            kill(*pid, signal).ok();
        }
    }

    /// Kills the gateway's process group, unless its leader was reaped.
    pub(super) fn kill_group(&self) {
        if let Some((pid, _)) = self.gateway().as_ref() {
            killpg(*pid, Signal::SIGKILL).ok();
        }
    }

    /// Ends whatever the gateway left behind in other groups: terminals and detached tools, which came to us as orphans. Called while there
    /// is no gateway, so every child is such a one.
    pub(super) async fn end_orphans(&self) {
        for _ in 0..100 {
            self.reap();
            {
                // Under the lock nothing is reaped, so a number that is read is still that child's when the signal arrives.
                let gateway = self.gateway();
                let orphans = children_of_this_process();
                if orphans.is_empty() || gateway.is_some() {
                    return;
                }
                for orphan in orphans {
                    kill(orphan, Signal::SIGKILL).ok();
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tracing::warn!("processes of an earlier gateway are still there after two seconds of SIGKILL");
    }

    /// How many processes that were not the gateway's own have been reaped.
    pub(crate) fn orphans_reaped(&self) -> u64 {
        self.orphans_reaped.load(Ordering::Relaxed)
    }

    fn gateway(&self) -> MutexGuard<'_, Option<(Pid, oneshot::Sender<Exit>)>> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn children_of_this_process() -> Vec<Pid> {
    let me = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(me)).map(Pid::from_raw).collect()
}

/// The parent in `/proc/PID/stat` (proc_pid_stat(5)): the second field after the name, which is in parentheses and may hold anything.
fn parent_of(pid: i32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
