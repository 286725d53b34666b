use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What it keeps in the state folder, written through before it answers.
#[derive(Debug)]
pub(crate) struct Memory {
    file: PathBuf,
    kept: Kept,
    /// Held until the process ends: the kernel lets go of it whatever the end was.
    _lock: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    boots: u64,
    values: BTreeMap<String, String>,
}

impl Memory {
    /// Opens the memory in a state folder and counts a boot.
    ///
    /// # Errors
    /// `WouldBlock` where another one serves from the same folder, and whatever else the file system says.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
        let lock = lock(state)?;
        let file = state.join("stand-in-memory.json");
        let kept = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error),
        };
        let mut memory = Self { file, kept, _lock: lock };
        memory.kept.boots += 1;
        memory.write()?;
        Ok(memory)
    }

    pub(crate) const fn boots(&self) -> u64 {
        self.kept.boots
    }

    pub(crate) fn recall(&self, key: &str) -> Option<&str> {
        self.kept.values.get(key).map(String::as_str)
    }

    pub(crate) fn remember(&mut self, key: String, value: String) -> io::Result<()> {
        self.kept.values.insert(key, value);
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let new = self.file.with_extension("json.new");
        fs::write(&new, serde_json::to_vec(&self.kept)?)?;
        fs::rename(new, &self.file)
    }
}

/// Takes a state folder for as long as the file is open.
///
/// # Errors
/// `WouldBlock` where another one has it, and whatever else the file system says.
pub(crate) fn lock(state: &Path) -> io::Result<File> {
    fs::create_dir_all(state)?;
    let lock = File::create(state.join("stand-in.lock"))?;
    lock.try_lock().map_err(io::Error::from)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_survives_and_boots_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Memory::open(folder.path()).unwrap();
        first.remember("name".into(), "Ada".into()).unwrap();
        drop(first);
        let second = Memory::open(folder.path()).unwrap();
        assert_eq!((second.recall("name"), second.recall("other"), second.boots()), (Some("Ada"), None, 2));
    }

    #[test]
    fn two_never_serve_from_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Memory::open(folder.path()).unwrap();
        assert_eq!(Memory::open(folder.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
