use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::environment::{self as names, GATEWAY_USER};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::Pid;

use super::orphan;
use crate::Settings;
use crate::status::Board;

/// The supervisor's own folder on the volume. The gateway's user can neither read nor replace it.
pub(super) const OWN: &str = "/data/rockpool";

/// How long the volume may be held before that is logged as an error. The attempts go on: a machine that cannot be repaired by waiting
/// can still be looked at.
const REPORT_AFTER: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// What an orphaned gateway gets between SIGTERM and SIGKILL. Its work has no caller any more.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(10);

/// The volume, held by this supervisor and by the gateway it starts.
#[derive(Debug)]
pub(super) struct Volume {
    note: PathBuf,
    /// The lock (flock(2)) ends when the last process that has it open does.
    _lock: File,
}

impl Volume {
    /// Waits until no other supervisor and no gateway of one holds the volume, and takes it.
    pub(super) async fn claim(settings: &Settings, board: &Board) -> Self {
        let began = tokio::time::Instant::now();
        let mut reported = false;
        loop {
            let trouble = match Self::try_claim(settings) {
                Ok(Some(volume)) => {
                    board.write(|status| status.trouble = None);
                    return volume;
                }
                Ok(None) => "another supervisor, or the gateway it left behind, holds the volume".to_owned(),
                Err(error) => format!("the volume cannot be used: {error}"),
            };
            if !reported && began.elapsed() >= REPORT_AFTER {
                tracing::error!(trouble, waited_seconds = began.elapsed().as_secs(), "the volume is not to be had; still trying");
                reported = true;
            }
            board.write(|status| status.trouble = Some(trouble));
            if !orphan::end(&note_in(settings), ORPHAN_PATIENCE).await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    fn try_claim(settings: &Settings) -> io::Result<Option<Self>> {
        let own = settings.place(OWN);
        fs::create_dir_all(&own)?;
        if settings.drop_privileges {
            // The volume's root stays ours, or the gateway's user could rename our folder away.
            let data = settings.place(names::DATA);
            lchown(&data, Some(0), Some(0))?;
            fs::set_permissions(&data, fs::Permissions::from_mode(0o755))?;
            lchown(&own, Some(0), Some(0))?;
        }
        fs::set_permissions(&own, fs::Permissions::from_mode(0o700))?;
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(own.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The gateway inherits it: were this process killed, the gateway would still hold the volume, and none is started beside it.
        fcntl(&lock, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(Some(Self { note: note_in(settings), _lock: lock }))
    }

    /// Notes which process the gateway is, for the case that it outlives this one.
    pub(super) fn note_gateway(&self, pid: Pid) -> io::Result<()> {
        orphan::note(&self.note, pid)
    }
}

/// Makes the gateway's folders, mode 700 and its user's. Called while no gateway runs, so nothing changes underneath.
pub(super) fn prepare_folders(settings: &Settings) -> io::Result<()> {
    for folder in settings.launch.folders() {
        let usable = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        if !usable {
            // A link or a file in a folder's place is the work of the agent or of an accident; behind a link may lie anything.
            match fs::remove_file(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::create_dir_all(&folder)?,
            }
        }
        if settings.drop_privileges {
            give_to_gateway(&folder)?;
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Gives a folder to the gateway's user. Where it belonged to somebody else, as after a restore, so does what is in it.
fn give_to_gateway(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    if found.uid() == GATEWAY_USER && found.gid() == GATEWAY_USER {
        return Ok(());
    }
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        lchown(&path, Some(GATEWAY_USER), Some(GATEWAY_USER))?;
        if fs::symlink_metadata(&path)?.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        }
    }
    Ok(())
}

fn note_in(settings: &Settings) -> PathBuf {
    settings.place(OWN).join("gateway.pid")
}
