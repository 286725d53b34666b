//! Answers of the Machines API.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use fly::api::{LogQuery, MachineFilter, WaitFor};
use fly::{CallError, Client, Pace, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

const TOKEN: &str = "the-token-that-nobody-must-see";

/// A client and, on a thread of its own, the server that it asks.
struct Line {
    runtime: Runtime,
    client: Client,
}

static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LINE: LazyLock<Line> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(listen());
    // The provider of cryptography can be installed once per process; where another target has done it, that one serves.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut settings = Settings::new(format!("http://{address}").parse().unwrap(), TOKEN.into());
    settings.pace = Pace { attempts: 1, first_pause: Duration::from_millis(1), longest_pause: Duration::from_millis(2) };
    Line { runtime, client: Client::new(settings, http).unwrap() }
});

/// The name of a call on a line of its own, and an answer of HTTP as it is sent. An error is some short lines without our token; what is
/// taken for an answer was a success and whole JSON.
pub fn fly_answer(input: &[u8]) -> bool {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return false };
    let (call, answer) = (String::from_utf8_lossy(&input[..end]).into_owned(), &input[end + 1..]);
    *ANSWER.lock().unwrap() = answer.to_vec();
    let outcome = LINE.runtime.block_on(make(&call, &LINE.client));
    match outcome {
        None => false,
        Some(Ok(gave)) => {
            // Empty lines before it are none of it (RFC 9112, 2.2).
            let status = answer.trim_ascii_start().strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
            // A wait that has run out at the other side is an answer like any other.
            let fits = status.is_some_and(|status| status[0] == b'2' || (call == "wait" && status == b"408"));
            assert!(fits, "{call} took for a success: {} and gave {gave}", answer.escape_ascii());
            true
        }
        Some(Err(error)) => {
            let mut lines = vec![error.to_string()];
            let mut source = error.source();
            while let Some(cause) = source {
                lines.push(cause.to_string());
                source = cause.source();
            }
            assert!(!format!("{lines:?} {error:?}").contains(TOKEN), "the token is in {error:?}");
            assert!(lines.iter().all(|line| line.len() < 3000 && !line.chars().any(char::is_control)), "{lines:?}");
            false
        }
    }
}

async fn make(call: &str, client: &Client) -> Option<Result<String, CallError>> {
    let app = client.app("rp-1");
    let machine = app.machine("148e21f71d9e89");
    let show = |thing: &dyn std::fmt::Debug| format!("{thing:?}");
    Some(match call {
        "app" => app.get().await.map(|it| show(&it)),
        "machines" => app.machines(&MachineFilter::default()).await.map(|it| show(&it)),
        "machine" => machine.get().await.map(|it| show(&it)),
        "events" => machine.events(5).await.map(|it| show(&it)),
        "metadata" => machine.metadata().await.map(|it| show(&it)),
        "wait" => machine.wait(WaitFor::Started, Duration::from_secs(1)).await.map(|it| show(&it)),
        "volumes" => app.volumes().await.map(|it| show(&it)),
        "volume" => app.volume("vol_1").await.map(|it| show(&it)),
        "secrets" => app.secrets().await.map(|it| show(&it)),
        "addresses" => app.addresses().await.map(|it| show(&it)),
        "logs" => app.logs(&LogQuery::default()).await.map(|it| show(&it)),
        _ => return None,
    })
}

async fn listen() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    // None of these calls has a body.
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && matches!(stream.read_buf(&mut request).await, Ok(1..)) {}
    let answer = ANSWER.lock().unwrap().clone();
    // A client that stops reading closes first.
    stream.write_all(&answer).await.ok();
    stream.shutdown().await.ok();
}
