//! What this host holds of one machine: its folder, its records, and its process while there is one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio_util::sync::DropGuard;

use super::checks::Plan;
use super::logs::Log;
use super::ports::Ports;
use super::record::{self, Facts, ProcessRecord};
use super::run::Run;
use crate::host::LogLine;

pub(super) struct Machine {
    id: String,
    folder: PathBuf,
    facts: Mutex<Option<Facts>>,
    ports: Mutex<Option<Ports>>,
    active: Mutex<Option<Active>>,
    log: Arc<Log>,
    /// Held by a boot, a destruction and the end of an earlier host's process: one of them at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// A process that runs, with all that must end when it does.
pub(super) struct Active {
    pub(super) run: Arc<Run>,
    /// The writing end of the process's standard input. Never written to: its end of file says that this host is gone.
    pub(super) lifeline: Option<ChildStdin>,
    /// What it found in its environment, for commands that join it.
    pub(super) environment: Arc<BTreeMap<OsString, OsString>>,
    /// What is looked at while it runs.
    pub(super) checks: Vec<Plan>,
    /// Ends the checks and the stamping of the log. `None` while it is frozen.
    pub(super) tasks: Option<DropGuard>,
}

impl Machine {
    pub(super) fn open(id: String, folder: PathBuf, log_bytes: u64) -> Self {
        Self {
            facts: Mutex::new(record::read(&folder.join("machine.json"))),
            ports: Mutex::new(record::read(&folder.join("ports.json"))),
            active: Mutex::new(None),
            log: Arc::new(Log::open(folder.join("machine.log"), log_bytes)),
            turn: tokio::sync::Mutex::new(()),
            id,
            folder,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub(super) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    pub(super) fn app(&self) -> Option<String> {
        Some(lock(&self.facts).as_ref()?.app.clone())
    }

    pub(super) fn set_facts(&self, facts: Facts) -> io::Result<()> {
        record::write(&self.folder.join("machine.json"), &facts)?;
        *lock(&self.facts) = Some(facts);
        Ok(())
    }

    pub(super) fn ports(&self) -> Option<Ports> {
        lock(&self.ports).clone()
    }

    pub(super) fn set_ports(&self, ports: &Ports) -> io::Result<()> {
        record::write(&self.folder.join("ports.json"), ports)?;
        *lock(&self.ports) = Some(ports.clone());
        Ok(())
    }

    fn process_path(&self) -> PathBuf {
        self.folder.join("process.json")
    }

    pub(super) fn process_record(&self) -> Option<ProcessRecord> {
        record::read(&self.process_path())
    }

    pub(super) fn set_process_record(&self, process: &ProcessRecord) -> io::Result<()> {
        record::write(&self.process_path(), process)
    }

    pub(super) fn clear_process_record(&self) {
        if let Err(error) = record::remove(&self.process_path()) {
            // Harmless for safety: the next host finds that nothing matches the record any more.
            tracing::warn!(machine = self.id, %error, "the record of an ended process could not be removed");
        }
    }

    pub(super) fn active(&self) -> MutexGuard<'_, Option<Active>> {
        lock(&self.active)
    }

    pub(super) fn running(&self) -> Option<Arc<Run>> {
        self.active().as_ref().map(|active| Arc::clone(&active.run))
    }

    /// The environment of what runs.
    pub(super) fn environment(&self) -> Option<Arc<BTreeMap<OsString, OsString>>> {
        self.active().as_ref().map(|active| Arc::clone(&active.environment))
    }

    /// Notes that a process ended. By then another may not have begun, because a boot waits for this.
    pub(super) fn ended(this: &Weak<Self>, run: &Weak<Run>) {
        let (Some(machine), Some(run)) = (this.upgrade(), run.upgrade()) else { return };
        if let Err(error) = machine.log.observe(true) {
            tracing::warn!(machine = machine.id, %error, "the log's end could not be read");
        }
        machine.clear_process_record();
        let mut active = machine.active();
        if active.as_ref().is_some_and(|active| Arc::ptr_eq(&active.run, &run)) {
            *active = None;
        }
    }

    /// Lets the process end because the host does: the lifeline ends, SIGTERM says the same to programs that do not watch it, and
    /// whoever is still there after `patience` is killed.
    pub(super) async fn drain(&self, patience: Duration) {
        let run = {
            let mut active = self.active();
            let Some(active) = active.as_mut() else { return };
            active.run.expect_end();
            active.lifeline = None;
            Arc::clone(&active.run)
        };
        run.stop(Signal::SIGTERM as i32, patience).await;
    }

    /// At most `limit` of the machine's lines after a time, oldest first.
    pub(super) fn log_lines(&self, after_ns: i64, limit: usize) -> Vec<LogLine> {
        let region = lock(&self.facts).as_ref().map(|facts| facts.region.clone()).unwrap_or_default();
        let lines = self.log.lines_after(after_ns, limit).unwrap_or_else(|error| {
            tracing::warn!(machine = self.id, %error, "the machine's log could not be read");
            Vec::new()
        });
        lines
            .into_iter()
            .map(|line| LogLine {
                timestamp_ns: line.timestamp_ns,
                machine: self.id.clone(),
                region: region.clone(),
                level: line.level.to_owned(),
                message: line.message,
            })
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
