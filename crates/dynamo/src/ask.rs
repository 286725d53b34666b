use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{Instance, InstanceId, OperationId, OrganisationId};
use durable::{NewRun, Outcome, Phase, Record, RunId};
use flows::{Ask, Decision, decide, decide_repair, parse_run_id};
use jiff::Timestamp;

use crate::Store;
use crate::change::Change;
use crate::error::{AskError, StoreError};
use crate::expression::Expression;
use crate::idempotency::IdempotencyKey;
use crate::instance_item::Stored;
use crate::instances::{DECISIONS, kept_changing};
use crate::journal::cancelling;
use crate::keys::{self, OVERDUE_AT};
use crate::moment::Moment;
use crate::run_item;

/// What became of a wish.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The instance as it is now.
    pub instance: Instance,
    /// The run that fulfils the wish: the one that was started, or the one under way. None where nothing is to be done.
    pub record: Option<Record>,
    /// Whether this request started it.
    pub started: bool,
    /// The run that wants a message now: the one that was started, or one that was asked to cancel and that nobody works on.
    pub wake: Option<RunId>,
}

impl Store {
    /// Asks something of an instance: starts a run, raises the wish that the run under way will meet at its end, or finds nothing to do.
    ///
    /// # Errors
    /// There is no such instance, it is busy, its state forbids it, the key was used for another request, or the store failed.
    pub async fn ask(
        &self,
        organisation: &OrganisationId,
        id: &InstanceId,
        ask: Ask,
        key: Option<IdempotencyKey>,
    ) -> Result<Asked, AskError> {
        for _ in 0..DECISIONS {
            if let Some(asked) = self.asked_before(organisation, key.as_ref()).await? {
                return Ok(asked);
            }
            let Some(stored) = self.stored(organisation, id).await? else {
                return Err(AskError::NotFound);
            };
            let current = match &stored.instance.operation {
                Some(operation) => self.operation(organisation, operation).await?,
                None => None,
            };
            let (asked, mut writes) = self.decided(stored, current, ask)?;
            if let Some(key) = &key {
                let operation = asked.record.as_ref().and_then(|record| parse_run_id(&record.id).ok()).map(|(_, operation)| operation);
                let (item, condition) = self.answer(key, &asked.instance, operation, asked.started)?;
                writes.push(self.putting(item, &condition));
            }
            if writes.is_empty() || self.transact("asking something of an instance", &writes).await?.is_ok() {
                return Ok(asked);
            }
        }
        Err(kept_changing("asking something of an instance").into())
    }

    /// What is to be written, and what to answer once it is.
    fn decided(&self, stored: Stored, current: Option<Record>, ask: Ask) -> Result<(Asked, Vec<TransactWriteItem>), AskError> {
        let (now, fresh, what) = (self.clock.now(), OperationId::generate(), ask.verb.as_str());
        match decide(&self.deployment, &stored.instance, current.as_ref(), ask, fresh, now) {
            Decision::Gone => Err(AskError::NotFound),
            Decision::Busy => Err(AskError::Busy { operation: stored.instance.operation }),
            Decision::Forbidden => Err(AskError::Forbidden { state: stored.instance.state }),
            Decision::Nothing => Ok((Asked { instance: stored.instance, record: current, started: false, wake: None }, Vec::new())),
            Decision::Start { instance, run, abandon } => {
                let (record, mut writes) = self.starting(&stored, &instance, *run, what, now)?;
                if let Some(parked) = current.filter(|run| abandon.as_ref() == Some(&run.id)) {
                    writes.push(self.abandoning(&parked, now)?);
                }
                let wake = Some(record.id.clone());
                Ok((Asked { instance: *instance, record: Some(record), started: true, wake }, writes))
            }
            Decision::Absorb { instance, cancel } => {
                let mut writes = vec![
                    self.putting(stored.replaced_by(&instance)?, &stored.unchanged()),
                    self.change(&instance, &Change { id: fresh, what, started: false }),
                ];
                let mut wake = None;
                if let Some(run) = current.as_ref().filter(|run| cancel.as_ref() == Some(&run.id)) {
                    let (write, unattended) = self.cancelling_too(run, now);
                    writes.extend(write);
                    wake = unattended;
                }
                Ok((Asked { instance: *instance, record: current, started: false, wake }, writes))
            }
        }
    }

