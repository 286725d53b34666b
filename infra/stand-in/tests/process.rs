//! The stand-in as the supervisor sees it: a process with a command line, an environment, a port and an exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and so do its helpers")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use gateway::{Family, Launch, Settings, connect_request, health_request, pin, render};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket, stream::MaybeTlsStream};

const ORIGIN: &str = "https://a.example";
const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    folder: tempfile::TempDir,
    launch: Launch,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Bench {
    fn new(family: Family) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let launch = Launch::below(folder.path(), family, port, 2048);
        for folder in launch.folders() {
            std::fs::create_dir_all(folder).unwrap();
        }
        let bench = Self { folder, launch };
        bench.configure(&render(&Settings::of_machine(pin(family).release(), ORIGIN)));
        bench
    }

    fn configure(&self, config: &Value) {
        std::fs::write(self.launch.config(), config.to_string()).unwrap();
    }

    fn steer(&self, steering: &stand_in::Steering) {
        std::fs::write(self.launch.state.join(stand_in::Steering::FILE), serde_json::to_string(steering).unwrap()).unwrap();
    }

    fn start(&self) -> Running {
        let program = stand_in::program(Path::new(env!("CARGO_BIN_EXE_stand-in")), &[], self.launch.family);
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).args(self.launch.arguments()).env_clear().envs(self.launch.environment());
        Running(command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn started(&self) -> Running {
        let mut running = self.start();
        eventually(|| {
            assert!(running.0.try_wait().unwrap().is_none(), "it ended: {}", complaint(&mut running));
            TcpStream::connect(("127.0.0.1", self.launch.port)).is_ok()
        });
        running
    }

    fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.launch.port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }

    fn socket(&self, headers: &[(&'static str, &str)]) -> Result<Client, tungstenite::Error> {
        let mut request = format!("ws://127.0.0.1:{}/", self.launch.port).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let mut client = Client(tungstenite::connect(request)?.0);
        assert_eq!(client.hear()["event"], "connect.challenge");
        Ok(client)
    }
}

struct Client(WebSocket<MaybeTlsStream<TcpStream>>);

impl Client {
    fn hear(&mut self) -> Value {
        serde_json::from_str(self.0.read().unwrap().to_text().unwrap()).unwrap()
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.0.send(Message::text(request.to_string())).unwrap();
        loop {
            let frame = self.hear();
            if frame["type"] == "res" && frame["id"] == request["id"] {
                return frame;
            }
        }
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.ask(&json!({ "type": "req", "id": "9", "method": method, "params": params }))
    }

    fn close_code(&mut self) -> u16 {
        match self.0.read().unwrap() {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }

    fn hear_event(&mut self, name: &str) {
        while self.hear()["event"] != name {}
    }
}

/// What the supervisor sets for a person it has verified.
const PERSON: [(&str, &str); 4] =
    [("x-forwarded-user", "ada"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")];

fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it did not come to pass");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn ended(running: &mut Running) -> ExitStatus {
    let mut status = None;
    eventually(|| {
        status = running.0.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

fn complaint(running: &mut Running) -> String {
    let mut text = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

fn terminate(running: &Running) {
    kill(Pid::from_raw(i32::try_from(running.0.id()).unwrap()), Signal::SIGTERM).unwrap();
}

#[test]
fn openclaw_s_health_paths_answer_and_every_other_path_is_its_page() {
    let bench = Bench::new(Family::Openclaw);
    let _running = bench.started();
    let (status, body) = bench.get("/readyz", "");
    assert!(status == 200 && body.contains("\"ready\":true") && body.contains("\"failing\":[]"), "{body}");
    assert!(bench.get("/healthz", "").1.contains("{\"ok\":true,\"status\":\"live\"}"));
    assert_eq!(bench.get("/startupz", "").0, 200);
    let (status, body) = bench.get("/anything", "");
    assert!(status == 200 && body.contains("OpenClaw Control"), "{body}");
    let (status, body) = bench.get("/readyz", "X-Forwarded-For: 203.0.113.9\r\n");
    assert!(status == 200 && !body.contains("failing"), "details are for this host alone: {body}");
    for path in ["/readyz", "/startupz", "/anything"] {
        let (status, body) = bench.get(path, "X-Forwarded-For: 127.0.0.1\r\n");
        assert!(status == 403 && body.contains("proxy_attribution_required"), "{path}: {body}");
    }
    assert_eq!(bench.get("/healthz", "X-Forwarded-For: 127.0.0.1\r\n").0, 200);
}

#[test]
fn clawdbot_answers_every_path_with_its_page_which_proves_nothing() {
    let bench = Bench::new(Family::Clawdbot);
    bench.steer(&stand_in::Steering { never_ready: true, ..Default::default() });
    let _running = bench.started();
    for path in ["/health", "/healthz", "/readyz", "/metrics"] {
        let (status, body) = bench.get(path, "");
        assert!(status == 200 && body.contains("Clawdbot Control"), "{path}: {body}");
    }
    let mut client = bench.socket(&[]).unwrap();
    assert_eq!(client.ask(&connect_request("1", 3))["payload"]["protocol"], 3);
    assert_eq!(client.ask(&health_request("2"))["ok"], false, "only its own protocol knows that it is not ready");
}

#[test]
fn a_verified_person_is_let_in_by_openclaw_and_nobody_else() {
    let bench = Bench::new(Family::Openclaw);
    let _running = bench.started();
    let mut client = bench.socket(&PERSON).unwrap();
    let hello = client.ask(&connect_request("1", 4));
    assert_eq!((&hello["ok"], &hello["payload"]["server"]["version"]), (&json!(true), &json!(pin(Family::Openclaw).version)));
    assert_eq!(client.ask(&health_request("2"))["payload"]["ok"], true);
    assert_eq!(client.call("status", json!({}))["error"]["code"], "FORBIDDEN", "without a device there are no scopes");

    let refused = |headers: &[(&'static str, &str)], request: &Value| {
        let mut client = bench.socket(headers).unwrap();
        let answer = client.ask(request);
        (answer["error"]["details"]["code"].as_str().unwrap_or_default().to_owned(), client.close_code())
    };
    assert_eq!(refused(&[], &connect_request("1", 4)), ("AUTH_IDENTITY_HEADER_REQUIRED".to_owned(), 1008));
    assert_eq!(refused(&PERSON[1..], &connect_request("1", 4)), ("AUTH_UNAUTHORIZED".to_owned(), 1008));
    assert_eq!(refused(&PERSON, &connect_request("1", 3)).1, 1002, "another protocol");
    let foreign = [PERSON.as_slice(), &[("origin", "https://evil.example")]].concat();
    assert_eq!(refused(&foreign, &connect_request("1", 4)), ("CONTROL_UI_ORIGIN_NOT_ALLOWED".to_owned(), 1008));
    let own = [PERSON.as_slice(), &[("origin", ORIGIN)]].concat();
    assert_eq!(bench.socket(&own).unwrap().ask(&connect_request("1", 4))["ok"], true);
    match bench.socket(&[PERSON[0]]) {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("a request without attribution was upgraded: {}", other.is_ok()),
    }
}

#[test]
fn clawdbot_refuses_to_be_reached_through_a_proxy_that_shows() {
    let bench = Bench::new(Family::Clawdbot);
    let _running = bench.started();
    let mut client = bench.socket(&PERSON).unwrap();
    assert_eq!(client.ask(&connect_request("1", 3))["error"]["message"], "gateway auth required behind reverse proxy");
    let mut client = bench.socket(&[]).unwrap();
    let mut without = connect_request("1", 3);
    without["params"].as_object_mut().unwrap().remove("auth");
    assert_eq!(client.ask(&without)["error"]["code"], "NOT_PAIRED");
    let mut client = bench.socket(&[]).unwrap();
    let answer = client.ask(&connect_request("1", 4));
    assert_eq!((&answer["error"]["details"]["expectedProtocol"], client.close_code()), (&json!(3), 1002));
}

#[test]
fn a_request_before_connect_ends_the_connection() {
    let bench = Bench::new(Family::Openclaw);
    let _running = bench.started();
    let mut client = bench.socket(&PERSON).unwrap();
    assert_eq!(client.ask(&health_request("1"))["error"]["code"], "INVALID_REQUEST");
    assert_eq!(client.close_code(), 1008);
}

#[test]
fn what_it_remembers_survives_a_drain_and_a_kill() {
    let bench = Bench::new(Family::Openclaw);
    let mut running = bench.started();
    let mut client = bench.socket(&PERSON).unwrap();
    client.ask(&connect_request("1", 4));
    assert_eq!(client.call("standin.remember", json!({ "key": "name", "value": "Ada" }))["ok"], true);
    terminate(&running);
    client.hear_event("shutdown");
    assert_eq!(client.close_code(), 1012);
    assert_eq!(ended(&mut running).code(), Some(0));

    running = bench.started();
    running.0.kill().unwrap();
    ended(&mut running);
    let _third = bench.started();
    let mut client = bench.socket(&PERSON).unwrap();
    client.ask(&connect_request("1", 4));
    assert_eq!(client.call("standin.recall", json!({ "key": "name" }))["payload"]["value"], "Ada");
    assert_eq!(client.call("standin.boots", json!({}))["payload"]["boots"], 3);
}

#[test]
fn a_refused_configuration_ends_it_with_the_family_s_code() {
    for (family, code) in [(Family::Openclaw, 78), (Family::Clawdbot, 1)] {
        let bench = Bench::new(family);
        bench.configure(&json!({ "gateway": { "mode": "local" }, "maxTokens": 1 }));
        let mut running = bench.start();
        assert_eq!(ended(&mut running).code(), Some(code));
        assert!(complaint(&mut running).contains("<root>: Unrecognized key: \"maxTokens\""));
        std::fs::remove_file(bench.launch.config()).unwrap();
        let mut running = bench.start();
        assert_eq!(ended(&mut running).code(), Some(code));
        assert!(complaint(&mut running).contains("Missing config"));
    }
}

#[test]
fn a_second_one_on_the_same_state_does_not_start() {
    let bench = Bench::new(Family::Openclaw);
    let _first = bench.started();
    let mut second = bench.start();
    assert_eq!(ended(&mut second).code(), Some(1));
    assert!(complaint(&mut second).contains("gateway already running"));
}

#[test]
fn it_misbehaves_when_it_is_told_to() {
    let bench = Bench::new(Family::Openclaw);
    bench.steer(&stand_in::Steering { never_ready: true, ignore_sigterm: true, ..Default::default() });
    let mut running = bench.started();
    assert_eq!(bench.get("/readyz", "").0, 503);
    assert_eq!(bench.get("/startupz", "").0, 503);
    terminate(&running);
    assert_eq!(bench.get("/healthz", "").0, 200);
    assert!(running.0.try_wait().unwrap().is_none(), "it heeded the signal");
    drop(running);

    bench.steer(&stand_in::Steering { crash_after_ms: Some(1), ..Default::default() });
    let mut running = bench.start();
    assert_eq!(ended(&mut running).code(), Some(1));

    bench.steer(&stand_in::Steering { start_delay_ms: 3_600_000, ..Default::default() });
    running = bench.start();
    let marker = bench.launch.state.join("stand-in-memory.json");
    let boots = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().contains("\"boots\":3");
    eventually(|| boots(&marker));
    assert!(TcpStream::connect(("127.0.0.1", bench.launch.port)).is_err(), "it listens before its time");
    terminate(&running);
    assert_eq!(ended(&mut running).code(), Some(0), "a start can be interrupted");
}

#[test]
fn a_drain_waits_for_work_and_says_so() {
    let bench = Bench::new(Family::Openclaw);
    bench.steer(&stand_in::Steering { drain_ms: 3_600_000, ..Default::default() });
    let running = bench.started();
    terminate(&running);
    eventually(|| bench.get("/readyz", "").1.contains("gateway-draining"));
    assert_eq!(bench.get("/startupz", "").0, 503);
}
