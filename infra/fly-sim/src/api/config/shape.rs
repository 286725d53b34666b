//! The form of a configuration, as far as a wrong one is refused.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::api::Answer;
use crate::api::refusal::Refusal;
use crate::forms::{Bare, duration, signal};

#[derive(Deserialize)]
struct Shape {
    image: Option<String>,
    #[serde(rename = "env")]
    _env: Option<BTreeMap<String, String>>,
    #[serde(rename = "metadata")]
    _metadata: Option<BTreeMap<String, String>>,
    #[serde(rename = "auto_destroy")]
    _auto_destroy: Option<bool>,
    services: Option<Vec<Service>>,
    checks: Option<BTreeMap<String, Check>>,
    mounts: Option<Vec<Mount>>,
    files: Option<Vec<File>>,
    restart: Option<Restart>,
    stop_config: Option<Stop>,
    #[serde(rename = "metrics")]
    _metrics: Option<Metrics>,
}

#[derive(Deserialize)]
struct Service {
    protocol: Option<String>,
    internal_port: Option<u16>,
    #[serde(rename = "autostart")]
    _autostart: Option<bool>,
    autostop: Option<Value>,
    ports: Option<Vec<Port>>,
    checks: Option<Vec<Check>>,
}

#[derive(Deserialize)]
struct Port {
    #[serde(rename = "port")]
    _port: Option<u16>,
    handlers: Option<Vec<String>>,
    #[serde(rename = "force_https")]
    _force_https: Option<bool>,
}

#[derive(Deserialize)]
struct Check {
    r#type: Option<String>,
    #[serde(rename = "port")]
    _port: Option<u16>,
    #[serde(rename = "path")]
    _path: Option<String>,
    interval: Option<Value>,
    timeout: Option<Value>,
    grace_period: Option<Value>,
}

