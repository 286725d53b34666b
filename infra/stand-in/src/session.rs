use std::sync::Arc;

use axum::http::HeaderMap;
use gateway::{Family, pin};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::frames::{Connect, Request, answer, event, refusal};
use crate::proxy::Forwarding;
use crate::serve::Gateway;

/// One WebSocket: the handshake, then requests. Knows no socket: text in, frames out.
pub(crate) struct Session {
    gateway: Arc<Gateway>,
    headers: HeaderMap,
    forwarding: Forwarding,
    nonce: String,
    /// What the client may do, once it is connected.
    scopes: Option<Vec<String>>,
}

/// What goes back: frames, and then perhaps the end, with its close code (RFC 6455, section 7.4) and reason.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) frames: Vec<Value>,
    pub(crate) close: Option<(u16, String)>,
}

impl Reply {
    fn one(frame: Value) -> Self {
        Self { frames: vec![frame], close: None }
    }

    fn ending(frame: Value, code: u16, reason: &str) -> Self {
        Self { frames: vec![frame], close: Some((code, reason.to_owned())) }
    }
}

/// The clients that both families know, without the family's prefix where it has one.
const CLIENTS: [&str; 7] = ["cli", "gateway-client", "webchat-ui", "webchat", "node-host", "test", "fingerprint"];
const OWN_CLIENTS: [&str; 5] = ["control-ui", "macos", "ios", "android", "probe"];
const MODES: [&str; 7] = ["webchat", "cli", "ui", "backend", "node", "probe", "test"];

impl Session {
    pub(crate) fn new(gateway: Arc<Gateway>, headers: HeaderMap, forwarding: Forwarding) -> Self {
        Self { gateway, headers, forwarding, nonce: Uuid::new_v4().to_string(), scopes: None }
    }

    /// What the gateway says first.
    pub(crate) fn challenge(&self) -> Value {
        event("connect.challenge", json!({ "nonce": self.nonce, "ts": now_ms() }))
    }

    pub(crate) fn hear(&mut self, text: &str) -> Reply {
        let Ok(request) = serde_json::from_str::<Request>(text) else {
            return Reply { frames: Vec::new(), close: Some((1008, "invalid request frame".to_owned())) };
        };
        match &self.scopes {
            None if request.kind == "req" && request.method == "connect" => self.connect(&request),
            None => {
                let said = "invalid handshake: first request must be connect";
                Reply::ending(refusal(&request.id, "INVALID_REQUEST", said, Value::Null), 1008, said)
            }
            Some(scopes) => Reply::one(self.call(&request, scopes)),
        }
    }

    fn family(&self) -> Family {
        self.gateway.family
    }

    fn connect(&mut self, request: &Request) -> Reply {
        let refused = |code: &str, message: &str, details: Value, close: u16| {
            Reply::ending(refusal(&request.id, code, message, details), close, message)
        };
        let connect: Connect = match serde_json::from_value(request.params.clone()) {
            Ok(connect) => connect,
            Err(error) => return refused("INVALID_REQUEST", &format!("invalid connect params: {error}"), Value::Null, 1008),
        };
        if !self.knows(&connect.client.id) || !MODES.contains(&connect.client.mode.as_str()) {
            let said = "invalid connect params: at /client/id: must be equal to one of the allowed values";
            return refused("INVALID_REQUEST", said, Value::Null, 1008);
        }
        let protocol = pin(self.family()).protocol;
        if !(connect.min_protocol..=connect.max_protocol).contains(&protocol) {
            return refused("INVALID_REQUEST", "protocol mismatch", json!({ "expectedProtocol": protocol }), 1002);
        }
        let ui = connect.client.id == format!("{}-control-ui", self.family());
        if let Err(reason) = self.forwarding.admits_origin(&self.headers, ui) {
            let said = "origin not allowed (open the Control UI from the gateway host or allow it in gateway.controlUi.allowedOrigins)";
            return refused("INVALID_REQUEST", said, json!({ "code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": reason }), 1008);
        }
        if connect.device.as_ref().is_some_and(|device| device.nonce.as_ref() != Some(&self.nonce)) {
            return refused("INVALID_REQUEST", "device nonce mismatch", Value::Null, 1008);
        }
        let granted = match self.family() {
            Family::Openclaw => self.admit_to_openclaw(&connect, ui),
            Family::Clawdbot => self.admit_to_clawdbot(&connect, ui),
        };
        match granted {
            Ok(scopes) => {
                self.scopes = Some(scopes);
                // As the real ones do: whoever takes the next frame for the answer to its next request is wrong.
                let frames = vec![answer(&request.id, self.hello(protocol)), event("health", self.health())];
                Reply { frames, close: None }
            }
            Err((code, message, details)) => refused(code, message, details, 1008),
        }
    }

    fn knows(&self, client: &str) -> bool {
        let own = client.strip_prefix(self.family().as_str()).and_then(|rest| rest.strip_prefix('-'));
        CLIENTS.contains(&client) || own.is_some_and(|rest| OWN_CLIENTS.contains(&rest))
    }

