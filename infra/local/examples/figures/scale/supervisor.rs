//! A supervisor alone, as it is shipped: its memory is taken from the gateway's in every machine.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use access::{KeySet, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::environment as names;
use gateway::{Family, Settings, pin, render};
use serde_json::Value;

use crate::Outcome;
use crate::memory::{Memory, megabytes};
use crate::program::Program;
use crate::table::Table;

/// What it may keep resident.
const ALLOWED_KB: u64 = 12 * 1024;

/// Requests before the second look, so that what a first one allocates is there.
const REQUESTS: usize = 500;

const PATIENCE: Duration = Duration::from_secs(60);
const ORIGIN: &str = "https://rp-figures.fly.dev";

pub(crate) async fn measure(supervisor: &Path, gateway: &Program) -> Outcome<()> {
    if !supervisor.is_file() {
        return Err(format!("there is no {}: `cargo build --release -p supervisor` makes it", supervisor.display()).into());
    }
    let root = tempfile::tempdir()?;
    let (machine, address) = Machine::boot(supervisor, gateway, root.path())?;
    let http = shell::http_client()?;
    let health = format!("http://{address}/health");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = http.get(&health).send().await?.json::<Value>().await?;
        match answer["gateway"]["phase"].as_str() {
            Some("ready") => break,
            _ if Instant::now() > deadline => return Err(format!("the gateway is not ready: {answer}").into()),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let mut table = Table::new(["supervisor, shipped build", "resident", "of that its own", "shared with its file", "threads"]);
    let pid = machine.0.id();
    let ready = Memory::of(pid)?;
    table.row(row("gateway ready", &ready));
    for _ in 0..REQUESTS {
        http.get(&health).send().await?.bytes().await?;
    }
    let busy = Memory::of(pid)?;
    table.row(row(&format!("after {REQUESTS} requests"), &busy));
    table.print(&format!("A supervisor alone ({}):", megabytes(std::fs::metadata(supervisor)?.len() / 1024)));
    if busy.resident_kb > ALLOWED_KB {
        return Err(format!("a supervisor keeps {} resident; allowed are {}", megabytes(busy.resident_kb), megabytes(ALLOWED_KB)).into());
    }
    Ok(())
}

fn row(name: &str, memory: &Memory) -> [String; 5] {
    let Memory { resident_kb, own_kb, file_kb, threads, .. } = memory;
    let [resident, own, file] = [resident_kb, own_kb, file_kb].map(|kb| megabytes(*kb));
    [name.to_owned(), resident, own, file, threads.to_string()]
}

/// The supervisor that a release build has put beside the debug build's folder.
pub(crate) fn shipped() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).ok_or("this program is in no target folder")?;
    Ok(target.join("release").join("rockpool-supervisor"))
}

/// A supervisor's process, which ends with this, and its gateway with it.
struct Machine(Child);

impl Machine {
    fn boot(supervisor: &Path, gateway: &Program, root: &Path) -> Outcome<(Self, SocketAddr)> {
        let release = pin(Family::Openclaw).release();
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = render(&Settings::of_machine(release.clone(), ORIGIN));
        let place = |absolute: &str| root.join(absolute.trim_start_matches('/'));
        std::fs::create_dir_all(place(names::CONFIG).parent().ok_or("the configuration is in no folder")?)?;
        std::fs::write(place(names::CONFIG), config.to_string())?;
        let [access, control] = [SigningKey::generate()?, SigningKey::generate()?];
        let program = stand_in::program(gateway.path(), &["stand-in"], Family::Openclaw);
        let mut command = Command::new(supervisor);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env(names::LISTEN, "127.0.0.1:0")
            .env(names::METRICS_LISTEN, "127.0.0.1:0")
            .env(names::GATEWAY_PORT, port.to_string())
            .env(names::ROOT, root)
            .env(names::INSTANCE, "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f")
            .env(names::FAMILY, release.family.as_str())
            .env(names::VERSION, &release.version)
            .env(names::ADDRESS, ORIGIN)
            .env(names::ACCESS_KEYS, KeySet::of([access.public()]).to_jwks())
            .env(names::CONTROL_KEYS, KeySet::of([control.public()]).to_jwks())
            .env(names::SESSION_KEY, URL_SAFE_NO_PAD.encode([9; 32]))
            .env(names::GATEWAY_PROGRAM, serde_json::to_string(&program)?)
            .env(names::FLY_VM_MEMORY_MB, "2048")
            .env(names::LIFELINE, names::LIFELINE_STDIN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut machine = Self(command.spawn()?);
        let output = machine.0.stdout.take().ok_or("its output is not captured")?;
        let mut lines = BufReader::new(output).lines();
        let said = lines.by_ref().map_while(Result::ok).find(|line| line.contains("the supervisor listens"));
        let said: Value = serde_json::from_str(&said.ok_or("the supervisor did not start")?)?;
        let address = said["address"].as_str().ok_or("it does not say where it listens")?.parse()?;
        // Whatever it says from now on is read and dropped, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok((machine, address))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The end of its standard input is the end of its host: it drains its gateway and goes.
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            tracing::error!(%error, "the supervisor may still run");
        }
    }
}
