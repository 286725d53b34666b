//! The provider's incident, if one is open: a single small item.

use flows::health::Incident;

use crate::Store;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::keys;
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
}
