//! The parts of a machine's configuration that a host acts on. Everything else in it is the API's business.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Where programs listen that are told nothing.
const DEFAULT_PORT: u16 = 8080;

/// `fly.MachineConfig`, as far as it matters here. Clients send `null` for what they leave out, so `null` means absent everywhere.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    #[serde(deserialize_with = "or_default")]
    pub(super) image: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) env: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) guest: Guest,
    #[serde(deserialize_with = "or_default")]
    pub(super) services: Vec<Service>,
    #[serde(deserialize_with = "or_default")]
    pub(super) mounts: Vec<Mount>,
    #[serde(deserialize_with = "or_default")]
    pub(super) files: Vec<File>,
    #[serde(deserialize_with = "or_default")]
    pub(super) metrics: Option<Metrics>,
    #[serde(deserialize_with = "or_default")]
    pub(super) rootfs: Rootfs,
    #[serde(deserialize_with = "or_default")]
    pub(super) processes: Vec<Process>,
}

/// `fly.MachineProcess`. A machine of this host has one process; of several, the first counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Process {
    /// The process gets no secrets of the app but those that it names.
    #[serde(deserialize_with = "or_default")]
    pub(super) ignore_app_secrets: bool,
    /// The secrets that it gets, if it names any.
    #[serde(deserialize_with = "or_default")]
    pub(super) secrets: Vec<NamedSecret>,
}

/// `fly.MachineSecret`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NamedSecret {
    /// The variable that shows it.
    #[serde(deserialize_with = "or_default")]
    pub(super) env_var: String,
    /// The app's secret; that of the variable's name if absent.
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Guest {
    #[serde(deserialize_with = "or_default")]
    pub(super) memory_mb: Option<u64>,
    #[serde(deserialize_with = "or_default")]
    pub(super) persist_rootfs: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Service {
    pub(super) internal_port: u16,
}

/// One health check, of a service or of the machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    /// `http` or `tcp`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(super) kind: String,
    #[serde(deserialize_with = "go_duration")]
    pub(super) interval: Option<Duration>,
    #[serde(deserialize_with = "go_duration")]
    pub(super) timeout: Option<Duration>,
    #[serde(deserialize_with = "go_duration")]
    pub(super) grace_period: Option<Duration>,
    #[serde(deserialize_with = "or_default")]
    pub(super) method: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) path: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) protocol: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) headers: Vec<Header>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    pub(super) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) values: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mount {
    pub(super) volume: String,
    pub(super) path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) guest_path: String,
    /// The contents in base64.
    #[serde(deserialize_with = "or_default")]
    pub(super) raw_value: Option<String>,
    /// The app secret that holds the contents in base64.
    #[serde(deserialize_with = "or_default")]
    pub(super) secret_name: Option<String>,
    /// Permission bits; 0 means the default.
    #[serde(deserialize_with = "or_default")]
    pub(super) mode: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metrics {
    pub(super) port: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rootfs {
    #[serde(deserialize_with = "or_default")]
    pub(super) persist: String,
}

impl Config {
    /// The ports that the machine serves; the first is the one that its program listens on by default.
    ///
    /// A machine without services still listens for itself, and on one host two of them may not meet on the same port.
    pub(super) fn internal_ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = Vec::new();
        for service in &self.services {
            if !ports.contains(&service.internal_port) {
                ports.push(service.internal_port);
            }
        }
        if ports.is_empty() { vec![DEFAULT_PORT] } else { ports }
    }

    /// Whether what the machine wrote to its root outlives a stop.
    pub(super) fn keeps_root(&self) -> bool {
        [&self.rootfs.persist, &self.guest.persist_rootfs].iter().any(|persist| matches!(persist.as_str(), "restart" | "always"))
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A Go duration (`"15s"`, `"1m30s"`) or integer nanoseconds; both are taken by the Machines API.
fn go_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let refused = |value: &dyn std::fmt::Display| serde::de::Error::custom(format!("{value} is no duration"));
    // Go's clients send zero for what they leave out.
    let stated = match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(Some(Duration::from_nanos(number.as_u64().ok_or_else(|| refused(&number))?))),
        Value::String(text) if matches!(text.as_str(), "" | "0") => Ok(None),
        Value::String(text) => {
            let parsed: jiff::SignedDuration = text.parse().map_err(|_| refused(&text))?;
            Duration::try_from(parsed).map(Some).map_err(|_| refused(&text))
        }
        other => Err(refused(&other)),
    };
    stated.map(|duration| duration.filter(|duration| !duration.is_zero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: Value) -> Result<Option<Duration>, String> {
        serde_json::from_value::<Check>(serde_json::json!({"interval": value}))
            .map(|check| check.interval)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn durations_are_go_strings_or_nanoseconds() {
        let seconds = |seconds| Ok(Some(Duration::from_secs(seconds)));
        assert_eq!(interval("15s".into()), seconds(15));
        assert_eq!(interval("1m30s".into()), seconds(90));
        assert_eq!(interval("1h0m0s".into()), seconds(3600));
        assert_eq!(interval("1.5s".into()), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(interval("250ms".into()), Ok(Some(Duration::from_millis(250))));
        assert_eq!(interval("10µs".into()), Ok(Some(Duration::from_micros(10))));
        assert_eq!(interval(15_000_000_000_u64.into()), seconds(15));
        for absent in [Value::Null, "".into(), "0".into(), "0s".into(), 0.into()] {
            assert_eq!(interval(absent), Ok(None));
        }
        assert!(interval("soon".into()).is_err());
        assert!(interval("-1s".into()).is_err());
    }

    #[test]
    fn what_a_client_sends_as_null_is_absent() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "image": "i", "env": null, "services": null, "checks": null, "mounts": null, "files": null, "guest": null,
            "metrics": null, "rootfs": null, "init": {}, "unknown": 1
        }))
        .unwrap();
        assert!(config.services.is_empty() && config.files.is_empty() && !config.keeps_root());
    }
}
