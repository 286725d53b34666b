use domain::{Instance, OperationId};
use durable::{NewRun, Record};
use flows::parse_run_id;

use crate::Store;
use crate::change::Change;
use crate::error::{CreateError, StoreError};
use crate::expression::Expression;
use crate::idempotency::{self, IdempotencyKey};
use crate::instance_item::{self, Stored};
use crate::instances::kept_changing;
use crate::keys;
use crate::run_item;
use crate::write::Refusals;

/// An instance that is about to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInstance {
    /// The instance, provisioning, with the run already named.
    pub instance: Instance,
    /// The run that makes it.
    pub run: NewRun,
    /// What makes a repetition recognisable.
    pub key: Option<IdempotencyKey>,
    /// How many instances the organisation may have.
    pub quota: u32,
}

/// An instance was made, now or by an earlier request under the same key. Both carry the first answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// By this request; the run wants a message.
    New {
        /// The instance.
        instance: Instance,
        /// The run that makes it.
        record: Record,
    },
    /// By an earlier one.
    Replayed {
        /// The instance as it was in the first answer.
        instance: Instance,
        /// The run as it was in the first answer.
        record: Record,
    },
}

impl Store {
    /// Makes an instance: quota, name, instance, run, audit and idempotency key, all or nothing.
    ///
    /// # Errors
    /// The name is taken, the quota is used up, the key was used for another request, or the store failed.
    pub async fn create(&self, new: NewInstance) -> Result<Created, CreateError> {
        let NewInstance { instance, run, key, quota } = new;
        let (organisation, operation) =
            parse_run_id(&run.id).map_err(|error| StoreError::Refused { action: "creating an instance", why: error.to_string() })?;
        let record = Record::begin(run, self.clock.now());
        let absent = Expression::new().when("attribute_not_exists(#pk)");
        let mut writes = vec![
            self.putting(instance_item::item(&instance, 1)?, &absent),
            self.take_name(&instance),
            self.updating(&keys::quota(&organisation), &one_more(quota)),
            self.putting(run_item::item(&record)?, &absent),
            self.change(&instance, &Change { id: operation, what: "create", started: true }),
        ];
        if let Some(key) = &key {
            let (item, condition) = self.answer(key, &instance, Some(operation), true)?;
            writes.push(self.putting(item, &condition));
        }
        match self.transact("creating an instance", &writes).await? {
            Ok(()) => Ok(Created::New { instance, record }),
            Err(refusals) => self.not_created(refusals, instance, record, operation, key, quota).await,
        }
    }

    /// Why it was not created. A repetition meets its own name and its own instance, so the key is looked at first.
    async fn not_created(
        &self,
        refusals: Refusals,
        instance: Instance,
        record: Record,
        operation: OperationId,
        key: Option<IdempotencyKey>,
        quota: u32,
    ) -> Result<Created, CreateError> {
        let organisation = instance.organisation;
        if let (Some(key), Some(refused)) = (&key, refusals.at(5)) {
            let answered = refused.0.clone().map(|item| idempotency::parse(&organisation, item, self.clock.now())).transpose()?.flatten();
            let answered = answered.ok_or_else(|| kept_changing("creating an instance"))?;
            if answered.digest != key.digest {
                return Err(CreateError::KeyReused);
            }
            let record = self.answered_run(&organisation, &answered).await?;
            let record = record.ok_or_else(|| StoreError::corrupt(&keys::idempotency(&organisation, &key.key), "its run is gone"))?;
            return Ok(Created::Replayed { instance: answered.instance, record });
        }
        if let Some(refused) = refusals.at(0) {
            // The very same instance: an earlier try of this call whose answer was lost for good.
            let stored = refused.0.clone().map(Stored::parse).transpose()?;
            if stored.is_some_and(|stored| stored.instance.operation == Some(operation)) {
                return Ok(Created::New { instance, record });
            }
        }
        if refusals.at(1).is_some() {
            return Err(CreateError::NameTaken { name: instance.name });
        }
        if refusals.at(2).is_some() {
            return Err(CreateError::QuotaExceeded { limit: quota });
        }
        Err(StoreError::Refused { action: "creating an instance", why: "its identifier is in use".to_owned() }.into())
    }
}

/// One more instance, if there is room.
fn one_more(quota: u32) -> Expression {
    Expression::new()
        .assign("#instances = if_not_exists(#instances, :none) + :one")
        .number(":none", 0)
        .number(":one", 1)
        .when("(attribute_not_exists(#instances) AND :none < :quota) OR #instances < :quota")
        .number(":quota", quota)
}

/// One less.
pub(crate) fn one_less() -> Expression {
    Expression::new().assign("#instances = #instances - :one").number(":one", 1).when("#instances >= :one")
}
