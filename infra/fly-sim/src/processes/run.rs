//! One life of a machine: a main process, the group it leads, and the thread that waits for it.

use std::collections::HashSet;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::machine::Machine;
use super::proc_table;
use crate::host::Exit;

/// How long killed processes may take to disappear. Only one that hangs in the kernel (a dead disk) takes longer, and nothing ends that.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// How long processes may take to stand still. One that waits for a disk stops only when it has been answered.
const FREEZE_GRACE: Duration = Duration::from_secs(5);

/// A main process and its group.
pub(super) struct Run {
    pid: i32,
    /// The machine and its folder, which the environment of all its processes names.
    machine: String,
    folder: PathBuf,
    /// Whether the process was collected. Its number, and its group's, may belong to somebody else from then on, so signals are sent under this lock only.
    collected: Mutex<bool>,
    asked_to_end: AtomicBool,
    frozen: AtomicBool,
    exit: watch::Sender<Option<Exit>>,
}

impl Run {
    pub(super) fn new(child: &Child, machine: &Machine) -> Arc<Self> {
        let pid = i32::try_from(child.id()).expect("the kernel's process ids fit 31 bits");
        Arc::new(Self {
            pid,
            machine: machine.id().to_owned(),
            folder: machine.folder().to_owned(),
            collected: Mutex::new(false),
            asked_to_end: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            exit: watch::Sender::new(None),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Starts the thread that waits for the end, clears the group and then calls `at_end` with the exit and whether it had been asked for.
    ///
    /// A thread and not a task: only `waitid` with `WNOWAIT` can see the end and leave the process uncollected, and as long as it is
    /// uncollected no other process can get its number. So the group is killed without ever hitting a stranger.
    pub(super) fn watch(self: &Arc<Self>, child: Child, at_end: impl FnOnce(&Exit, bool) + Send + 'static) -> io::Result<()> {
        let run = Arc::clone(self);
        std::thread::Builder::new().name(format!("machine-{}", self.pid)).stack_size(256 * 1024).spawn(move || {
            let exit = run.collect(child);
            at_end(&exit, run.asked_to_end.load(Ordering::SeqCst));
            run.exit.send_replace(Some(exit));
        })?;
        Ok(())
    }

    fn collect(&self, mut child: Child) -> Exit {
        while let Err(Errno::EINTR) = waitid(Id::Pid(Pid::from_raw(self.pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
        // A machine whose main process ended is off: what it left behind ends with it.
        proc_table::signal_group(self.pid, Signal::SIGKILL);
        let deadline = Instant::now() + KILL_GRACE;
        let mut pause = Duration::from_millis(1);
        while (proc_table::kill_started_in(&self.machine, &self.folder) || proc_table::group_lives(self.pid)) && Instant::now() < deadline {
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        *collected = true;
        match child.wait() {
            Ok(status) => Exit { code: status.code(), signal: status.signal(), oom_killed: false },
            Err(error) => {
                tracing::error!(pid = self.pid, %error, "a process could not be collected");
                Exit::default()
            }
        }
    }

    /// Sends a signal to the main process, if it still runs.
    pub(super) fn signal(&self, signal: i32) {
        let Ok(signal) = Signal::try_from(signal) else {
            tracing::warn!(signal, "no such signal");
            return;
        };
        let collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if !*collected {
            proc_table::signal_process(self.pid, signal);
        }
    }

    /// Kills the whole group at once.
    pub(super) fn kill(&self) {
        let collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if !*collected {
            proc_table::signal_group(self.pid, Signal::SIGKILL);
        }
    }

    /// Stops every process of the machine where it is. Returns whether all of them stand still. Blocks for as long as that takes.
    pub(super) fn freeze(&self) -> bool {
        self.frozen.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + FREEZE_GRACE;
        let mut told = HashSet::new();
        loop {
            // One that was told and waits in the kernel stops before it does anything else. It may wait for one that stands still: whoever
            // calls vfork(2) waits for what its child starts.
            let stands_still = |pid: &i32, row: &proc_table::Row| row.stopped || (row.uninterruptible && told.contains(pid));
            // Looked at again after each round: one may have been started meanwhile.
            let moving: Vec<i32> = self.all().into_iter().filter(|(pid, row)| !stands_still(pid, row)).map(|(pid, _)| pid).collect();
            if moving.is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                tracing::warn!(machine = self.machine, ?moving, "processes do not stand still");
                return false;
            }
            moving.iter().for_each(|pid| proc_table::signal_process(*pid, Signal::SIGSTOP));
            told.extend(moving);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets them run on.
    pub(super) fn thaw(&self) {
        self.frozen.store(false, Ordering::SeqCst);
        self.all().into_iter().for_each(|(pid, _)| proc_table::signal_process(pid, Signal::SIGCONT));
    }

    fn all(&self) -> Vec<(i32, proc_table::Row)> {
        proc_table::all_of(self.pid, &self.machine, &self.folder)
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    /// From now on the end is expected and is not reported as an event.
    pub(super) fn expect_end(&self) {
        self.asked_to_end.store(true, Ordering::SeqCst);
    }

    /// Sends the signal to the main process, waits for the end, and kills the group when the time is over. A second, more impatient call ends
    /// the first. What is frozen hears no signal and is killed at once.
    pub(super) async fn stop(&self, signal: i32, timeout: Duration) -> Exit {
        self.expect_end();
        if self.is_frozen() {
            self.kill();
        } else {
            self.signal(signal);
        }
        if let Ok(exit) = tokio::time::timeout(timeout, self.ended()).await {
            return exit;
        }
        self.kill();
        // The thread itself waits no longer than this for the rest of the group.
        tokio::time::timeout(KILL_GRACE * 2, self.ended()).await.unwrap_or_else(|_| {
            tracing::error!(pid = self.pid, "a killed process does not end");
            Exit { code: None, signal: Some(Signal::SIGKILL as i32), oom_killed: false }
        })
    }

    /// Waits until the process and its whole group are gone and the end was recorded.
    pub(super) async fn ended(&self) -> Exit {
        let mut exit = self.exit.subscribe();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or_default(),
            Err(_) => Exit::default(),
        }
    }
}
