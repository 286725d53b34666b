//! A copy of the crates that are to be broken, with a target folder of its own.
//!
//! Nothing is ever broken in the tree itself, and no program that was built from a broken copy can get among those that are built from
//! the tree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cargo_metadata::{MetadataCommand, Package};
use toml::{Table, Value};

use crate::mutation::{Misfit, Mutation};

/// The packages whose tests are run; what they depend on is copied with them.
pub(crate) const PACKAGES: [&str; 3] = ["durable", "flows", "dynamo"];

/// What is made and not written, or belongs to no program.
const LEFT_OUT: [&str; 4] = ["target", ".git", ".rockpool", "node_modules"];

/// The copy.
pub(crate) struct Workshop {
    pub(crate) tree: PathBuf,
    pub(crate) target: PathBuf,
}

/// Files of the copy as they were before a mutation.
#[must_use = "a copy that stays broken breaks every later test"]
pub(crate) struct Sound(BTreeMap<PathBuf, Vec<u8>>);

impl Sound {
    /// Takes the mutation's changes back.
    pub(crate) fn mend(&self) -> Result<(), WorkshopError> {
        self.0.iter().try_for_each(|(path, bytes)| write(path, bytes))
    }
}

/// The copy could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkshopError {
    #[error("cargo does not describe the workspace")]
    Metadata(#[from] cargo_metadata::Error),
    #[error("the workspace has no package {0}")]
    Missing(String),
    #[error("the workspace's manifest cannot be read")]
    Manifest(#[from] toml::de::Error),
    #[error("the copy's manifest cannot be written")]
    Unwritable(#[from] toml::ser::Error),
    #[error("{path} cannot be copied or changed")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

impl Workshop {
    /// Brings the copy up to date. What has not changed is not touched, so that little is built anew the next time.
    pub(crate) fn open() -> Result<Self, WorkshopError> {
        let metadata = MetadataCommand::new().manifest_path(manifest()).no_deps().other_options(vec!["--locked".to_owned()]).exec()?;
        let (source, home) = (metadata.workspace_root.as_std_path(), metadata.target_directory.as_std_path().join("mutations"));
        let shop = Self { tree: home.join("tree"), target: home.join("target") };
        let folders = needed(&metadata.packages, source)?;
        let mut wanted = BTreeMap::new();
        // Packages include files of others' folders, so that everything is copied; but only what is needed is a member there.
        collect(source, Path::new(""), &mut wanted)?;
        wanted.insert(PathBuf::from("Cargo.toml"), manifest_of(&read(&source.join("Cargo.toml"))?, &folders)?.into_bytes());
        shop.fill(&wanted)?;
        Ok(shop)
    }

    /// Makes the mutation's changes in the copy. What is given back mends it.
    pub(crate) fn break_by(&self, mutation: &Mutation) -> Result<Sound, WorkshopError> {
        let mut sound = BTreeMap::new();
        for (file, text) in self.broken(mutation)? {
            let path = self.tree.join(file);
            sound.insert(path.clone(), read(&path)?);
            write(&path, text.as_bytes())?;
        }
        Ok(Sound(sound))
    }

    /// The files that the mutation changes, as they are then.
    pub(crate) fn broken(&self, mutation: &Mutation) -> Result<BTreeMap<&'static str, String>, WorkshopError> {
        let mut files = BTreeMap::new();
        for edit in mutation.edits {
            let text = match files.remove(edit.file) {
                Some(text) => text,
                None => String::from_utf8_lossy(&read(&self.tree.join(edit.file))?).into_owned(),
            };
            files.insert(edit.file, edit.apply(&text)?);
        }
        Ok(files)
    }

    /// Makes the tree hold these files and no others.
    fn fill(&self, wanted: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), WorkshopError> {
        let mut found = BTreeMap::new();
        if self.tree.exists() {
            collect(&self.tree, Path::new(""), &mut found)?;
        }
        for path in found.keys().filter(|path| !wanted.contains_key(*path)) {
            fs::remove_file(self.tree.join(path)).map_err(|source| file(path, source))?;
        }
        for (path, bytes) in wanted.iter().filter(|(path, bytes)| found.get(*path) != Some(bytes)) {
            let path = self.tree.join(path);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).map_err(|source| file(&path, source))?;
            write(&path, bytes)?;
        }
        Ok(())
    }
}

/// The workspace's manifest with fewer members.
fn manifest_of(bytes: &[u8], folders: &BTreeSet<PathBuf>) -> Result<String, WorkshopError> {
    let mut manifest: Table = String::from_utf8_lossy(bytes).parse()?;
    let members = folders.iter().map(|folder| Value::String(folder.display().to_string())).collect();
    if let Some(workspace) = manifest.get_mut("workspace").and_then(Value::as_table_mut) {
        workspace.insert("members".to_owned(), Value::Array(members));
        workspace.remove("default-members");
    }
    Ok(toml::to_string(&manifest)?)
}

fn manifest() -> PathBuf {
    // By `cargo run` the package's own manifest; otherwise that of the folder in which the program was started.
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("Cargo.toml"), |folder| PathBuf::from(folder).join("Cargo.toml"))
}

/// The folders of the packages and of everything in the workspace that they depend on.
fn needed(packages: &[Package], root: &Path) -> Result<BTreeSet<PathBuf>, WorkshopError> {
    let mut queue = VecDeque::from(PACKAGES.map(str::to_owned));
    let mut folders = BTreeSet::new();
    while let Some(name) = queue.pop_front() {
        let package = packages.iter().find(|package| *package.name == name).ok_or(WorkshopError::Missing(name))?;
        let folder = package.manifest_path.parent().expect("a manifest is in a folder").as_std_path();
        let folder = folder.strip_prefix(root).expect("members are below the root").to_owned();
        if folders.insert(folder) {
            queue.extend(package.dependencies.iter().filter(|dependency| dependency.path.is_some()).map(|it| it.name.clone()));
        }
    }
    Ok(folders)
}

/// Every file below a folder, by its path from the root.
fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), WorkshopError> {
    let full = root.join(folder);
    for entry in fs::read_dir(&full).map_err(|source| file(&full, source))? {
        let entry = entry.map_err(|source| file(&full, source))?;
        let path = folder.join(entry.file_name());
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.path().is_dir() {
            collect(root, &path, files)?;
        } else {
            files.insert(path, read(&entry.path())?);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, WorkshopError> {
    fs::read(path).map_err(|source| file(path, source))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), WorkshopError> {
    fs::write(path, bytes).map_err(|source| file(path, source))
}

fn file(path: &Path, source: io::Error) -> WorkshopError {
    WorkshopError::File { path: path.to_owned(), source }
}
