use domain::Family;

use crate::pins::pin;

/// How to learn whether a gateway really works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `GET` this path on loopback: 200 with `"ready":true` in the body, else not ready.
    HttpReadyz {
        /// The path.
        path: &'static str,
        /// The path that answers 200 as soon as the process has started, whatever its channels do.
        started: &'static str,
    },
    /// A WebSocket on `/`: `connect`, then the method `health`. Every HTTP path answers 200 with a page, which proves nothing.
    WebSocketHealth {
        /// The protocol to offer in `connect`.
        protocol: u32,
    },
}

/// The probe of a family.
#[must_use]
pub fn probe(family: Family) -> Probe {
    match family {
        Family::Openclaw => Probe::HttpReadyz { path: "/readyz", started: "/startupz" },
        Family::Clawdbot => Probe::WebSocketHealth { protocol: pin(family).protocol },
    }
}

/// The `connect` request that opens a WebSocket of the gateway, as a local command line client sends it.
///
/// Clawdbot without `auth` pairs a device that proves its identity, and lets one through that brings any token at all; without either it
/// answers `NOT_PAIRED`. The token here opens nothing. Forwarded headers beside it would be refused (`gateway auth required`).
#[must_use]
pub fn connect_request(id: &str, protocol: u32) -> serde_json::Value {
    serde_json::json!({
        "type": "req",
        "id": id,
        "method": "connect",
        "params": {
            "minProtocol": protocol,
            "maxProtocol": protocol,
            "client": { "id": "cli", "version": env!("CARGO_PKG_VERSION"), "platform": "linux", "mode": "cli" },
            "role": "operator",
            "scopes": ["operator.read"],
            "caps": [],
            "auth": { "token": "none" },
        },
    })
}

/// The request for `health` that follows a successful `connect`.
#[must_use]
pub fn health_request(id: &str) -> serde_json::Value {
    serde_json::json!({ "type": "req", "id": id, "method": "health", "params": {} })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openclaw_is_believed_over_http() {
        assert_eq!(probe(Family::Openclaw), Probe::HttpReadyz { path: "/readyz", started: "/startupz" });
        assert_eq!(probe(Family::Clawdbot), Probe::WebSocketHealth { protocol: 3 });
    }

    #[test]
    fn a_probe_asks_for_no_more_than_to_read() {
        let request = connect_request("1", 3);
        assert_eq!(request["params"]["scopes"], serde_json::json!(["operator.read"]));
        assert_eq!(request["params"]["maxProtocol"], 3);
    }
}
