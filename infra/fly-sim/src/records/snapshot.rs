use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SnapshotStatus {
    /// It has been ordered.
    Waiting,
    /// It is being taken.
    Running,
    /// It can be restored.
    Created,
}

impl SnapshotStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Created => "created",
        }
    }
}

/// What a volume held at a time. It outlives its volume, and its volume's app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) volume: String,
    pub(crate) app_id: String,
    pub(crate) region: String,
    pub(crate) status: SnapshotStatus,
    /// The size of the volume.
    pub(crate) size_gb: u64,
    /// What it takes, in bytes.
    pub(crate) bytes: u64,
    pub(crate) created_at: Timestamp,
    /// As the volume had it when it was taken: later changes of the volume do not reach it.
    pub(crate) retention_days: u64,
}

impl Snapshot {
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        let days = i64::try_from(self.retention_days).unwrap_or(i64::MAX / 24);
        self.status == SnapshotStatus::Created && now.duration_since(self.created_at) >= SignedDuration::from_hours(24 * days)
    }
}
