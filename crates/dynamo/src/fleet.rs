//! The live fleet, as health checks see it.

use domain::{Instance, InstanceId, OperationId, OrganisationId, Region, State, Wanted};
use flows::health::{SUSPECT_AFTER, Suspect, count_miss};
use futures::future::try_join_all;

use crate::Store;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::instance_item::miss;
use crate::instances::{DECISIONS, kept_changing};
use crate::keys;
use crate::read::{Query, number_of, text_of};
use crate::write::Item;

/// An instance to check: wanted running, placed, and with no run of its own. What an index says may be a moment old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its owner.
    pub organisation: OrganisationId,
    /// The instance.
    pub instance: InstanceId,
    /// Its origin.
    pub address: String,
    /// Where it lives.
    pub region: Region,
    /// Misses in a row.
    pub misses: u8,
    /// Running or degraded.
    pub state: State,
    /// Always running: others are not in the index.
    pub wanted: Wanted,
    /// Always none: an instance with a run is not in the index.
    pub operation: Option<OperationId>,
}

impl Store {
    /// One shard of the live fleet, of [`FLEET_SHARDS`](Self::FLEET_SHARDS). An instance that cannot be read is logged and passed over: it
    /// must not keep its neighbours from being checked.
    ///
    /// # Errors
    /// The store failed.
    pub async fn fleet(&self, shard: u32) -> Result<Vec<Target>, StoreError> {
        let query = Query {
            index: Some(keys::FLEET),
            expression: Expression::new().when("#fleet_shard = :shard").text(":shard", keys::fleet_shard(shard)),
            ..Query::default()
        };
        let items = self.query_all("reading the fleet", query, usize::MAX).await?;
        let read = |item| {
            let target = target(item);
            if target.is_none() {
                let error = StoreError::corrupt(&crate::read::key_of(item), "it is nothing that could be checked");
                tracing::error!(%error, "an instance was passed over");
            }
            target
        };
        Ok(items.iter().filter_map(read).collect())
    }

    /// Counts a missed check: once per scheduled minute, in a row with those before it, up to three, the third of which makes a suspect.
    /// Never on an instance that has a run or is degraded already. Returns the misses that stand.
    ///
    /// # Errors
    /// The store failed.
    pub async fn record_miss(&self, target: &Target, minute: i64, why: &str) -> Result<u8, StoreError> {
        let key = keys::instance(&target.organisation, &target.instance);
        if target.misses >= SUSPECT_AFTER || target.state != State::Running {
            return Ok(target.misses);
        }
        // The index does not say when those before it were counted; mostly it was a minute ago.
        let (mut seen, mut next) = (target.misses, target.misses + 1);
        for _ in 0..DECISIONS {
            let expression = miss(seen, next, minute, target.region, self.clock.now());
            let refused = match self.update_item("counting a miss", &key, &expression).await? {
                Ok(_) => {
                    tracing::info!(instance = %target.instance, misses = next, minute, why, "a check was missed");
                    return Ok(next);
                }
                Err(refused) => refused,
            };
            // What the item says decides: a count that is another than the index said is met, anything else is none of our business.
            let Some(item) = refused.0 else { return Ok(0) };
            let misses = number_of(&item, "misses").unwrap_or_default();
            match count_miss(misses, number_of(&item, "last_miss_minute"), minute) {
                Some(counted) if (misses, counted) != (seen, next) => (seen, next) = (misses, counted),
                _ => return Ok(misses),
            }
        }
        Err(kept_changing("counting a miss"))
    }

    /// Records that an instance answers again: nothing is held against it, and a degraded one runs.
    ///
    /// # Errors
    /// The store failed.
    pub async fn record_well(&self, target: &Target) -> Result<(), StoreError> {
        for _ in 0..DECISIONS {
            let Some(stored) = self.stored(&target.organisation, &target.instance).await? else {
                return Ok(());
            };
            let Some(instance) = well(&stored.instance) else {
                return Ok(());
            };
            let instance = Instance { updated_at: self.clock.now(), ..instance };
            let written = self.put_item("recording that an instance is well", stored.replaced_by(&instance)?, &stored.unchanged()).await?;
            if written.is_ok() {
                return Ok(());
            }
        }
        Err(kept_changing("recording that an instance is well"))
    }

    /// Every instance that missed three checks in a row, those that have waited longest first within each region.
    ///
    /// # Errors
    /// The store failed.
    pub async fn suspects(&self) -> Result<Vec<Suspect>, StoreError> {
        let regions = Region::all().map(async |region| {
            let query = Query {
                index: Some(keys::SUSPECTS),
                expression: Expression::new().when("#suspect_region = :region").text(":region", keys::suspect_region(region)),
                ..Query::default()
            };
            let items = self.query_all("reading suspects", query, usize::MAX).await?;
            Ok::<_, StoreError>(items.iter().filter_map(|item| suspect(item, region)).collect::<Vec<_>>())
        });
        Ok(try_join_all(regions).await?.into_iter().flatten().collect())
    }
}

/// The instance as it is once it answers, if that is any different. A run's instance is the run's to write.
fn well(instance: &Instance) -> Option<Instance> {
    let sick = instance.health.misses > 0 || instance.state == State::Degraded;
    if !sick || instance.operation.is_some() || instance.wanted != Wanted::Running {
        return None;
    }
    let mut well = instance.clone();
    well.health.misses = 0;
    well.health.last_miss_minute = None;
    if well.state == State::Degraded {
        well.state = State::Running;
        well.trouble = None;
    }
    Some(well)
}

fn target(item: &Item) -> Option<Target> {
    let (organisation, instance) = keys::parse_instance(text_of(item, keys::PK)?, text_of(item, keys::SK)?)?;
    let state = State::ALL.into_iter().find(|state| Some(state.as_str()) == text_of(item, "state"))?;
    Some(Target {
        organisation,
        instance,
        address: text_of(item, "address")?.to_owned(),
        region: text_of(item, "region")?.parse().ok()?,
        misses: number_of(item, "misses")?,
        state,
        wanted: Wanted::Running,
        operation: None,
    })
}

fn suspect(item: &Item, region: Region) -> Option<Suspect> {
    let (organisation, instance) = keys::parse_instance(text_of(item, keys::PK)?, text_of(item, keys::SK)?)?;
    Some(Suspect { organisation, instance, region })
}
