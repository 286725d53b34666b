//! Callers: plain HTTP/1.1 and WebSockets over a fresh connection each.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Machine, PATIENCE};

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} is not JSON: {}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The stable end of a problem's type.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }
}

pub(crate) async fn call(to: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "somewhere.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let exchange = async {
        let stream = TcpStream::connect(to).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer within the patience of these tests")
}

pub(crate) async fn get(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    call(to, Method::GET, path, headers, "").await
}

pub(crate) fn bearer(token: &access::Token) -> String {
    format!("Bearer {}", token.as_str())
}

impl Machine {
    /// Gives an order with a fresh control token.
    pub(crate) async fn command(&self, method: Method, path: &str, body: &str) -> Answer {
        let token = bearer(&self.order(method.as_str(), path, body.as_bytes()));
        call(self.address, method, path, &[("authorization", &token)], body.to_owned()).await
    }

    /// Health, once the gateway is ready.
    pub(crate) async fn ready(&self) -> Value {
        self.health_when("the gateway is ready", |health| health["status"] == "ready").await
    }

    /// Health with the details for a caller with a token, as soon as it is as described.
    pub(crate) async fn health_when(&self, what: &str, mut predicate: impl FnMut(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let token = bearer(&self.token(300));
        loop {
            let health = get(self.address, "/health", &[("authorization", &token)]).await.json();
            if predicate(&health) {
                return health;
            }
            assert!(tokio::time::Instant::now() < deadline, "{what}: it never came to this; health is {health:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// A WebSocket with the given headers, or the status with which it was refused.
pub(crate) async fn websocket(to: SocketAddr, headers: &[(&str, &str)]) -> Result<(Socket, Response<()>), StatusCode> {
    let mut request = format!("ws://{to}/").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let stream = TcpStream::connect(to).await.unwrap();
    match tokio::time::timeout(PATIENCE, tokio_tungstenite::client_async(request, stream)).await.expect("an answer in time") {
        Ok((socket, response)) => Ok((socket, response.map(drop))),
        Err(Error::Http(response)) => Err(response.status()),
        Err(error) => panic!("the handshake broke off: {error}"),
    }
}

pub(crate) async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

/// The next text frame, or `None` when the socket is closed, properly or not.
pub(crate) async fn hear(socket: &mut Socket) -> Option<String> {
    loop {
        match tokio::time::timeout(PATIENCE, socket.next()).await.expect("a frame or an end in time") {
            Some(Ok(Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}