    /// Starts a repair, unless the instance is busy, well, or not wanted running any more. The run wants a message.
    ///
    /// # Errors
    /// The store failed.
    pub async fn start_repair(&self, organisation: &OrganisationId, id: &InstanceId) -> Result<Option<Record>, StoreError> {
        for _ in 0..DECISIONS {
            let Some(stored) = self.stored(organisation, id).await? else {
                return Ok(None);
            };
            // The index of suspects may lag: who has answered since is left alone.
            if stored.instance.health.misses < flows::health::SUSPECT_AFTER {
                return Ok(None);
            }
            let now = self.clock.now();
            let Some((instance, run)) = decide_repair(&stored.instance, OperationId::generate(), now) else {
                return Ok(None);
            };
            let (record, writes) = self.starting(&stored, &instance, run, "repair", now)?;
            if self.transact("starting a repair", &writes).await?.is_ok() {
                return Ok(Some(record));
            }
        }
        Err(kept_changing("starting a repair"))
    }

    /// What was answered to the same request before.
    async fn asked_before(&self, organisation: &OrganisationId, key: Option<&IdempotencyKey>) -> Result<Option<Asked>, AskError> {
        let Some(key) = key else {
            return Ok(None);
        };
        let Some(answered) = self.answered(organisation, key).await? else {
            return Ok(None);
        };
        if answered.digest != key.digest {
            return Err(AskError::KeyReused);
        }
        let record = self.answered_run(organisation, &answered).await?;
        Ok(Some(Asked { instance: answered.instance, record, started: answered.started, wake: None }))
    }

    /// The writes that give an instance to a new run, and the run.
    pub(crate) fn starting(
        &self,
        stored: &Stored,
        instance: &Instance,
        run: NewRun,
        what: &str,
        now: Timestamp,
    ) -> Result<(Record, Vec<TransactWriteItem>), StoreError> {
        let record = Record::begin(run, now);
        let mut writes = vec![self.putting(stored.replaced_by(instance)?, &stored.unchanged())];
        writes.extend(self.beginning(instance, &record, what)?);
        Ok((record, writes))
    }

    /// The writes of a new run itself.
    pub(crate) fn beginning(&self, instance: &Instance, record: &Record, what: &str) -> Result<[TransactWriteItem; 2], StoreError> {
        let (_, operation) =
            parse_run_id(&record.id).map_err(|error| StoreError::Refused { action: "starting a run", why: error.to_string() })?;
        Ok([
            self.putting(run_item::item(record)?, &Expression::new().when("attribute_not_exists(#pk)")),
            self.change(instance, &Change { id: operation, what, started: true }),
        ])
    }

    /// Ends a parked run whose instance is taken from it.
    fn abandoning(&self, parked: &Record, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let mut record = parked.clone();
        record.phase = Phase::Done { outcome: Outcome::Abandoned };
        record.rev = record.rev.saturating_add(1);
        (record.lease_until, record.not_before, record.overdue_at) = (None, None, None);
        (record.ended_at, record.updated_at) = (Some(now), now);
        let seen =
            run_item::replace(&record)?.when("#phase = :parked AND #rev = :seen").text(":parked", "parked").number(":seen", parked.rev);
        Ok(self.updating(&keys::run(&parked.id), &seen))
    }

    /// The write that asks the run under way to cancel, if it still can, and the run if nobody works on it. One that has committed goes
    /// on to its end and meets the raised wish there.
    fn cancelling_too(&self, run: &Record, now: Timestamp) -> (Option<TransactWriteItem>, Option<RunId>) {
        if run.phase != Phase::Running || run.committed {
            return (None, None);
        }
        let leased = run.lease_until.filter(|until| *until > now);
        let expression = match leased {
            Some(until) => cancelling(now).when("#lease_until = :until").value(":until", Moment::value(until)),
            None => cancelling(now).when("attribute_not_exists(#lease_until) OR #lease_until <= :now").set(OVERDUE_AT, Moment::value(now)),
        };
        (Some(self.updating(&keys::run(&run.id), &expression)), leased.is_none().then(|| run.id.clone()))
    }
}
