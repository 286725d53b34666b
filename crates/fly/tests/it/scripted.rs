//! A server that answers each request with the next line of a script, byte by byte if need be, and notes what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fly::{Client, Pace, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// Answers with these bytes and closes.
    Bytes(Vec<u8>),
    /// Closes without an answer.
    Hang,
    /// Never answers.
    Silence,
}

/// An answer with a JSON body, or with none for `null`.
pub(crate) fn json(status: u16, body: Value) -> Line {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    answer(status, "content-type: application/json\r\nfly-request-id: 01REQUEST-fra\r\n", &body)
}

/// An answer with these header lines and this body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Line {
    Line::Bytes(format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes())
}

/// What the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    /// Method and target, as in `GET /v1/apps/a`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the request holds JSON")
    }
}

pub(crate) struct Scripted {
    pub(crate) client: Client,
    asked: Arc<Mutex<Vec<Asked>>>,
    left: Arc<Mutex<VecDeque<Line>>>,
}

pub(crate) const TOKEN: &str = "the-token-that-nobody-must-see";

/// The trace that every call of these tests belongs to.
pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl Scripted {
    pub(crate) async fn new(script: impl IntoIterator<Item = Line>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        let (asked, left) = (Arc::default(), Arc::new(Mutex::new(script.into_iter().collect())));
        tokio::spawn(serve(listener, Arc::clone(&asked), Arc::clone(&left)));
        Self { client, asked, left }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The lines of what was asked, which must have used up the script.
    pub(crate) fn finished(&self) -> Vec<String> {
        assert!(self.left.lock().unwrap().is_empty(), "the script has lines that were never asked for");
        self.asked().iter().map(|asked| asked.line().to_owned()).collect()
    }
}

/// A client without pauses: what is tested is whether something is sent again, not when.
pub(crate) fn client(base: &str) -> Client {
    let mut settings = Settings::new(base.parse().unwrap(), TOKEN.into());
    settings.traceparent = || Some(TRACEPARENT.to_owned());
    settings.pace = Pace { attempts: 3, first_pause: Duration::from_millis(1), longest_pause: Duration::from_millis(2) };
    Client::new(settings, transport()).unwrap()
}

pub(crate) fn transport() -> reqwest::Client {
    // The provider can be installed once per process, and every test of this binary is in one.
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| rustls::crypto::aws_lc_rs::default_provider().install_default().expect("nobody else installs one"));
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

async fn serve(listener: TcpListener, asked: Arc<Mutex<Vec<Asked>>>, left: Arc<Mutex<VecDeque<Line>>>) {
    let mut silent = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some(request) = read(&mut stream).await else { continue };
        asked.lock().unwrap().push(request);
        let line = left.lock().unwrap().pop_front();
        match line {
            Some(Line::Bytes(bytes)) => {
                // A client that stops reading a huge answer closes first, which is no failure of the test.
                if stream.write_all(&bytes).await.is_ok() {
                    stream.shutdown().await.ok();
                }
            }
            Some(Line::Hang) => drop(stream),
            Some(Line::Silence) => silent.push(stream),
            None => panic!("the script has no line for this request"),
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()));
            let length: usize = length.unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap();
                return Some(Asked { head, body });
            }
        }
        let mut part = [0; 8192];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&part[..n]),
        }
    }
}
