//! A server that answers by the name of the app: each case of a batch has its own, and one client asks for all of them at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::scripted;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) client: fly::Client,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = scripted::client(&format!("http://{}", listener.local_addr().unwrap()));
        let server = Self { client, answers: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move { server.answer(stream).await });
            }
        });
        server
    }

    /// From now on every request about this app is answered so, whatever it is.
    pub(crate) fn will_answer(&self, app: &str, answer: Vec<u8>) {
        self.answers.lock().unwrap().insert(app.to_owned(), answer);
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let end = loop {
            if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
        while request.len() < end + 4 + length && matches!(stream.read_buf(&mut request).await, Ok(1..)) {}
        // The name is in the path, or in the body of the request that makes the app.
        let text = String::from_utf8_lossy(&request);
        let app =
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| word.starts_with("rp-case-")).unwrap_or_default();
        let answer = self.answers.lock().unwrap().get(app).cloned().unwrap_or_default();
        // A client that stops reading a huge answer closes first.
        stream.write_all(&answer).await.ok();
        stream.shutdown().await.ok();
    }
}
