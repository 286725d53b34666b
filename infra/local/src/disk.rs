//! Whether there is room: a full disk shows in a hundred ways, and is to be said in one.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::folder::{NEEDED_MB, free_mb};

/// How often the disk is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Says once when the disk below a folder is full, and once when there is room again.
pub(crate) async fn watch(folder: PathBuf, stop: CancellationToken) {
    let mut full = false;
    let name = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    loop {
        match free_mb(&folder) {
            Ok(left) if !full && left < NEEDED_MB => {
                full = true;
                eprintln!(
                    "rockpool-local: the disk of {} is full ({left} MB left): what is asked for may fail, what was accepted is kept and goes \
                     on when there is room",
                    name.display()
                );
            }
            Ok(left) if full && left >= NEEDED_MB => {
                full = false;
                eprintln!("rockpool-local: the disk of {} has room again ({left} MB left)", name.display());
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the disk does not say what is left"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}
