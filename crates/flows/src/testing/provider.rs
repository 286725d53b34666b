use std::collections::{BTreeMap, BTreeSet};

use domain::{InstanceId, Region};
use durable::{Attempt, Setback};
use jiff::Timestamp;

use crate::ports::{MachineSpec, MachineState, Placed, SecretValues, VolumeSpec};
use crate::testing::{Conditions, FakeMachine};

/// An app.
#[derive(Debug, Clone, Default)]
pub struct FakeApp {
    /// Its private network.
    pub network: String,
    /// Its secrets.
    pub secrets: SecretValues,
    /// Raised with every change of its secrets.
    pub secrets_version: u64,
    /// The kinds of address it has.
    pub addresses: BTreeSet<&'static str>,
}

/// A volume. Several may bear the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeVolume {
    /// The provider's identifier.
    pub id: String,
    /// As it was ordered.
    pub spec: VolumeSpec,
    /// When it was made.
    pub made_at: Timestamp,
}

/// Everything that exists in a fake world.
#[derive(Clone, Default)]
pub struct Provider {
    /// What it is like there.
    pub conditions: Conditions,
    /// Apps by name.
    pub apps: BTreeMap<String, FakeApp>,
    /// Volumes, oldest first.
    pub volumes: Vec<FakeVolume>,
    /// Machines, oldest first.
    pub machines: Vec<FakeMachine>,
    /// The vault, by name.
    pub secrets: BTreeMap<String, SecretValues>,
    /// Names that rest in the vault's recovery window and cannot be used again.
    pub deleted_secrets: BTreeSet<String>,
    /// Alarms by request: whom they are about, and what they say.
    pub alarms: BTreeMap<String, (InstanceId, String)>,
    /// Apps whose volume has held a customer's state: no other volume is ever made in them.
    pub served: BTreeSet<String>,
    /// Every region in which anything was asked for.
    pub regions: BTreeSet<Region>,
    /// What disappeared only because its app was deleted under it.
    pub cascaded: Vec<String>,
    /// What no flow must ever do.
    pub complaints: Vec<String>,
    /// How many identifiers were given out.
    pub made: u64,
}

