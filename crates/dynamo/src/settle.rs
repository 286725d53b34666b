//! The end of a run: everything it means, in one transaction.

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::OperationId;
use durable::{Ended, Ending, Guard, Held, Record, RunId};
use flows::{Settlement, parse_subject, settle};

use crate::Store;
use crate::create::one_less;
use crate::error::StoreError;
use crate::expression::text;
use crate::instance_item::Stored;
use crate::instances::{DECISIONS, kept_changing};
use crate::journal::{Whose, holding, whose};
use crate::keys;
use crate::read::text_of;
use crate::run_item;

/// Where an ended run names the one that follows it.
const FOLLOWED_BY: &str = "followed_by";

impl Store {
    /// Ends a run. What it means to its instance is decided on the instance as it was read, and decided anew if that changed meanwhile.
    pub(crate) async fn settle(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, StoreError> {
        let key = keys::run(&next.id);
        for _ in 0..DECISIONS {
            let (follow_up, consequences) = self.consequences(next, ending).await?;
            let mut expression = holding(run_item::replace(next)?, held, guard);
            if let Some(run) = &follow_up {
                expression = expression.set(FOLLOWED_BY, text(&run.0));
            }
            let mut writes = vec![self.updating(&key, &expression)];
            writes.extend(consequences);
            let Err(refusals) = self.transact("ending a run", &writes).await? else {
                return Ok(Ended::Yes { follow_up });
            };
            let Some(refused) = refusals.at(0) else {
                continue;
            };
            return Ok(match whose(refused.0.as_ref(), held, next) {
                Whose::Mine(item) => Ended::Yes { follow_up: text_of(item, FOLLOWED_BY).map(|id| RunId(id.to_owned())) },
                Whose::Guarded => Ended::Cancelled,
                Whose::Theirs => Ended::Superseded,
            });
        }
        Err(kept_changing("ending a run"))
    }

    /// The run that follows, and all writes but that of the run itself.
    async fn consequences(&self, next: &Record, ending: &Ending) -> Result<(Option<RunId>, Vec<TransactWriteItem>), StoreError> {
        let Some(stored) = self.subject(next).await? else {
            return Ok((None, Vec::new()));
        };
        let now = self.clock.now();
        let settled = settle(&self.deployment, &stored.instance, next, ending, OperationId::generate(), now);
        let Settlement { instance, follow_up, notices } = settled.map_err(|error| StoreError::corrupt(&keys::run(&next.id), error))?;

        let mut writes = Vec::new();
        match &instance {
            Some(instance) => writes.push(self.putting(stored.replaced_by(instance)?, &stored.unchanged())),
            None => {
                let gone = &stored.instance;
                writes.push(self.deleting(&keys::instance(&gone.organisation, &gone.id), &stored.unchanged()));
                writes.push(self.give_name_back(gone));
                writes.push(self.updating(&keys::quota(&gone.organisation), &one_less()));
            }
        }
        let follow_up = follow_up.map(|run| Record::begin(run, now));
        if let Some(record) = &follow_up {
            writes.extend(self.beginning(instance.as_ref().unwrap_or(&stored.instance), record, &record.kind)?);
        }
        for notice in &notices {
            writes.push(self.noting(notice)?);
        }
        Ok((follow_up.map(|record| record.id), writes))
    }

    /// The instance that a run is about, if it is about one and still owns it. A run that lost its instance ends alone.
    async fn subject(&self, run: &Record) -> Result<Option<Stored>, StoreError> {
        let Ok((organisation, instance)) = parse_subject(&run.subject) else {
            return Ok(None);
        };
        let stored = self.stored(&organisation, &instance).await?;
        Ok(stored.filter(|stored| stored.instance.operation.is_some_and(|operation| flows::run_id(&organisation, &operation) == run.id)))
    }
}
