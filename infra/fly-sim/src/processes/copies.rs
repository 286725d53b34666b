//! Copies of volumes' folders: forks, snapshots and what is restored from them.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::Path;

/// Copies a folder as a whole: after a crash at any point there is either no copy or all of it. One that is there already is left alone.
/// Returns the bytes of its files.
///
/// A program may write to the original meanwhile. On Fly a snapshot is of one moment; here a file may be of another moment than its
/// neighbour. Whoever needs a clean copy stops the program or lets it rest before, here as there.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    if to.is_dir() {
        return size(to);
    }
    let beside = to.with_extension("part");
    super::rootfs::remove(&beside)?;
    let bytes = copy_folder(from, &beside)?;
    fs::rename(&beside, to)?;
    Ok(bytes)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<u64> {
    fs::create_dir(to)?;
    let mut bytes = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        match copy_entry(&entry, &to.join(entry.file_name())) {
            Ok(copied) => bytes += copied,
            // What a running program removes meanwhile is not in the copy.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let original = fs::metadata(from)?;
    keep_owner(&original, to)?;
    fs::set_permissions(to, original.permissions())?;
    Ok(bytes)
}

/// Links stay links, wherever they lead; sockets and pipes belong to processes and mean nothing in a copy.
fn copy_entry(entry: &fs::DirEntry, to: &Path) -> io::Result<u64> {
    let kind = entry.file_type()?;
    if kind.is_dir() {
        return copy_folder(&entry.path(), to);
    }
    let bytes = if kind.is_symlink() {
        symlink(fs::read_link(entry.path())?, to).map(|()| 0)?
    } else if kind.is_file() {
        fs::copy(entry.path(), to)?
    } else {
        return Ok(0);
    };
    keep_owner(&entry.metadata()?, to)?;
    Ok(bytes)
}

/// A host that runs as root holds files of others, which must stay theirs; any other host holds only its own.
fn keep_owner(original: &fs::Metadata, copy: &Path) -> io::Result<()> {
    let made = fs::symlink_metadata(copy)?;
    if (made.uid(), made.gid()) == (original.uid(), original.gid()) {
        return Ok(());
    }
    lchown(copy, Some(original.uid()), Some(original.gid()))
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_copy_has_files_folders_links_and_modes_and_is_never_half() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::write(from.join("deep/er/file"), "12345").unwrap();
        fs::set_permissions(from.join("deep/er/file"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("/nowhere", from.join("link")).unwrap();
        let _socket = UnixListener::bind(from.join("socket")).unwrap();
        // As a crash left it.
        fs::create_dir_all(folder.path().join("to.part/half")).unwrap();

        assert_eq!(copy(&from, &to).unwrap(), 5);
        assert_eq!(fs::read_to_string(to.join("deep/er/file")).unwrap(), "12345");
        let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("deep/er/file"), mode("deep")), (0o640, 0o750));
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/nowhere"));
        assert!(!to.join("socket").exists() && !folder.path().join("to.part").exists());

        fs::write(from.join("later"), "x").unwrap();
        copy(&from, &to).unwrap();
        assert!(!to.join("later").exists(), "a copy that is there is left alone");
        assert_eq!(copy(Path::new("/nowhere"), &folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
