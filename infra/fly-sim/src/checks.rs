//! The checks that a machine's configuration declares, and what Fly calls them.

use serde_json::Value;

/// One check of a machine's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredCheck {
    /// The key in `config.checks`, or `servicecheck-NN-KIND-PORT` for the check of a service.
    pub name: String,
    /// Whether Fly's proxy leaves the machine out while it does not pass: the check of a service, or a top-level one of kind `readiness`.
    pub gates_routing: bool,
    /// The port it asks: its own, or its service's.
    pub port: u16,
    /// As configured: `type`, `path`, `interval`, `timeout`, `grace_period`…
    pub definition: Value,
}

/// Lists the checks of a configuration, services first.
///
/// Source: <https://fly.io/docs/reference/health-checks/> and the names that the live API answers (`servicecheck-00-http-8080`).
#[must_use]
pub fn declared(config: &Value) -> Vec<DeclaredCheck> {
    let mut checks = Vec::new();
    for service in config["services"].as_array().into_iter().flatten() {
        for definition in service["checks"].as_array().into_iter().flatten() {
            let port = port(definition).or_else(|| port_at(&service["internal_port"])).unwrap_or_default();
            let name = format!("servicecheck-{:02}-{}-{port}", checks.len(), definition["type"].as_str().unwrap_or("tcp"));
            checks.push(DeclaredCheck { name, gates_routing: true, port, definition: definition.clone() });
        }
    }
    for (name, definition) in config["checks"].as_object().into_iter().flatten() {
        let gates_routing = definition["kind"] == "readiness";
        checks.push(DeclaredCheck {
            name: name.clone(),
            gates_routing,
            port: port(definition).unwrap_or_default(),
            definition: definition.clone(),
        });
    }
    checks
}

fn port(definition: &Value) -> Option<u16> {
    port_at(&definition["port"])
}

fn port_at(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn service_checks_are_numbered_across_services_and_gate_routing() {
        let config = json!({
            "services": [
                {"internal_port": 8080, "checks": [{"type": "http", "path": "/live"}]},
                {"internal_port": 9000, "checks": [{"type": "tcp", "port": 9001}]},
            ],
            "checks": {"disk": {"type": "http", "port": 8081}, "warm": {"type": "tcp", "port": 1, "kind": "readiness"}},
        });
        let seen: Vec<_> = declared(&config).into_iter().map(|check| (check.name, check.gates_routing, check.port)).collect();
        let expected =
            [("servicecheck-00-http-8080", true, 8080), ("servicecheck-01-tcp-9001", true, 9001), ("disk", false, 8081), ("warm", true, 1)];
        assert_eq!(seen, expected.map(|(name, gates, port)| (name.to_owned(), gates, port)));
    }
}
