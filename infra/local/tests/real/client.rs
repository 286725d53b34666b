//! A client of a gateway that is a device with a key: it is paired at its first visit and may then do something.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::house::{Instance, PATIENCE};
use crate::support::open;

/// What a gateway knows a device by.
///
/// Who comes to OpenClaw without one may ask for its health and no more; Clawdbot lets nobody else in. Behind a trusted proxy, OpenClaw
/// pairs apps for people by itself, and command line clients only after somebody has approved them.
pub(crate) struct Device {
    key: Ed25519KeyPair,
    client: &'static str,
    mode: &'static str,
    scopes: &'static [&'static str],
}

impl Device {
    /// The desktop app of OpenClaw.
    pub(crate) fn app() -> Self {
        Self::new("openclaw-linux", "ui", &["operator.read", "operator.write"])
    }

    /// The command line of Clawdbot.
    pub(crate) fn command_line() -> Self {
        Self::new("cli", "cli", &["operator.read", "operator.admin"])
    }

    fn new(client: &'static str, mode: &'static str, scopes: &'static [&'static str]) -> Self {
        Self { key: Ed25519KeyPair::generate().expect("a key"), client, mode, scopes }
    }

    /// Completes the handshake at an instance, with a token of the platform's, and returns what the gateway greets with.
    pub(crate) async fn connect(&self, instance: &Instance<'_>) -> (Client, Value) {
        let (token, _) = instance.access().await;
        let mut client = Client { socket: open(&instance.address, &token).await, calls: 0 };
        let challenge = client.frame(|frame| frame["event"] == "connect.challenge").await;
        let (nonce, at) = (challenge["payload"]["nonce"].as_str().expect("a nonce"), &challenge["payload"]["ts"]);
        let public = self.key.public_key().as_ref();
        let id = hex::encode(digest(&SHA256, public));
        let signed = format!("v2|{id}|{}|{}|operator|{}|{at}||{nonce}", self.client, self.mode, self.scopes.join(","));
        let params = json!({
            "minProtocol": 3, "maxProtocol": 4,
            "client": { "id": self.client, "version": "0.0.1", "platform": "linux", "mode": self.mode },
            "role": "operator", "scopes": self.scopes, "caps": [],
            "device": {
                "id": id, "nonce": nonce, "signedAt": at,
                "publicKey": URL_SAFE_NO_PAD.encode(public),
                "signature": URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes())),
            },
        });
        let hello = client.call("connect", params).await;
        assert_eq!(hello["type"], "hello-ok", "{hello}");
        (client, hello)
    }
}

/// An open connection.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    calls: u32,
}

impl Client {
    /// Calls a method that succeeds, and returns its result.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls.to_string();
        let request = json!({ "type": "req", "id": id, "method": method, "params": params });
        self.socket.send(Message::text(request.to_string())).await.expect("sent");
        let mut answer = self.frame(|frame| frame["type"] == "res" && frame["id"] == id.as_str()).await;
        assert_eq!(answer["ok"], true, "{method}: {answer}");
        answer["payload"].take()
    }

    async fn frame(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a frame in time");
            if let Message::Text(text) = next.expect("the socket is open").expect("a frame") {
                let frame = serde_json::from_str(&text).expect("frames are JSON");
                if wanted(&frame) {
                    return frame;
                }
            }
        }
    }
}
