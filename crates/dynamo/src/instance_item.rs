//! An instance as an item, with the attributes that put it into the sparse indexes.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Climbed, Family, Health, Instance, InstanceId, InstanceName, OperationId, OrganisationId, Placement, PlanId, Region, Release, Rung,
    State, Trouble, Wanted,
};
use flows::health::{LONGEST_GAP_MINUTES, SUSPECT_AFTER};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::expression::{Expression, number, text};
use crate::keys::{self, Key};
use crate::moment::Moment;
use crate::read::key_of;
use crate::write::Item;

/// An instance with the number of its last write, which is the condition of the next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) instance: Instance,
    pub(crate) rev: u64,
}

impl Stored {
    pub(crate) fn parse(item: Item) -> Result<Self, StoreError> {
        let key = key_of(&item);
        let stored: InstanceItem = serde_dynamo::from_item(item).map_err(|error| StoreError::corrupt(&key, error))?;
        let (organisation, id) =
            keys::parse_instance(&key.pk, &key.sk).ok_or_else(|| StoreError::corrupt(&key, "its key is not an instance's"))?;
        let rev = stored.rev;
        if rev == u64::MAX {
            return Err(StoreError::corrupt(&key, "it was written more often than can be counted"));
        }
        Ok(Self { instance: stored.into_instance(organisation, id), rev })
    }

    /// The condition that it is still as it was read.
    pub(crate) fn unchanged(&self) -> Expression {
        Expression::new().when("#rev = :seen").number(":seen", self.rev)
    }

    /// The item that replaces it.
    pub(crate) fn replaced_by(&self, instance: &Instance) -> Result<Item, StoreError> {
        item(instance, self.rev + 1)
    }
}

/// The item of an instance.
pub(crate) fn item(instance: &Instance, rev: u64) -> Result<Item, StoreError> {
    let key = keys::instance(&instance.organisation, &instance.id);
    let mut item: Item = serde_dynamo::to_item(InstanceItem::of(instance, rev)).map_err(|error| StoreError::corrupt(&key, error))?;
    item.extend(key.attributes());
    if let Some(placement) = watched(instance) {
        item.insert(keys::FLEET_SHARD.to_owned(), text(keys::fleet_shard_of(&instance.id)));
        if let Some(since) = suspected_since(instance) {
            item.insert(keys::SUSPECT_REGION.to_owned(), text(keys::suspect_region(placement.region)));
            item.insert(keys::SUSPECT_SINCE.to_owned(), Moment::value(since));
        }
    }
    Ok(item)
}

/// Health checks look at what is placed, wanted running and left alone by runs.
fn watched(instance: &Instance) -> Option<&Placement> {
    let watched = instance.wanted == Wanted::Running && instance.operation.is_none();
    instance.placement.as_ref().filter(|_| watched)
}

/// A degraded instance is looked at, but no longer suspected: the repairs are used up, and a person has been called.
fn suspected_since(instance: &Instance) -> Option<Timestamp> {
    let suspected = instance.state == State::Running && instance.health.misses >= SUSPECT_AFTER;
    let minute = instance.health.last_miss_minute.filter(|_| suspected)?;
    Timestamp::from_second(minute.checked_mul(60)?).ok()
}

/// The write that makes so many misses of those that were seen, the third of which makes a suspect. Refused if the misses that stand are
/// others, or were counted at another time than `next` assumes.
pub(crate) fn miss(seen: u8, next: u8, minute: i64, region: Region, now: Timestamp) -> Expression {
    let expression = Expression::new()
        .set("misses", number(next))
        .set("last_miss_minute", number(minute))
        .set("updated_at", Moment::value(now))
        .assign("#rev = #rev + :one")
        .number(":one", 1)
        .when("attribute_exists(#fleet_shard) AND #state = :running")
        .text(":running", State::Running.as_str())
        .when("#misses = :seen")
        .number(":seen", seen);
    let expression = match (seen, next) {
        (0, _) => expression.when("attribute_not_exists(#last_miss_minute) OR #last_miss_minute < :last_miss_minute"),
        (_, 1) => expression.when("attribute_not_exists(#last_miss_minute) OR #last_miss_minute < :oldest"),
        _ => expression.when("#last_miss_minute >= :oldest AND #last_miss_minute < :last_miss_minute"),
    };
    let expression = match seen {
        0 => expression,
        _ => expression.number(":oldest", minute.saturating_sub(LONGEST_GAP_MINUTES)),
    };
    if next < SUSPECT_AFTER {
        return expression;
    }
    let since = Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(now);
    expression.set(keys::SUSPECT_REGION, text(keys::suspect_region(region))).set(keys::SUSPECT_SINCE, Moment::value(since))
}

