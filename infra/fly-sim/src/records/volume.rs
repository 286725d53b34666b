use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a deleted volume can still be named (<https://fly.io/docs/volumes/volume-manage/>).
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Likewise, if its machine went to another host without it (<https://fly.io/docs/volumes/volume-states/>).
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(7 * 24);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VolumeState {
    /// It has been ordered.
    Creating,
    Created,
    /// It is being enlarged.
    Extending,
    /// It is being filled from a snapshot.
    Restoring,
    /// It is a fork whose source is being opened to it.
    EnablingRemoteExport,
    /// It is a fork whose blocks are still being fetched; it can be mounted.
    Hydrating,
    /// Its deletion is ordered and has not reached its host.
    SchedulingDestroy,
    /// It is deleted and can still be named.
    PendingDestroy,
}

impl VolumeState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Extending => "extending",
            Self::Restoring => "restoring",
            Self::EnablingRemoteExport => "enabling_remote_export",
            Self::Hydrating => "hydrating",
            Self::SchedulingDestroy => "scheduling_destroy",
            Self::PendingDestroy => "pending_destroy",
        }
    }

    /// Whether it stays in this state until somebody acts.
    pub(crate) fn rests(self) -> bool {
        matches!(self, Self::Created | Self::PendingDestroy)
    }

    /// Whether a machine can be made on it.
    pub(crate) fn mounts(self) -> bool {
        matches!(self, Self::Created | Self::Extending | Self::Hydrating)
    }

    /// Whether its deletion is ordered or done.
    pub(crate) fn is_deleted(self) -> bool {
        matches!(self, Self::SchedulingDestroy | Self::PendingDestroy)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) app_id: String,
    pub(crate) name: String,
    pub(crate) state: VolumeState,
    pub(crate) size_gb: u64,
    pub(crate) region: String,
    pub(crate) zone: String,
    pub(crate) encrypted: bool,
    pub(crate) fstype: String,
    /// The machine that holds it, until that machine is destroyed.
    pub(crate) attached: Option<String>,
    pub(crate) snapshot_retention: u64,
    pub(crate) auto_backup_enabled: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) deleted_at: Option<Timestamp>,
    /// Its machine went to another host with a copy of it.
    #[serde(default)]
    pub(crate) left_behind: bool,
    /// As a machine's.
    #[serde(default = "ok")]
    pub(crate) host_status: String,
    /// What it was made from.
    #[serde(default)]
    pub(crate) source: Option<Source>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Snapshot(String),
    Volume(String),
}

fn ok() -> String {
    "ok".to_owned()
}

impl Volume {
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        let kept = if self.left_behind { LEFT_BEHIND } else { KEPT };
        self.deleted_at.is_some_and(|deleted| now.duration_since(deleted) >= kept)
    }
}