#[derive(Deserialize)]
struct Mount {
    volume: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
struct File {
    guest_path: Option<String>,
    raw_value: Option<String>,
    secret_name: Option<String>,
    image_config: Option<String>,
}

#[derive(Deserialize)]
struct Restart {
    policy: Option<String>,
    #[serde(rename = "max_retries")]
    _max_retries: Option<u64>,
}

#[derive(Deserialize)]
struct Stop {
    signal: Option<String>,
    timeout: Option<Value>,
}

#[derive(Deserialize)]
struct Metrics {
    #[serde(rename = "port")]
    _port: Option<u16>,
    #[serde(rename = "path")]
    _path: Option<String>,
}

pub(super) fn check(config: &Value) -> Answer<()> {
    let shape: Shape = serde_json::from_value(config.clone()).map_err(|error| Refusal::invalid(format!("config: {error}")))?;
    if shape.image.is_none_or(|image| image.trim().is_empty()) {
        return refused("config.image", "is required");
    }
    shape.services.iter().flatten().try_for_each(check_service)?;
    shape.checks.iter().flat_map(BTreeMap::values).try_for_each(check_check)?;
    check_mounts(shape.mounts.as_deref().unwrap_or_default())?;
    shape.files.iter().flatten().try_for_each(check_file)?;
    if let Some(policy) = shape.restart.and_then(|restart| restart.policy)
        && !["", "no", "always", "on-failure", "spot-price"].contains(&policy.as_str())
    {
        return refused("config.restart.policy", "must be one of no, always, on-failure");
    }
    shape.stop_config.as_ref().map_or(Ok(()), check_stop)
}

fn check_service(service: &Service) -> Answer<()> {
    if !matches!(service.protocol.as_deref(), Some("tcp" | "udp")) {
        return refused("config.services.protocol", "must be tcp or udp");
    }
    if service.internal_port.is_none_or(|port| port == 0) {
        return refused("config.services.internal_port", "is required");
    }
    let autostop_fits = match &service.autostop {
        None | Some(Value::Null | Value::Bool(_)) => true,
        Some(value) => matches!(value.as_str(), Some("off" | "stop" | "suspend")),
    };
    if !autostop_fits {
        return refused("config.services.autostop", "must be off, stop, suspend or a boolean");
    }
    let mut handlers = service.ports.iter().flatten().flat_map(|port| port.handlers.iter().flatten());
    if let Some(unknown) = handlers.find(|handler| !["http", "tls", "pg_tls", "proxy_proto", "edge_http"].contains(&handler.as_str())) {
        return refused("config.services.ports.handlers", &format!("has the unknown handler {unknown}"));
    }
    service.checks.iter().flatten().try_for_each(check_check)
}

fn check_check(check: &Check) -> Answer<()> {
    if !matches!(check.r#type.as_deref(), Some("tcp" | "http")) {
        return refused("check type", "must be tcp or http");
    }
    let times = [&check.interval, &check.timeout, &check.grace_period];
    if times.into_iter().flatten().any(|time| !time.is_null() && duration(time, Bare::Nanoseconds).is_none()) {
        return refused("check", "has a time that is no duration");
    }
    Ok(())
}

fn check_mounts(mounts: &[Mount]) -> Answer<()> {
    if mounts.len() > 1 {
        return refused("config.mounts", "only one volume can be mounted per machine");
    }
    for mount in mounts {
        if mount.volume.as_deref().is_none_or(str::is_empty) {
            return refused("config.mounts.volume", "is required");
        }
        if !mount.path.as_deref().is_some_and(|path| path.starts_with('/') && !path.trim_matches('/').is_empty()) {
            return refused("config.mounts.path", "must be an absolute path other than /");
        }
    }
    Ok(())
}

fn check_file(file: &File) -> Answer<()> {
    if !file.guest_path.as_deref().is_some_and(|path| path.starts_with('/')) {
        return refused("config.files.guest_path", "must be absolute");
    }
    if [&file.raw_value, &file.secret_name, &file.image_config].into_iter().flatten().count() != 1 {
        return refused("config.files", "needs exactly one of raw_value, secret_name, image_config");
    }
    if file.raw_value.as_ref().is_some_and(|value| STANDARD.decode(value).is_err()) {
        return refused("config.files.raw_value", "must be base64");
    }
    Ok(())
}

fn check_stop(stop: &Stop) -> Answer<()> {
    if stop.signal.as_deref().is_some_and(|name| !name.is_empty() && signal(name).is_none()) {
        return refused("config.stop_config.signal", "is unknown");
    }
    if stop.timeout.as_ref().is_some_and(|time| !time.is_null() && duration(time, Bare::Nanoseconds).is_none()) {
        return refused("config.stop_config.timeout", "is no duration");
    }
    Ok(())
}

fn refused(field: &str, why: &str) -> Answer<()> {
    Err(Refusal::invalid(format!("{field} {why}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_malformed_part_is_refused() {
        let parts = [
            json!({ "image": "" }),
            json!({ "env": { "A": 1 } }),
            json!({ "services": [{ "internal_port": 80 }] }),
            json!({ "services": [{ "protocol": "tcp" }] }),
            json!({ "services": [{ "protocol": "tcp", "internal_port": 80, "autostart": "no" }] }),
            json!({ "services": [{ "protocol": "tcp", "internal_port": 80, "autostop": "sometimes" }] }),
            json!({ "services": [{ "protocol": "tcp", "internal_port": 80, "ports": [{ "port": 443, "handlers": ["quic"] }] }] }),
            json!({ "services": [{ "protocol": "tcp", "internal_port": 80, "checks": [{ "type": "http", "interval": "often" }] }] }),
            json!({ "checks": { "a": { "type": "icmp" } } }),
            json!({ "mounts": [{ "volume": "vol_1", "path": "/" }] }),
            json!({ "mounts": [{ "path": "/data" }] }),
            json!({ "mounts": [{ "volume": "vol_1", "path": "/a" }, { "volume": "vol_2", "path": "/b" }] }),
            json!({ "files": [{ "guest_path": "etc/x", "raw_value": "" }] }),
            json!({ "files": [{ "guest_path": "/etc/x", "raw_value": "not base64!" }] }),
            json!({ "files": [{ "guest_path": "/etc/x" }] }),
            json!({ "restart": { "policy": "perhaps" } }),
            json!({ "stop_config": { "signal": "SIGNAL" } }),
            json!({ "stop_config": { "timeout": "soon" } }),
            json!({ "metadata": { "a": { } } }),
        ];
        assert!(check(&json!({ "image": "a" })).is_ok());
        for part in parts {
            let mut config = json!({ "image": "a" });
            config.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            assert!(check(&config).is_err(), "{part}");
        }
    }
}
