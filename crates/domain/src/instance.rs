use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{InstanceId, InstanceName, OperationId, OrganisationId, PlanId, Region, Release};

/// What the customer wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Up and answering.
    Running,
    /// Machine off, volume kept.
    Stopped,
    /// Gone with everything it had.
    Deleted,
}

/// What an instance is seen to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being made.
    Provisioning,
    /// Up and answering.
    Running,
    /// Its machine is up, but the gateway does not answer and the repairs did not help.
    Degraded,
    /// Being stopped.
    Stopping,
    /// Being started.
    Starting,
    /// Being restarted.
    Restarting,
    /// Being repaired.
    Repairing,
    /// Off; its volume is kept.
    Stopped,
    /// It could not be made; nothing was left behind.
    Failed,
    /// Being deleted.
    Deleting,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Provisioning,
        Self::Running,
        Self::Degraded,
        Self::Stopping,
        Self::Starting,
        Self::Restarting,
        Self::Repairing,
        Self::Stopped,
        Self::Failed,
        Self::Deleting,
    ];

    /// The state's name in JSON, logs and the runbook.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
            Self::Starting => "starting",
            Self::Restarting => "restarting",
            Self::Repairing => "repairing",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an instance lives at the provider. Recorded when it was put there; the address is never computed from the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The region that took it.
    pub region: Region,
    /// The provider's app, one per instance.
    pub app: String,
    /// The provider's identifier of the machine.
    pub machine: String,
    /// The provider's identifier of the volume.
    pub volume: String,
    /// Counts the machines and volumes that this instance has had.
    pub generation: u32,
    /// The instance's origin, for example `https://rp-prod-0190….fly.dev`: scheme, host and, where it is not the default, port.
    pub address: String,
}

/// Why an instance is degraded or failed, for its owner to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// One sentence, safe to show.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// A rung of the ladder that repairs climb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Restart the gateway's process.
    Process,
    /// Restart the machine.
    Machine,
}

/// A rung that was climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Climbed {
    /// Which.
    pub rung: Rung,
    /// When.
    pub at: Timestamp,
}

/// What the health checks have seen lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Missed checks in a row; stops counting at three.
    pub misses: u8,
    /// The scheduled minute (Unix time in minutes) of the last miss: a miss counts once per minute.
    pub last_miss_minute: Option<i64>,
    /// Rungs climbed lately, oldest first: each is used at most once in a window.
    pub climbed: Vec<Climbed>,
}

/// An instance: what is wanted, what is observed, and the run that is working on the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Unique for ever.
    pub id: InstanceId,
    /// The owner.
    pub organisation: OrganisationId,
    /// The customer's name for it, unique within the organisation.
    pub name: InstanceName,
    /// What was bought.
    pub plan: PlanId,
    /// The gateway it runs.
    pub release: Release,
    /// Regions it may live in, the preferred one first. Never left: a customer's list of allowed regions is a promise about residency.
    pub regions: Vec<Region>,
    /// What the customer wants.
    pub wanted: Wanted,
    /// Raised with every change of `wanted`, so that a run's end sees a wish that came meanwhile.
    pub wanted_rev: u64,
    /// What it is seen to do.
    pub state: State,
    /// The live or parked run that owns it.
    pub operation: Option<OperationId>,
    /// Where it lives; absent until a machine exists.
    pub placement: Option<Placement>,
    /// Whether its volume has ever held a customer's state. From then on a missing volume is never replaced by an empty one.
    pub ever_ran: bool,
    /// Why it is degraded or failed.
    pub trouble: Option<Trouble>,
    /// What the checks have seen.
    pub health: Health,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When this record last changed.
    pub updated_at: Timestamp,
}

impl Instance {
    /// The preferred region.
    ///
    /// # Panics
    /// Never for an instance that was made by a plan: its list of regions is not empty.
    #[must_use]
    pub fn preferred_region(&self) -> Region {
        *self.regions.first().expect("an instance has at least one region")
    }
}
