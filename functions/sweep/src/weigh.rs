//! Suspects against the fleet: repairs, or the brake.

use std::collections::BTreeMap;

use domain::{Notice, Region};
use dynamo::{Store, StoreError};
use flows::health::{Incident, Judgement, Live, Suspect, weigh};
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::Sweep;

/// Notices that are recorded, and repairs that are started, at the same time.
const AT_ONCE: usize = 32;

impl Sweep {
    /// Weighs this minute's suspects. Returns how many repairs were started, and adds what failed.
    pub(crate) async fn weigh(&self, minute: i64, now: Timestamp, failed: &mut Vec<String>) -> usize {
        let (judgement, suspects) = match self.judge(minute).await {
            Ok(Some(judged)) => judged,
            Ok(None) => {
                shell::measure(&[("ProviderIncidents", 0)]);
                return 0;
            }
            Err(error) => {
                failed.push(format!("suspects: {error}"));
                return 0;
            }
        };
        let Judgement { incident, opened, repair } = judgement;
        shell::measure(&[("ProviderIncidents", usize::from(incident.is_some()))]);
        if let Some(incident) = &incident {
            if opened {
                alarm(incident);
            }
            self.announce(incident, &suspects, now, failed).await;
        }
        match self.start(repair, minute, failed).await {
            Ok(started) => started,
            Err(error) => {
                failed.push(format!("suspects: {error}"));
                0
            }
        }
    }

    /// Starts a minute's repairs. The schedule may deliver its event twice, and a second batch in one minute would be more than the brake
    /// allows: whichever sweep takes the minute has them all. What it then fails to start is left for the next minute.
    async fn start(&self, repair: Vec<Suspect>, minute: i64, failed: &mut Vec<String>) -> Result<usize, StoreError> {
        if repair.is_empty() || !self.store.take_repairs(minute).await? {
            return Ok(0);
        }
        let mut started = 0;
        let mut all = stream::iter(repair).map(|suspect| self.repair(suspect)).buffer_unordered(AT_ONCE);
        while let Some(one) = all.next().await {
            match one {
                Ok(is_new) => started += usize::from(is_new),
                Err(failure) => failed.push(failure),
            }
        }
        Ok(started)
    }

    async fn repair(&self, suspect: Suspect) -> Result<bool, String> {
        let started = self.store.start_repair(&suspect.organisation, &suspect.instance).await;
        let record = started.map_err(|error| format!("the repair of {}: {error}", suspect.instance))?;
        if let Some(record) = &record {
            self.engine.start_sent(&record.id).await;
        }
        Ok(record.is_some())
    }

    /// What this minute's suspects come to; nothing if there are none, or another sweep was faster.
    ///
    /// The incident is written before anything is repaired, and only if it is still the one that was read: of two sweeps that overlap,
    /// one decides.
    async fn judge(&self, minute: i64) -> Result<Option<(Judgement, Vec<Suspect>)>, StoreError> {
        let suspects = self.store.suspects().await?;
        let open = self.store.incident().await?;
        if suspects.is_empty() && open.is_none() {
            return Ok(None);
        }
        let live = self.fleet_by_region().await?;
        let judgement = weigh(&live, &suspects, open.as_ref(), minute);
        let next = &judgement.incident;
        let decided = *next == open || self.store.set_incident(open.as_ref(), next.as_ref()).await?;
        Ok(decided.then_some((judgement, suspects)))
    }

    async fn fleet_by_region(&self) -> Result<BTreeMap<Region, Live>, StoreError> {
        let mut live: BTreeMap<Region, Live> = BTreeMap::new();
        for shard in 0..Store::FLEET_SHARDS {
            for target in self.store.fleet(shard).await? {
                let live = live.entry(target.region).or_default();
                live.instances += 1;
                live.missing += usize::from(target.misses > 0);
            }
        }
        Ok(live)
    }

    /// A notice to each of those whose instances are concerned: that we know, and that we do not make it worse.
    ///
    /// In every minute of the incident, because a minute may fail half-way and others may become concerned later; the notice's identifier
    /// makes it one.
    async fn announce(&self, incident: &Incident, suspects: &[Suspect], now: Timestamp, failed: &mut Vec<String>) {
        let concerned: Vec<_> = suspects.iter().filter(|suspect| incident.regions.contains(&suspect.region)).cloned().collect();
        let mut told = stream::iter(concerned).map(|suspect| self.tell(incident, suspect, now)).buffer_unordered(AT_ONCE);
        while let Some(told) = told.next().await {
            if let Err(error) = told {
                failed.push(format!("a notice of the incident: {error}"));
            }
        }
    }

    async fn tell(&self, incident: &Incident, suspect: Suspect, now: Timestamp) -> Result<(), StoreError> {
        let Some(instance) = self.store.instance(&suspect.organisation, &suspect.instance).await? else { return Ok(()) };
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
        self.store.record_notice(&notice).await
    }
}

/// Once for each incident, and once more when it grows.
fn alarm(incident: &Incident) {
    let regions: Vec<_> = incident.regions.iter().map(|region| region.code()).collect();
    let detail = format!("{} of the fleet's regions look down: {}", if incident.ours { "most" } else { "some" }, regions.join(", "));
    tracing::error!(alarm = "provider_incident", ours = incident.ours, %detail, "an incident is open: nothing in it is restarted");
}
