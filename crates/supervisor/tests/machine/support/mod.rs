//! A supervisor as a real process, with its own folder for a machine, and callers of it.

pub(crate) mod call;
pub(crate) mod mirror;

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use access::{Audience, KeySet, Request, Signer, SigningKey, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::Family;
use gateway::environment as names;
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const INSTANCE: &str = "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f";
pub(crate) const ORIGIN: &str = "https://rp-test.fly.dev";
/// Nothing in these tests takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a test decides about a machine before it boots. The folder may be shared by several, one after the other or not.
pub(crate) struct Plan {
    pub(crate) family: Family,
    pub(crate) program: Vec<String>,
    pub(crate) config: Option<Value>,
    pub(crate) lifeline: bool,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) root: Arc<TempDir>,
    pub(crate) gateway_port: u16,
    pub(crate) access: SigningKey,
    pub(crate) control: SigningKey,
}

impl Plan {
    /// A machine of a family whose gateway is the given program.
    pub(crate) fn new(family: Family, program: &[&str]) -> Self {
        Self {
            family,
            program: program.iter().map(ToString::to_string).collect(),
            config: Some(config(family)),
            lifeline: false,
            environment: Vec::new(),
            root: Arc::new(TempDir::new().unwrap()),
            gateway_port: free_port(),
            access: SigningKey::generate().unwrap(),
            control: SigningKey::generate().unwrap(),
        }
    }

    /// A machine whose gateway's process does nothing, for tests that serve its port themselves.
    pub(crate) fn idle(family: Family) -> Self {
        Self::new(family, &["/bin/sh", "-c", "exec sleep 3600"])
    }

    /// A machine whose gateway is the stand-in.
    pub(crate) fn stand_in(family: Family) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_rockpool-supervisor")).with_file_name("examples").join("stand-in-gateway");
        assert!(program.exists(), "{} is missing: `cargo test -p supervisor` builds it, `--test` alone does not", program.display());
        let program = stand_in::program(&program, &[], family);
        Self::new(family, &program.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn place(&self, absolute: &str) -> PathBuf {
        self.root.path().join(absolute.trim_start_matches('/'))
    }

    /// Boots the machine and returns when its supervisor listens.
    pub(crate) fn boot(&self) -> Machine {
        if let Some(config) = &self.config {
            std::fs::create_dir_all(self.place("/etc/rockpool")).unwrap();
            std::fs::write(self.place(names::CONFIG), config.to_string()).unwrap();
        }
        self.boot_by(Command::new(env!("CARGO_BIN_EXE_rockpool-supervisor")), Some(self.root.path()))
    }

    /// Boots the machine by a command whose process becomes the supervisor, with the machine's folders below a root.
    pub(crate) fn boot_by(&self, mut command: Command, root: Option<&Path>) -> Machine {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env(names::LISTEN, "127.0.0.1:0")
            .env(names::METRICS_LISTEN, "127.0.0.1:0")
            .env(names::GATEWAY_PORT, self.gateway_port.to_string())
            .envs(root.map(|root| (names::ROOT, root)))
            .env(names::INSTANCE, INSTANCE)
            .env(names::FAMILY, self.family.as_str())
            .env(names::VERSION, &gateway::pin(self.family).version)
            .env(names::ADDRESS, ORIGIN)
            .env(names::ACCESS_KEYS, KeySet::of([self.access.public()]).to_jwks())
            .env(names::CONTROL_KEYS, KeySet::of([self.control.public()]).to_jwks())
            .env(names::SESSION_KEY, URL_SAFE_NO_PAD.encode([9; 32]))
            .env(names::GATEWAY_PROGRAM, serde_json::to_string(&self.program).unwrap())
            .env(names::FLY_VM_MEMORY_MB, "2048")
            .envs(self.environment.iter().cloned())
            .stdin(if self.lifeline { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped());
        if self.lifeline {
            command.env(names::LIFELINE, names::LIFELINE_STDIN);
        }
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let log = Log::of(child.stdout.take().unwrap());
        let metrics = log.wait_for("the metrics are served")["metrics"].as_str().unwrap().parse().unwrap();
        let address = log.find("the supervisor listens").unwrap()["address"].as_str().unwrap().parse().unwrap();
        let (access, control) = (Signer::new(self.access.clone()), Signer::new(self.control.clone()));
        Machine { child, stdin, log, address, metrics, access, control, root: self.root.clone() }
    }
}

/// A configuration that the family accepts.
pub(crate) fn config(family: Family) -> Value {
    gateway::render(&gateway::Settings::of_machine(gateway::pin(family).release(), ORIGIN))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A booted machine. It is killed with its gateway when the test ends, however it ends.
pub(crate) struct Machine {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) access: Signer,
    pub(crate) control: Signer,
    root: Arc<TempDir>,
}

impl Machine {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// The folder that is its root.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn token(&self, lifetime_seconds: i64) -> Token {
        self.access.access(&audience(), SignedDuration::from_secs(lifetime_seconds), Timestamp::now()).unwrap()
    }

    pub(crate) fn link(&self) -> Token {
        self.access.link(&audience(), Timestamp::now()).unwrap()
    }

    pub(crate) fn order(&self, method: &str, path: &str, body: &[u8]) -> Token {
        self.control.control(INSTANCE, "op_test", &Request { method, path, body }, Timestamp::now()).unwrap()
    }

    /// Lets the host's end of the lifeline go.
    pub(crate) fn drop_lifeline(&mut self) {
        drop(self.stdin.take().expect("the plan has a lifeline"));
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Kills the supervisor as a crash would, and leaves its gateway alone.
    pub(crate) fn kill_supervisor_only(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        eventually("the supervisor ends", || self.child.try_wait().unwrap())
    }

    /// The process that the supervisor noted as its gateway.
    pub(crate) fn noted_gateway(&self) -> Option<i32> {
        let note = std::fs::read(self.root.path().join("data/rockpool/gateway.pid")).ok()?;
        let note: Value = serde_json::from_slice(&note).ok()?;
        i32::try_from(note["gateway"]["pid"].as_i64()?).ok()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().ok();
            self.child.wait().ok();
            // A killed supervisor leaves its gateway; the test must not.
            if let Some(pid) = self.noted_gateway() {
                nix::sys::signal::killpg(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}

pub(crate) fn audience() -> Audience<'static> {
    Audience { instance: INSTANCE, subject: "user-1", name: "Ada" }
}

/// Whether a process is there and is no zombie.
pub(crate) fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Looks again and again until there is something, and fails the test when there never is.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The supervisor's log so far.
pub(crate) struct Log {
    lines: Mutex<(Vec<Value>, Receiver<String>)>,
}

impl Log {
    fn of(output: impl std::io::Read + Send + 'static) -> Self {
        let (send, receive) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { lines: Mutex::new((Vec::new(), receive)) }
    }

    /// Every line so far: each must be JSON with a time.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let mut guard = self.lines.lock().unwrap();
        let (lines, receive) = &mut *guard;
        for line in receive.try_iter() {
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}` is not JSON: {error}"));
            assert!(line["time"].as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok()), "`{line}` has no time");
            lines.push(line);
        }
        lines.clone()
    }

    pub(crate) fn find(&self, message: &str) -> Option<Value> {
        self.lines().into_iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains(message)))
    }

    pub(crate) fn wait_for(&self, message: &str) -> Value {
        eventually(message, || self.find(message))
    }
}
