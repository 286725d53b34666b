//! Where the real gateways are, and a platform that runs them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use access::{Signer, SigningKey};
use gateway::Family;
use jiff::Timestamp;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::{self, Platform, processes_of};

/// How long a gateway may take to do what it is asked: it starts within 10 s on a quiet machine and within a minute on a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A real gateway takes a core and up to a gigabyte while it starts: one test at a time, however many threads there are.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A platform with real gateways in a new folder.
pub(crate) struct House {
    pub(crate) platform: Platform,
    data: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl House {
    /// Starts it, with the gateway of this family at hand.
    pub(crate) async fn with(family: Family) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        tokio::task::spawn_blocking(move || installed(family)).await.expect("the gateway is installed");
        let data = tempfile::tempdir().expect("a folder");
        let platform = start(data.path(), &["--port", "0"]);
        Self { platform, data, _turn: turn }
    }

    /// Ends the platform as a power cut would, and starts it anew.
    pub(crate) fn cut_power(&mut self) {
        self.platform.kill();
        self.platform = start(self.data.path(), &[]);
    }

    /// Makes an instance and waits until it runs.
    pub(crate) async fn instance(&self, more: Value) -> Instance<'_> {
        let created = self.platform.create("demo", more).await;
        let text = |value: &Value| value["id"].as_str().expect("an id").to_owned();
        let ended = self.platform.ended(&text(&created["operation"]), PATIENCE).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
        let id = text(&created["instance"]);
        let running = self.platform.settled(&id, "running", PATIENCE).await;
        Instance { platform: &self.platform, id, address: running["address"].as_str().expect("it has an address").to_owned() }
    }

    /// Waits until an instance answers that its gateway is ready.
    pub(crate) async fn ready(&self, address: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while health(&self.platform, address).await["status"] != "ready" {
            assert!(tokio::time::Instant::now() < deadline, "{address} is {}", health(&self.platform, address).await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The ids of the gateways' own processes. Both programs name themselves so in the table of processes; what they start has other names.
    pub(crate) fn gateways(&self) -> Vec<u32> {
        processes_of(self.data.path()).into_iter().filter(|(_, line)| line.contains("-gateway ")).map(|(id, _)| id).collect()
    }

    /// Gives an instance's supervisor an order as the control plane would, whose key is a secret of the platform.
    pub(crate) async fn order(&self, instance: &Instance<'_>, method: Method, path: &str) -> Response {
        // A copy: the files have one owner.
        let copy = tempfile::tempdir().expect("a folder");
        for file in std::fs::read_dir(self.data.path().join("aws")).expect("the folder of the simulated AWS").flatten() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).expect("a copy");
        }
        let cloud = local::parts::Cloud::open(copy.path()).await.expect("a copy can be opened");
        let secret = cloud.aws.secrets_manager().get_secret_value().secret_id(local::parts::CONTROL_KEY).send().await.expect("a secret");
        let key = SigningKey::from_text(secret.secret_string().expect("a text")).expect("a key");
        let request = access::Request { method: method.as_str(), path, body: b"" };
        let token = Signer::new(key).control(&instance.id, "op_test", &request, Timestamp::now()).expect("a token");
        let asked =
            shell::http_client().expect("a client").request(method, format!("{}{path}", instance.address)).bearer_auth(token.as_str());
        asked.send().await.expect("the supervisor answers")
    }

    /// The root folder of the only machine.
    pub(crate) fn machine_root(&self) -> PathBuf {
        let machines: Vec<_> = std::fs::read_dir(self.data.path().join("fly/machines")).expect("machines").flatten().collect();
        assert_eq!(machines.len(), 1, "{machines:?}");
        machines[0].path().join("root")
    }
}

/// An instance that runs.
pub(crate) struct Instance<'a> {
    platform: &'a Platform,
    pub(crate) id: String,
    pub(crate) address: String,
}

impl Instance<'_> {
    /// Asks for something that starts an operation, and waits for its good end.
    pub(crate) async fn done(&self, verb: &str, body: Option<Value>) {
        let answer = self.platform.ask(&self.id, verb, body.clone()).await;
        let operation = answer["operation"]["id"].as_str().expect("it takes an operation");
        let ended = self.platform.ended(operation, PATIENCE).await;
        assert_eq!(ended["state"], "succeeded", "{verb} {body:?}: {ended}");
    }

    /// Restarts it and waits until it runs again.
    pub(crate) async fn restart(&self, scope: &str) {
        self.done("restart", Some(json!({ "scope": scope }))).await;
        self.settled("running").await;
    }

    pub(crate) async fn settled(&self, state: &str) -> Value {
        self.platform.settled(&self.id, state, PATIENCE).await
    }

    /// An access token, and a link for a browser.
    pub(crate) async fn access(&self) -> (String, String) {
        let access = self.platform.ask(&self.id, "access", None).await;
        let text = |name: &str| access[name].as_str().expect("a text").to_owned();
        (text("token"), text("link"))
    }

    pub(crate) async fn health(&self) -> Value {
        health(self.platform, &self.address).await
    }

    /// Deletes it and waits until nothing of it runs.
    pub(crate) async fn delete(self) {
        let path = format!("/v1/instances/{}", self.id);
        let (status, answer) = self.platform.call(Method::DELETE, &path, None).await;
        assert_eq!(status, reqwest::StatusCode::ACCEPTED, "{answer}");
        let ended = self.platform.ended(answer["operation"]["id"].as_str().expect("an operation"), PATIENCE).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
        assert_eq!(self.platform.call(Method::GET, &path, None).await.0, reqwest::StatusCode::NOT_FOUND);
        self.platform.until_no_process().await;
    }
}

/// What a supervisor says; `null` while nobody answers.
async fn health(platform: &Platform, address: &str) -> Value {
    let answer = platform.page(&format!("{address}/health"), None).await;
    answer.json().await.unwrap_or(Value::Null)
}

/// A gateway that was fetched. What one test fetched the others find.
pub(crate) fn installed(family: Family) -> image::Installed {
    image::install(family, &gateways().join(family.as_str()), &mut image::Silent)
        .unwrap_or_else(|error| panic!("{family} is needed here: {error}"))
}

/// The folder of fetched gateways.
pub(crate) fn gateways() -> PathBuf {
    target().join("gateways")
}

/// Cargo's target folder, wherever it is.
pub(crate) fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_rockpool-local"));
        program.parent().and_then(Path::parent).expect("it is in target/PROFILE").to_owned()
    })
}

fn start(data: &Path, more: &[&str]) -> Platform {
    let gateways = gateways();
    let folder = gateways.to_str().expect("a path of text");
    support::start(data, &[&["--gateway", "real", "--gateways", folder], more].concat())
}
