//! What befalls the provider and what stands there.

use std::time::Duration;

use domain::Region;
use flows::ports::MachineState;

use super::Provider;
use super::machine::{Machine, Sickness};

/// Something that happens to somebody who is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calamity {
    /// A gateway ends; its supervisor starts it again.
    GatewayCrash,
    /// A gateway falls sick.
    Sick(Sickness),
    /// A machine ends; the provider starts it again.
    MachineCrash,
    /// A machine ends, and the provider has given up starting it.
    MachineDeath,
}

impl Provider {
    /// How many apps there are.
    pub(crate) fn population(&self) -> usize {
        self.sky().apps.len()
    }

    /// The machine that is up in the app at a place among all.
    pub(crate) fn up_at(&self, place: usize) -> Option<(String, String)> {
        let (sky, now) = (self.sky(), self.inner.clock.now());
        let (name, app) = sky.apps.iter().nth(place)?;
        let is_up = |machine: &&Machine| machine.state(now) == MachineState::Started && sky.is_up(machine.host, now);
        app.machines.iter().find(is_up).map(|machine| (name.clone(), machine.id.clone()))
    }

    /// Lets something happen to a machine.
    pub(crate) fn befall(&self, app: &str, machine: &str, calamity: Calamity) {
        let now = self.inner.clock.now();
        let befallen = self.sky().change(app, machine, now, |machine| {
            match calamity {
                Calamity::GatewayCrash => machine.crash_gateway(now),
                Calamity::Sick(sickness) => machine.sickness = Some(sickness),
                Calamity::MachineCrash => machine.boot(now),
                Calamity::MachineDeath => machine.die(now),
            }
            Ok(())
        });
        self.inner.tally.calamities.add(u64::from(befallen.is_ok()));
    }

    /// Takes a host down for a while. What was up on it boots when it is back.
    pub(crate) fn take_down(&self, host: usize, how_long: Duration) {
        let now = self.inner.clock.now();
        let until = now + how_long;
        let mut sky = self.sky();
        if !sky.is_up(host, now) {
            return;
        }
        sky.hosts[host].down_until = Some(until);
        let mut touched = Vec::new();
        for (name, app) in &mut sky.apps {
            for machine in app.machines.iter_mut().filter(|machine| machine.host == host && machine.heads_for() == MachineState::Started) {
                machine.boot(until);
                touched.push(name.clone());
            }
        }
        for app in touched {
            sky.note(&app, now);
        }
        self.inner.tally.calamities.add(1);
    }

    /// Takes a whole region down for a while.
    pub(crate) fn take_region_down(&self, region: Region, how_long: Duration) {
        let hosts: Vec<usize> = {
            let sky = self.sky();
            (0..sky.hosts.len()).filter(|host| sky.hosts[*host].region == region).collect()
        };
        for host in hosts {
            self.take_down(host, how_long);
        }
    }

    /// A person looks after an instance that nothing else helps: whatever ails it is cured, and it boots, unless its owner has stopped it.
    /// `false`: not now, its host is down.
    pub(crate) fn mend(&self, instance: &str) -> bool {
        let now = self.inner.clock.now();
        let mut sky = self.sky();
        let is_ill = |machine: &Machine| {
            let is_off = matches!(machine.heads_for(), MachineState::Stopped | MachineState::Failed);
            machine.instance == instance && !machine.is_wanted_still && (machine.sickness.is_some() || is_off)
        };
        let found = sky.apps.iter().find_map(|(name, app)| app.machines.iter().find(|m| is_ill(m)).map(|m| (name.clone(), m.id.clone())));
        let Some((app, id)) = found else { return true };
        let mended = sky.change(&app, &id, now, |machine| {
            machine.sickness = None;
            machine.boot(now);
            Ok(())
        });
        self.inner.tally.mended.add(u64::from(mended.is_ok()));
        mended.is_ok()
    }
}
