use std::io;
use std::path::{Path, PathBuf};

/// A gateway could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no npm to fetch it with.
    #[error("npm was not found on the PATH; install it (Debian: `apt install npm`), any version that runs on this system will do")]
    NpmMissing,
    /// There are no pinned packages for this kind of machine.
    #[error("gateways run on Linux with x86_64 or aarch64, not on {os} with {arch}")]
    Unsupported {
        /// The operating system.
        os: &'static str,
        /// The processor.
        arch: &'static str,
    },
    /// Not enough room.
    #[error("the disk that holds {} is full: {free_mb} MB are free, an installation needs {need_mb} MB", into.display())]
    DiskFull {
        /// Where it should go.
        into: PathBuf,
        /// What is free.
        free_mb: u64,
        /// What is needed.
        need_mb: u64,
    },
    /// The folder holds something that this installer did not make.
    #[error("{} holds something else: name an empty or a new folder", into.display())]
    Foreign {
        /// The folder.
        into: PathBuf,
    },
    /// The lockfile and the manifest beside it disagree, or a package is not the one that was locked.
    #[error("the pinned lockfile does not fit what npm found: {said}")]
    LockfileMismatch {
        /// npm's own words.
        said: String,
    },
    /// The package registry did not answer.
    #[error("the package registry cannot be reached: {said}")]
    RegistryUnreachable {
        /// npm's own words.
        said: String,
    },
    /// npm failed in another way.
    #[error("npm could not {doing} ({status}): {said}")]
    NpmFailed {
        /// What it was to do.
        doing: &'static str,
        /// How it ended.
        status: String,
        /// Its last words.
        said: String,
    },
    /// npm was content, but what it was to bring does not work.
    #[error("npm reported success, but {} does not work: {why}", path.display())]
    Incomplete {
        /// What is missing or broken.
        path: PathBuf,
        /// In which way.
        why: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl InstallError {
    /// For `map_err`: what was attempted on which path.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
