use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::Region;

/// What ails a gateway that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sickness {
    /// A restart of its process cures it, and so does a boot.
    Process,
    /// Only a boot of its machine cures it.
    Machine,
    /// Nothing that a flow can do cures it.
    Hopeless,
}

/// What it is like in a fake world.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Regions in which no volume can be made.
    pub no_room_for_volumes: BTreeSet<Region>,
    /// Regions in which a volume can be made, but no machine beside it.
    pub no_room_for_machines: BTreeSet<Region>,
    /// How long each call takes before it has its effect.
    pub latency: Duration,
    /// How long a machine takes to boot.
    pub boot: Duration,
    /// How long a machine takes to stop.
    pub drain: Duration,
    /// How long a machine takes to disappear; its volume is bound until then.
    pub destruction: Duration,
    /// How long after its machine, or its own restart, a gateway answers.
    pub gateway_start: Duration,
    /// How long a new volume is missing from lists.
    pub lists_lag: Duration,
    /// How soon a long poll that ran out is to be repeated.
    pub look_again: Duration,
    /// No machine ever comes up.
    pub cannot_boot: bool,
    /// What ails the gateways of new machines.
    pub born_sick: Option<Sickness>,
    /// How often a call of this name says *not yet* before it does anything.
    pub not_yet: BTreeMap<String, u32>,
}

impl Default for Conditions {
    /// A good day: room everywhere, and a gateway that needs longer than one long poll.
    fn default() -> Self {
        Self {
            no_room_for_volumes: BTreeSet::new(),
            no_room_for_machines: BTreeSet::new(),
            latency: Duration::from_millis(100),
            boot: Duration::from_secs(3),
            drain: Duration::from_secs(4),
            destruction: Duration::from_secs(2),
            gateway_start: Duration::from_secs(25),
            lists_lag: Duration::ZERO,
            look_again: Duration::from_secs(1),
            cannot_boot: false,
            born_sick: None,
            not_yet: BTreeMap::new(),
        }
    }
}
