//! Suspects against the fleet: repairs, or the brake.

use std::collections::BTreeMap;

use domain::{Notice, Region};
use dynamo::{Store, StoreError};
use flows::health::{Incident, Judgement, Suspect, weigh};
use jiff::Timestamp;

use crate::Sweep;

impl Sweep {
    /// Weighs this minute's suspects. Returns how many repairs were started.
    ///
    /// The incident is written before anything is repaired, and only if it is still the one that was read: of two sweeps that overlap,
    /// one decides.
    pub(crate) async fn weigh(&self, minute: i64, now: Timestamp) -> Result<usize, StoreError> {
        let suspects = self.store.suspects().await?;
        let open = self.store.incident().await?;
        if suspects.is_empty() && open.is_none() {
            return Ok(0);
        }
        let live = self.fleet_by_region().await?;
        let Judgement { incident, opened, repair } = weigh(&live, &suspects, open.as_ref(), minute);
        if incident != open && !self.store.set_incident(open.as_ref(), incident.as_ref()).await? {
            return Ok(0);
        }
        if let (true, Some(incident)) = (opened, &incident) {
            self.announce(incident, &suspects, now).await?;
        }
        let mut started = 0;
        for suspect in &repair {
            if let Some(record) = self.store.start_repair(&suspect.organisation, &suspect.instance).await? {
                self.engine.start_sent(&record.id).await;
                started += 1;
            }
        }
        Ok(started)
    }

    async fn fleet_by_region(&self) -> Result<BTreeMap<Region, usize>, StoreError> {
        let mut live = BTreeMap::new();
        for shard in 0..Store::FLEET_SHARDS {
            for target in self.store.fleet(shard).await? {
                *live.entry(target.region).or_default() += 1;
            }
        }
        Ok(live)
    }

    /// One alarm, and a notice to those whose instances are concerned: that we know, and that we do not make it worse.
    async fn announce(&self, incident: &Incident, suspects: &[Suspect], now: Timestamp) -> Result<(), StoreError> {
        let regions: Vec<_> = incident.regions.iter().map(|region| region.code()).collect();
        let concerned = suspects.iter().filter(|suspect| incident.regions.contains(&suspect.region));
        let detail = format!("{} of the fleet's regions look down: {}", if incident.ours { "most" } else { "some" }, regions.join(", "));
        for suspect in concerned {
            let Some(instance) = self.store.instance(&suspect.organisation, &suspect.instance).await? else { continue };
            let notice = Notice {
                id: format!("{}.incident-{}-{}-0", suspect.organisation, incident.opened_minute, suspect.instance),
                organisation: suspect.organisation,
                instance: suspect.instance,
                instance_name: instance.name.clone(),
                event: "provider_incident".to_owned(),
                message: format!(
                    "{} does not answer, with many others in {}. We have been called; nothing is restarted until it is over.",
                    instance.name, suspect.region
                ),
                recorded_at: now,
            };
            self.store.record_notice(&notice).await?;
        }
        tracing::error!(alarm = "provider_incident", ours = incident.ours, %detail, "an incident is open: nothing in it is restarted");
        Ok(())
    }
}
