//! The data folder: one owner, one version, one port.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// Raised when what is stored changes so that older code cannot read it.
const VERSION: u32 = 1;

/// How long a holder may take that was killed a moment ago: its lock ends when the kernel has taken it apart.
const LETTING_GO: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Below this a disk counts as full: the databases write a log beside themselves before they write.
pub(crate) const NEEDED_MB: u64 = 16;

/// What `--reset` keeps: programs, not data.
const KEPT: [&str; 2] = ["gateways", "lock"];

/// The folder, locked for as long as this lives.
pub struct Folder {
    root: PathBuf,
    _lock: Flock<File>,
}

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Somebody else has it.
    #[error("{} is in use by process {holder}; stop that one, or choose another folder with --data", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// What the lock's holder wrote into it.
        holder: String,
    },
    /// Newer code wrote it.
    #[error("{} was written by a newer Rockpool (format {found}, this one reads {VERSION}); use that one, or --reset", .folder.display())]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Its instances have addresses with another port.
    #[error(
        "the instances in {} have addresses with port {recorded}; start with --port {} or without --port, or with --reset",
        .folder.display(), .recorded - 1
    )]
    OtherPort {
        /// The folder.
        folder: PathBuf,
        /// The port in their addresses.
        recorded: u16,
    },
    /// It was copied while the platform ran in the original, so that its files are of different moments.
    #[error(
        "{} is a copy of {} that was made while Rockpool ran there; end that one, copy it again, or start with --reset",
        .folder.display(), .original.display()
    )]
    CopiedInUse {
        /// The folder.
        folder: PathBuf,
        /// Where it was copied from.
        original: PathBuf,
    },
    /// There is hardly any room left.
    #[error("the disk of {} is full ({free_mb} MB left, {NEEDED_MB} MB are needed); nothing was changed", .folder.display())]
    Full {
        /// The folder.
        folder: PathBuf,
        /// What is left.
        free_mb: u64,
    },
    /// The file system refused.
    #[error("{} cannot be used{}", .path.display(), full(.source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn full(error: &std::io::Error) -> &'static str {
    if error.kind() == std::io::ErrorKind::StorageFull { ": the disk is full" } else { "" }
}

/// What the folder says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    version: u32,
    instances_port: u16,
    /// Where it was when it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home: Option<Home>,
    /// Set while the platform runs in it, and for good if that was cut off.
    #[serde(default)]
    in_use: bool,
}

/// By which a folder is told from a copy of it. One that was moved keeps its number, one that was mounted anew its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Home {
    path: PathBuf,
    inode: u64,
}

impl Home {
    fn of(root: &Path) -> Result<Self, FolderError> {
        let inode = std::fs::metadata(root).map_err(io(root))?.ino();
        Ok(Self { path: root.to_owned(), inode })
    }

    fn is_copied_to(&self, other: &Self) -> bool {
        self.path != other.path && self.inode != other.inode
    }
}

impl Folder {
    /// Makes the folder if need be, locks it, and empties it first if asked to.
    ///
    /// # Errors
    /// If it is in use, was written by newer code, or cannot be written.
    pub fn open(root: &Path, reset: bool) -> Result<Self, FolderError> {
        std::fs::create_dir_all(root).map_err(io(root))?;
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700)).map_err(io(root))?;
        let root = root.canonicalize().map_err(io(root))?;
        let lock = lock(&root)?;
        let folder = Self { root, _lock: lock };
        if reset {
            folder.empty()?;
        }
        if let Some(label) = folder.label()? {
            if label.version > VERSION {
                return Err(FolderError::Newer { folder: folder.root, found: label.version });
            }
            let here = Home::of(&folder.root)?;
            if let Some(home) = label.home.filter(|home| label.in_use && home.is_copied_to(&here)) {
                return Err(FolderError::CopiedInUse { folder: folder.root, original: home.path });
            }
        }
        match folder.free_mb()? {
            free_mb if free_mb < NEEDED_MB => Err(FolderError::Full { folder: folder.root, free_mb }),
            _ => Ok(folder),
        }
    }

    /// What is left of its disk, in MB of a million bytes.
    ///
    /// # Errors
    /// If the file system does not say.
    pub(crate) fn free_mb(&self) -> Result<u64, FolderError> {
        free_mb(&self.root).map_err(io(&self.root))
    }

    /// A path within it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The port of the API: the one asked for, or the one that this folder has had, or 8080. It fails if the folder's instances have
    /// addresses with another one.
    ///
    /// # Errors
    /// If the wish does not fit what is recorded.
    pub(crate) fn port(&self, asked: Option<u16>) -> Result<u16, FolderError> {
        match (asked, self.label()?) {
            (Some(asked), Some(label)) if asked != 0 && asked.checked_add(1) != Some(label.instances_port) => {
                Err(FolderError::OtherPort { folder: self.root.clone(), recorded: label.instances_port })
            }
            (_, Some(label)) => Ok(label.instances_port - 1),
            (asked, None) => Ok(asked.unwrap_or(8080)),
        }
    }

    /// Records the port that addresses contain from now on, and that the folder is in use.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep_port(&self, instances_port: u16) -> Result<(), FolderError> {
        let home = Some(Home::of(&self.root)?);
        self.write_label(&Label { version: VERSION, instances_port, home, in_use: true })
    }

    /// Records that nothing writes into it any more, so that a copy is as good as the original.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn rest(&self) -> Result<(), FolderError> {
        match self.label()? {
            Some(label) => self.write_label(&Label { in_use: false, ..label }),
            None => Ok(()),
        }
    }

    fn write_label(&self, label: &Label) -> Result<(), FolderError> {
        let text = serde_json::to_vec(label).map_err(|error| io(&self.path("platform.json"))(error.into()))?;
        self.write_private("platform.json", &text)
    }

    /// Writes a file that only its owner reads, all of it or nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write_private(&self, name: &str, contents: &[u8]) -> Result<(), FolderError> {
        let (path, fresh) = (self.path(name), self.path(&format!("{name}.new")));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).map_err(io(&fresh))?;
        file.write_all(contents).and_then(|()| file.sync_all()).map_err(io(&fresh))?;
        std::fs::rename(&fresh, &path).map_err(io(&path))
    }

    /// Reads a file; absent is `None`.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FolderError> {
        let path = self.path(name);
        match std::fs::read(&path) {
            Ok(contents) => Ok(Some(contents)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(&path)(error)),
        }
    }

    fn label(&self) -> Result<Option<Label>, FolderError> {
        let Some(contents) = self.read("platform.json")? else { return Ok(None) };
        let label = serde_json::from_slice(&contents).map_err(|error| io(&self.path("platform.json"))(error.into()))?;
        Ok(Some(label))
    }

    fn empty(&self) -> Result<(), FolderError> {
        for entry in std::fs::read_dir(&self.root).map_err(io(&self.root))? {
            let entry = entry.map_err(io(&self.root))?;
            if KEPT.iter().any(|kept| entry.file_name() == *kept) {
                continue;
            }
            let path = entry.path();
            let folder = entry.file_type().map_err(io(&path))?.is_dir();
            if folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }.map_err(io(&path))?;
        }
        Ok(())
    }
}

