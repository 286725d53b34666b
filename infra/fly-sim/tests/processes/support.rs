use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fly_sim::host::{Boot, Host, HostEvent};
use fly_sim::processes::{Limits, Options, Processes, Program};
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(crate) const MACHINE: &str = "148e01d2a51189";

/// A host in a folder of its own, whose image `shell` runs what the variable `SCRIPT` says.
pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) processes: Processes,
    pub(crate) events: mpsc::UnboundedReceiver<HostEvent>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let processes = open(folder.path());
        let (sender, events) = mpsc::unbounded_channel();
        processes.attach(sender).await;
        Self { folder, processes, events }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.processes.machine_root(MACHINE).unwrap()
    }

    pub(crate) async fn boot(&self, script: &str) {
        self.processes.boot(boot(script, json!({}))).await.unwrap();
    }

    pub(crate) async fn wait_for_file(&self, name: &str) -> String {
        let path = self.root().join(name);
        eventually(name, || std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))).await
    }
}

pub(crate) fn open(root: &Path) -> Processes {
    let images = |image: &str| {
        (image == "shell").then(|| Program {
            argv: ["sh", "-c", "eval \"$SCRIPT\""].map(Into::into).to_vec(),
            env: vec![("FROM_IMAGE".to_owned(), "image".to_owned()), ("OVERRIDDEN".to_owned(), "image".to_owned())],
        })
    };
    let limits = Limits {
        lifeline_grace: Duration::from_millis(500),
        term_grace: Duration::from_millis(500),
        drain: Duration::from_secs(20),
        ..Limits::default()
    };
    Processes::open_with(Options { root: root.to_owned(), images: Arc::new(images) }, limits).unwrap()
}

/// A boot of a script, with more configuration on top.
pub(crate) fn boot(script: &str, more: Value) -> Boot {
    let mut config = json!({"image": "shell", "env": {"SCRIPT": script}});
    for (key, value) in more.as_object().unwrap() {
        match (config.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
            (Some(there), Some(added)) => there.extend(added.clone()),
            _ => config[key] = value.clone(),
        }
    }
    Boot {
        machine: MACHINE.to_owned(),
        name: "gateway-1".to_owned(),
        app: "rp-test-one".to_owned(),
        region: "fra".to_owned(),
        instance_id: "01JD0000000000000000000000".to_owned(),
        private_ip: "fdaa:0:1::3".to_owned(),
        config,
        secrets: [("SECRET".to_owned(), "hush".to_owned())].into(),
    }
}

/// Looks until there is something to see; panics after a time that no healthy machine takes.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process runs; one that ended but was not collected does not.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.trim_start().starts_with(['Z', 'X']))
}
