//! Machines as real processes on this host: each has its own loopback ports, its own root folder and a process group of its own.
//!
//! On Fly a machine is a virtual machine, so nothing of it can outlive its end or reach another. Here the same is kept by four means:
//! the main process leads a process group that is ended as a whole; its standard input is a pipe that only this process holds, so
//! that a killed host is noticed by every machine; what was started is recorded durably before and after the start, so that the
//! next host knows what to wait for; and a log file, not a pipe, takes what it writes.
//!
//! This module knows nothing of the Machines API: it boots what [`Host`](crate::host::Host) is given and reports what it sees.

mod boot;
mod checks;
mod config;
mod copies;
mod environment;
mod exec;
mod host;
mod logs;
mod machine;
mod ports;
mod predecessor;
mod proc_table;
mod record;
mod rootfs;
mod run;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use self::machine::Machine;
use crate::host::{Disk, HostEvent};

/// What an image stands for on this host: the program that is started instead of a container.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The program's file and its arguments.
    pub argv: Vec<OsString>,
    /// What the image itself puts into the environment. The machine's `config.env`, the app's secrets and the platform's own variables come on top.
    pub env: Vec<(String, String)>,
}

/// Finds the program of an image reference; `None` means that no such image exists here.
pub type Images = Arc<dyn Fn(&str) -> Option<Program> + Send + Sync>;

/// Where machines live and what they run.
#[derive(Clone)]
pub struct Options {
    /// The folder that holds `machines/`, `volumes/` and `snapshots/`. It is made if absent.
    pub root: PathBuf,
    /// The programs behind the images. A machine's configuration can never name a program of its own: it would run with this host's rights.
    pub images: Images,
}

/// How long this host waits, and how much it keeps.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a process of an earlier host may take to end by its lifeline before it is asked to.
    pub lifeline_grace: Duration,
    /// How long a process may take to end after SIGTERM, wherever the caller named no time, before its group is killed.
    pub term_grace: Duration,
    /// How long all machines together may drain when the host ends.
    pub drain: Duration,
    /// The size in bytes at which a machine's log is turned; one turned log is kept.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lifeline_grace: Duration::from_secs(10),
            term_grace: Duration::from_secs(5),
            drain: Duration::from_secs(20),
            log_bytes: 10 * 1024 * 1024,
        }
    }
}

/// A host whose machines are processes. Copies share one host; when the last is dropped every machine's lifeline ends.
#[derive(Clone)]
pub struct Processes {
    inner: Arc<Inner>,
}

struct Inner {
    machines_folder: PathBuf,
    volumes_folder: PathBuf,
    snapshots_folder: PathBuf,
    images: Images,
    limits: Limits,
    /// The kernel's boot: a process id means nothing across two of them.
    boot_id: String,
    events: OnceLock<mpsc::UnboundedSender<HostEvent>>,
    closing: AtomicBool,
    machines: Mutex<HashMap<String, Arc<Machine>>>,
    /// Held while ports are chosen, so that two boots never choose the same.
    choosing_ports: Mutex<()>,
}

impl Processes {
    /// Opens the folder and reads what earlier hosts recorded in it. Starts and ends nothing.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(options: Options) -> io::Result<Self> {
        Self::open_with(options, Limits::default())
    }

    /// [`Processes::open`] with other limits.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open_with(options: Options, limits: Limits) -> io::Result<Self> {
        let Options { root, images } = options;
        std::fs::create_dir_all(&root)?;
        // Machines get absolute paths, whatever folder this process was started in.
        let root = root.canonicalize()?;
        let [machines_folder, volumes_folder, snapshots_folder] = ["machines", "volumes", "snapshots"].map(|name| root.join(name));
        for folder in [&machines_folder, &volumes_folder, &snapshots_folder] {
            std::fs::create_dir_all(folder)?;
        }
        let mut machines = HashMap::new();
        for entry in std::fs::read_dir(&machines_folder)? {
            let entry = entry?;
            if let Ok(id) = entry.file_name().into_string()
                && entry.file_type()?.is_dir()
            {
                machines.insert(id.clone(), Arc::new(Machine::open(id, entry.path(), limits.log_bytes)));
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                machines_folder,
                volumes_folder,
                snapshots_folder,
                images,
                limits,
                boot_id: proc_table::boot_id()?,
                events: OnceLock::new(),
                closing: AtomicBool::new(false),
                machines: Mutex::new(machines),
                choosing_ports: Mutex::new(()),
            }),
        })
    }

    /// The loopback port on which a machine serves one of its `services[].internal_port`s, since its last boot.
    pub fn port(&self, machine: &str, internal_port: u16) -> Option<u16> {
        self.inner.machine(machine)?.ports()?.services.get(&internal_port).copied()
    }

    /// The loopback port on which a machine serves its metrics.
    pub fn metrics_port(&self, machine: &str) -> Option<u16> {
        Some(self.inner.machine(machine)?.ports()?.metrics)
    }

    /// The id of a machine's main process, while it runs.
    pub fn pid(&self, machine: &str) -> Option<i32> {
        Some(self.inner.machine(machine)?.running()?.pid())
    }

    /// Whether a machine's processes are frozen.
    pub fn is_frozen(&self, machine: &str) -> bool {
        self.inner.machine(machine).and_then(|machine| machine.running()).is_some_and(|run| run.is_frozen())
    }

    /// The folder that is `/` to a machine.
    pub fn machine_root(&self, machine: &str) -> Option<PathBuf> {
        Some(self.inner.machine(machine)?.root())
    }
}

impl Inner {
    fn machine(&self, id: &str) -> Option<Arc<Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn all(&self) -> Vec<Arc<Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The machine's record, made if this host never saw it.
    fn ensure_machine(&self, id: &str) -> io::Result<Arc<Machine>> {
        plain_name(id)?;
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = machines.get(id) {
            return Ok(Arc::clone(machine));
        }
        let folder = self.machines_folder.join(id);
        std::fs::create_dir_all(&folder)?;
        let machine = Arc::new(Machine::open(id.to_owned(), folder, self.limits.log_bytes));
        machines.insert(id.to_owned(), Arc::clone(&machine));
        Ok(machine)
    }

    /// A volume's folder; it need not exist.
    fn volume(&self, volume: &str) -> io::Result<PathBuf> {
        plain_name(volume)?;
        Ok(self.volumes_folder.join(volume))
    }

    /// The folder of a volume or a snapshot; it need not exist.
    fn disk(&self, disk: &Disk) -> io::Result<PathBuf> {
        match disk {
            Disk::Volume(volume) => self.volume(volume),
            Disk::Snapshot(snapshot) => plain_name(snapshot).map(|()| self.snapshots_folder.join(snapshot)),
        }
    }

    fn report(&self, event: HostEvent) {
        // Without a listener, or after it went away, there is nobody to tell; what happened is also in the machine's record.
        if let Some(Err(_)) = self.events.get().map(|events| events.send(event)) {
            tracing::debug!("nobody listens to the host's events any more");
        }
    }
}

/// Identifiers become names of folders, and `..` must never become one.
fn plain_name(id: &str) -> io::Result<()> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{id:?} is no identifier")))
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
