//! The journal of runs: each method one conditional write (`crates/durable` says what each must mean).

use async_trait::async_trait;
use durable::{
    CancelReply, Claim, Ended, Ending, Guard, Held, Journal, JournalError, NewRun, Overdue, OwnerId, Phase, Record, RunId, Why, Written,
};
use futures::future::try_join_all;
use jiff::Timestamp;

use crate::Store;
use crate::error::StoreError;
use crate::expression::{Expression, number, text};
use crate::keys::{self, OVERDUE_AT, OVERDUE_SHARD};
use crate::moment::Moment;
use crate::read::{Query, number_of, text_of};
use crate::run_item;
use crate::write::Item;

/// A cancel that meets a lease being taken or dropped looks again, at most this often.
const CANCEL_ROUNDS: u32 = 6;

const LIVE: &str = "#phase IN (:running, :unwinding)";
const UNLEASED: &str = "attribute_not_exists(#lease_until) OR #lease_until <= :now";

#[async_trait]
impl Journal for Store {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        Ok(self.run(id).await?)
    }

    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        let expression = Expression::new()
            .set("owner", text(&claim.owner.0))
            .set("lease_until", Moment::value(claim.lease_until))
            .set(OVERDUE_AT, Moment::value(claim.lease_until))
            .set("wakes", number(0))
            .set("updated_at", Moment::value(claim.now))
            .assign("#rev = #rev + :one")
            .assign("#claims = #claims + :one")
            .number(":one", 1)
            .remove("not_before")
            .when(LIVE)
            .text(":running", "running")
            .text(":unwinding", "unwinding")
            .when(UNLEASED)
            .when("attribute_not_exists(#not_before) OR #not_before <= :now OR (#phase = :running AND attribute_exists(#cancel_requested_at))")
            .value(":now", Moment::value(claim.now));
        let item = match self.update_item("claiming a run", &keys::run(id), &expression).await? {
            Ok(item) => item,
            // The answer to this very claim was lost, and it was sent again.
            Err(refused) => match refused.0.filter(|item| text_of(item, "owner") == Some(&claim.owner.0)) {
                Some(item) => item,
                None => return Ok(None),
            },
        };
        Ok(run_item::parse(item, claim.now)?.filter(|record| record.phase.is_live()))
    }

    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        let expression = holding(run_item::replace(next)?, held, guard);
        match self.update_item("writing a run's progress", &keys::run(&next.id), &expression).await? {
            Ok(item) => Ok(Written::Yes { cancel_requested_at: cancel_of(&item) }),
            Err(refused) => Ok(match whose(refused.0.as_ref(), held, next) {
                Whose::Mine(item) => Written::Yes { cancel_requested_at: cancel_of(item) },
                Whose::Guarded => Written::Cancelled,
                Whose::Theirs => Written::Superseded,
            }),
        }
    }

    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        Ok(self.settle(held, next, ending, guard).await?)
    }

    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError> {
        for _ in 0..CANCEL_ROUNDS {
            let unleased = cancelling(now).when(UNLEASED).set(OVERDUE_AT, Moment::value(now));
            let refused = match self.update_item("cancelling a run", &keys::run(id), &unleased).await? {
                Ok(_) => return Ok(CancelReply::Accepted { send: true }),
                Err(refused) => refused,
            };
            let record = match refused.0.map(|item| run_item::parse(item, now)).transpose()?.flatten() {
                None => return Ok(CancelReply::Unknown),
                Some(record) => record,
            };
            match record.phase {
                Phase::Running if !record.committed => {}
                Phase::Unwinding { why: Why::Cancelled } => return Ok(CancelReply::Accepted { send: false }),
                _ => return Ok(CancelReply::TooLate),
            }
            let leased = cancelling(now).when("#lease_until > :now");
            if self.update_item("cancelling a run", &keys::run(id), &leased).await?.is_ok() {
                return Ok(CancelReply::Accepted { send: false });
            }
        }
        Err(JournalError::Unavailable(format!("the lease of {id} kept changing")))
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, JournalError> {
        let mut found: Vec<Overdue> = self.due(keys::run_shard, Some(now), limit).await?.iter().filter_map(overdue).collect();
        found.sort_by_key(|run| run.overdue_at);
        found.truncate(limit);
        Ok(found)
    }

    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError> {
        let expression = Expression::new()
            .set(OVERDUE_AT, Moment::value(until))
            .assign("#wakes = #wakes + :one")
            .number(":one", 1)
            .when("#overdue_at = :seen")
            .value(":seen", Moment::value(seen.overdue_at));
        Ok(self.update_item("postponing a run", &keys::run(&seen.id), &expression).await?.is_ok())
    }

    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError> {
        let Some(mut record) = self.run(id).await? else {
            return Ok(false);
        };
        let Phase::Parked { was, .. } = record.phase else {
            return Ok(false);
        };
        let seen = record.rev;
        record.phase = *was;
        record.rev = record.rev.saturating_add(1);
        record.overdue_at = Some(now);
        record.updated_at = now;
        // Its claims and its deadline begin anew, or it would be parked again at once.
        (record.claims, record.wakes, record.trying) = (0, 0, None);
        let expression =
            run_item::replace(&record)?.when("#phase = :parked AND #rev = :seen").text(":parked", "parked").number(":seen", seen);
        Ok(self.update_item("resuming a run", &keys::run(id), &expression).await?.is_ok())
    }
}

