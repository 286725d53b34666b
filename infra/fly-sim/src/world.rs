use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::calls::CallLog;
use crate::conditions::Conditions;
use crate::faults::Chance;
use crate::host::Exit;
use crate::ids::Ids;
use crate::limits::Limits;
use crate::options::Options;
use crate::records::Event;
use crate::script::Script;
use crate::tables::{Change, Tables};

/// Everything that the calls and the machines' workers share.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) ids: Ids,
    pub(crate) script: Script,
    pub(crate) limits: Limits,
    pub(crate) calls: CallLog,
    pub(crate) conditions: Conditions,
    /// What goes wrong by chance.
    pub(crate) chance: Option<Chance>,
    pub(crate) opened_at: Timestamp,
    /// Machines that a worker is moving on.
    pub(crate) working: Mutex<HashSet<String>>,
    /// Exits that were reported before the machine counted as started. Only locked while the tables are.
    pub(crate) exited: Mutex<BTreeMap<String, (String, Exit)>>,
    tables: Mutex<Tables>,
    changed: watch::Sender<u64>,
    closing: AtomicBool,
}

impl World {
    pub(crate) fn new(options: Options, tables: Tables) -> Arc<Self> {
        Arc::new(Self {
            ids: Ids::new(options.seed),
            opened_at: options.clock.now(),
            chance: options.faults.clone().map(Chance::new),
            options,
            script: Script::default(),
            limits: Limits::default(),
            calls: CallLog::default(),
            conditions: Conditions::default(),
            working: Mutex::default(),
            exited: Mutex::default(),
            tables: Mutex::new(tables),
            changed: watch::Sender::new(0),
            closing: AtomicBool::new(false),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&lock(&self.tables))
    }

    /// Changes the tables, and their file, and wakes whoever waits for a change. A refused change has not happened.
    ///
    /// The file is written while the lock is held and on the caller's thread: one transaction of a few records takes less than handing
    /// it over would.
    pub(crate) fn change<T, E: From<rusqlite::Error>>(&self, change: impl FnOnce(&mut Change<'_>) -> Result<T, E>) -> Result<T, E> {
        let value = lock(&self.tables).change(self.now(), change)?;
        self.wake();
        Ok(value)
    }

    /// Lets everybody who waits for a change look again.
    pub(crate) fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Resolves at every change of the tables.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn event(&self, kind: &str, status: &str, source: &str, request: Value) -> Event {
        let now = self.now();
        let (kind, status, source) = (kind.to_owned(), status.to_owned(), source.to_owned());
        Event { id: self.ids.ulid(now), kind, status, source, timestamp: now.as_millisecond(), request }
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// A panic under a lock has already failed its own call; the others go on with what the change left, which is what the file holds too.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
