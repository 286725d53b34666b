//! Idempotency keys: the first answer to a request is kept, in the transaction of its effect, and given again.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Instance, InstanceId, OperationId, OrganisationId};
use durable::{NewRun, Record};
use jiff::Timestamp;

use crate::Store;
use crate::error::StoreError;
use crate::expression::{Expression, text};
use crate::instance_item;
use crate::keys::{self, EXPIRES_AT, Key};
use crate::moment::{expired, expiry};
use crate::read::{key_of, number_of, text_of};
use crate::write::Item;

/// What a client gives so that a request that is sent twice is done once
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header>). Unique within its organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The client's text.
    pub key: String,
    /// SHA-256 of method, path and body: the same key with another request is a mistake of the client.
    pub digest: String,
}

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The first answer.
pub(crate) struct Answered {
    pub(crate) digest: String,
    /// The instance as it was then.
    pub(crate) instance: Instance,
    /// The run that was named.
    pub(crate) operation: Option<OperationId>,
    /// Whether the request started it.
    pub(crate) started: bool,
}

impl Store {
    /// The item that keeps an answer, and the condition that there is none yet.
    pub(crate) fn answer(
        &self,
        key: &IdempotencyKey,
        instance: &Instance,
        operation: Option<OperationId>,
        started: bool,
    ) -> Result<(Item, Expression), StoreError> {
        let now = self.clock.now();
        let mut item = keys::idempotency(&instance.organisation, &key.key).attributes();
        item.insert("digest".to_owned(), text(&key.digest));
        item.insert("id".to_owned(), text(instance.id.to_string()));
        item.insert("instance".to_owned(), instance_item::embedded(instance)?);
        item.insert("started".to_owned(), AttributeValue::Bool(started));
        item.insert(EXPIRES_AT.to_owned(), expiry(now + KEPT));
        if let Some(operation) = operation {
            item.insert("operation".to_owned(), text(operation.to_string()));
        }
        let condition = Expression::new().when("attribute_not_exists(#pk) OR #expires_at <= :now").value(":now", expiry(now));
        Ok((item, condition))
    }

    /// The first answer under a key.
    pub(crate) async fn answered(&self, organisation: &OrganisationId, key: &IdempotencyKey) -> Result<Option<Answered>, StoreError> {
        let item = self.get("reading an idempotency key", &keys::idempotency(organisation, &key.key)).await?;
        item.map(|item| parse(organisation, item, self.clock.now())).transpose().map(Option::flatten)
    }

    /// The run of an answer as it was in that answer: at its beginning if the request started it, otherwise as it is.
    pub(crate) async fn answered_run(&self, organisation: &OrganisationId, answered: &Answered) -> Result<Option<Record>, StoreError> {
        let Some(operation) = &answered.operation else {
            return Ok(None);
        };
        let record = self.operation(organisation, operation).await?;
        Ok(if answered.started { record.map(at_its_beginning) } else { record })
    }
}

/// Reads an answer, unless its time is over.
pub(crate) fn parse(organisation: &OrganisationId, mut item: Item, now: Timestamp) -> Result<Option<Answered>, StoreError> {
    if expired(number_of(&item, EXPIRES_AT), now) {
        return Ok(None);
    }
    let key = key_of(&item);
    let id: InstanceId = required(&item, "id", &key)?.parse().map_err(|error| StoreError::corrupt(&key, error))?;
    let operation = text_of(&item, "operation").map(str::parse).transpose().map_err(|error| StoreError::corrupt(&key, error))?;
    let digest = required(&item, "digest", &key)?.to_owned();
    let started = matches!(item.get("started"), Some(AttributeValue::Bool(true)));
    let instance = item.remove("instance").ok_or_else(|| StoreError::corrupt(&key, "it has no `instance`"))?;
    let instance = instance_item::parse_embedded(instance, (organisation, &id), &key)?;
    Ok(Some(Answered { digest, instance, operation, started }))
}

fn required<'a>(item: &'a Item, attribute: &str, key: &Key) -> Result<&'a str, StoreError> {
    text_of(item, attribute).ok_or_else(|| StoreError::corrupt(key, format!("it has no `{attribute}`")))
}

/// What a run began with never changes, so its beginning can be told at any time.
fn at_its_beginning(record: Record) -> Record {
    let Record { id, kind, version, subject, plan, created_at, .. } = record;
    Record::begin(NewRun { id, kind, version, subject, plan }, created_at)
}
