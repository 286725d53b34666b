//! A gateway inside the test: it shows what reaches it, and does as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// The switches of the gateway in the test.
#[derive(Clone)]
pub(crate) struct Mirror {
    pub(crate) ready: Arc<AtomicBool>,
}

/// Serves a machine's gateway port until the test ends.
pub(crate) async fn serve(port: u16) -> Mirror {
    let mirror = Mirror { ready: Arc::new(AtomicBool::new(true)) };
    let routes = Router::new().route("/readyz", get(readyz)).route("/", get(socket_or_show)).fallback(show).with_state(mirror.clone());
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    mirror
}

async fn readyz(State(mirror): State<Mirror>, headers: HeaderMap) -> Response {
    let forwarded = headers.keys().any(|name| name.as_str().starts_with("x-forwarded"));
    let ready = mirror.ready.load(Ordering::Relaxed) && !forwarded;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(json!({ "ready": ready }))).into_response()
}

/// Answers with the request as it arrived.
async fn show(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut response = axum::Json(shown(&method, &uri, &headers, &String::from_utf8_lossy(&body))).into_response();
    let cookies = ["theme=dark", "__Host-rockpool=forged; Path=/; Secure"];
    for cookie in cookies {
        response.headers_mut().append("set-cookie", cookie.parse().unwrap());
    }
    response
}

/// First says how the handshake arrived, then repeats what it hears.
async fn socket_or_show(
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let first = shown(&method, &uri, &headers, "");
    match upgrade {
        Ok(upgrade) => upgrade.protocols(["gateway.v4"]).on_upgrade(|socket| repeat(socket, first)),
        Err(_) => show(method, uri, headers, Bytes::new()).await,
    }
}

async fn repeat(mut socket: WebSocket, first: Value) {
    if socket.send(Message::text(first.to_string())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

fn shown(method: &Method, uri: &Uri, headers: &HeaderMap, body: &str) -> Value {
    let mut seen: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let all = seen.get(name.as_str()).map_or(value.clone(), |before| format!("{}, {value}", before.as_str().unwrap()));
        seen.insert(name.to_string(), all.into());
    }
    json!({ "method": method.as_str(), "target": uri.to_string(), "headers": seen, "body": body })
}
