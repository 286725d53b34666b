use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use durable::Record;
use flows::Deployment;
use local::parts::{Cloud, TABLE};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use shell::{DeploymentSettings, StoreSettings, SystemClock};

/// What the provider and the vault hold, read from their files beside the platform.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// What the provider has for each app that is there.
    pub(crate) apps: BTreeMap<String, Held>,
    /// Instances that have a secret.
    pub(crate) secrets: Vec<String>,
    /// Identifiers of instances, once for each time that their owner was told that they are ready.
    pub(crate) announced: Vec<String>,
}

/// What an app holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Machines that there are or ever were.
    pub(crate) machines: usize,
    /// Volumes that are not deleted.
    pub(crate) volumes: usize,
}

/// The app of an instance.
pub(crate) fn app_of(instance: &str) -> String {
    format!("rp-local-{}", instance.trim_start_matches("ins_"))
}

impl Remains {
    pub(crate) fn of(data: &Path) -> Self {
        let mut remains = Self::default();
        for (kind, body) in rows(&data.join("fly/fly.sqlite"), "SELECT kind, body FROM records ORDER BY kind") {
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            match kind.as_str() {
                "app" if body["deleted"] == false => drop(remains.apps.entry(text("name")).or_default()),
                // Apps come first in the order of kinds, so that what a deleted app still has on record is not counted.
                "machine" if let Some(app) = remains.apps.get_mut(&text("app")) => app.machines += 1,
                "volume" if text("state") != "pending_destroy" => remains.apps.entry(text("app")).or_default().volumes += 1,
                _ => {}
            }
        }
        let secrets = std::fs::read(data.join("aws/secrets.json")).expect("the vault has a file");
        let secrets: Value = serde_json::from_slice(&secrets).expect("the vault's file is JSON");
        let kept = secrets["secrets"].as_object().expect("by name").iter().filter(|(_, secret)| secret["deleted_date"].is_null());
        remains.secrets = kept.filter_map(|(name, _)| Some(name.split_once("/instances/")?.1.to_owned())).collect();
        for (_, notice) in rows(&data.join("outbox.sqlite"), "SELECT id, body FROM notice") {
            if notice.to_string().contains("instance_ready") {
                remains.announced.push(notice["instance"].as_str().unwrap_or_default().to_owned());
            }
        }
        remains
    }
}

/// The operations that a platform which does not run left under way, and their kinds, as its table has them.
pub(crate) async fn under_way(data: &Path) -> BTreeMap<String, String> {
    let cloud = Cloud::open(&data.join("aws")).await.expect("nobody else has it open");
    let deployment = Deployment { name: "local".to_owned(), address: String::new(), image_repository: String::new() };
    let (table, clock) = (StoreSettings { table: TABLE.to_owned() }, Arc::new(SystemClock));
    let runs = shell::store(&cloud.aws, &table, &DeploymentSettings { deployment }, clock).under_way().await.expect("it can be read");
    let named = |run: Record| (flows::parse_run_id(&run.id).expect("runs are named so").1.to_string(), run.kind);
    runs.into_iter().map(named).collect()
}

fn rows(file: &Path, query: &str) -> Vec<(String, Value)> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file is there");
    database.busy_timeout(std::time::Duration::from_secs(5)).expect("it can wait");
    let mut statement = database.prepare(query).expect("the table is there");
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).expect("it can be read");
    rows.map(|row| row.expect("a row")).map(|(key, body)| (key, serde_json::from_str(&body).expect("rows hold JSON"))).collect()
}
