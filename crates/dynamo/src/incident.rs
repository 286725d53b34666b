//! The provider's incident, if one is open, and the minute whose repairs were started: a single small item each.

use flows::health::Incident;

use uuid::Uuid;

use crate::Store;
use crate::error::StoreError;
use crate::expression::{Expression, number, text};
use crate::keys;
use crate::read::text_of;
use crate::write::Item;

impl Store {
    /// The incident that is open.
    ///
    /// # Errors
    /// The store failed.
    pub async fn incident(&self) -> Result<Option<Incident>, StoreError> {
        let item = self.get("reading the incident", &keys::incident()).await?;
        item.map(|item| serde_dynamo::from_item(item).map_err(|error| StoreError::corrupt(&keys::incident(), error))).transpose()
    }

    /// Opens, moves on or closes the incident, if it still is as it was read. `false`: another sweep was faster.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_incident(&self, seen: Option<&Incident>, next: Option<&Incident>) -> Result<bool, StoreError> {
        let key = keys::incident();
        let unchanged = match seen {
            None => Expression::new().when("attribute_not_exists(#pk)"),
            Some(seen) => Expression::new()
                .when("#opened_minute = :opened AND #last_seen_minute = :seen AND #regions = :regions")
                .number(":opened", seen.opened_minute)
                .number(":seen", seen.last_seen_minute)
                .value(":regions", serde_dynamo::to_attribute_value(&seen.regions).map_err(|error| StoreError::corrupt(&key, error))?),
        };
        let Some(next) = next else {
            return Ok(seen.is_none() || self.delete_item("closing the incident", &key, &unchanged).await?.is_ok());
        };
        let mut item: Item = serde_dynamo::to_item(next).map_err(|error| StoreError::corrupt(&key, error))?;
        item.extend(key.attributes());
        Ok(self.put_item("writing the incident", item, &unchanged).await?.is_ok())
    }

    /// Takes a minute's repairs for the one sweep that asks first. `false`: those of this minute or of a later one are taken, or the
    /// schedule's event was delivered twice.
    ///
    /// # Errors
    /// The store failed.
    pub async fn take_repairs(&self, minute: i64) -> Result<bool, StoreError> {
        let taker = Uuid::new_v4().to_string();
        let expression = Expression::new()
            .set("minute", number(minute))
            .set("taken_by", text(&*taker))
            .when("attribute_not_exists(#pk) OR #minute < :minute");
        // Refused by its own earlier try, whose answer was lost, it is taken all the same.
        Ok(match self.update_item("taking a minute's repairs", &keys::repairs(), &expression).await? {
            Ok(_) => true,
            Err(refused) => refused.0.is_some_and(|item| text_of(&item, "taken_by") == Some(&*taker)),
        })
    }
}
