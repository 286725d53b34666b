use std::collections::BTreeMap;

use serde::Serialize;

/// A machine's configuration as it is sent: `fly.MachineConfig` of <https://docs.machines.dev>.
///
/// It is only ever written. What Fly.io returns is normalised and, on a host that does not answer, incomplete, so that the wanted
/// configuration is ours to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MachineConfig {
    /// The image, best with its digest.
    pub image: String,
    /// Environment variables; the app's secrets are added at each boot.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// What the proxy routes to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Checks that do not affect routing, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, Check>,
    /// At most one volume.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Files written at boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ConfigFile>,
    /// What the machine is found by. Keys that begin with `fly_` are Fly.io's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Where Fly.io scrapes Prometheus text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// What happens when the main process ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// How it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_config: Option<StopConfig>,
    /// What runs instead of the image's own command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Destroys the machine when its main process ends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auto_destroy: bool,
}

/// `fly.MachineGuest`: a machine's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guest {
    /// `shared` or `performance`.
    pub cpu_kind: String,
    /// Virtual processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mb: u32,
}

/// `fly.MachineService`: one port of the machine behind Fly.io's proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Where the machine listens.
    pub internal_port: u16,
    /// Where the proxy listens.
    pub ports: Vec<Port>,
    /// Whether a request starts a stopped machine.
    pub autostart: bool,
    /// `off`, `stop` or `suspend`: what the proxy does with an idle machine.
    pub autostop: String,
    /// Checks that gate routing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// How much the proxy sends to one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
}

/// `fly.MachinePort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The public port.
    pub port: u16,
    /// `http`, `tls`, …: what the proxy does on the way.
    pub handlers: Vec<String>,
    /// Redirects `http` to `https`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force_https: bool,
}

/// `fly.MachineServiceConcurrency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concurrency {
    /// `connections` or `requests`.
    #[serde(rename = "type")]
    pub kind: String,
    /// From here on other machines are preferred.
    pub soft_limit: u32,
    /// From here on callers wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<u32>,
}

/// `fly.MachineCheck` and `fly.MachineServiceCheck`. Durations are Go's, such as `15s`: an integer would be read as nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `http` or `tcp`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The machine's port; a service's check has the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The HTTP path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// For one check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// After a start, before the first verdict counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<String>,
}

/// `fly.MachineMount`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// The volume's identifier; it binds the machine to the volume's host.
    pub volume: String,
    /// Where it is mounted.
    pub path: String,
}

/// `fly.File`: a file written at boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigFile {
    /// Absolute.
    pub guest_path: String,
    /// Its content in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_value: Option<String>,
    /// The app secret that holds its content in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Unix permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// `fly.MachineMetrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// The machine's port.
    pub port: u16,
    /// The path.
    pub path: String,
}

/// `fly.MachineRestart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restart {
    /// `no`, `always` or `on-failure`.
    pub policy: String,
    /// With `on-failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
}

/// `fly.StopConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopConfig {
    /// `SIGTERM` and so on.
    pub signal: String,
    /// A Go duration; then it is killed.
    pub timeout: String,
}

/// `fly.MachineInit`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Init {
    /// Instead of entrypoint and command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<String>,
    /// Instead of the image's entrypoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Instead of the image's command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Swap in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_size_mb: Option<u32>,
}
