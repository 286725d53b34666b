//! What befalls a world while it lives, and the people who look after it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::crew::{Crew, Sight};
use crate::customer::EVERYBODY_COMES;
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
            let (fate, region, how_long) =
                (self.clone(), *self.chance.pick(&conditions.regions), self.chance.between(MINUTE * 5, MINUTE * 60));
            self.at(at, move || fate.provider.take_region_down(region, how_long));
        }
        for at in moments(conditions.own_outages).into_iter().map(|at| at.max(EVERYBODY_COMES)) {
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
            // Of all there are, one is drawn; nothing happens if that one is not up, so that everybody who is up is struck equally often.
            let there = self.provider.population();
            let next = self.chance.after(mean / u32::try_from(there.max(1)).expect("a world is small"));
            tokio::time::sleep(next.min(MINUTE * 60)).await;
            if there == 0 || self.clock.now() >= self.ends {
                continue;
            }
            let Some((app, machine)) = self.provider.up_at(self.chance.below(there)) else { continue };
            let calamity = match self.chance.below(100) {
                0..45 => Calamity::GatewayCrash,
                45..65 => Calamity::Sick(Sickness::Hung),
                65..75 => Calamity::Sick(Sickness::Wedged),
                75..78 => Calamity::Sick(Sickness::Hopeless),
                78..92 => Calamity::MachineCrash,
                _ => Calamity::MachineDeath,
            };
            self.provider.befall(&app, &machine, calamity);
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
        let (mut seen, mut counted) = (BTreeSet::new(), BTreeSet::new());
        loop {
            tokio::time::sleep(if self.clock.now() < self.ends { MINUTE * 30 } else { MINUTE * 5 }).await;
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
            // The sweep calls about them every minute.
            for parked in self.crew.store().parked(100).await.unwrap_or_default() {
                if counted.insert((parked.id.0.clone(), parked.updated_at)) {
                    self.crew.tally.parked.add(1);
                }
                if parked.updated_at + patience <= self.clock.now() && self.crew.engine().resume(&parked.id).await.is_err() {
                    // Not now: it stays on their list.
                    continue;
                }
            }
        }
    }
}
