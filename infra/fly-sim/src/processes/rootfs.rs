//! The folder that a machine sees as `/`: fresh at every boot, with the volumes linked in and the configured files written.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::config::{Config, File, Mount};

/// The mode of a file whose configuration names none.
const DEFAULT_MODE: u32 = 0o644;

/// Why a machine's folder could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfurnished {
    #[error("{path:?} is not an absolute path within the machine")]
    Path { path: String },
    #[error("volume {volume} is not here")]
    NoVolume { volume: String },
    #[error("file {guest_path} has neither contents nor a secret of the app that holds them")]
    NoContents { guest_path: String },
    #[error("the contents of file {guest_path} are not base64")]
    NotBase64 { guest_path: String, source: base64::DecodeError },
    #[error("file {guest_path} would be written through a link")]
    ThroughLink { guest_path: String },
    #[error("{path}", path = path.display())]
    Disk { path: PathBuf, source: io::Error },
}

/// Makes the root: emptied (unless the configuration keeps it), volumes linked, files written.
///
/// `volumes` maps a volume's id to its folder. A volume that is missing fails the boot: an empty folder in its place would be an empty
/// disk under a living customer.
pub(super) fn furnish(
    root: &Path,
    config: &Config,
    secrets: &BTreeMap<String, String>,
    volumes: impl Fn(&str) -> io::Result<PathBuf>,
) -> Result<(), Unfurnished> {
    if !config.keeps_root() {
        // Links are removed, not followed: the volumes stay.
        remove(root).map_err(disk(root))?;
    }
    fs::create_dir_all(root).map_err(disk(root))?;
    let mut links = Vec::new();
    for mount in &config.mounts {
        links.push(link(root, mount, &volumes)?);
    }
    for file in &config.files {
        write(root, file, secrets, &links)?;
    }
    Ok(())
}

/// Removes a folder and all that is in it, if it is there.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn link(root: &Path, mount: &Mount, volumes: &impl Fn(&str) -> io::Result<PathBuf>) -> Result<PathBuf, Unfurnished> {
    let missing = || Unfurnished::NoVolume { volume: mount.volume.clone() };
    let volume = volumes(&mount.volume).map_err(|_| missing())?;
    if !volume.is_dir() {
        return Err(missing());
    }
    let at = beneath(root, &mount.path)?;
    if at == root {
        return Err(Unfurnished::Path { path: mount.path.clone() });
    }
    make_parents(root, &at, &mount.path, &[])?;
    if at.is_symlink() {
        fs::remove_file(&at).map_err(disk(&at))?;
    }
    symlink(&volume, &at).map_err(disk(&at))?;
    Ok(at)
}

fn write(root: &Path, file: &File, secrets: &BTreeMap<String, String>, links: &[PathBuf]) -> Result<(), Unfurnished> {
    let guest_path = || file.guest_path.clone();
    let encoded = match (&file.raw_value, &file.secret_name) {
        (Some(value), _) => value,
        (None, Some(name)) => secrets.get(name).ok_or_else(|| Unfurnished::NoContents { guest_path: guest_path() })?,
        (None, None) => return Err(Unfurnished::NoContents { guest_path: guest_path() }),
    };
    let contents = STANDARD.decode(encoded.trim()).map_err(|source| Unfurnished::NotBase64 { guest_path: guest_path(), source })?;
    let at = beneath(root, &file.guest_path)?;
    make_parents(root, &at, &file.guest_path, links)?;
    let mode = if file.mode == 0 { DEFAULT_MODE } else { file.mode & 0o7777 };
    let written = (|| {
        match fs::remove_file(&at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Born closed and opened up afterwards: a secret is never readable for a moment, and the umask has no say.
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at)?;
        opened.write_all(&contents)?;
        opened.set_permissions(Permissions::from_mode(mode))
    })();
    written.map_err(disk(&at))
}

/// Where an absolute path of the machine lies on this host.
fn beneath(root: &Path, guest_path: &str) -> Result<PathBuf, Unfurnished> {
    let refused = || Unfurnished::Path { path: guest_path.to_owned() };
    let mut at = root.to_owned();
    let mut components = Path::new(guest_path).components();
    if components.next() != Some(Component::RootDir) {
        return Err(refused());
    }
    for component in components {
        match component {
            Component::Normal(name) => at.push(name),
            Component::CurDir => {}
            _ => return Err(refused()),
        }
    }
    Ok(at)
}

/// Makes the folders above `at`, and passes through no link but a mount's own: a program in the machine could have left one that leads
/// out of its root, and this host writes with more rights than that program.
fn make_parents(root: &Path, at: &Path, guest_path: &str, links: &[PathBuf]) -> Result<(), Unfurnished> {
    let below = at.parent().and_then(|parent| parent.strip_prefix(root).ok()).unwrap_or(Path::new(""));
    let mut folder = root.to_owned();
    for component in below.components() {
        folder.push(component);
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_symlink() && !links.contains(&folder) => {
                return Err(Unfurnished::ThroughLink { guest_path: guest_path.to_owned() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&folder).map_err(disk(&folder))?,
            Err(error) => return Err(disk(&folder)(error)),
        }
    }
    Ok(())
}

fn disk(path: &Path) -> impl Fn(io::Error) -> Unfurnished + '_ {
    move |source| Unfurnished::Disk { path: path.to_owned(), source }
}
