//! Machines that are nothing but a record and some waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::checks::declared;
use crate::host::{Boot, BootFailed, Disk, ExecFailed, Executed, Exit, Host, HostEvent, LogLine, NoImage, ProcessStat};

/// How long a virtual machine takes, on tokio's clock. Everything is immediate by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostLatencies {
    /// From the order to boot until it runs.
    pub boot: Duration,
    /// From the signal until it has ended.
    pub stop: Duration,
    /// From the order to resume until what was frozen runs on. To freeze it takes as long as to stop it.
    pub resume: Duration,
    /// To remove what a machine left.
    pub destroy: Duration,
    /// To make or remove a volume.
    pub volume: Duration,
}

/// A host of virtual machines. Keep a clone of the `Arc` that the options get, to let a machine crash or refuse to boot.
#[derive(Default)]
pub struct VirtualHost {
    latencies: HostLatencies,
    inner: Mutex<Inner>,
}

/// What a virtual machine answers to a command: by the machine's name and the command's words.
type Program = Arc<dyn Fn(&str, &[String]) -> Executed + Send + Sync>;

#[derive(Default)]
struct Inner {
    events: Option<mpsc::UnboundedSender<HostEvent>>,
    running: BTreeMap<String, Boot>,
    frozen: BTreeMap<String, Boot>,
    /// What is on the disks: whatever a test wrote.
    disks: BTreeMap<Disk, String>,
    program: Option<Program>,
    boots: Vec<Boot>,
    refusals: BTreeMap<String, String>,
    bad_images: BTreeMap<String, String>,
    ends: BTreeMap<String, Exit>,
    logs: Vec<(String, LogLine)>,
}

impl VirtualHost {
    /// A host that takes its time.
    #[must_use]
    pub fn new(latencies: HostLatencies) -> Self {
        Self { latencies, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every boot so far, oldest first.
    #[must_use]
    pub fn boots(&self) -> Vec<Boot> {
        self.lock().boots.clone()
    }

    /// Identifiers of the machines that run.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.lock().running.keys().cloned().collect()
    }

    /// Identifiers of the volumes that exist.
    #[must_use]
    pub fn volumes(&self) -> Vec<String> {
        let volume = |disk: &Disk| match disk {
            Disk::Volume(id) => Some(id.clone()),
            Disk::Snapshot(_) => None,
        };
        self.lock().disks.keys().filter_map(volume).collect()
    }

    /// Identifiers of the snapshots that exist.
    #[must_use]
    pub fn snapshots(&self) -> Vec<String> {
        let snapshot = |disk: &Disk| match disk {
            Disk::Snapshot(id) => Some(id.clone()),
            Disk::Volume(_) => None,
        };
        self.lock().disks.keys().filter_map(snapshot).collect()
    }

    /// Puts something on a volume, as the program in a machine would. Returns whether there is such a volume.
    pub fn write(&self, volume: &str, contents: &str) -> bool {
        let mut inner = self.lock();
        let Some(disk) = inner.disks.get_mut(&Disk::Volume(volume.to_owned())) else { return false };
        contents.clone_into(disk);
        true
    }

    /// What is on a volume: empty on a fresh one.
    #[must_use]
    pub fn contents(&self, volume: &str) -> Option<String> {
        self.lock().disks.get(&Disk::Volume(volume.to_owned())).cloned()
    }

    /// Says what machines answer to commands, given the machine's name and the command. Without it each answers nothing, with exit code 0.
    pub fn answer_commands(&self, program: impl Fn(&str, &[String]) -> Executed + Send + Sync + 'static) {
        self.lock().program = Some(Arc::new(program));
    }

    /// Ends a machine's main process as if by itself. Returns whether it ran.
    pub fn exit(&self, machine: &str, exit: Exit) -> bool {
        let mut inner = self.lock();
        let Some(boot) = inner.running.remove(machine) else { return false };
        inner.report(HostEvent::Exited { machine: boot.machine, instance_id: boot.instance_id, exit });
        true
    }

    /// Reports a check's verdict.
    pub fn check(&self, machine: &str, name: &str, status: &str) {
        let event =
            HostEvent::Check { machine: machine.to_owned(), name: name.to_owned(), status: status.to_owned(), output: String::new() };
        self.lock().report(event);
    }

    /// Machines of this name cannot boot from now on; `None` lets them boot again.
    pub fn refuse_boot(&self, machine_name: &str, reason: Option<&str>) {
        let mut inner = self.lock();
        match reason {
            Some(reason) => inner.refusals.insert(machine_name.to_owned(), reason.to_owned()),
            None => inner.refusals.remove(machine_name),
        };
    }

    /// This image cannot be fetched from now on; `None` lets it be fetched again.
    pub fn refuse_image(&self, image: &str, reason: Option<&str>) {
        let mut inner = self.lock();
        match reason {
            Some(reason) => inner.bad_images.insert(image.to_owned(), reason.to_owned()),
            None => inner.bad_images.remove(image),
        };
    }

    /// The program of machines of this name ends while they boot; `None` lets it run again.
    pub fn end_while_booting(&self, machine_name: &str, exit: Option<Exit>) {
        let mut inner = self.lock();
        match exit {
            Some(exit) => inner.ends.insert(machine_name.to_owned(), exit),
            None => inner.ends.remove(machine_name),
        };
    }

    /// Adds a line to an app's log.
    pub fn log(&self, app: &str, line: LogLine) {
        self.lock().logs.push((app.to_owned(), line));
    }
}

impl Inner {
    /// Starts the program. Returns whether it is still running at the end of the boot.
    fn run(&mut self, boot: Boot) -> Result<bool, BootFailed> {
        if let Some(reason) = self.refusals.get(&boot.name) {
            return Err(BootFailed { machine: boot.machine, reason: reason.clone() });
        }
        self.frozen.remove(&boot.machine);
        self.boots.push(boot.clone());
        if let Some(exit) = self.ends.get(&boot.name) {
            self.report(HostEvent::Exited { machine: boot.machine, instance_id: boot.instance_id, exit: exit.clone() });
            return Ok(false);
        }
        self.go_on(boot);
        Ok(true)
    }

