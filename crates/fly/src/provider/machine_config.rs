use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flows::ports::{MachineSize, MachineSpec};

use crate::api::{Check, ConfigFile, Guest, MachineConfig, Metrics, Mount, Port, Restart, Service, StopConfig};

/// What a tenant's machine is at Fly.io.
///
/// The proxy neither starts nor stops it: a scanner's request must not wake a machine that its owner stopped or did not pay for. It
/// restarts whenever its main process ends, and the check decides only whether the proxy routes to it.
pub(super) fn machine_config(spec: &MachineSpec) -> MachineConfig {
    let check = Check {
        kind: "http".to_owned(),
        method: Some("GET".to_owned()),
        path: Some(spec.check_path.clone()),
        interval: Some("15s".to_owned()),
        timeout: Some("5s".to_owned()),
        grace_period: Some("5s".to_owned()),
        ..Check::default()
    };
    let service = Service {
        protocol: "tcp".to_owned(),
        internal_port: spec.internal_port,
        ports: vec![
            Port { port: 443, handlers: vec!["tls".to_owned(), "http".to_owned()], force_https: false },
            Port { port: 80, handlers: vec!["http".to_owned()], force_https: true },
        ],
        autostart: false,
        autostop: "off".to_owned(),
        checks: vec![check],
        concurrency: None,
    };
    MachineConfig {
        image: spec.image.clone(),
        env: spec.env.clone(),
        guest: Some(guest(spec.size)),
        services: vec![service],
        mounts: vec![Mount { volume: spec.volume.clone(), path: spec.mount_path.clone() }],
        files: spec.files.iter().map(|(path, content)| file(path, content)).collect(),
        metadata: spec.metadata.clone(),
        metrics: Some(Metrics { port: spec.metrics_port, path: "/metrics".to_owned() }),
        restart: Some(Restart { policy: "always".to_owned(), max_retries: None }),
        stop_config: Some(StopConfig { signal: "SIGTERM".to_owned(), timeout: format!("{}s", spec.stop_timeout_seconds) }),
        ..MachineConfig::default()
    }
}

/// The size as Fly.io takes it.
pub(super) fn guest(size: MachineSize) -> Guest {
    let cpu_kind = match size.cpu_kind {
        domain::CpuKind::Shared => "shared",
        domain::CpuKind::Performance => "performance",
    };
    Guest { cpu_kind: cpu_kind.to_owned(), cpus: size.cpus, memory_mb: size.memory_mb }
}

/// Readable by root alone, who hands it on.
fn file(path: &str, content: &str) -> ConfigFile {
    ConfigFile { guest_path: path.to_owned(), raw_value: Some(BASE64_STANDARD.encode(content)), secret_name: None, mode: Some(0o600) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_tenant_machine_is_sent_as_fly_takes_it() {
        let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let spec = MachineSpec {
            app: "rp-test-1".to_owned(),
            name: "gateway-1".to_owned(),
            region: "fra".parse().unwrap(),
            volume: "vol_1".to_owned(),
            mount_path: "/data".to_owned(),
            size: domain::PlanId::Pro.plan().machine,
            image: "registry.fly.io/rockpool-tenant:openclaw-1".to_owned(),
            env: map("ROCKPOOL_FAMILY", "openclaw"),
            files: map("/etc/rockpool/gateway.json", "{}"),
            metadata: map("rockpool_instance", "ins_1"),
            internal_port: 8080,
            metrics_port: 9091,
            check_path: "/_rockpool/live".to_owned(),
            stop_timeout_seconds: 300,
            min_secrets_version: 3,
        };
        assert_eq!(
            serde_json::to_value(machine_config(&spec)).unwrap(),
            json!({
                "image": "registry.fly.io/rockpool-tenant:openclaw-1",
                "env": { "ROCKPOOL_FAMILY": "openclaw" },
                "guest": { "cpu_kind": "shared", "cpus": 2, "memory_mb": 2048 },
                "services": [{
                    "protocol": "tcp",
                    "internal_port": 8080,
                    "ports": [
                        { "port": 443, "handlers": ["tls", "http"] },
                        { "port": 80, "handlers": ["http"], "force_https": true },
                    ],
                    "autostart": false,
                    "autostop": "off",
                    "checks": [{
                        "type": "http", "method": "GET", "path": "/_rockpool/live",
                        "interval": "15s", "timeout": "5s", "grace_period": "5s",
                    }],
                }],
                "mounts": [{ "volume": "vol_1", "path": "/data" }],
                "files": [{ "guest_path": "/etc/rockpool/gateway.json", "raw_value": "e30=", "mode": 384 }],
                "metadata": { "rockpool_instance": "ins_1" },
                "metrics": { "port": 9091, "path": "/metrics" },
                "restart": { "policy": "always" },
                "stop_config": { "signal": "SIGTERM", "timeout": "300s" },
            })
        );
    }
}
