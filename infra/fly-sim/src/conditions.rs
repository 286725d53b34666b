//! What lasts, by a test's word or by chance: full regions and hosts, hosts that do not answer, regions that are out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::capacity::Capacity;
use crate::records::{Machine, MachineState, Volume};
use crate::tables::Tables;
use crate::world::{World, lock};

/// A host that answers.
pub(crate) const OK: &str = "ok";
/// A host that does not.
pub(crate) const UNREACHABLE: &str = "unreachable";

#[derive(Default)]
pub(crate) struct Conditions(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Regions without room for new machines and volumes.
    full: BTreeSet<String>,
    /// Regions none of whose hosts answers.
    out: BTreeSet<String>,
    /// Machines and volumes on whose host something is lacking.
    wants: BTreeMap<String, Capacity>,
    /// The region that is out by chance.
    struck: Option<String>,
}

impl Conditions {
    pub(crate) fn set_full(&self, region: &str, full: bool) {
        put(&mut lock(&self.0).full, region, full);
    }

    pub(crate) fn set_out(&self, region: &str, out: bool) {
        put(&mut lock(&self.0).out, region, out);
    }

    pub(crate) fn set_want(&self, id: &str, want: Option<Capacity>) {
        let mut inner = lock(&self.0);
        match want {
            Some(want) => inner.wants.insert(id.to_owned(), want),
            None => inner.wants.remove(id),
        };
    }
}

fn put(set: &mut BTreeSet<String>, name: &str, there: bool) {
    if there {
        set.insert(name.to_owned());
    } else {
        set.remove(name);
    }
}

impl World {
    /// The time since the simulator was opened, by which the weather goes.
    fn open_for(&self) -> Duration {
        Duration::try_from(self.now().duration_since(self.opened_at)).unwrap_or_default()
    }

    pub(crate) fn is_full(&self, region: &str) -> bool {
        let by_chance = || self.chance.as_ref().is_some_and(|chance| chance.faults.region_full(region, self.open_for()));
        lock(&self.conditions.0).full.contains(region) || self.is_out(region) || by_chance()
    }

    /// Whether no host of the region answers.
    pub(crate) fn is_out(&self, region: &str) -> bool {
        let inner = lock(&self.conditions.0);
        inner.out.contains(region) || inner.struck.as_deref() == Some(region)
    }

    /// The regions none of whose hosts answers.
    pub(crate) fn regions_out(&self) -> BTreeSet<String> {
        let inner = lock(&self.conditions.0);
        inner.out.iter().chain(&inner.struck).cloned().collect()
    }

    /// What is known of a machine's host.
    pub(crate) fn host_status<'a>(&self, machine: &'a Machine) -> &'a str {
        self.status(host_of(machine), &machine.region, &machine.host_status)
    }

    /// What is known of a volume's host, which is that of the machine on it.
    pub(crate) fn volume_status<'a>(&self, volume: &'a Volume) -> &'a str {
        self.status(&volume.id, &volume.region, &volume.host_status)
    }

    fn status<'a>(&self, host: &str, region: &str, told: &'a str) -> &'a str {
        match &self.chance {
            _ if told != OK => told,
            _ if self.is_out(region) => UNREACHABLE,
            Some(chance) => chance.faults.host_status(host, self.open_for()),
            None => told,
        }
    }

    /// What a machine's host lacks to boot it.
    pub(crate) fn machine_wants(&self, machine: &Machine) -> Option<Capacity> {
        let told = lock(&self.conditions.0).wants.get(&machine.id).copied();
        told.or_else(|| self.by_chance_full(host_of(machine)).then_some(Capacity::HostMemory))
    }

    /// What a volume's host lacks to take a machine.
    pub(crate) fn volume_wants(&self, volume: &Volume) -> Option<Capacity> {
        let told = lock(&self.conditions.0).wants.get(&volume.id).copied();
        told.or_else(|| (self.is_full(&volume.region) || self.by_chance_full(&volume.id)).then_some(Capacity::VolumeHost))
    }

    fn by_chance_full(&self, host: &str) -> bool {
        self.chance.as_ref().is_some_and(|chance| chance.faults.host_full(host, self.open_for()))
    }

    /// Follows the weather until the simulator ends: wakes whoever waits for a host, and settles which region an outage strikes.
    pub(crate) fn follow_the_weather(self: &Arc<Self>) {
        if self.chance.is_none() {
            return;
        }
        let world = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let next = match world.upgrade() {
                    Some(world) if !world.closing() => world.turn_of_weather(),
                    _ => return,
                };
                tokio::time::sleep(next).await;
            }
        });
    }

    /// Takes note of the weather. Returns how long it lasts.
    fn turn_of_weather(&self) -> Duration {
        let Some(chance) = &self.chance else { return Duration::MAX };
        let at = self.open_for();
        let outage = chance.faults.outage(at);
        let before = lock(&self.conditions.0).struck.clone();
        // Settled once per outage: it does not wander when the machines do.
        let struck = match (&before, outage) {
            (_, None) => None,
            (Some(region), Some(_)) => Some(region.clone()),
            (None, Some(outage)) => chance.faults.struck(outage, self.read(regions_in_use)),
        };
        if struck != before {
            tracing::info!(region = struck.as_deref().or(before.as_deref()), out = struck.is_some(), "a region's weather changes");
            lock(&self.conditions.0).struck = struck;
        }
        self.wake();
        // An outage in a world without machines waits for the first one.
        let restless = outage.is_some() && lock(&self.conditions.0).struck.is_none();
        let next = chance.faults.next_change(at).saturating_sub(at);
        // A millisecond more, because a timer may fire a little before the time of day has come.
        if restless { next.min(Duration::from_secs(10)) } else { next + Duration::from_millis(1) }
    }

    /// Waits, at most so long, until a machine's host answers. Returns false when it did not, or when the machine left the state.
    pub(crate) async fn machine_answers(&self, id: &str, state: Option<MachineState>, patience: Duration) -> bool {
        let status = |tables: &Tables| {
            let machine = tables.machine(id).filter(|machine| state.is_none_or(|state| machine.state == state));
            machine.map(|machine| self.host_status(machine) != UNREACHABLE)
        };
        self.answers(status, patience).await
    }

    /// Likewise for a volume's host.
    pub(crate) async fn volume_answers(&self, id: &str, patience: Duration) -> bool {
        self.answers(|tables| tables.volume(id).map(|volume| self.volume_status(volume) != UNREACHABLE), patience).await
    }

    async fn answers(&self, answers: impl Fn(&Tables) -> Option<bool>, patience: Duration) -> bool {
        let deadline = Instant::now().checked_add(patience);
        let mut changes = self.changes();
        loop {
            match self.read(&answers) {
                Some(false) if !self.closing() => {}
                answers => return answers == Some(true),
            }
            let changed = changes.changed();
            let in_time = match deadline {
                Some(deadline) => timeout_at(deadline, changed).await.is_ok_and(|changed| changed.is_ok()),
                None => changed.await.is_ok(),
            };
            if !in_time {
                return false;
            }
        }
    }
}

/// What names a machine's host: its volume, which pins it there, else itself.
fn host_of(machine: &Machine) -> &str {
    machine.config["mounts"][0]["volume"].as_str().unwrap_or(&machine.id)
}

fn regions_in_use(tables: &Tables) -> BTreeSet<String> {
    tables.machines().filter(|machine| machine.state != MachineState::Destroyed).map(|machine| machine.region.clone()).collect()
}
