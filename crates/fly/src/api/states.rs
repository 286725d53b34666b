use serde::{Deserialize, Serialize};

/// Where a machine is in its life: <https://fly.io/docs/machines/machine-states/>.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// Its image is being fetched, or it was never launched.
    Created,
    /// On its way to `created`.
    Creating,
    /// On its way to `started`.
    Starting,
    /// Its virtual machine runs. Whether its program serves is another question.
    Started,
    /// On its way to `stopped`.
    Stopping,
    /// At rest; its memory is gone, its volume stays.
    Stopped,
    /// On its way from `started` to `started`.
    Restarting,
    /// On its way to `suspended`.
    Suspending,
    /// At rest with its memory kept.
    Suspended,
    /// It could not run.
    Failed,
    /// It could not be launched; it will be destroyed.
    LaunchFailed,
    /// A new configuration is being applied.
    Updating,
    /// A new version takes its place.
    Replacing,
    /// This version was replaced.
    Replaced,
    /// It moved to another host.
    Migrated,
    /// On its way to `destroyed`.
    Destroying,
    /// Gone; it is still answered about for a while.
    Destroyed,
    /// A state that this code does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl MachineState {
    /// Whether the machine is gone for good.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Destroyed)
    }
}

/// Where a volume is in its life: <https://fly.io/docs/volumes/volume-states/>.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeState {
    /// Being made.
    Creating,
    /// Ready.
    Created,
    /// Growing.
    Extending,
    /// Being filled from a snapshot.
    Restoring,
    /// A step of a fork.
    EnablingRemoteExport,
    /// Usable, while its blocks still come over from the volume it was forked from.
    Hydrating,
    /// Its host came back.
    Recovering,
    /// About to be deleted.
    SchedulingDestroy,
    /// Deleted, and kept for a day.
    PendingDestroy,
    /// About to be deleted once no machine holds it.
    WaitingForDetach,
    /// A step of a fork.
    ForkCleanup,
    /// Being removed.
    Destroying,
    /// Gone.
    Destroyed,
    /// A state that this code does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl VolumeState {
    /// Whether the volume is deleted or about to be: it can no longer be mounted.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::SchedulingDestroy | Self::PendingDestroy | Self::WaitingForDetach | Self::Destroying | Self::Destroyed)
    }
}

/// What Fly.io knows of the host below a machine or volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostStatus {
    /// It answers.
    #[default]
    Ok,
    /// It does not: what is said about the machine is old, and its configuration is missing.
    Unreachable,
    /// Nobody knows.
    #[serde(other)]
    Unknown,
}