impl Provider {
    /// Everything that exists, by kind and name: what must be empty when an instance is gone.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let apps = self.apps.keys().map(|name| format!("app {name}"));
        let volumes = self.volumes.iter().map(|volume| format!("volume {} ({})", volume.spec.name, volume.id));
        let machines = self.machines.iter().map(|machine| format!("machine {} ({})", machine.spec.name, machine.id));
        let secrets = self.secrets.keys().map(|name| format!("secret {name}"));
        apps.chain(volumes).chain(machines).chain(secrets).collect()
    }

    /// The machine of an identifier, in its app.
    #[must_use]
    pub fn machine(&self, app: &str, id: &str) -> Option<&FakeMachine> {
        self.machines.iter().find(|machine| machine.spec.app == app && machine.id == id)
    }

    pub(super) fn machine_mut(&mut self, app: &str, id: &str) -> Attempt<(&mut FakeMachine, &Conditions)> {
        let machine = self.machines.iter_mut().find(|machine| machine.spec.app == app && machine.id == id);
        machine.map(|machine| (machine, &self.conditions)).ok_or_else(|| Setback::fatal(format!("the machine {id} is gone")))
    }

    /// Lets time pass: what was being destroyed is gone.
    pub(super) fn pass(&mut self, now: Timestamp) {
        self.machines.retain(|machine| machine.state(now) != MachineState::Gone);
    }

    pub(super) fn complain(&mut self, complaint: impl Into<String>) {
        self.complaints.push(complaint.into());
    }

    /// The oldest volume of this name in this region that lists show.
    pub(super) fn listed_volume(&self, wanted: &VolumeSpec, now: Timestamp) -> Option<String> {
        let lag = self.conditions.lists_lag;
        let mut alike = self.volumes.iter().filter(|volume| {
            let VolumeSpec { app, name, region, .. } = &volume.spec;
            (app, name, region) == (&wanted.app, &wanted.name, &wanted.region)
        });
        alike.find(|volume| volume.made_at + lag <= now).map(|volume| volume.id.clone())
    }

    pub(super) fn create_volume(&mut self, wanted: VolumeSpec, now: Timestamp) -> Attempt<Placed<String>> {
        self.regions.insert(wanted.region);
        if !self.apps.contains_key(&wanted.app) {
            return Err(Setback::fatal(format!("there is no app {}", wanted.app)));
        }
        if self.conditions.no_room_for_volumes.contains(&wanted.region) {
            return Ok(Placed::Full);
        }
        if self.served.contains(&wanted.app) {
            self.complain(format!("{} has held a customer's state and gets a new, empty volume", wanted.app));
        }
        // Where lists lag, what nobody was told of is found at the end.
        let lists_are_true = self.conditions.lists_lag.is_zero();
        let elsewhere = |left: &&FakeVolume| lists_are_true && left.spec.app == wanted.app && left.spec.region != wanted.region;
        if let Some(left) = self.volumes.iter().find(elsewhere) {
            let complaint = format!("a volume is made in {} while {} is left in {}", wanted.region, left.id, left.spec.region);
            self.complain(complaint);
        }
        let id = self.fresh("vol");
        self.volumes.push(FakeVolume { id: id.clone(), spec: wanted, made_at: now });
        Ok(Placed::At(id))
    }

    /// Removes the volumes of this name that lists show, and the known one.
    pub(super) fn delete_volumes(&mut self, app: &str, name: &str, known: Option<&str>, now: Timestamp) -> Attempt<()> {
        let lag = self.conditions.lists_lag;
        self.remove_volumes(app, name, |volume| volume.made_at + lag <= now || known == Some(&volume.id))
    }

    /// Removes the volumes of this name that lists show, but the one to be kept.
    pub(super) fn delete_surplus(&mut self, app: &str, name: &str, keep: &str, now: Timestamp) -> Attempt<()> {
        let lag = self.conditions.lists_lag;
        self.remove_volumes(app, name, |volume| volume.made_at + lag <= now && keep != volume.id)
    }

    /// Removes those of an app's volumes of this name that are chosen, unless a machine holds one.
    fn remove_volumes(&mut self, app: &str, name: &str, is_chosen: impl Fn(&FakeVolume) -> bool) -> Attempt<()> {
        let goes = |volume: &FakeVolume| volume.spec.app == app && volume.spec.name == name && is_chosen(volume);
        let bound = |volume: &&FakeVolume| self.machines.iter().any(|machine| machine.spec.volume == volume.id);
        if let Some(volume) = self.volumes.iter().filter(|volume| goes(volume)).find(bound) {
            return Err(Setback::retry(format!("the volume {} is currently bound to a machine", volume.id)));
        }
        self.volumes.retain(|volume| !goes(volume));
        Ok(())
    }

    pub(super) fn create_machine(&mut self, wanted: MachineSpec, now: Timestamp) -> Attempt<Placed<String>> {
        self.regions.insert(wanted.region);
        let Some(app) = self.apps.get(&wanted.app) else {
            return Err(Setback::fatal(format!("there is no app {}", wanted.app)));
        };
        if app.secrets_version < wanted.min_secrets_version {
            self.complain(format!("{} waits for secrets that its app does not have", wanted.name));
        }
        if let Some(found) = self.machines.iter_mut().find(|found| found.spec.app == wanted.app && found.spec.name == wanted.name) {
            if found.heads_for() == MachineState::Gone {
                return Err(Setback::not_yet(2, "the machine of this name is being destroyed"));
            }
            if found.spec.volume == wanted.volume {
                return Ok(Placed::At(found.id.clone()));
            }
            found.turn_off(MachineState::Gone, now + self.conditions.destruction);
            return Err(Setback::not_yet(2, "the machine of this name is on another volume and is being destroyed"));
        }
        match self.volumes.iter().find(|volume| volume.id == wanted.volume && volume.spec.app == wanted.app) {
            None => return Err(Setback::fatal(format!("there is no volume {}", wanted.volume))),
            Some(volume) if volume.spec.region != wanted.region => {
                self.complain(format!("{} is wanted in {} on a volume in {}", wanted.name, wanted.region, volume.spec.region));
            }
            Some(_) => {}
        }
        if self.conditions.no_room_for_machines.contains(&wanted.region) {
            return Ok(Placed::Full);
        }
        let id = self.fresh("machine");
        self.machines.push(FakeMachine::ordered(id.clone(), wanted, &self.conditions, now));
        Ok(Placed::At(id))
    }

    pub(super) fn delete_app(&mut self, app: &str) {
        let (volumes, machines) = (&self.volumes, &self.machines);
        self.cascaded.extend(volumes.iter().filter(|volume| volume.spec.app == app).map(|volume| volume.id.clone()));
        self.cascaded.extend(machines.iter().filter(|machine| machine.spec.app == app).map(|machine| machine.id.clone()));
        self.volumes.retain(|volume| volume.spec.app != app);
        self.machines.retain(|machine| machine.spec.app != app);
        self.apps.remove(app);
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{}", self.made)
    }
}
