//! What befalls a world while it lives, and the people who look after it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::crew::{Crew, Sight};
use crate::provider::{Calamity, Provider, Sickness};
use crate::scale::Conditions;
use crate::storm::Storm;

/// Brings calamities, each at its moment.
#[derive(Clone)]
pub(crate) struct Fate {
    pub(crate) clock: VirtualClock,
    pub(crate) chance: Arc<Chance>,
    pub(crate) provider: Provider,
    pub(crate) storm: Storm,
    pub(crate) sight: Sight,
    pub(crate) ends: Timestamp,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Fate {
    pub(crate) fn unleash(&self, conditions: &Conditions) {
        let life = Duration::try_from(self.ends.duration_since(self.clock.now())).unwrap_or_default();
        let moments = |count: usize| (0..count).map(|_| self.chance.between(MINUTE * 30, life)).collect::<Vec<_>>();
        for at in moments(conditions.host_outages) {
            let (fate, how_long) = (self.clone(), self.chance.between(MINUTE, MINUTE * 40));
            let host = self.chance.below(conditions.regions.len() * conditions.hosts_per_region);
            self.at(at, move || fate.provider.take_down(host, how_long));
        }
        for at in moments(conditions.region_outages) {
            let (fate, region) = (self.clone(), *self.chance.pick(&conditions.regions));
            self.at(at, move || fate.provider.take_region_down(region, MINUTE * 60));
        }
        for at in moments(conditions.own_outages) {
            let (fate, how_long) = (self.clone(), self.chance.between(MINUTE * 2, MINUTE * 30));
            self.at(at, move || {
                *fate.sight.blind_until.lock().expect("no holder panics") = Some(fate.clock.now() + how_long);
            });
        }
        for at in moments(conditions.store_outages) {
            let (fate, how_long) = (self.clone(), self.chance.between(MINUTE / 6, MINUTE * 5));
            self.at(at, move || fate.storm.down_for(how_long));
        }
        tokio::spawn(self.clone().strike(conditions.calamity_mean));
    }

    fn at(&self, after: Duration, happens: impl FnOnce() + Send + 'static) {
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            happens();
        });
    }

    /// Strikes those who are up, one after the other.
    async fn strike(self, mean: Duration) {
        while self.clock.now() < self.ends {
            let up = self.provider.running();
            let next = self.chance.after(mean / u32::try_from(up.len().max(1)).expect("a world is small"));
            tokio::time::sleep(next.min(MINUTE * 60)).await;
            if up.is_empty() || self.clock.now() >= self.ends {
                continue;
            }
            let calamity = match self.chance.below(100) {
                0..45 => Calamity::GatewayCrash,
                45..65 => Calamity::Sick(Sickness::Hung),
                65..75 => Calamity::Sick(Sickness::Wedged),
                75..78 => Calamity::Sick(Sickness::Hopeless),
                78..92 => Calamity::MachineCrash,
                _ => Calamity::MachineDeath,
            };
            let (app, machine) = self.chance.pick(&up);
            self.provider.befall(app, machine, calamity);
        }
    }
}

/// The people on call: they mend what an alarm names, and resume what is parked, after a while.
pub(crate) struct Staff {
    pub(crate) clock: VirtualClock,
    pub(crate) chance: Chance,
    pub(crate) provider: Provider,
    pub(crate) crew: Arc<Crew>,
    pub(crate) ends: Timestamp,
}

impl Staff {
    pub(crate) async fn serve(self) {
        let mut seen = BTreeSet::new();
        loop {
            tokio::time::sleep(MINUTE * 10).await;
            let over = self.clock.now() >= self.ends;
            let alarms: Vec<(String, String)> = self.provider.sky().alarms.clone().into_iter().collect();
            for (request, instance) in alarms {
                if seen.contains(&request) || !(over || self.chance.happens(0.25)) {
                    continue;
                }
                if self.provider.mend(&instance) {
                    seen.insert(request);
                }
            }
            let patience = if over { Duration::ZERO } else { MINUTE * 30 };
            let now = self.clock.now();
            let due = |at: &Timestamp| *at + patience <= now;
            let parked: Vec<_> = {
                let mut parked = self.crew.parked.lock().expect("no holder panics");
                let (due, waiting) = std::mem::take(&mut *parked).into_iter().partition(|(_, _, at)| due(at));
                *parked = waiting;
                due
            };
            for (run, why, at) in parked {
                // Not now: it is still on their list.
                if self.crew.engine().resume(&run).await.is_err() {
                    self.crew.parked.lock().expect("no holder panics").push((run, why, at));
                }
            }
        }
    }
}
