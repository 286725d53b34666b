//! The files. One that is missing is recorded on request; one that is there is never written again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use durable::{OwnerId, Record};
use sha2::{Digest, Sha256};

use crate::performance::Performance;
use crate::scenes::{SCENES, Scene};

/// With this in the environment, journals that are missing are recorded by today's code.
const RECORD: &str = "ROCKPOOL_RECORD_JOURNALS";

/// The digests of the files, as `sha256sum` writes them. Whoever changes a journal changes a line there too, and thereby says that it
/// was meant.
pub(crate) const SUMS: &str = "SHA256SUMS";

pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "journals"].iter().collect()
}

fn path(scene: &Scene) -> PathBuf {
    folder().join(scene.name).with_extension("json")
}

/// The recorded run of a scene.
pub(crate) fn recorded(scene: &Scene) -> Record {
    serde_json::from_str(&text(scene)).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path(scene).display()))
}

/// The line of a scene's file in [`SUMS`].
pub(crate) fn sum(scene: &Scene) -> String {
    format!("{}  {}.json", hex::encode(Sha256::digest(text(scene))), scene.name)
}

/// The lines of [`SUMS`].
pub(crate) fn sums() -> BTreeSet<String> {
    let sums = fs::read_to_string(folder().join(SUMS)).expect("the sums of the fixtures");
    sums.lines().map(str::to_owned).collect()
}

/// Every recorded run, with its scene.
pub(crate) fn all() -> impl Iterator<Item = (Scene, Record)> {
    SCENES.into_iter().map(|scene| (scene, recorded(&scene)))
}

fn text(scene: &Scene) -> String {
    let path = path(scene);
    if !path.exists() && env::var_os(RECORD).is_some() {
        record(scene);
    }
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; to record what is missing: {RECORD}=1", path.display()))
}

fn record(scene: &Scene) {
    let (_, mut record) = Performance::whole(*scene, Some(scene.version()));
    // Drawn by chance, and of no meaning once a run has ended.
    record.owner = Some(OwnerId("recorded".to_owned()));
    let text = serde_json::to_string_pretty(&record).expect("a record is JSON") + "\n";
    // Written beside and renamed, because tests run at the same time.
    let beside = path(scene).with_extension(format!("{:?}.new", std::thread::current().id()));
    fs::write(&beside, text).expect("the folder of fixtures can be written");
    fs::rename(&beside, path(scene)).expect("the folder of fixtures can be written");
}
