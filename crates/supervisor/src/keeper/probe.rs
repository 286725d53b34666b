use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use gateway::{Probe, connect_request, health_request};
use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

/// A gateway that takes longer has hung, or might as well have.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer to a probe is longer than this; Clawdbot's `hello-ok` lists all its methods.
const MAX_ANSWER: usize = 512 * 1024;

/// Asks the gateway whether it is ready: a real answer, not just an open port.
pub(super) async fn is_ready(probe: Probe, gateway: SocketAddr) -> bool {
    let answer = async {
        match probe {
            Probe::HttpReadyz { path, .. } => readyz(gateway, path).await,
            Probe::WebSocketHealth { protocol } => websocket_health(gateway, protocol).await,
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten().unwrap_or(false)
}

/// `None` where something goes wrong on the way; what, matters to nobody while a gateway starts.
async fn readyz(gateway: SocketAddr, path: &str) -> Option<bool> {
    let stream = TcpStream::connect(gateway).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    // It must be a direct local request: with any forwarding header OpenClaw refuses to say whether it is ready.
    let request = Request::get(path).header(http::header::HOST, gateway.to_string()).body(Empty::<Bytes>::new()).ok()?;
    let exchange = async {
        let response = sender.send_request(request).await.ok()?;
        let ok = response.status() == http::StatusCode::OK;
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.ok()?.to_bytes();
        let body: Value = serde_json::from_slice(&body).ok()?;
        Some(ok && body["ready"] == true)
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection may end before its last bytes were looked at.
        _ = connection => exchange.await,
    }
}

async fn websocket_health(gateway: SocketAddr, protocol: u32) -> Option<bool> {
    let stream = TcpStream::connect(gateway).await.ok()?;
    let request = format!("ws://{gateway}/").into_client_request().ok()?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.ok()?;
    let connected = call(&mut socket, "rockpool-1", connect_request("rockpool-1", protocol)).await?;
    if connected["ok"] != true {
        return Some(false);
    }
    let health = call(&mut socket, "rockpool-2", health_request("rockpool-2")).await?;
    // The answer is in; how the socket closes does not change it.
    drop(socket.close(None).await);
    Some(health["ok"] == true)
}

/// Sends a request and returns the response to it, letting events pass.
async fn call(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>, id: &str, request: Value) -> Option<Value> {
    socket.send(Message::text(request.to_string())).await.ok()?;
    loop {
        let Message::Text(text) = socket.next().await?.ok()? else { continue };
        let frame: Value = serde_json::from_str(&text).ok()?;
        if frame["type"] == "res" && frame["id"] == id {
            return Some(frame);
        }
    }
}
