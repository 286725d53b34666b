//! Reads: by key, by keys, and by query. There is no scan.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use crate::error::{Failure, StoreError, classify};
use crate::expression::Expression;
use crate::keys::{self, Key};
use crate::schema::known;
use crate::write::Item;
use crate::{Store, Way};

/// A query of the table or of an index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) index: Option<&'static str>,
    pub(crate) expression: Expression,
    pub(crate) filter: Option<&'static str>,
    pub(crate) newest_first: bool,
    pub(crate) consistent: bool,
    pub(crate) limit: Option<u32>,
    pub(crate) after: Option<Item>,
}

/// One page of a query.
pub(crate) struct Found {
    pub(crate) items: Vec<Item>,
    pub(crate) next: Option<Item>,
}

/// Keys of one `BatchGetItem`.
const BATCH: usize = 100;

impl Store {
    /// One item, as it is now.
    pub(crate) async fn get(&self, action: &'static str, key: &Key) -> Result<Option<Item>, StoreError> {
        let client = match &self.way {
            Way::Dynamo(client) => client,
            #[cfg(feature = "testing")]
            Way::Memory(table) => {
                let item = table.get(action, key).await.map_err(|failure| unavailable(action, failure))?;
                return item.map(known).transpose();
            }
        };
        let sent = client.get_item().table_name(&*self.table).set_key(Some(key.attributes())).consistent_read(true).send().await;
        sent.map_err(|error| unavailable(action, classify(action, &error)))?.item.map(known).transpose()
    }

    /// One item, as it was a moment ago, for half the price.
    pub(crate) async fn glance(&self, action: &'static str, key: &Key) -> Result<Option<Item>, StoreError> {
        let client = match &self.way {
            Way::Dynamo(client) => client,
            #[cfg(feature = "testing")]
            Way::Memory(table) => {
                let item = table.get(action, key).await.map_err(|failure| unavailable(action, failure))?;
                return item.map(known).transpose();
            }
        };
        let sent = client.get_item().table_name(&*self.table).set_key(Some(key.attributes())).send().await;
        sent.map_err(|error| unavailable(action, classify(action, &error)))?.item.map(known).transpose()
    }

    /// The items of these keys that are there, in no order. Whoever parses one asks whether its form is [`known`]: they may be of many
    /// owners, and one that is not to be read must not keep the others from being read.
    pub(crate) async fn get_all(&self, action: &'static str, wanted: &[Key]) -> Result<Vec<Item>, StoreError> {
        let client = match &self.way {
            Way::Dynamo(client) => client,
            #[cfg(feature = "testing")]
            Way::Memory(table) => {
                return table.get_all(action, wanted).await.map_err(|failure| unavailable(action, failure));
            }
        };
        let mut items = Vec::new();
        for batch in wanted.chunks(BATCH) {
            let attributes = batch.iter().map(Key::attributes).collect();
            let mut asked = Some(HashMap::from([(self.table.to_string(), request(action, attributes)?)]));
            // Under load DynamoDB answers a part and gives the rest of the keys back.
            let mut rounds = 0;
            while let Some(keys) = asked.take().filter(|keys| !keys.is_empty()) {
                rounds += 1;
                if rounds > BATCH {
                    return Err(StoreError::Unavailable { action, why: "keys came back unread again and again".to_owned() });
                }
                let sent = client.batch_get_item().set_request_items(Some(keys)).send().await;
                let answer = sent.map_err(|error| unavailable(action, classify(action, &error)))?;
                items.extend(answer.responses.unwrap_or_default().into_values().flatten());
                asked = answer.unprocessed_keys;
            }
        }
        Ok(items)
    }

    /// One page.
    pub(crate) async fn query(&self, action: &'static str, query: &Query) -> Result<Found, StoreError> {
        let client = match &self.way {
            Way::Dynamo(client) => client,
            #[cfg(feature = "testing")]
            Way::Memory(table) => {
                let found = table.query(action, query).await.map_err(|failure| unavailable(action, failure))?;
                return Ok(Found { items: found.items.into_iter().map(known).collect::<Result<_, _>>()?, next: found.next });
            }
        };
        let sent = client
            .query()
            .table_name(&*self.table)
            .set_index_name(query.index.map(str::to_owned))
            .set_key_condition_expression(query.expression.condition())
            .set_filter_expression(query.filter.map(str::to_owned))
            .set_expression_attribute_names(query.expression.names())
            .set_expression_attribute_values(query.expression.values())
            .scan_index_forward(!query.newest_first)
            .set_consistent_read(query.consistent.then_some(true))
            .set_limit(query.limit.and_then(|limit| i32::try_from(limit).ok()))
            .set_exclusive_start_key(query.after.clone())
            .send()
            .await;
        let answer = sent.map_err(|error| unavailable(action, classify(action, &error)))?;
        let items = answer.items.unwrap_or_default().into_iter().map(known).collect::<Result<_, _>>()?;
        Ok(Found { items, next: answer.last_evaluated_key })
    }

    /// Every page, or as many as it takes to have `most` items.
    pub(crate) async fn query_all(&self, action: &'static str, mut query: Query, most: usize) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        loop {
            let found = self.query(action, &query).await?;
            items.extend(found.items);
            if found.next.is_none() || items.len() >= most {
                items.truncate(most);
                return Ok(items);
            }
            query.after = found.next;
        }
    }
}

/// The text of an item's attribute.
pub(crate) fn text_of<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// The number of an item's attribute.
pub(crate) fn number_of<T: std::str::FromStr>(item: &Item, attribute: &str) -> Option<T> {
    item.get(attribute).and_then(|value: &AttributeValue| value.as_n().ok())?.parse().ok()
}

/// The primary key of an item.
pub(crate) fn key_of(item: &Item) -> Key {
    let part = |attribute| text_of(item, attribute).unwrap_or("?").to_owned();
    Key { pk: part(keys::PK), sk: part(keys::SK) }
}

fn request(action: &'static str, keys: Vec<Item>) -> Result<KeysAndAttributes, StoreError> {
    KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .consistent_read(true)
        .build()
        .map_err(|error| StoreError::Refused { action, why: error.to_string() })
}

fn unavailable(action: &'static str, failure: Failure) -> StoreError {
    match failure {
        Failure::Contention(why) => StoreError::Unavailable { action, why },
        Failure::Final(error) => error,
    }
}