impl Store {
    /// Starts a run that is about no instance: the conformance suite, and work of the platform itself. Content if it is there.
    ///
    /// # Errors
    /// The store failed.
    pub async fn start(&self, new: NewRun) -> Result<(), StoreError> {
        let item = run_item::item(&Record::begin(new, self.clock.now()))?;
        // Refused means that it is there: by an earlier try whose answer was lost.
        self.put_item("starting a run", item, &Expression::new().when("attribute_not_exists(#pk)")).await?.or(Ok(()))
    }

    /// Makes every live run due now and free to be claimed, and names them all.
    ///
    /// Only for an installation that can prove that no worker is alive, such as one process that has just taken its own lock.
    ///
    /// # Errors
    /// The store failed.
    pub async fn release_leases(&self) -> Result<Vec<RunId>, StoreError> {
        let now = self.clock.now();
        let live: Vec<Overdue> = self.due(keys::run_shard, None, usize::MAX).await?.iter().filter_map(overdue).collect();
        let mut released = Vec::new();
        for run in live {
            let expression = Expression::new()
                .set(OVERDUE_AT, Moment::value(now))
                .remove("lease_until")
                // The message that would end its pause is gone with its worker: left paused, it would miss the wake-up that comes now.
                .remove("not_before")
                .when(LIVE)
                .text(":running", "running")
                .text(":unwinding", "unwinding");
            if self.update_item("releasing a run", &keys::run(&run.id), &expression).await?.is_ok() {
                released.push(run.id);
            }
        }
        Ok(released)
    }

    /// What is in the index of due things, up to a moment, at most `limit` of each shard.
    pub(crate) async fn due(&self, shard: fn(u32) -> String, until: Option<Timestamp>, limit: usize) -> Result<Vec<Item>, StoreError> {
        let shards = (0..keys::OVERDUE_SHARDS).map(|number| {
            let expression = Expression::new().when("#overdue_shard = :shard").text(":shard", shard(number));
            let expression = match until {
                Some(until) => Expression::new()
                    .when(&format!("#{OVERDUE_SHARD} = :shard AND #{OVERDUE_AT} <= :until"))
                    .text(":shard", shard(number))
                    .value(":until", Moment::value(until)),
                None => expression,
            };
            let limited = u32::try_from(limit).ok();
            let query = Query { index: Some(keys::OVERDUE), expression, limit: limited, ..Query::default() };
            self.query_all("looking for what is due", query, limit)
        });
        Ok(try_join_all(shards).await?.into_iter().flatten().collect())
    }

    /// A run as it stands.
    pub(crate) async fn run(&self, id: &RunId) -> Result<Option<Record>, StoreError> {
        let item = self.get("reading a run", &keys::run(id)).await?;
        Ok(item.map(|item| run_item::parse(item, self.clock.now())).transpose()?.flatten())
    }
}

/// Whose write made a condition fail.
pub(crate) enum Whose<'a> {
    /// This very write, whose answer was lost: this is the item after it.
    Mine(&'a Item),
    /// Nobody's: the claim holds, the guard refused.
    Guarded,
    /// Somebody else's, or the run is gone.
    Theirs,
}

pub(crate) fn whose<'a>(item: Option<&'a Item>, held: &Held, next: &Record) -> Whose<'a> {
    let Some(item) = item else {
        return Whose::Theirs;
    };
    let (rev, owner) = (number_of::<u64>(item, "rev"), text_of(item, "owner"));
    let is = |expected: Option<&OwnerId>| owner == expected.map(|owner| owner.0.as_str());
    if rev == Some(next.rev) && is(next.owner.as_ref()) {
        Whose::Mine(item)
    } else if rev == Some(held.rev) && is(Some(&held.owner)) {
        Whose::Guarded
    } else {
        Whose::Theirs
    }
}

/// The condition of every write of a worker.
pub(crate) fn holding(expression: Expression, held: &Held, guard: Guard) -> Expression {
    let expression =
        expression.when("#rev = :held_rev AND #owner = :held_owner").number(":held_rev", held.rev).text(":held_owner", &held.owner.0);
    match guard {
        Guard::None => expression,
        Guard::NotCancelled => expression.when("attribute_not_exists(#cancel_requested_at)"),
    }
}

/// What every cancel asks: a run on its way forward that has not committed. The first one's time stays.
pub(crate) fn cancelling(now: Timestamp) -> Expression {
    Expression::new()
        .assign("#cancel_requested_at = if_not_exists(#cancel_requested_at, :now)")
        .value(":now", Moment::value(now))
        .when("#phase = :running AND #committed = :no")
        .text(":running", "running")
        .value(":no", aws_sdk_dynamodb::types::AttributeValue::Bool(false))
}

fn cancel_of(item: &Item) -> Option<Timestamp> {
    item.get("cancel_requested_at").and_then(Moment::parse)
}

fn overdue(item: &Item) -> Option<Overdue> {
    let id = RunId(text_of(item, keys::PK)?.to_owned());
    Some(Overdue { id, overdue_at: item.get(OVERDUE_AT).and_then(Moment::parse)?, wakes: number_of(item, "wakes")? })
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Refused { .. } => Self::Unavailable(error.to_string()),
            StoreError::Corrupt { key, why } => {
                let id = key.split(' ').next().unwrap_or(&key).to_owned();
                Self::Corrupt { id: RunId(id), why }
            }
        }
    }
}
