//! The plans on sale. Prices are dated with the price book's file, which is this one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount in the currency's minor unit (cents), with its ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Money {
    /// Cents of a dollar, and so on.
    pub minor_units: i64,
    /// ISO 4217, for example `USD`.
    pub currency: &'static str,
}

/// How Fly.io shares a processor: <https://fly.io/docs/machines/guides-examples/machine-sizing/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CpuKind {
    /// A share of a core, in bursts.
    Shared,
    /// A core of its own.
    Performance,
}

/// The size of a machine, as Fly.io's `guest` block takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Machine {
    /// Shared or own cores.
    pub cpu_kind: CpuKind,
    /// Virtual processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mb: u32,
}

/// A plan's identifier, as it is written in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanId {
    /// One small instance of the Clawdbot line.
    Starter,
    /// The plan that most customers want.
    Pro,
    /// For several people.
    Team,
    /// By contract.
    Enterprise,
}

/// What a customer buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// How requests name it.
    pub id: PlanId,
    /// How people name it.
    pub name: &'static str,
    /// Per month; absent where the contract says it.
    pub price: Option<Money>,
    /// The machine that each instance runs on.
    pub machine: Machine,
    /// The volume of each instance, in GB.
    pub disk_gb: u32,
    /// Instances an organisation may have.
    pub instances: u32,
}

const fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency: "USD" })
}

/// Every plan on sale, smallest first.
pub const PLANS: [Plan; 4] = [
    Plan {
        id: PlanId::Starter,
        name: "Starter",
        price: usd(900),
        machine: Machine { cpu_kind: CpuKind::Shared, cpus: 1, memory_mb: 1024 },
        disk_gb: 1,
        instances: 1,
    },
    Plan {
        id: PlanId::Pro,
        name: "Pro",
        price: usd(1900),
        machine: Machine { cpu_kind: CpuKind::Shared, cpus: 2, memory_mb: 2048 },
        disk_gb: 5,
        instances: 3,
    },
    Plan {
        id: PlanId::Team,
        name: "Team",
        price: usd(4900),
        machine: Machine { cpu_kind: CpuKind::Shared, cpus: 2, memory_mb: 4096 },
        disk_gb: 10,
        instances: 10,
    },
    Plan {
        id: PlanId::Enterprise,
        name: "Enterprise",
        price: None,
        machine: Machine { cpu_kind: CpuKind::Performance, cpus: 4, memory_mb: 8192 },
        disk_gb: 50,
        instances: 100,
    },
];

/// A text names no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a plan; `GET /v1/plans` lists them")]
pub struct UnknownPlan(String);

impl PlanId {
    /// The plan behind the identifier.
    #[must_use]
    pub fn plan(self) -> &'static Plan {
        match self {
            Self::Starter => &PLANS[0],
            Self::Pro => &PLANS[1],
            Self::Team => &PLANS[2],
            Self::Enterprise => &PLANS[3],
        }
    }

    /// The identifier as requests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Pro => "pro",
            Self::Team => "team",
            Self::Enterprise => "enterprise",
        }
    }
}

impl Plan {
    /// The smallest plan whose machine has at least this much memory, in MiB.
    #[must_use]
    pub fn smallest_with(memory_mb: u32) -> Option<&'static Self> {
        PLANS.iter().find(|plan| plan.machine.memory_mb >= memory_mb)
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PlanId {
    type Err = UnknownPlan;

    fn from_str(text: &str) -> Result<Self, UnknownPlan> {
        PLANS.iter().map(|plan| plan.id).find(|id| id.as_str() == text).ok_or_else(|| UnknownPlan(text.chars().take(32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_is_found_by_its_own_identifier() {
        for plan in &PLANS {
            assert_eq!(plan.id.plan(), plan);
            assert_eq!(plan.id.as_str().parse(), Ok(plan.id));
        }
    }

    #[test]
    fn machines_obey_fly_rules_for_memory() {
        for Machine { cpu_kind, cpus, memory_mb } in PLANS.map(|plan| plan.machine) {
            let (low, high, step) = match cpu_kind {
                CpuKind::Shared => (256, 2048, 256),
                CpuKind::Performance => (2048, 8192, 1024),
            };
            assert!((low * cpus..=high * cpus).contains(&memory_mb) && memory_mb % step == 0);
        }
    }
}
