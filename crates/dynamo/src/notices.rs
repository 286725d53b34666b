//! The outbox: notices are recorded with what causes them, and stay due until they are delivered.

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::Notice;
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::expression::{Expression, number, text};
use crate::keys::{self, EXPIRES_AT, Key, OVERDUE_AT, OVERDUE_SHARD};
use crate::moment::{Moment, expired, expiry};
use crate::read::{Query, key_of, number_of};
use crate::schema::known;
use crate::write::Item;

/// When a notice was delivered.
const DELIVERED_AT: &str = "delivered_at";

/// How long a delivered notice is kept, so that a repetition is recognised: 30 days.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A notice that waits to be delivered, as an index shows it: maybe a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueNotice {
    /// What caused it: the message that asks for its delivery.
    pub cause: String,
    /// Since when it is due.
    pub due_at: Timestamp,
    /// How often it was put off.
    pub wakes: u32,
    key: Key,
}

impl Store {
    /// Notices that are due by a moment: recorded and not delivered, or put off until then. Those that have been due longest come first,
    /// so that what nobody can take, and is put off again and again, never stands before what is recorded later.
    ///
    /// # Errors
    /// The store failed.
    pub async fn due_notices(&self, until: Timestamp, limit: usize) -> Result<Vec<DueNotice>, StoreError> {
        let mut due: Vec<DueNotice> = self.due(keys::notice_shard, Some(until), limit).await?.iter().filter_map(due_notice).collect();
        due.sort_by(|a, b| (a.due_at, &a.key.pk, &a.key.sk).cmp(&(b.due_at, &b.key.pk, &b.key.sk)));
        due.truncate(limit);
        Ok(due)
    }

    /// Puts a notice off. `false`: it was delivered, or another sweep put it off first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn postpone_notice(&self, seen: &DueNotice, until: Timestamp) -> Result<bool, StoreError> {
        let expression = Expression::new()
            .set(OVERDUE_AT, Moment::value(until))
            .assign("#wakes = #wakes + :one")
            .number(":one", 1)
            .when("#overdue_at = :seen")
            .value(":seen", Moment::value(seen.due_at));
        Ok(self.update_item("putting a notice off", &seen.key, &expression).await?.is_ok())
    }

    /// Notices that were not delivered and are due by a moment, oldest first. Whoever wants to see all of them asks for a moment that is
    /// far ahead.
    ///
    /// # Errors
    /// The store failed.
    pub async fn undelivered(&self, until: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let wanted: Vec<Key> = self.due_notices(until, limit as usize).await?.into_iter().map(|due| due.key).collect();
        let mut notices = Vec::new();
        for item in self.get_all("reading notices", &wanted).await? {
            // The index lags: what has been delivered meanwhile is not due.
            if item.contains_key(OVERDUE_AT) {
                notices.push(parse(item)?);
            }
        }
        notices.sort_by(|a, b| (a.recorded_at, &a.id).cmp(&(b.recorded_at, &b.id)));
        Ok(notices)
    }

    /// A notice by its identifier.
    ///
    /// # Errors
    /// The store failed.
    pub async fn notice(&self, id: &str) -> Result<Option<Notice>, StoreError> {
        let Some(key) = keys::notice(id) else {
            return Ok(None);
        };
        let item = self.get("reading a notice", &key).await?;
        item.filter(|item| !expired(number_of(item, EXPIRES_AT), self.clock.now())).map(parse).transpose()
    }

    /// What a cause has to say, in its order, each with whether it was delivered. The cause is what the notices' identifiers begin with:
    /// a run, for example.
    ///
    /// # Errors
    /// The store failed.
    pub async fn notices_of(&self, cause: &str) -> Result<Vec<(Notice, bool)>, StoreError> {
        let expression =
            Expression::new().when("#pk = :cause AND begins_with(#sk, :notices)").text(":cause", cause).text(":notices", keys::NOTICES);
        let query = Query { expression, consistent: true, ..Query::default() };
        let items = self.query_all("reading the notices of a cause", query, usize::MAX).await?;
        let due = items.into_iter().filter(|item| !expired(number_of(item, EXPIRES_AT), self.clock.now()));
        due.map(|item| {
            let delivered = item.contains_key(DELIVERED_AT);
            Ok((parse(item)?, delivered))
        })
        .collect()
    }

    /// Records that a notice was delivered. `false`: it was before, or there is none.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delivered(&self, id: &str) -> Result<bool, StoreError> {
        let Some(key) = keys::notice(id) else {
            return Ok(false);
        };
        let now = self.clock.now();
        let expression = Expression::new()
            .set(DELIVERED_AT, Moment::value(now))
            .set(EXPIRES_AT, expiry(now + KEPT))
            .remove(OVERDUE_SHARD)
            .remove(OVERDUE_AT)
            .when("attribute_exists(#pk) AND attribute_not_exists(#delivered_at)");
        Ok(self.update_item("recording a delivery", &key, &expression).await?.is_ok())
    }

    /// Records a notice that no run causes, such as an incident of the provider. The same identifier twice is one notice.
    ///
    /// # Errors
    /// The identifier has no place (`…-0`), or the store failed.
    pub async fn record_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        let absent = Expression::new().when("attribute_not_exists(#pk)");
        self.put_item("recording a notice", item(notice)?, &absent).await?.or(Ok(()))
    }

    /// The write of a notice, for the transaction of its cause.
    pub(crate) fn noting(&self, notice: &Notice) -> Result<TransactWriteItem, StoreError> {
        Ok(self.putting(item(notice)?, &Expression::new()))
    }
}

fn item(notice: &Notice) -> Result<Item, StoreError> {
    let refused = |why: String| StoreError::Refused { action: "recording a notice", why };
    let key = keys::notice(&notice.id).ok_or_else(|| refused(format!("`{}` names no place", notice.id)))?;
    let mut item: Item = serde_dynamo::to_item(notice).map_err(|error| refused(error.to_string()))?;
    item.extend(key.attributes());
    item.insert(OVERDUE_SHARD.to_owned(), text(keys::notice_shard_of(&notice.id)));
    item.insert(OVERDUE_AT.to_owned(), Moment::value(notice.recorded_at));
    item.insert("wakes".to_owned(), number(0));
    Ok(item)
}

fn due_notice(item: &Item) -> Option<DueNotice> {
    let due_at = item.get(OVERDUE_AT).and_then(Moment::parse)?;
    let key = key_of(item);
    Some(DueNotice { cause: key.pk.clone(), due_at, wakes: number_of(item, "wakes").unwrap_or_default(), key })
}

fn parse(item: Item) -> Result<Notice, StoreError> {
    let (key, item) = (key_of(&item), known(item)?);
    serde_dynamo::from_item(item).map_err(|error| StoreError::corrupt(&key, error))
}
