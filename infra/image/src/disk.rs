use std::path::Path;

/// What an installation takes at its widest, with npm's own cache of downloads, in MB.
pub(crate) const NEED_MB: u64 = 2000;

/// Megabytes that are free for this user where the path, or the nearest folder above it that exists, lies.
pub(crate) fn free_mb(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|path| path.exists())?;
    let stat = nix::sys::statvfs::statvfs(existing).ok()?;
    let blocks = u128::from(stat.blocks_available()) * u128::from(stat.fragment_size());
    u64::try_from(blocks / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_of_a_folder_that_is_yet_to_be_made_is_that_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_mb(&folder.path().join("a/b/c")).is_some_and(|free| free > 0));
    }
}
