//! Operations: runs as their owners see them.

use domain::{InstanceId, OperationId, OrganisationId};
use durable::{Phase, Record};
use flows::run_id;

use crate::Store;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::instances::Page;
use crate::keys::{self, Key};
use crate::read::{Query, key_of, text_of};
use crate::run_item;

impl Store {
    /// An operation of an organisation; ended ones for 90 days.
    ///
    /// # Errors
    /// The store failed.
    pub async fn operation(&self, organisation: &OrganisationId, operation: &OperationId) -> Result<Option<Record>, StoreError> {
        self.run(&run_id(organisation, operation)).await
    }

    /// The operations of an instance, newest first, after the one that ended the page before.
    ///
    /// # Errors
    /// The store failed.
    pub async fn operations(
        &self,
        organisation: &OrganisationId,
        instance: &InstanceId,
        after: Option<OperationId>,
        limit: u32,
    ) -> Result<Page<Record, OperationId>, StoreError> {
        let prefix = keys::changes(instance);
        let query = Query {
            expression: Expression::new()
                .when("#pk = :organisation AND begins_with(#sk, :changes)")
                .text(":organisation", organisation.to_string())
                .text(":changes", &prefix)
                .name_of("operation"),
            filter: Some("attribute_exists(#operation)"),
            newest_first: true,
            limit: Some(limit.saturating_add(1)),
            after: after.map(|after| keys::change(organisation, instance, &after).attributes()),
            ..Query::default()
        };
        let most = limit as usize;
        let mut changes = self.query_all("listing operations", query, most + 1).await?;
        let more = changes.len() > most;
        changes.truncate(most);
        let ids: Vec<OperationId> = changes.iter().filter_map(|item| keys::parse_change(text_of(item, keys::SK)?)).collect();
        let wanted: Vec<Key> = ids.iter().map(|operation| keys::operation(organisation, operation)).collect();
        let now = self.clock.now();
        let mut items = Vec::new();
        for item in self.get_all("reading operations", &wanted).await? {
            items.extend(run_item::parse(item, now)?);
        }
        items.sort_by(|a: &Record, b| b.id.cmp(&a.id));
        Ok(Page { items, next: ids.last().copied().filter(|_| more) })
    }

    /// Runs that wait for a person, those that wait longest first, at most `limit` of them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn parked(&self, limit: usize) -> Result<Vec<Record>, StoreError> {
        let waiting = self.due(keys::parked_shard, None, limit).await?;
        let wanted: Vec<Key> = waiting.iter().map(key_of).collect();
        let now = self.clock.now();
        let mut parked = Vec::new();
        for item in self.get_all("reading parked runs", &wanted).await? {
            // The index lags: somebody may have come meanwhile.
            parked.extend(run_item::parse(item, now)?.filter(|run| matches!(run.phase, Phase::Parked { .. })));
        }
        parked.sort_by_key(|run| run.updated_at);
        parked.truncate(limit);
        Ok(parked)
    }
}
