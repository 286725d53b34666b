//! The table: one for everything, paid by use.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    TimeToLiveSpecification,
};

use crate::error::{StoreError, chain};
use crate::keys;

/// What the table is made of: the one description that [`create_table`] and the deployment's template share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDescription {
    /// Partition and sort key.
    pub key: (&'static str, &'static str),
    /// Attributes that are keys somewhere, with their type: `S` or `N`.
    pub attributes: Vec<(&'static str, &'static str)>,
    /// The global secondary indexes.
    pub indexes: Vec<IndexDescription>,
    /// The attribute of the time to live.
    pub time_to_live: &'static str,
}

/// What an index is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDescription {
    /// Its name.
    pub name: &'static str,
    /// Partition and sort key.
    pub key: (&'static str, &'static str),
    /// What it carries besides the keys. Each has its price: an entry is read with every look and written with every change.
    pub carries: Vec<&'static str>,
}

/// The table's description.
#[must_use]
pub fn table_description() -> TableDescription {
    TableDescription {
        key: (keys::PK, keys::SK),
        attributes: vec![
            (keys::PK, "S"),
            (keys::SK, "S"),
            (keys::OVERDUE_SHARD, "S"),
            (keys::OVERDUE_AT, "N"),
            (keys::FLEET_SHARD, "S"),
            (keys::SUSPECT_REGION, "S"),
            (keys::SUSPECT_SINCE, "N"),
        ],
        indexes: vec![
            IndexDescription { name: keys::OVERDUE, key: (keys::OVERDUE_SHARD, keys::OVERDUE_AT), carries: vec!["wakes"] },
            IndexDescription {
                name: keys::FLEET,
                key: (keys::FLEET_SHARD, keys::SK),
                carries: vec!["address", "region", "state", "misses"],
            },
            IndexDescription { name: keys::SUSPECTS, key: (keys::SUSPECT_REGION, keys::SUSPECT_SINCE), carries: vec![] },
        ],
        time_to_live: keys::EXPIRES_AT,
    }
}

/// Makes the table, for an embedded DynamoDB and for tests; in AWS the deployment's template does. Content if it is there.
///
/// # Errors
/// DynamoDB does not make it.
pub async fn create_table(client: &Client, table: &str) -> Result<(), StoreError> {
    let description = table_description();
    let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in &description.attributes {
        let attribute = AttributeDefinition::builder().attribute_name(*name).attribute_type(ScalarAttributeType::from(*kind));
        request = request.attribute_definitions(attribute.build().expect("an attribute has its name and type"));
    }
    for index in &description.indexes {
        request = request.global_secondary_indexes(global(index));
    }
    let sent = request.set_key_schema(Some(key_schema(description.key))).send().await;
    if let Err(error) = sent {
        let refused = StoreError::Refused { action: "making the table", why: chain(&error) };
        return if error.into_service_error().is_resource_in_use_exception() { Ok(()) } else { Err(refused) };
    }
    let expiry = TimeToLiveSpecification::builder().attribute_name(description.time_to_live).enabled(true);
    let expiry = expiry.build().expect("a time to live has its attribute");
    let sent = client.update_time_to_live().table_name(table).time_to_live_specification(expiry).send().await;
    sent.map(|_| ()).map_err(|error| StoreError::Refused { action: "setting the time to live", why: chain(&error) })
}

fn global(index: &IndexDescription) -> GlobalSecondaryIndex {
    let projection = if index.carries.is_empty() {
        Projection::builder().projection_type(ProjectionType::KeysOnly)
    } else {
        let carried = index.carries.iter().map(|name| (*name).to_owned()).collect();
        Projection::builder().projection_type(ProjectionType::Include).set_non_key_attributes(Some(carried))
    };
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.key)))
        .projection(projection.build())
        .build()
        .expect("an index has its name and its key")
}

fn key_schema((partition, sort): (&str, &str)) -> Vec<KeySchemaElement> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| {
            let element = KeySchemaElement::builder().attribute_name(name).key_type(kind);
            element.build().expect("an element of a key has its name and kind")
        })
        .collect()
}
