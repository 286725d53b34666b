//! What flows need of the world. Each adapter may be called again with the same arguments at any time, by a worker that does not know
//! whether the last one's call was seen: `ensure_*` finds what is there, `delete_*` is content when nothing is.
//!
//! Errors are [`durable::Setback`]s: the adapter decides, by what the server can have seen, whether a call is *not yet* done, may be
//! *retried* or is *fatal*. An expected refusal is a value ([`Placed::Full`]). No call takes longer than about 20 seconds.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{InstanceId, Region};
use durable::Attempt;
use serde::{Deserialize, Serialize};

/// An answer of a provider that can be out of room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placed<T> {
    /// It is there.
    At(T),
    /// The region (or the volume's host) has no room; another region may.
    Full,
}

/// The size of a machine.
pub use domain::Machine as MachineSize;

/// A volume that a plan names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// The app it belongs to.
    pub app: String,
    /// Its planned name, unique per instance and generation.
    pub name: String,
    /// Where.
    pub region: Region,
    /// Its size.
    pub size_gb: u32,
    /// The machine it will carry: the provider places it where that fits.
    pub machine: MachineSize,
}

/// A machine that a plan names. The adapter adds what belongs to its provider: services, checks and restart policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineSpec {
    /// The app it belongs to.
    pub app: String,
    /// Its planned name, unique per instance and generation.
    pub name: String,
    /// Where its volume is.
    pub region: Region,
    /// The volume's identifier.
    pub volume: String,
    /// Where the volume is mounted.
    pub mount_path: String,
    /// Its size.
    pub size: MachineSize,
    /// The image, by digest where it is known.
    pub image: String,
    /// Environment; no secrets.
    pub env: BTreeMap<String, String>,
    /// Files by absolute path, written at boot; no secrets.
    pub files: BTreeMap<String, String>,
    /// Metadata by which it is found again.
    pub metadata: BTreeMap<String, String>,
    /// The port that the supervisor listens on.
    pub internal_port: u16,
    /// The port of its metrics.
    pub metrics_port: u16,
    /// What the provider's check asks.
    pub check_path: String,
    /// How long a stop may take.
    pub stop_timeout_seconds: u32,
    /// The boot waits until the app's secrets are at least of this version.
    pub min_secrets_version: u64,
}

/// What a machine is seen to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// Booted.
    Started,
    /// Off.
    Stopped,
    /// Between two of the others.
    Changing,
    /// It could not boot.
    Failed,
    /// There is none.
    Gone,
}

/// Apps, their secrets and their addresses.
#[async_trait]
pub trait Apps: Send + Sync {
    /// Makes the app on a network of its own, or finds it. Refuses one that is somebody else's.
    async fn ensure_app(&self, app: &str, network: &str) -> Attempt<()>;
    /// Sets the app's secrets and returns the version that a machine has to wait for.
    async fn set_secrets(&self, app: &str, secrets: &SecretValues) -> Attempt<u64>;
    /// Gives the app a shared IPv4 and an IPv6 address, once each.
    async fn ensure_addresses(&self, app: &str) -> Attempt<()>;
    /// Removes the app and everything in it.
    async fn delete_app(&self, app: &str) -> Attempt<()>;
}

/// Volumes.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// Makes the volume, or finds the one that bears its name, and returns its identifier.
    async fn ensure_volume(&self, volume: &VolumeSpec) -> Attempt<Placed<String>>;
    /// Removes every volume of that name except this one, and the one that the provider may have given the machine in its place: a create
    /// whose answer was lost may have left another.
    async fn delete_surplus(&self, app: &str, name: &str, machine: &str, keep: &str) -> Attempt<()>;
    /// Whether the volume of a machine is there and usable: the one on record, or the one that the provider has given the machine in its
    /// place, with all that was on it.
    async fn volume_exists(&self, app: &str, machine: &str, volume: &str) -> Attempt<bool>;
    /// Removes every volume of that name, and the known one even if no list shows it yet.
    async fn delete_volumes(&self, app: &str, name: &str, known: Option<&str>) -> Attempt<()>;
}

/// Machines.
#[async_trait]
pub trait Machines: Send + Sync {
    /// Makes the machine, or finds the one that bears its name, and returns its identifier.
    async fn ensure_machine(&self, machine: &MachineSpec) -> Attempt<Placed<String>>;
    /// What it is seen to do.
    async fn observe(&self, app: &str, machine: &str) -> Attempt<MachineState>;
    /// Starts it, if it is not started.
    async fn start(&self, app: &str, machine: &str) -> Attempt<()>;
    /// Stops it, if it is not stopped, with its own signal and time-out.
    async fn stop(&self, app: &str, machine: &str) -> Attempt<()>;
    /// Restarts it.
    async fn restart(&self, app: &str, machine: &str) -> Attempt<()>;
    /// Returns when it has come to this state (`Started` or `Stopped`); not yet, after a long poll; fatal if it can never.
    async fn await_state(&self, app: &str, machine: &str, state: MachineState) -> Attempt<()>;
    /// Removes every machine of that name, by force, and returns when they are gone.
    async fn delete_machines(&self, app: &str, name: &str) -> Attempt<()>;
}

/// The supervisors inside the machines, reached at the instance's own address.
#[async_trait]
pub trait Gateways: Send + Sync {
    /// Returns when the gateway answers; not yet, after a long poll of 20 s.
    async fn await_ready(&self, instance: &InstanceId, address: &str) -> Attempt<()>;
    /// Restarts the gateway's process, once for each `request`, and returns when the old one has ended.
    async fn restart_process(&self, instance: &InstanceId, address: &str, request: &str) -> Attempt<()>;
}

/// Secrets by environment name. Shown nowhere.
#[derive(Clone, Default)]
pub struct SecretValues(pub BTreeMap<String, String>);

impl std::fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SecretValues").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

/// Where an instance's secrets rest: one secret per instance.
#[async_trait]
pub trait SecretVault: Send + Sync {
    /// Makes the secret with 32 fresh random bytes (base64url, no padding) under each of these names, unless it is there: then it
    /// keeps what it has.
    async fn ensure_secret(&self, name: &str, generated: &[&str]) -> Attempt<()>;
    /// Reads it.
    async fn read_secret(&self, name: &str) -> Attempt<SecretValues>;
    /// Removes it, recoverable for the vault's own window.
    async fn delete_secret(&self, name: &str) -> Attempt<()>;
}

/// Whom an alarm reaches when a flow has done what it can.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// Raises an alarm about an instance. Twice with the same `request` is one alarm.
    async fn raise(&self, alarm: &str, instance: &InstanceId, detail: &str, request: &str) -> Attempt<()>;
}

/// A queue to a worker. A message carries an identifier, no more; it may arrive late, twice or never.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends a message.
    async fn send(&self, body: &str) -> Result<(), QueueError>;
}

/// A message could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("a message could not be sent: {0}")]
pub struct QueueError(pub String);
