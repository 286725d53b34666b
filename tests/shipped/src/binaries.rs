use std::path::{Path, PathBuf};
use std::process::Command;

/// Every function, by the name of its package and its program.
pub const FUNCTIONS: [&str; 5] = ["api", "sweep", "flow-runner", "health-checker", "notifier"];

/// The smallest function there is, which the others are compared with.
pub const HELLO: &str = "hello";

/// Built functions.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

/// The functions could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no cargo.
    #[error("cargo could not be run")]
    Cargo(#[from] std::io::Error),
    /// It said why.
    #[error("cargo could not build the functions")]
    Failed,
}

impl Binaries {
    /// Builds the functions, and nothing with them but `hello`: cargo unites the features of what it builds together, and those of the
    /// local platform have no business in a function. They have a target folder of their own, which also lets a test build them.
    ///
    /// # Errors
    /// If cargo cannot build them.
    pub fn build(profile: &str) -> Result<Self, BuildError> {
        let root = root();
        let target = root.join("target/functions");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&root).args(["build", "--profile", profile, "--target-dir"]).arg(&target);
        for package in FUNCTIONS.iter().chain([&HELLO]) {
            cargo.args(["-p", package]);
        }
        // What the cargo that runs this program has set is for this program.
        for (name, _) in std::env::vars_os() {
            let theirs = name.to_str().is_some_and(|name| ["CARGO_", "__CARGO"].iter().any(|start| name.starts_with(start)));
            if theirs && name != "CARGO_HOME" {
                cargo.env_remove(name);
            }
        }
        if !cargo.status()?.success() {
            return Err(BuildError::Failed);
        }
        Ok(Self { folder: target.join(profile) })
    }

    /// Functions that somebody else has built.
    ///
    /// # Errors
    /// If the folder is a relative one and there is nothing that it is relative to.
    pub fn built(folder: &Path) -> std::io::Result<Self> {
        // The programs are started in another folder than this one.
        Ok(Self { folder: std::path::absolute(folder)? })
    }

    /// Copies, written from their beginning to their end as whoever unpacks a deployment writes them: a linker leaves its file in the
    /// page cache in pieces, and starting from these costs up to a third more.
    ///
    /// # Errors
    /// If a program is missing or cannot be copied.
    pub fn copied(&self, folder: &Path) -> std::io::Result<Self> {
        for function in FUNCTIONS.iter().chain([&HELLO]) {
            std::fs::copy(self.program(function), folder.join(function))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The program of a function.
    #[must_use]
    pub fn program(&self, function: &str) -> PathBuf {
        self.folder.join(function)
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("the package is in tests/shipped").to_owned()
}
