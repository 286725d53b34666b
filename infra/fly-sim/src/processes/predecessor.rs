//! What a killed host left behind: waited for, then ended, and nothing else is ever touched.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::machine::Machine;
use super::proc_table;
use super::record::ProcessRecord;

const LOOK_AGAIN: Duration = Duration::from_millis(20);
const KILL_GRACE: Duration = Duration::from_secs(5);

/// How long a process may take to become another program, on a busy machine.
const EXEC: Duration = Duration::from_secs(2);

/// How long a predecessor may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// To notice its broken lifeline and end by itself.
    pub(super) lifeline: Duration,
    /// To end after the signal.
    pub(super) term: Duration,
}

/// A process of an earlier host is still there and may not be, or could not be, ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Predecessor {
    #[error("its earlier process {0} does not end, even killed")]
    Survives(i32),
    #[error("an earlier process whose id was never recorded still writes its log")]
    Unrecorded,
}

/// Returns when nothing of an earlier host runs this machine any more. Its record is removed then.
///
/// A recorded process ends by its lifeline, or else its group is signalled, but only while pid, start time and the kernel's boot are the
/// recorded ones, and its environment names this machine in this folder: in a copy of a folder the records are those of the original, whose
/// processes run on. A start that was interrupted before the pid was written left at most a process that holds the lock on the log file: it
/// ends by its lifeline, and as nobody knows which process it is, nobody is signalled.
pub(super) async fn end(machine: &Machine, boot_id: &str, signal: i32, patience: Patience) -> Result<(), Predecessor> {
    match machine.process_record() {
        Some(ProcessRecord::Running { boot_id: then, pid, start_time, .. }) if then == boot_id => {
            end_recorded(machine, pid, start_time, signal, patience).await?;
        }
        Some(ProcessRecord::Starting { boot_id: then }) if then == boot_id => {
            let grace = patience.lifeline.max(patience.term);
            if !wait_until(grace, || !machine.log().is_held()).await {
                return Err(Predecessor::Unrecorded);
            }
        }
        // None, or a boot of the kernel ago: all of its processes went with that.
        _ => {}
    }
    wait_until(KILL_GRACE, || !proc_table::kill_started_in(machine.id(), machine.folder())).await;
    machine.clear_process_record();
    Ok(())
}

async fn end_recorded(machine: &Machine, pid: i32, start_time: u64, signal: i32, patience: Patience) -> Result<(), Predecessor> {
    let is_recorded = || proc_table::row(pid).is_some_and(|row| row.start_time == start_time && row.group == pid && !row.dead);
    let is_ours = || is_recorded() && proc_table::is_started_in(pid, machine.id(), machine.folder());
    // Between two programs it names no machine. Taken for somebody else's then, it would go on next to its successor.
    wait_until(EXEC, || !(is_recorded() && proc_table::names_nothing(pid))).await;
    if !is_ours() {
        if proc_table::row(pid).is_none() && proc_table::group_lives(pid) {
            // Its leader is gone, so nothing proves any more whose group this is.
            wait_until(patience.lifeline, || !proc_table::group_lives(pid)).await;
        }
        return Ok(());
    }
    tracing::info!(machine = machine.id(), pid, "waiting for the process of an earlier host to end");
    let mut ended = wait_until(patience.lifeline, || !is_ours()).await;
    if !ended {
        if let Ok(signal) = Signal::try_from(signal) {
            tracing::info!(machine = machine.id(), pid, %signal, "ending the process of an earlier host");
            proc_table::signal_group(pid, signal);
        }
        ended = wait_until(patience.term, || !is_ours()).await;
    }
    // A machine whose main process ended is off, and what is left of the group, which was just seen to be ours, ends with it.
    if !ended || proc_table::group_lives(pid) {
        proc_table::signal_group(pid, Signal::SIGKILL);
    }
    let gone = || !is_ours() && !proc_table::group_lives(pid);
    if wait_until(KILL_GRACE, gone).await { Ok(()) } else { Err(Predecessor::Survives(pid)) }
}

async fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    true
}
