//! What a host must know about a machine after it was killed itself: one small file each, replaced as a whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The process that a machine runs, or is about to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(super) enum ProcessRecord {
    /// Written before the start: from here on there may be a process whose id nobody wrote down.
    Starting {
        /// The kernel's boot.
        boot_id: String,
    },
    /// Written after the start.
    Running {
        /// The kernel's boot.
        boot_id: String,
        /// The main process, which leads the group of the same number.
        pid: i32,
        /// When it began, in clock ticks since the kernel's boot: together with the pid it is unique within one boot.
        start_time: u64,
        /// The version of the machine that it runs.
        instance_id: String,
    },
}

/// Whose log it is; logs are asked for by app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) app: String,
    pub(super) region: String,
}

/// Reads a record. A missing file is `None`; a damaged one is too, and said, because a host that cannot start over one file helps nobody.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a record could not be read");
            return None;
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| tracing::warn!(path = %path.display(), %error, "a record is damaged")).ok()
}

/// Writes a record so that after a crash at any point either the old or the new one is there, whole.
pub(super) fn write<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(record)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The rename itself is only durable once the folder is.
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes a record, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
