//! The clock's function, once a minute: wakes overdue runs, sends the fleet's shards to be checked, weighs suspects, and brings
//! undelivered notices back. It decides and sends; it never calls a mutating endpoint of the provider.
//!
//! Every part runs even if another failed, and a minute that is lost is made up for by the next.

mod lambda;
mod weigh;

pub use lambda::{Settings, Tick, from_environment, serve};

use std::sync::Arc;

use durable::{Engine, Phase, SweepReport};
use dynamo::{Store, StoreError};
use flows::health::ShardCheck;
use flows::ports::Queue;
use jiff::{SignedDuration, Timestamp};

/// Overdue runs that one minute wakes; what is over it stays overdue and is found by the next.
const MOST_RUNS: usize = 1000;

/// Parked runs that one minute speaks of: more are a single cause.
const MOST_PARKED: usize = 100;

/// Notices that one minute sends again.
const MOST_NOTICES: u32 = 100;

/// A notice is sent as soon as its run ends; one that is still undelivered after this long is sent again.
const NOTICE_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What the sweep works with.
pub struct Sweep {
    /// The state.
    pub store: Store,
    /// Wakes runs. Of its flows it uses none.
    pub engine: Engine,
    /// Shards to check.
    pub health: Arc<dyn Queue>,
    /// Ended runs whose notices are to be delivered.
    pub notices: Arc<dyn Queue>,
}

/// What one minute came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minute {
    /// The runs that were overdue.
    pub runs: SweepReport,
    /// Shards that were sent to be checked.
    pub shards: u32,
    /// Repairs that were started.
    pub repairs: usize,
    /// Notices that were sent again.
    pub notices: usize,
    /// Runs that wait for a person.
    pub parked: usize,
}

/// A minute whose parts did not all succeed. The others were done.
#[derive(Debug, thiserror::Error)]
#[error("this minute's sweep is incomplete: {}", .0.join("; "))]
pub struct SweepError(pub Vec<String>);

impl Sweep {
    /// Does one minute's work.
    ///
    /// # Errors
    /// If a part failed; all the others have been done.
    pub async fn minute(&self, scheduled: Timestamp) -> Result<Minute, SweepError> {
        let minute = scheduled.as_second().div_euclid(60);
        let now = self.engine.clock.now();
        let mut done = Minute::default();
        let mut failed = Vec::new();

        match self.engine.sweep(MOST_RUNS).await {
            Ok(report) => done.runs = report,
            Err(error) => failed.push(format!("overdue runs: {error}")),
        }
        for shard in 0..Store::FLEET_SHARDS {
            let check = serde_json::to_string(&ShardCheck { shard, minute }).expect("two numbers");
            match self.health.send(&check).await {
                Ok(()) => done.shards += 1,
                Err(error) => failed.push(format!("shard {shard}: {error}")),
            }
        }
        done.repairs = self.weigh(minute, now, &mut failed).await;
        match self.resend_notices(now).await {
            Ok(notices) => done.notices = notices,
            Err(error) => failed.push(format!("notices: {error}")),
        }
        match self.call_about_parked_runs().await {
            Ok(parked) => done.parked = parked,
            Err(error) => failed.push(format!("parked runs: {error}")),
        }
        if failed.is_empty() { Ok(done) } else { Err(SweepError(failed)) }
    }

    /// Says of every run that waits for a person that it does, every minute until one has come: the worker that parked it may have died
    /// before it could say so, and a call may go unheard.
    async fn call_about_parked_runs(&self) -> Result<usize, StoreError> {
        let parked = self.store.parked(MOST_PARKED).await?;
        for record in &parked {
            if let Phase::Parked { why, .. } = &record.phase {
                tracing::error!(alarm = "run_parked", run = %record.id, kind = record.kind, since = %record.updated_at, why, "a run waits for a person");
            }
        }
        Ok(parked.len())
    }

    async fn resend_notices(&self, now: Timestamp) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let undelivered = self.store.undelivered(now - NOTICE_PATIENCE, MOST_NOTICES).await?;
        // One message per cause: the notifier delivers all of its notices.
        let causes: std::collections::BTreeSet<_> =
            undelivered.iter().filter_map(|notice| notice.id.rsplit_once('-').map(|(cause, _)| cause.to_owned())).collect();
        for cause in &causes {
            self.notices.send(cause).await?;
        }
        Ok(undelivered.len())
    }
}