    fn go_on(&mut self, boot: Boot) {
        for check in declared(&boot.config) {
            let (machine, status, output) = (boot.machine.clone(), "passing".to_owned(), "ok".to_owned());
            self.report(HostEvent::Check { machine, name: check.name, status, output });
        }
        self.running.insert(boot.machine.clone(), boot);
    }

    fn report(&self, event: HostEvent) {
        if let Some(events) = &self.events
            && events.send(event).is_err()
        {
            tracing::debug!("the simulator has ended; the event is of no use to anybody");
        }
    }
}

/// Waits on tokio's clock, and not at all for zero: a zero sleep would still cost a turn of the timer.
async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

#[async_trait]
impl Host for VirtualHost {
    async fn attach(&self, events: mpsc::UnboundedSender<HostEvent>) {
        self.lock().events = Some(events);
    }

    async fn pull(&self, image: &str) -> Result<(), NoImage> {
        let reason = self.lock().bad_images.get(image).cloned();
        reason.map_or(Ok(()), |reason| Err(NoImage { image: image.to_owned(), reason }))
    }

    async fn boot(&self, boot: Boot) -> Result<(), BootFailed> {
        pass(self.latencies.boot).await;
        if self.lock().run(boot)? {
            return Ok(());
        }
        // The simulator shall hear of the end before it hears that the boot succeeded.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn stop(&self, machine: &str, signal: i32, timeout: Duration) -> Exit {
        let (runs, frozen) = {
            let inner = self.lock();
            (inner.running.contains_key(machine), inner.frozen.contains_key(machine))
        };
        if !runs && !frozen {
            return Exit { code: Some(0), ..Exit::default() };
        }
        // What is frozen goes at once when it is only to go.
        if runs || !timeout.is_zero() {
            pass(self.latencies.stop).await;
        }
        let mut inner = self.lock();
        inner.running.remove(machine);
        if inner.frozen.remove(machine).is_some() || signal == 9 {
            Exit { signal: Some(9), ..Exit::default() }
        } else {
            Exit { code: Some(0), ..Exit::default() }
        }
    }

    async fn signal(&self, machine: &str, signal: i32) {
        if matches!(signal, 2 | 9 | 15) {
            self.exit(machine, Exit { signal: Some(signal), ..Exit::default() });
        }
    }

    async fn suspend(&self, machine: &str) -> bool {
        pass(self.latencies.stop).await;
        let mut inner = self.lock();
        let Some(boot) = inner.running.remove(machine) else { return false };
        inner.frozen.insert(machine.to_owned(), boot);
        true
    }

    async fn resume(&self, machine: &str) -> bool {
        pass(self.latencies.resume).await;
        let mut inner = self.lock();
        let Some(boot) = inner.frozen.remove(machine) else { return false };
        inner.go_on(boot);
        true
    }

    async fn destroy(&self, machine: &str) {
        pass(self.latencies.destroy).await;
        self.lock().running.remove(machine);
    }

    async fn create_volume(&self, volume: &str) -> std::io::Result<()> {
        pass(self.latencies.volume).await;
        self.lock().disks.entry(Disk::Volume(volume.to_owned())).or_default();
        Ok(())
    }

    async fn delete_volume(&self, volume: &str) -> std::io::Result<()> {
        pass(self.latencies.volume).await;
        self.lock().disks.remove(&Disk::Volume(volume.to_owned()));
        Ok(())
    }

    async fn copy(&self, from: &Disk, to: &Disk) -> std::io::Result<u64> {
        pass(self.latencies.volume).await;
        let mut inner = self.lock();
        let contents = inner.disks.get(from).cloned().ok_or(std::io::ErrorKind::NotFound)?;
        Ok(inner.disks.entry(to.clone()).or_insert(contents).len() as u64)
    }

    async fn delete_snapshot(&self, snapshot: &str) -> std::io::Result<()> {
        self.lock().disks.remove(&Disk::Snapshot(snapshot.to_owned()));
        Ok(())
    }

    async fn exec(&self, machine: &str, command: &[String], _timeout: Duration) -> Result<Executed, ExecFailed> {
        let (program, name) = {
            let inner = self.lock();
            (inner.program.clone(), inner.running.get(machine).map(|boot| boot.name.clone()).ok_or(ExecFailed::NotRunning)?)
        };
        Ok(program.map(|program| program(&name, command)).unwrap_or_default())
    }

    async fn processes(&self, machine: &str) -> Vec<ProcessStat> {
        let inner = self.lock();
        let main = inner.running.get(machine).map(|boot| boot.config["image"].as_str().unwrap_or_default().to_owned());
        main.map(|command| ProcessStat { pid: 1, command, directory: "/".to_owned(), ..ProcessStat::default() }).into_iter().collect()
    }

    async fn logs(&self, app: &str, machine: Option<&str>, after_ns: i64, limit: usize) -> Vec<LogLine> {
        let inner = self.lock();
        let lines =
            inner.logs.iter().filter(|(of, line)| of == app && machine.is_none_or(|id| id == line.machine) && line.timestamp_ns > after_ns);
        lines.map(|(_, line)| line.clone()).take(limit).collect()
    }

    async fn shutdown(&self) {
        let mut inner = self.lock();
        inner.running.clear();
        inner.frozen.clear();
        inner.events = None;
    }
}
