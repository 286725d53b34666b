//! The files. One that is missing is recorded on request; one that is there is never written again.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::{env, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::attributes::{Item, from_json, to_json};
use crate::scenes::{Meaning, Scene, organisation, run_id};
use crate::support::Bench;

/// With this in the environment, items that are missing are recorded by today's code.
const RECORD: &str = "ROCKPOOL_RECORD_ITEMS";

/// The digests of the files, as `sha256sum` writes them. Whoever changes a file changes a line there too, and thereby says that it was
/// meant.
pub(crate) const SUMS: &str = "SHA256SUMS";

#[derive(Serialize, Deserialize)]
struct File {
    /// As DynamoDB gives them.
    items: Vec<Value>,
    /// What they mean.
    meaning: Meaning,
}

pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "items"].iter().collect()
}

fn path(name: &str) -> PathBuf {
    folder().join(name).with_extension("json")
}

/// The recorded items of a scene, and what they mean.
pub(crate) async fn recorded(name: &str, scene: Scene) -> (Vec<Item>, Meaning) {
    let path = path(name);
    if !path.exists() && env::var_os(RECORD).is_some() {
        record(name, scene).await;
    }
    let file: File = serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    (file.items.iter().map(from_json).collect(), file.meaning)
}

fn text(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; to record what is missing: {RECORD}=1", path.display()))
}

/// The line of a file in [`SUMS`].
pub(crate) fn sum(name: &str) -> String {
    let digest: String = Sha256::digest(text(name)).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}  {name}.json")
}

/// The lines of [`SUMS`].
pub(crate) fn sums() -> BTreeSet<String> {
    fs::read_to_string(folder().join(SUMS)).expect("the sums of the fixtures").lines().map(str::to_owned).collect()
}

async fn record(name: &str, scene: Scene) {
    let bench = Bench::new().await;
    scene.write(&bench).await;
    let items = there(&bench, scene).await;
    let file = File { items: items.iter().map(to_json).collect(), meaning: meaning(scene, &items).await };
    let text = serde_json::to_string_pretty(&file).expect("it is JSON") + "\n";
    // Written beside and renamed, because tests run at the same time.
    let beside = path(name).with_extension(format!("{:?}.new", std::thread::current().id()));
    fs::write(&beside, text).expect("the folder of fixtures can be written");
    fs::rename(&beside, path(name)).expect("the folder of fixtures can be written");
}

/// What the items mean by themselves, without what else was written.
async fn meaning(scene: Scene, items: &[Item]) -> Meaning {
    let bench = Bench::new().await;
    put(&bench, items).await;
    scene.read(&bench).await
}

/// The items that today's code writes.
pub(crate) async fn written_today(scene: Scene) -> Vec<Item> {
    let bench = Bench::new().await;
    scene.write(&bench).await;
    there(&bench, scene).await
}

/// Puts items as they are, past the store.
pub(crate) async fn put(bench: &Bench, items: &[Item]) {
    for item in items {
        bench.client.put_item().table_name(&bench.table).set_item(Some(item.clone())).send().await.unwrap();
    }
}

async fn there(bench: &Bench, scene: Scene) -> Vec<Item> {
    let mut items = Vec::new();
    for pk in [organisation().to_string(), run_id().0, "INCIDENT".to_owned(), "REPAIRS".to_owned()] {
        let query = bench.client.query().table_name(&bench.table).consistent_read(true).key_condition_expression("pk = :pk");
        let values = HashMap::from([(":pk".to_owned(), AttributeValue::S(pk))]);
        items.extend(query.set_expression_attribute_values(Some(values)).send().await.unwrap().items.unwrap_or_default());
    }
    items.retain(|item| scene.shows(item));
    assert!(!items.is_empty(), "{scene:?} wrote nothing");
    items
}
