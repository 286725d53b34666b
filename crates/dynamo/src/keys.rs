//! Every key, index and shard of the table, in one place.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | instance | `org_…` | `INSTANCE#ins_…` |
//! | name, taken | `org_…` | `NAME#my-assistant` |
//! | quota | `org_…` | `QUOTA` |
//! | idempotency key | `org_…` | `KEY#` and the key's digest |
//! | change, for audit and for an instance's operations | `org_…` | `CHANGE#ins_…#` and its identifier, later ones last |
//! | run | `org_….op_…` | `RUN` |
//! | notice | `org_….op_…` | `NOTICE#` and its place |
//! | incident | `INCIDENT` | `INCIDENT` |
//! | last minute of repairs | `REPAIRS` | `REPAIRS` |
//!
//! Whatever belongs to an organisation has it in `pk`, so that a foreign identifier finds nothing. Runs have a partition of their own
//! each: they are written most. Three sparse indexes hold what is looked for without its key: only items that have the index's key
//! attributes are in it, so each is as small as what it is asked for.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{InstanceId, InstanceName, OperationId, OrganisationId, Region};
use durable::RunId;
use flows::run_id;
use sha2::{Digest, Sha256};

/// Partition key of the table.
pub(crate) const PK: &str = "pk";
/// Sort key of the table.
pub(crate) const SK: &str = "sk";
/// DynamoDB's time to live, in Unix seconds. Deletion may lag by days, so whoever reads an item that has one looks at it.
pub(crate) const EXPIRES_AT: &str = "expires_at";

/// The index of everything that is due: live runs, and notices that were not delivered.
pub(crate) const OVERDUE: &str = "overdue";
/// Its partition key.
pub(crate) const OVERDUE_SHARD: &str = "overdue_shard";
/// Its sort key, a number of nanoseconds.
pub(crate) const OVERDUE_AT: &str = "overdue_at";

/// The index of instances that the health checks look at.
pub(crate) const FLEET: &str = "fleet";
/// Its partition key; its sort key is the table's.
pub(crate) const FLEET_SHARD: &str = "fleet_shard";

/// The index of instances that do not answer, by region.
pub(crate) const SUSPECTS: &str = "suspects";
/// Its partition key: a region's code.
pub(crate) const SUSPECT_REGION: &str = "suspect_region";
/// Its sort key, a number of nanoseconds.
pub(crate) const SUSPECT_SINCE: &str = "suspect_since";

/// Shards of the fleet. One partition takes 3000 read units a second: each minute's checks of a million instances fit.
pub(crate) const FLEET_SHARDS: u32 = 16;

/// Shards of the index of what is due. One partition takes 1000 write units a second, and a run moves in it with each claim.
pub(crate) const OVERDUE_SHARDS: u32 = 8;

/// A whole primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: impl ToString, sk: impl Into<String>) -> Self {
        Self { pk: pk.to_string(), sk: sk.into() }
    }

    /// As the `Key` of a request.
    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([(PK.to_owned(), AttributeValue::S(self.pk.clone())), (SK.to_owned(), AttributeValue::S(self.sk.clone()))])
    }
}

pub(crate) const INSTANCES: &str = "INSTANCE#";
pub(crate) const NOTICES: &str = "NOTICE#";

pub(crate) fn instance(organisation: &OrganisationId, instance: &InstanceId) -> Key {
    Key::new(organisation, format!("{INSTANCES}{instance}"))
}

pub(crate) fn name(organisation: &OrganisationId, name: &InstanceName) -> Key {
    Key::new(organisation, format!("NAME#{name}"))
}

pub(crate) fn quota(organisation: &OrganisationId) -> Key {
    Key::new(organisation, "QUOTA")
}

/// The client's key may be of any length and alphabet; its digest is not.
pub(crate) fn idempotency(organisation: &OrganisationId, key: &str) -> Key {
    Key::new(organisation, format!("KEY#{}", URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()))))
}

/// What the changes of an instance begin with.
pub(crate) fn changes(instance: &InstanceId) -> String {
    format!("CHANGE#{instance}#")
}

pub(crate) fn change(organisation: &OrganisationId, instance: &InstanceId, change: &OperationId) -> Key {
    Key::new(organisation, format!("{}{change}", changes(instance)))
}

