use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::{Value, json};
use tokio::time::{Instant, interval_at, timeout};

use crate::frames::event;
use crate::serve::Gateway;
use crate::session::{Reply, Session};

/// The largest frame it takes, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 512 * 1024;
/// How often it says that it is still there.
pub(crate) const TICK: Duration = Duration::from_secs(30);
/// How long a client may take over its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Carries one WebSocket until either side ends it.
pub(crate) async fn carry(mut socket: WebSocket, gateway: Arc<Gateway>, mut session: Session) {
    if send(&mut socket, &session.challenge()).await.is_err() {
        return;
    }
    let Ok(first) = timeout(HANDSHAKE, socket.recv()).await else {
        return close(socket, 1008, "handshake timeout").await;
    };
    let mut next = first;
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    loop {
        match next {
            Some(Ok(Message::Text(text))) => {
                let Reply { frames, close: end } = session.hear(&text);
                for frame in &frames {
                    if send(&mut socket, frame).await.is_err() {
                        return;
                    }
                }
                if let Some((code, reason)) = end {
                    return close(socket, code, &reason).await;
                }
            }
            Some(Ok(Message::Binary(_))) => return close(socket, 1003, "text frames only").await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        }
        next = loop {
            tokio::select! {
                message = socket.recv() => break message,
                () = gateway.closing.cancelled() => {
                    // The client may be gone already, which is what follows anyway.
                    send(&mut socket, &event("shutdown", json!({ "reason": "gateway stopping" }))).await.ok();
                    return close(socket, 1012, "service restart").await;
                }
                _ = ticks.tick() => {
                    if send(&mut socket, &event("tick", json!({}))).await.is_err() {
                        return;
                    }
                }
            }
        };
    }
}

async fn send(socket: &mut WebSocket, frame: &Value) -> Result<(), axum::Error> {
    socket.send(Message::Text(frame.to_string().into())).await
}

/// Says why, and waits for the client's own close (RFC 6455, section 7.1.1) for a moment: without it a reset may overtake the reason.
async fn close(mut socket: WebSocket, code: u16, reason: &str) {
    let frame = CloseFrame { code, reason: reason.to_owned().into() };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        let farewell = async { while let Some(Ok(_)) = socket.recv().await {} };
        timeout(Duration::from_secs(1), farewell).await.ok();
    }
}