#[derive(Debug, Serialize, Deserialize)]
struct InstanceItem {
    rev: u64,
    name: InstanceName,
    plan: PlanId,
    family: Family,
    version: String,
    regions: Vec<Region>,
    wanted: Wanted,
    wanted_rev: u64,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<OperationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    ever_ran: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trouble: Option<TroubleItem>,
    misses: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_miss_minute: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    climbed: Vec<ClimbedItem>,
    created_at: Moment,
    updated_at: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
struct TroubleItem {
    message: String,
    since: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
struct ClimbedItem {
    rung: Rung,
    at: Moment,
}

impl InstanceItem {
    fn of(instance: &Instance, rev: u64) -> Self {
        let placement = instance.placement.as_ref();
        Self {
            rev,
            name: instance.name.clone(),
            plan: instance.plan,
            family: instance.release.family,
            version: instance.release.version.clone(),
            regions: instance.regions.clone(),
            wanted: instance.wanted,
            wanted_rev: instance.wanted_rev,
            state: instance.state,
            operation: instance.operation,
            region: placement.map(|placement| placement.region),
            app: placement.map(|placement| placement.app.clone()),
            machine: placement.map(|placement| placement.machine.clone()),
            volume: placement.map(|placement| placement.volume.clone()),
            generation: placement.map(|placement| placement.generation),
            address: placement.map(|placement| placement.address.clone()),
            ever_ran: instance.ever_ran,
            trouble: instance.trouble.as_ref().map(|it| TroubleItem { message: it.message.clone(), since: it.since.into() }),
            misses: instance.health.misses,
            last_miss_minute: instance.health.last_miss_minute,
            climbed: instance.health.climbed.iter().map(|it| ClimbedItem { rung: it.rung, at: it.at.into() }).collect(),
            created_at: instance.created_at.into(),
            updated_at: instance.updated_at.into(),
        }
    }

    fn into_instance(self, organisation: OrganisationId, id: InstanceId) -> Instance {
        let placement = match (self.region, self.app, self.machine, self.volume, self.generation, self.address) {
            (Some(region), Some(app), Some(machine), Some(volume), Some(generation), Some(address)) => {
                Some(Placement { region, app, machine, volume, generation, address })
            }
            _ => None,
        };
        Instance {
            id,
            organisation,
            name: self.name,
            plan: self.plan,
            release: Release { family: self.family, version: self.version },
            regions: self.regions,
            wanted: self.wanted,
            wanted_rev: self.wanted_rev,
            state: self.state,
            operation: self.operation,
            placement,
            ever_ran: self.ever_ran,
            trouble: self.trouble.map(|it| Trouble { message: it.message, since: it.since.0 }),
            health: Health {
                misses: self.misses,
                last_miss_minute: self.last_miss_minute,
                climbed: self.climbed.into_iter().map(|it| Climbed { rung: it.rung, at: it.at.0 }).collect(),
            },
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        }
    }
}

/// An instance inside another item, without its keys.
pub(crate) fn embedded(instance: &Instance) -> Result<AttributeValue, StoreError> {
    let key = keys::instance(&instance.organisation, &instance.id);
    serde_dynamo::to_attribute_value(InstanceItem::of(instance, 0)).map_err(|error| StoreError::corrupt(&key, error))
}

/// Reads an instance inside another item.
pub(crate) fn parse_embedded(value: AttributeValue, owner: (&OrganisationId, &InstanceId), key: &Key) -> Result<Instance, StoreError> {
    let stored: InstanceItem = serde_dynamo::from_attribute_value(value).map_err(|error| StoreError::corrupt(key, error))?;
    Ok(stored.into_instance(*owner.0, *owner.1))
}
