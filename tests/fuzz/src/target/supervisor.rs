//! Bytes on the socket of a supervisor.

use std::net::{SocketAddr, TcpListener};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use access::{Audience, KeySet, Request, Signer, SigningKey};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::Family;
use gateway::environment as names;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const INSTANCE: &str = "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f";
const ORDER: Request<'static> = Request { method: "GET", path: "/_rockpool/logs?lines=5", body: b"" };
const ORIGIN: &str = "https://rp-test.fly.dev";

/// How long a connection that has said everything may stay without an answer.
const SILENCE: Duration = Duration::from_millis(400);

/// A supervisor on a thread of its own, with a gateway of which it believes that it started it.
struct Machine {
    runtime: Runtime,
    address: SocketAddr,
    access: Signer,
    control: Signer,
    _folder: TempDir,
}

/// What reached the gateway.
static SEEN: Mutex<Vec<(Uri, HeaderMap)>> = Mutex::new(Vec::new());
static MACHINE: LazyLock<Machine> = LazyLock::new(Machine::boot);

/// What a caller sends before he is silent; `{token}` is an instance token, and `{order}` the control plane's for five lines of the log.
/// Whatever reaches the gateway came with a token, says who called and nothing else of its caller's, and has one length; an order is
/// carried out once, and no other is; nothing makes the supervisor fail.
pub fn supervisor_request(input: &[u8]) -> bool {
    let audience = Audience { instance: INSTANCE, subject: "user-1", name: "Ada" };
    let token = MACHINE.access.access(&audience, SignedDuration::from_secs(600), Timestamp::now()).unwrap();
    let order = MACHINE.control.control(INSTANCE, "op_test", &ORDER, Timestamp::now()).unwrap();
    let request = replace(input, b"{token}", token.as_str().as_bytes());
    let request = replace(&request, b"{order}", order.as_str().as_bytes());
    let answer = MACHINE.runtime.block_on(exchange(MACHINE.address, &request)).expect("the supervisor listens");
    assert!(!answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.matches("{\"lines\":").count() <= 1, "one order was carried out twice: {answer}");
    assert!(!answer.contains("{\"order\":"), "an order was carried out that nobody gave: {answer}");
    let (header, _) = token.as_str().split_once('.').unwrap();
    // What an earlier caller did not wait for may only be seen now.
    for (uri, headers) in std::mem::take(&mut *SEEN.lock().unwrap()) {
        let users: Vec<_> = headers.get_all("x-forwarded-user").iter().collect();
        assert_eq!(users, ["user-1"], "{uri} {headers:?}");
        let lengths = headers.get_all("content-length").iter().count() + headers.get_all("transfer-encoding").iter().count();
        assert!(lengths <= 1, "two lengths: {uri} {headers:?}");
        // Where a caller puts it elsewhere, it is his to give away.
        let kept = ["authorization", "cookie", "sec-websocket-protocol"]
            .map(|name| format!("{:?}", headers.get_all(name).iter().collect::<Vec<_>>()));
        assert!(!kept.concat().contains(header), "the gateway was told a token: {uri} {headers:?}");
    }
    answer.starts_with("HTTP/1.1 2")
}

fn replace(input: &[u8], word: &[u8], with: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = rest.windows(word.len()).position(|part| part == word) {
        bytes.extend_from_slice(&rest[..at]);
        bytes.extend_from_slice(with);
        rest = &rest[at + word.len()..];
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// What is answered to somebody who says this and no more, if anybody listens.
async fn exchange(to: SocketAddr, request: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    // A server that refuses early closes early.
    stream.write_all(request).await.ok();
    stream.shutdown().await.ok();
    let mut answer = Vec::new();
    while let Ok(Ok(1..)) = tokio::time::timeout(SILENCE, stream.read_buf(&mut answer)).await {}
    Some(String::from_utf8_lossy(&answer).into_owned())
}

impl Machine {
    fn boot() -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let gateway = runtime.block_on(serve_gateway());
        let (access, control) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let release = gateway::pin(Family::Openclaw);
        let config = gateway::render(&gateway::Settings::of_machine(release.release(), ORIGIN));
        let place = folder.path().join(names::CONFIG.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, config.to_string()).unwrap();
        let (address, metrics) = (free(), free());
        // The process that stands for the gateway ends by itself when this one is gone, however it went.
        let idle = format!("while kill -0 {} 2>/dev/null; do sleep 1; done", std::process::id());
        let settings = supervisor::Settings::from_variables(|name| match name {
            names::LISTEN => Some(address.to_string()),
            names::METRICS_LISTEN => Some(metrics.to_string()),
            names::GATEWAY_PORT => Some(gateway.port().to_string()),
            names::ROOT => Some(folder.path().display().to_string()),
            names::INSTANCE => Some(INSTANCE.to_owned()),
            names::FAMILY => Some(Family::Openclaw.as_str().to_owned()),
            names::VERSION => Some(release.version.clone()),
            names::ADDRESS => Some(ORIGIN.to_owned()),
            names::ACCESS_KEYS => Some(KeySet::of([access.public()]).to_jwks()),
            names::CONTROL_KEYS => Some(KeySet::of([control.public()]).to_jwks()),
            names::SESSION_KEY => Some(URL_SAFE_NO_PAD.encode([9; 32])),
            names::GATEWAY_PROGRAM => Some(serde_json::json!(["/bin/sh", "-c", idle]).to_string()),
            _ => None,
        });
        let settings = settings.unwrap_or_else(|error| panic!("{error}"));
        runtime.spawn(async { supervisor::run(settings).await.expect("the supervisor runs") });
        let machine = Self { runtime, address, access: Signer::new(access), control: Signer::new(control), _folder: folder };
        machine.runtime.block_on(ready(address));
        machine
    }
}

/// Waits until the supervisor says that its gateway answers.
async fn ready(address: SocketAddr) {
    for _ in 0..300 {
        let answer = exchange(address, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        if answer.is_some_and(|answer| answer.contains("\"ready\"")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the supervisor does not become ready");
}

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn serve_gateway() -> SocketAddr {
    let note = async |uri: Uri, headers: HeaderMap, body: Bytes| {
        SEEN.lock().unwrap().push((uri, headers));
        format!("{} bytes", body.len())
    };
    let routes = Router::new().route("/readyz", get(async || axum::Json(serde_json::json!({ "ready": true })))).fallback(note);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}