    /// A person's browser is paired at once; another device waits for approval; without a device a client may do next to nothing.
    fn admit_to_openclaw(&self, connect: &Connect, ui: bool) -> Result<Vec<String>, Refused> {
        let brings_something = connect.device.is_some() || connect.auth.as_ref().is_some_and(|auth| auth.token.is_some());
        match self.forwarding.authorize(&self.headers) {
            Err(_) if !brings_something => {
                return Err(("NOT_PAIRED", "device identity required", json!({ "code": "DEVICE_IDENTITY_REQUIRED" })));
            }
            Err(refusal) => {
                let details = json!({ "code": refusal.code, "authReason": refusal.reason, "canRetryWithDeviceToken": false });
                return Err(("INVALID_REQUEST", "unauthorized", details));
            }
            Ok(()) => {}
        }
        match &connect.device {
            Some(_) if ui || !self.forwarding.is_trusted_proxy() => Ok(connect.scopes.clone()),
            Some(_) => {
                let details = json!({ "code": "PAIRING_REQUIRED", "reason": "not-paired" });
                Err(("NOT_PAIRED", "pairing required: device is not approved yet", details))
            }
            None => Ok(Vec::new()),
        }
    }

    /// Without authentication of its own it refuses to be reached through a proxy, pairs any local device, and lets through whoever brings
    /// any token, except its own UI.
    fn admit_to_clawdbot(&self, connect: &Connect, ui: bool) -> Result<Vec<String>, Refused> {
        if Forwarding::is_forwarded(&self.headers) {
            let details = json!({ "hint": "set gateway.auth or configure gateway.trustedProxies" });
            return Err(("INVALID_REQUEST", "gateway auth required behind reverse proxy", details));
        }
        if connect.device.is_some() {
            return Ok(connect.scopes.clone());
        }
        if ui {
            return Err(("INVALID_REQUEST", "control ui requires HTTPS or localhost (secure context)", Value::Null));
        }
        match connect.auth.as_ref().and_then(|auth| auth.token.as_ref()) {
            Some(_) => Ok(connect.scopes.clone()),
            None => Err(("NOT_PAIRED", "device identity required", Value::Null)),
        }
    }

    fn hello(&self, protocol: u32) -> Value {
        let version = match self.family() {
            Family::Openclaw => pin(self.family()).version.as_str(),
            Family::Clawdbot => "dev",
        };
        json!({
            "type": "hello-ok",
            "protocol": protocol,
            "server": { "version": version, "connId": Uuid::new_v4().to_string(), "standIn": true },
            "features": {
                "methods": ["health", "status", "standin.boots", "standin.recall", "standin.remember"],
                "events": ["connect.challenge", "health", "shutdown", "tick"],
            },
            "snapshot": { "health": self.health() },
            "policy": { "maxPayload": crate::socket::MAX_PAYLOAD, "tickIntervalMs": crate::socket::TICK.as_millis() as u64 },
        })
    }

    fn call(&self, request: &Request, scopes: &[String]) -> Value {
        let Request { id, method, params, .. } = request;
        let holds = |scope: &str| scopes.iter().any(|held| held == scope || held == "operator.admin");
        let text = |key: &str| params[key].as_str().map(str::to_owned);
        match method.as_str() {
            "health" if !self.gateway.is_ready() => refusal(id, "UNAVAILABLE", "gateway is starting", Value::Null),
            "health" => answer(id, self.health()),
            "status" if holds("operator.read") => answer(id, json!({ "runtimeVersion": pin(self.family()).version, "sessions": {} })),
            "status" => missing_scope(id, "operator.read"),
            "standin.boots" => answer(id, json!({ "boots": self.gateway.memory().boots() })),
            "standin.recall" => match text("key") {
                Some(key) => answer(id, json!({ "value": self.gateway.memory().recall(&key) })),
                None => refusal(id, "INVALID_REQUEST", "standin.recall needs a key", Value::Null),
            },
            "standin.remember" => match (text("key"), text("value")) {
                (Some(key), Some(value)) => match self.gateway.memory().remember(key, value) {
                    Ok(()) => answer(id, json!({ "ok": true })),
                    Err(error) => refusal(id, "UNAVAILABLE", &error.to_string(), Value::Null),
                },
                _ => refusal(id, "INVALID_REQUEST", "standin.remember needs a key and a value", Value::Null),
            },
            _ if !holds("operator.admin") => missing_scope(id, "operator.admin"),
            _ => refusal(id, "INVALID_REQUEST", &format!("unknown method: {method}"), Value::Null),
        }
    }

    fn health(&self) -> Value {
        json!({
            "ok": true,
            "ts": now_ms(),
            "durationMs": 0,
            "channels": {},
            "channelOrder": [],
            "defaultAgentId": "main",
            "agents": [{ "agentId": "main", "isDefault": true }],
        })
    }
}

/// Code, message and details of a refused `connect`.
type Refused = (&'static str, &'static str, Value);

fn missing_scope(id: &str, scope: &str) -> Value {
    let details = json!({ "code": "MISSING_SCOPE", "missingScope": scope });
    refusal(id, "FORBIDDEN", &format!("missing scope: {scope}"), details)
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
