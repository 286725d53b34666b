use serde::Deserialize;
use serde_json::{Value, json};

/// A request as clients send it.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) params: Value,
}

/// The parameters of `connect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connect {
    pub(crate) min_protocol: u32,
    pub(crate) max_protocol: u32,
    pub(crate) client: Client,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) auth: Option<Auth>,
    #[serde(default)]
    pub(crate) device: Option<Device>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) mode: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Auth {
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// Of a device's identity only the challenge is compared: its signature is not verified here.
#[derive(Debug, Deserialize)]
pub(crate) struct Device {
    #[serde(default)]
    pub(crate) nonce: Option<String>,
}

pub(crate) fn event(name: &str, payload: Value) -> Value {
    json!({ "type": "event", "event": name, "payload": payload })
}

pub(crate) fn answer(id: &str, payload: Value) -> Value {
    json!({ "type": "res", "id": id, "ok": true, "payload": payload })
}

/// `details` is left out where it is null.
pub(crate) fn refusal(id: &str, code: &str, message: &str, details: Value) -> Value {
    let mut error = json!({ "code": code, "message": message });
    if !details.is_null() {
        error["details"] = details;
    }
    json!({ "type": "res", "id": id, "ok": false, "error": error })
}
