//! The platform as a program of its own, as `cargo run` starts it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::Outcome;

/// How long anything may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program.
pub(crate) struct Program(PathBuf);

impl Program {
    /// The one that is named, or the one that `cargo build` has put beside the examples' folder.
    pub(crate) fn find(named: Option<PathBuf>) -> Outcome<Self> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("rockpool-local"));
        let program = named.or_else(beside).filter(|program| program.is_file());
        program
            .map(Self)
            .ok_or_else(|| "there is no rockpool-local beside this program: `cargo build` makes it, `--program` names another".into())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Starts it, and returns it with the time from then until its API answered for the first time.
    pub(crate) async fn start(&self, data: &Path) -> Outcome<(Running, Duration)> {
        let http = shell::http_client()?;
        let mut command = Command::new(&self.0);
        command.arg("--data").arg(data).args(["--gateway", "stand-in"]);
        // A folder keeps its port.
        let kept = std::fs::read_to_string(data.join("figures-port")).ok().and_then(|port| port.parse().ok());
        let port: u16 = kept.map_or_else(free_port, Ok)?;
        std::fs::write(data.join("figures-port"), port.to_string())?;
        command.args(["--port", &port.to_string()]);
        let address = format!("http://127.0.0.1:{port}");
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let mut running = Running { child, address, token: String::new(), http };
        loop {
            let asked = running.http.get(format!("{}/v1/health", running.address)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            if running.child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                return Err("the platform did not start".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = begun.elapsed();
        let output = running.child.stdout.take().ok_or("its output is not captured")?;
        let mut lines = BufReader::new(output).lines();
        let token =
            lines.by_ref().map_while(Result::ok).find_map(|line| line.trim().strip_prefix("Token").map(|token| token.trim().to_owned()));
        running.token = token.ok_or("the platform printed no token")?;
        // Whatever it says from now on is read and dropped, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok((running, took))
    }
}

/// Two neighbouring ports that nobody listens on at this moment.
fn free_port() -> Outcome<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if let Some(next) = port.checked_add(1)
            && TcpListener::bind(("127.0.0.1", next)).is_ok()
        {
            return Ok(port);
        }
    }
    Err("no two free ports".into())
}

/// The platform, running. It ends with this.
pub(crate) struct Running {
    child: Child,
    address: String,
    token: String,
    http: reqwest::Client,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Outcome<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.address)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status.is_success() { Ok(serde_json::from_str(&text)?) } else { Err(format!("{path} was answered {status}: {text}").into()) }
    }

    /// Waits until an operation has succeeded.
    pub(crate) async fn succeeded(&self, operation: &str) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.call(Method::GET, &format!("/v1/operations/{operation}"), None).await?;
            match seen["state"].as_str() {
                Some("succeeded") => return Ok(()),
                Some("running") if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => return Err(format!("the operation is {seen}").into()),
            }
        }
    }

    /// Ends it as Ctrl-C would: its machines' processes are gone when it is.
    pub(crate) fn end(mut self) -> Outcome<()> {
        self.interrupt()?;
        self.child.wait()?;
        Ok(())
    }

    fn interrupt(&self) -> Outcome<()> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into()?);
        Ok(nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Something failed half-way: its machines still drain.
            let ended = self.interrupt().and_then(|()| Ok(self.child.wait()?));
            if let Err(error) = ended {
                tracing::error!(%error, "the platform may still run");
            }
        }
    }
}
