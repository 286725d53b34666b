use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The state of a machine (<https://fly.io/docs/machines/machine-states/>), as far as the simulator passes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// Its image is being fetched.
    Created,
    /// It boots.
    Starting,
    /// It runs, which says nothing about the program in it.
    Started,
    /// It was told to end and has not yet.
    Stopping,
    /// It does not run.
    Stopped,
    /// It is being frozen.
    Suspending,
    /// It is frozen.
    Suspended,
    /// It stops in order to boot again.
    Restarting,
    /// It stops in order to boot a new version.
    Replacing,
    /// The new version's image is being fetched.
    Updating,
    /// It could not be launched at all, and is given up.
    LaunchFailed,
    /// It could not boot.
    Failed,
    /// It is being removed.
    Destroying,
    /// It is gone; its record still answers.
    Destroyed,
}

impl MachineState {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Suspending => "suspending",
            Self::Suspended => "suspended",
            Self::Restarting => "restarting",
            Self::Replacing => "replacing",
            Self::Updating => "updating",
            Self::LaunchFailed => "launch_failed",
            Self::Failed => "failed",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
        }
    }

    /// Whether the machine stays in this state until somebody or something acts: what `wait?state=settled` waits for.
    #[must_use]
    pub const fn rests(self) -> bool {
        matches!(self, Self::Started | Self::Stopped | Self::Suspended | Self::Failed | Self::Destroyed)
    }
}

impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) app_id: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) state: MachineState,
    /// Whether it is to run once the transient state it is in has ended.
    pub(crate) launch: bool,
    pub(crate) instance_id: String,
    pub(crate) private_ip: String,
    pub(crate) config: Value,
    pub(crate) min_secrets_version: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// Oldest first; the last one is the current one.
    pub(crate) versions: Vec<Version>,
    pub(crate) checks: BTreeMap<String, CheckVerdict>,
    pub(crate) cordoned: bool,
    pub(crate) lease: Option<Lease>,
    pub(crate) stopping: Option<Stopping>,
    /// Its host keeps its memory: a start lets it run on, if that is still there.
    #[serde(default)]
    pub(crate) frozen: bool,
    /// It changes its host before it boots.
    #[serde(default)]
    pub(crate) moving: bool,
    /// It has changed its host since its last boot.
    #[serde(default)]
    pub(crate) migrated: bool,
    /// When the restart policy booted it anew, within the last five minutes.
    pub(crate) restarts: Vec<Timestamp>,
    /// The restart policy boots it no earlier than this.
    pub(crate) not_before: Option<Timestamp>,
    /// `ok`, `unknown` or `unreachable`.
    pub(crate) host_status: String,
    /// The memory that its balloon leaves it, if somebody has said so since its last boot.
    #[serde(default)]
    pub(crate) memory_limit_mb: Option<u64>,
}

/// The last verdict of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckVerdict {
    pub(crate) status: String,
    pub(crate) output: String,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    /// `user` for what was asked for, `flyd` for what the platform did.
    pub(crate) source: String,
    /// Unix time in milliseconds.
    pub(crate) timestamp: i64,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) request: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) user_config: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) nonce: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) owner: String,
    pub(crate) description: String,
}

/// How the machine is to be ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Stopping {
    pub(crate) signal: i32,
    pub(crate) timeout_ms: u64,
}

impl Stopping {
    pub(crate) fn timeout(self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// Events kept per machine: what the events endpoint can ever answer.
const EVENTS: usize = 50;

impl Machine {
    /// The lease that holds now.
    pub(crate) fn leased(&self, now: Timestamp) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.expires_at > now)
    }

    /// Moves to a state and writes the event that says so.
    pub(crate) fn enter(&mut self, state: MachineState, event: Event) {
        self.state = state;
        self.record(event);
    }

    pub(crate) fn record(&mut self, event: Event) {
        self.events.push(event);
        if self.events.len() > EVENTS {
            self.events.remove(0);
        }
    }
}