/// The kernel gives the lock back when its holder dies, however it dies.
fn lock(root: &Path) -> Result<Flock<File>, FolderError> {
    let path = root.join("lock");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io(&path))?;
    let mut attempt = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    let began = Instant::now();
    while let Err((file, nix::errno::Errno::EWOULDBLOCK)) = attempt {
        if began.elapsed() >= LETTING_GO {
            attempt = Err((file, nix::errno::Errno::EWOULDBLOCK));
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
        attempt = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    }
    match attempt {
        Ok(mut lock) => {
            let wrote = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(lock, "{}", std::process::id()));
            wrote.map_err(io(&path))?;
            Ok(lock)
        }
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(io(&path))?;
            Err(FolderError::InUse { folder: root.to_owned(), holder })
        }
        Err((_, error)) => Err(io(&path)(error.into())),
    }
}

/// What is left of the disk below a folder, in MB of a million bytes.
pub(crate) fn free_mb(folder: &Path) -> std::io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(folder)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()) / 1_000_000)
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> FolderError + use<> {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let root = tempfile::tempdir().unwrap();
        let first = Folder::open(root.path(), false).unwrap();
        let Err(error) = Folder::open(root.path(), false) else { panic!("two owners") };
        assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
        drop(first);
        assert!(Folder::open(root.path(), false).is_ok());
    }

    #[test]
    fn a_newer_format_is_refused_until_it_is_reset() {
        let root = tempfile::tempdir().unwrap();
        let label = Label { version: VERSION + 1, instances_port: 1, home: None, in_use: false };
        std::fs::write(root.path().join("platform.json"), serde_json::to_vec(&label).unwrap()).unwrap();
        assert!(matches!(Folder::open(root.path(), false), Err(FolderError::Newer { found: 2, .. })));
        assert!(Folder::open(root.path(), true).is_ok());
    }

    #[test]
    fn a_folder_keeps_its_port() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path(), false).unwrap();
        assert_eq!(folder.port(None).unwrap(), 8080);
        assert_eq!(folder.port(Some(9000)).unwrap(), 9000);
        folder.keep_port(9001).unwrap();
        assert_eq!(folder.port(None).unwrap(), 9000);
        assert!(folder.port(Some(8080)).unwrap_err().to_string().contains("--port 9000"));
    }

    #[test]
    fn a_copy_of_a_folder_in_use_is_refused_and_one_of_a_folder_at_rest_is_not() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        let copy = |name: &str| {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::copy(at("original/platform.json"), at(name).join("platform.json")).unwrap();
        };
        let original = Folder::open(&at("original"), false).unwrap();
        original.keep_port(9001).unwrap();
        copy("while-in-use");
        let Err(refused) = Folder::open(&at("while-in-use"), false) else { panic!("taken for sound") };
        assert!(refused.to_string().contains(&format!("is a copy of {}", at("original").display())), "{refused}");
        assert!(Folder::open(&at("while-in-use"), true).is_ok(), "a reset needs nothing of it");
        original.rest().unwrap();
        copy("at-rest");
        assert!(Folder::open(&at("at-rest"), false).is_ok());
    }

    #[test]
    fn a_folder_that_was_cut_off_and_moved_is_no_copy() {
        let root = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| root.path().join(name));
        Folder::open(&here, false).unwrap().keep_port(9001).unwrap();
        std::fs::rename(&here, &there).unwrap();
        assert!(Folder::open(&there, false).is_ok());
    }

    #[test]
    fn a_reset_keeps_downloaded_gateways_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("gateways/openclaw")).unwrap();
        std::fs::create_dir_all(root.path().join("aws")).unwrap();
        std::fs::write(root.path().join("token"), "x").unwrap();
        Folder::open(root.path(), true).unwrap();
        assert!(root.path().join("gateways/openclaw").exists());
        assert!(!root.path().join("aws").exists() && !root.path().join("token").exists());
    }
}
