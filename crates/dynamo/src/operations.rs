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

    /// Runs that wait for a person, those that wait longest first, at most `limit` of them. One that cannot be read is logged and passed
    /// over: it must not keep the others from being seen.
    ///
    /// # Errors
    /// The store failed.
    pub async fn parked(&self, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut parked = Vec::new();
        for run in self.runs_in(keys::parked_shard, limit).await? {
            match run {
                Ok(run) => parked.push(run),
                Err(error) => tracing::error!(%error, "a run that waits for a person was passed over"),
            }
        }
        // The index lags: somebody may have come meanwhile.
        parked.retain(|run| matches!(run.phase, Phase::Parked { .. }));
        parked.sort_by_key(|run| run.updated_at);
        parked.truncate(limit);
        Ok(parked)
    }

    /// Every run that is live or parked.
    ///
    /// # Errors
    /// The store failed.
    pub async fn under_way(&self) -> Result<Vec<Record>, StoreError> {
        let (live, parked) = futures::try_join!(self.runs_in(keys::run_shard, usize::MAX), self.runs_in(keys::parked_shard, usize::MAX))?;
        let mut runs = live.into_iter().chain(parked).collect::<Result<Vec<_>, _>>()?;
        runs.retain(|run| !matches!(run.phase, Phase::Done { .. }));
        // One that was parked between the two looks is in both.
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        runs.dedup_by(|a, b| a.id == b.id);
        Ok(runs)
    }

    /// The runs that the index of due things has in these shards, at most `limit` of each, as they stand now, or why they
    /// cannot be read.
    async fn runs_in(&self, shard: fn(u32) -> String, limit: usize) -> Result<Vec<Result<Record, StoreError>>, StoreError> {
        let indexed = self.due(shard, None, limit).await?;
        let wanted: Vec<Key> = indexed.iter().map(key_of).collect();
        let now = self.clock.now();
        let items = self.get_all("reading runs", &wanted).await?;
        Ok(items.into_iter().filter_map(|item| run_item::parse(item, now).transpose()).collect())
    }
}
