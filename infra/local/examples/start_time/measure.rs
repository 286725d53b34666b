//! The two ways of starting a gateway, and what each takes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gateway::{Family, Launch, Settings, pin, render};
use jiff::Timestamp;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked whether something is there: seldom enough not to slow down what is measured.
const LOOK: Duration = Duration::from_millis(20);
/// The machine of the plan `pro`, in MiB.
const MEMORY_MB: u32 = 2048;

/// Starts OpenClaw by itself in an empty folder, as a supervisor would start it, and returns how long it takes until it is ready.
pub(crate) async fn alone(program: &[String]) -> Duration {
    let root = tempfile::tempdir().expect("a folder");
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let launch = Launch::below(root.path(), Family::Openclaw, free.port(), MEMORY_MB);
    for folder in launch.folders() {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let config = render(&Settings::of_machine(pin(Family::Openclaw).release(), "http://localhost"));
    std::fs::write(launch.config(), config.to_string()).expect("written");
    let (program, first) = program.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(first).args(launch.arguments()).env_clear().envs(launch.environment()).current_dir(&launch.workspace);
    let started = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
    let mut group = Group(child.expect("the gateway starts"));
    until_ready(launch.port).await;
    let took = started.elapsed();
    group.end().await;
    took
}

/// A start through the platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provision {
    /// From the request until the instance is `running`.
    pub(crate) whole: Duration,
    /// Of that: from the start of the gateway's process until it answered that it is ready.
    pub(crate) own: Duration,
    /// Of that: from the request until the gateway's process was started.
    pub(crate) before: Duration,
    /// Of that: from the gateway's first good answer until the instance was `running`.
    pub(crate) after: Duration,
}

impl Provision {
    /// What the platform adds to the gateway's own start.
    pub(crate) fn added(&self) -> Duration {
        self.before + self.after
    }
}

/// Creates an instance with OpenClaw, waits until it runs, and deletes it. The platform must have no other.
pub(crate) async fn provision(api: &str, token: &str, data: &Path) -> Provision {
    let http = shell::http_client().expect("a client");
    let get = async |path: &str| -> Value { json_of(http.get(format!("{api}{path}")).bearer_auth(token)).await };
    let asked = Timestamp::now();
    let wish = json!({ "name": "start-time", "plan": "pro", "region": "fra" });
    let created = json_of(http.post(format!("{api}/v1/instances")).bearer_auth(token).json(&wish)).await;
    let instance = format!("/v1/instances/{}", created["instance"]["id"].as_str().unwrap_or_else(|| panic!("refused: {created}")));

    let machine = until("the machine", async || newest_machine(data)).await;
    let port = until("the machine's ports", async || {
        let ports: Value = serde_json::from_slice(&std::fs::read(machine.join("ports.json")).ok()?).ok()?;
        ports["gateway"].as_u64().and_then(|port| u16::try_from(port).ok())
    });
    until_ready(port.await).await;
    let ready = Timestamp::now();
    until("the instance", async || (get(&instance).await["state"] == "running").then_some(())).await;
    let running = Timestamp::now();
    let started = started_at(&machine);

    until("the deletion", async || {
        drop(http.delete(format!("{api}{instance}")).bearer_auth(token).send().await);
        (get(&instance).await["status"] == 404).then_some(())
    })
    .await;
    let between = |from: Timestamp, to: Timestamp| Duration::try_from(to.duration_since(from)).expect("time goes on");
    Provision {
        whole: between(asked, running),
        own: between(started, ready),
        before: between(asked, started),
        after: between(ready, running),
    }
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let text = request.send().await.expect("the API answers").text().await.expect("an answer");
    serde_json::from_str(&text).unwrap_or_default()
}

fn newest_machine(data: &Path) -> Option<PathBuf> {
    let all = std::fs::read_dir(data.join("fly/machines")).ok()?.flatten();
    let known = |path: &PathBuf| path.join("ports.json").metadata().and_then(|file| file.modified()).ok();
    all.map(|entry| entry.path()).filter_map(|path| Some((known(&path)?, path))).max().map(|(_, path)| path)
}

/// When the machine's supervisor says that it started the gateway's process.
fn started_at(machine: &Path) -> Timestamp {
    let log = std::fs::read_to_string(machine.join("machine.log")).expect("the machine's log");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok());
    let mut said = lines.filter(|line| line["message"] == "the gateway was started");
    let line = said.next().expect("the supervisor says it");
    line["time"].as_str().and_then(|time| time.parse().ok()).expect("with its time")
}

async fn until_ready(port: u16) {
    let http = shell::http_client().expect("a client");
    let url = format!("http://127.0.0.1:{port}/readyz");
    until("the gateway", async || {
        let answer: Value = http.get(&url).timeout(Duration::from_secs(5)).send().await.ok()?.json().await.ok()?;
        (answer["ready"] == true).then_some(())
    })
    .await;
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} keeps waiting");
        sleep(LOOK).await;
    }
}

/// A process and all that it starts; none of it outlives this value.
struct Group(Child);

impl Group {
    async fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(Duration::from_secs(30), self.0.wait()).await.is_err() {
            eprintln!("the gateway does not drain; it is killed");
        }
    }

    fn signal(&self, signal: Signal) {
        // A process that was waited for has no number any more.
        if let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok()) {
            killpg(Pid::from_raw(id), signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