pub(crate) fn run(id: &RunId) -> Key {
    Key::new(id, "RUN")
}

pub(crate) fn operation(organisation: &OrganisationId, operation: &OperationId) -> Key {
    run(&run_id(organisation, operation))
}

/// The key of a notice by its identifier, `<run>-<place>`.
pub(crate) fn notice(id: &str) -> Option<Key> {
    let (run, place) = id.rsplit_once('-')?;
    let place: u32 = place.parse().ok()?;
    Some(Key::new(run, format!("{NOTICES}{place}")))
}

pub(crate) fn incident() -> Key {
    Key::new("INCIDENT", "INCIDENT")
}

/// The last minute whose repairs were started.
pub(crate) fn repairs() -> Key {
    Key::new("REPAIRS", "REPAIRS")
}

/// The organisation and the instance that an index entry points at.
pub(crate) fn parse_instance(pk: &str, sk: &str) -> Option<(OrganisationId, InstanceId)> {
    Some((pk.parse().ok()?, sk.strip_prefix(INSTANCES)?.parse().ok()?))
}

/// The operation in the sort key of a change.
pub(crate) fn parse_change(sk: &str) -> Option<OperationId> {
    sk.rsplit_once('#')?.1.parse().ok()
}

pub(crate) fn fleet_shard(shard: u32) -> String {
    format!("{shard:02}")
}

pub(crate) fn fleet_shard_of(instance: &InstanceId) -> String {
    fleet_shard(spread(&instance.digits()) % FLEET_SHARDS)
}

pub(crate) fn run_shard(shard: u32) -> String {
    format!("RUN#{shard}")
}

pub(crate) fn run_shard_of(id: &RunId) -> String {
    run_shard(spread(&id.0) % OVERDUE_SHARDS)
}

/// Parked runs are in the index of what is due under shards of their own: they wait for a person, and the sweep says so until one has come.
pub(crate) fn parked_shard(shard: u32) -> String {
    format!("PARKED#{shard}")
}

pub(crate) fn parked_shard_of(id: &RunId) -> String {
    parked_shard(spread(&id.0) % OVERDUE_SHARDS)
}

pub(crate) fn notice_shard(shard: u32) -> String {
    format!("NOTICE#{shard}")
}

pub(crate) fn notice_shard_of(id: &str) -> String {
    notice_shard(spread(id) % OVERDUE_SHARDS)
}

pub(crate) fn suspect_region(region: Region) -> String {
    region.code().to_owned()
}

/// A number that is the same for the same text on every machine and in every version: FNV-1a, 32 bits.
fn spread(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_organisation_has_it_in_its_partition() {
        let (organisation, id, operation_id) = (OrganisationId::generate(), InstanceId::generate(), OperationId::generate());
        let owned = [
            instance(&organisation, &id),
            name(&organisation, &"a".parse().unwrap()),
            quota(&organisation),
            idempotency(&organisation, "any"),
            change(&organisation, &id, &operation_id),
            operation(&organisation, &operation_id),
            notice(&format!("{}-0", run_id(&organisation, &operation_id))).unwrap(),
        ];
        for key in owned {
            assert!(key.pk.starts_with(&organisation.to_string()), "{key:?}");
        }
    }

    #[test]
    fn keys_are_read_back_as_they_were_built() {
        let (organisation, id, operation_id) = (OrganisationId::generate(), InstanceId::generate(), OperationId::generate());
        let key = instance(&organisation, &id);
        assert_eq!(parse_instance(&key.pk, &key.sk), Some((organisation, id)));
        assert_eq!(parse_change(&change(&organisation, &id, &operation_id).sk), Some(operation_id));
        for id in ["", "no-place", "org.op", "org.op--1"] {
            assert_eq!(notice(id).filter(|key| key.pk == "org.op"), None, "{id}");
        }
    }

    #[test]
    fn shards_are_used_evenly() {
        let mut seen = HashMap::<String, u32>::new();
        for _ in 0..1600 {
            *seen.entry(fleet_shard_of(&InstanceId::generate())).or_default() += 1;
        }
        assert_eq!(seen.len(), FLEET_SHARDS as usize);
        assert!(seen.values().all(|count| (40..=180).contains(count)), "{seen:?}");
    }
}
