//! The local platform as a child process, spoken to as a newcomer would: over HTTP, with the token that it printed.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// How long the stand-in's operations may take on a busy machine. A message that is lost costs two sweeps: one that sends it again may come
/// just before the minute is over for which the last one put the run off.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

/// A platform of its own, in a folder of its own.
pub(crate) struct Platform {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) token: String,
    pub(crate) data: PathBuf,
    http: reqwest::Client,
}

/// Starts the program and waits until it says where it is.
pub(crate) fn start(data: &Path, arguments: &[&str]) -> Platform {
    started(command(data, arguments), data)
}

/// Starts the platform by this command, which may begin with another program that becomes it.
pub(crate) fn started(mut command: Command, data: &Path) -> Platform {
    let mut child = command.spawn().expect("the platform's program was built");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut find = |label: &str| {
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.trim_start().starts_with(label));
        line.map(|line| line.trim_start()[label.len()..].trim().to_owned())
    };
    let (Some(address), Some(token)) = (find("API"), find("Token")) else {
        let mut said = String::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_string(&mut said).expect("text");
        }
        panic!("the platform did not start: {said}");
    };
    // Whatever it says from now on is read and dropped, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    if let Some(mut errors) = child.stderr.take() {
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
    }
    Platform { child, address, token, data: data.to_owned(), http: shell::http_client().expect("a client") }
}

/// The program with a folder, not yet started.
pub(crate) fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rockpool-local"));
    command.arg("--data").arg(data).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Platform {
    /// A call with the owner's token.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let answer = self.request(method, path, body).send().await.expect("the API answers");
        let (status, text) = (answer.status(), answer.text().await.expect("an answer has a body"));
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A request with the owner's token, not yet sent.
    pub(crate) fn request(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.address)).bearer_auth(&self.token);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await.1
    }

    /// Something asked of an instance that is accepted.
    pub(crate) async fn ask(&self, instance: &str, verb: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(Method::POST, &format!("/v1/instances/{instance}/{verb}"), body).await;
        assert!(status.is_success(), "{verb} was answered {status}: {answer}");
        answer
    }

    pub(crate) async fn create(&self, name: &str, more: Value) -> Value {
        let mut body = json!({ "name": name, "plan": "pro", "region": "fra" });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let (status, answer) = self.call(Method::POST, "/v1/instances", Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answer
    }

    /// Waits until an operation has ended, and returns it.
    pub(crate) async fn ended(&self, operation: &str, patience: Duration) -> Value {
        let path = format!("/v1/operations/{operation}");
        self.until(&path, patience, |operation| !operation["ended_at"].is_null()).await
    }

    /// Waits until an instance is in a state and no run owns it, and returns it.
    pub(crate) async fn settled(&self, instance: &str, state: &str, patience: Duration) -> Value {
        let path = format!("/v1/instances/{instance}");
        self.until(&path, patience, |instance| instance["state"] == state && instance["operation"].is_null()).await
    }

    pub(crate) async fn until(&self, path: &str, patience: Duration, done: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + patience;
        loop {
            let seen = self.get(path).await;
            if done(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{path} is still {seen}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// An answer of an instance at its own address, as a browser with this cookie gets it.
    pub(crate) async fn page(&self, url: &str, cookie: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(url).header("accept", "text/html");
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        request.send().await.expect("the instance answers")
    }

    /// Waits until the gateway at an instance's address is ready.
    pub(crate) async fn until_it_answers(&self, address: &str) {
        let health = format!("{address}/health?until=ready&timeout=20");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.page(&health, None).await.status();
            if status == StatusCode::OK {
                return;
            }
            assert!(Instant::now() < deadline, "{address} answers {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the platform at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Ends it as Ctrl-C would.
    pub(crate) fn end(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGINT);
        assert!(self.child.wait().expect("it ended").success());
    }

    /// Sends the platform's own process a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        nix::sys::signal::kill(pid, signal).expect("it runs");
    }

    /// Processes that run in this platform's folder, besides itself.
    pub(crate) fn processes(&self) -> Vec<String> {
        processes_of(&self.data).into_iter().map(|(_, line)| line).collect()
    }

    /// Waits until no process of a machine is left.
    pub(crate) async fn until_no_process(&self) {
        until_no_process(&self.data).await;
    }
}

pub(crate) async fn until_no_process(data: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !processes_of(data).is_empty() {
        assert!(Instant::now() < deadline, "left over: {:?}", processes_of(data));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The ids and command lines of processes whose environment names the folder: supervisors and gateways of its machines.
pub(crate) fn processes_of(data: &Path) -> Vec<(u32, String)> {
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let needle = data.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(id) = id
            && String::from_utf8_lossy(&read("environ")).contains(&needle)
        {
            found.push((id, String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")));
        }
    }
    found
}

impl Drop for Platform {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// Opens a WebSocket at an instance's address with an access token.
pub(crate) async fn open(address: &str, token: &str) -> WebSocketStream<TcpStream> {
    let authority = address.strip_prefix("http://").expect("a plain address");
    let port: u16 = authority.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let mut request = format!("ws://{authority}/").into_client_request().expect("an address");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("the provider's edge");
    tokio_tungstenite::client_async(request, stream).await.expect("the upgrade is passed on").0
}

/// Completes the gateway's own handshake at an instance's address, and returns its answer to `connect` and one to `health`.
pub(crate) async fn handshake(address: &str, token: &str) -> (Value, Value) {
    let mut socket = open(address, token).await;
    let challenge = event(&mut socket, |frame| frame["event"] == "connect.challenge").await;
    assert!(challenge["payload"]["nonce"].is_string(), "{challenge}");
    let connect = json!({ "type": "req", "id": "1", "method": "connect", "params": {
        "minProtocol": 3, "maxProtocol": 4,
        "client": { "id": "cli", "version": "0.0.1", "platform": "linux", "mode": "cli" },
        "role": "operator", "scopes": ["operator.read", "operator.write"], "caps": [],
    } });
    socket.send(Message::text(connect.to_string())).await.expect("sent");
    let hello = event(&mut socket, |frame| frame["id"] == "1").await;
    let health = json!({ "type": "req", "id": "2", "method": "health", "params": {} });
    socket.send(Message::text(health.to_string())).await.expect("sent");
    let health = event(&mut socket, |frame| frame["id"] == "2").await;
    (hello, health)
}

async fn event(socket: &mut WebSocketStream<TcpStream>, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a frame in time");
        let message = next.expect("the socket is open").expect("a frame");
        if let Message::Text(text) = message {
            let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
            if wanted(&frame) {
                return frame;
            }
        }
    }
}
