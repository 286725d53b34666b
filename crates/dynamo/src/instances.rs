//! Instances as their owners see them.

use domain::{Instance, InstanceId, InstanceName, OperationId, OrganisationId, Region, Wanted};

use crate::Store;
use crate::change::Change;
use crate::error::{StoreError, UpdateError};
use crate::expression::{Expression, text};
use crate::instance_item::Stored;
use crate::keys;
use crate::read::Query;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, Id = InstanceId> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask the next page after; absent on the last one.
    pub next: Option<Id>,
}

/// What may be changed of an instance without a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// A new name.
    pub name: Option<InstanceName>,
    /// The regions it may live in, the preferred one first.
    pub regions: Option<Vec<Region>>,
}

/// How often a decision is made anew because what it stood on had changed meanwhile.
pub(crate) const DECISIONS: u32 = 5;

impl Store {
    /// An instance of an organisation, as it is now. One that is being deleted is there until it is gone.
    ///
    /// # Errors
    /// The store failed.
    pub async fn instance(&self, organisation: &OrganisationId, id: &InstanceId) -> Result<Option<Instance>, StoreError> {
        Ok(self.stored(organisation, id).await?.map(|stored| stored.instance))
    }

    /// The instances of an organisation in the order of their making, after the one that ended the page before. Those that are being
    /// deleted are left out: for their owner they no longer exist.
    ///
    /// # Errors
    /// The store failed.
    pub async fn instances(
        &self,
        organisation: &OrganisationId,
        after: Option<InstanceId>,
        limit: u32,
    ) -> Result<Page<Instance>, StoreError> {
        let query = Query {
            expression: Expression::new()
                .when("#pk = :organisation AND begins_with(#sk, :instances)")
                .text(":organisation", organisation.to_string())
                .text(":instances", keys::INSTANCES)
                .name_of("state")
                .text(":deleting", domain::State::Deleting.as_str()),
            filter: Some("#state <> :deleting"),
            limit: Some(limit.saturating_add(1)),
            after: after.map(|after| keys::instance(organisation, &after).attributes()),
            ..Query::default()
        };
        let most = limit as usize;
        let mut items = self.query_all("listing instances", query, most + 1).await?;
        let more = items.len() > most;
        items.truncate(most);
        let instances = items.into_iter().map(|item| Ok(Stored::parse(item)?.instance)).collect::<Result<Vec<_>, StoreError>>()?;
        let next = instances.last().map(|instance| instance.id).filter(|_| more);
        Ok(Page { items: instances, next })
    }

    /// Changes an instance without a run.
    ///
    /// # Errors
    /// There is no such instance, the name is taken, or the store failed.
    pub async fn update(&self, organisation: &OrganisationId, id: &InstanceId, patch: Patch) -> Result<Instance, UpdateError> {
        for _ in 0..DECISIONS {
            let stored = self.stored(organisation, id).await?.filter(|stored| stored.instance.wanted != Wanted::Deleted);
            let Some(stored) = stored else {
                return Err(UpdateError::NotFound);
            };
            let mut instance = stored.instance.clone();
            if let Some(name) = &patch.name {
                instance.name.clone_from(name);
            }
            if let Some(regions) = &patch.regions {
                instance.regions.clone_from(regions);
            }
            if instance == stored.instance {
                return Ok(instance);
            }
            instance.updated_at = self.clock.now();
            let renamed = instance.name != stored.instance.name;
            let what = if renamed { "rename" } else { "change_regions" };
            let mut writes = vec![
                self.putting(stored.replaced_by(&instance)?, &stored.unchanged()),
                self.change(&instance, &Change { id: OperationId::generate(), what, started: false }),
            ];
            if renamed {
                writes.push(self.take_name(&instance));
                writes.push(self.give_name_back(&stored.instance));
            }
            let Err(refusals) = self.transact("changing an instance", &writes).await? else {
                return Ok(instance);
            };
            if refusals.at(0).is_none() && refusals.at(2).is_some() {
                return Err(UpdateError::NameTaken { name: instance.name });
            }
        }
        Err(kept_changing("changing an instance").into())
    }

    pub(crate) async fn stored(&self, organisation: &OrganisationId, id: &InstanceId) -> Result<Option<Stored>, StoreError> {
        self.get("reading an instance", &keys::instance(organisation, id)).await?.map(Stored::parse).transpose()
    }

    pub(crate) fn take_name(&self, instance: &Instance) -> aws_sdk_dynamodb::types::TransactWriteItem {
        let mut item = keys::name(&instance.organisation, &instance.name).attributes();
        item.insert("instance".to_owned(), text(instance.id.to_string()));
        self.putting(item, &Expression::new().when("attribute_not_exists(#pk)"))
    }

    /// Only its own name: it may have been given on already.
    pub(crate) fn give_name_back(&self, instance: &Instance) -> aws_sdk_dynamodb::types::TransactWriteItem {
        let own = Expression::new().when("#instance = :instance").text(":instance", instance.id.to_string());
        self.deleting(&keys::name(&instance.organisation, &instance.name), &own)
    }
}

pub(crate) fn kept_changing(action: &'static str) -> StoreError {
    StoreError::Unavailable { action, why: "what it stands on kept changing".to_owned() }
}
