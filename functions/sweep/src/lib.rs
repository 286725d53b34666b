//! The clock's function, once a minute: wakes overdue runs, sends the fleet's shards to be checked, weighs suspects, and brings
//! undelivered notices back. It decides and sends; it never calls a mutating endpoint of the provider.
//!
//! Every part runs even if another failed, and a minute that is lost is made up for by the next.

mod lambda;
mod weigh;

pub use lambda::{Settings, Tick, from_environment, serve};

use std::collections::BTreeSet;
use std::sync::Arc;

use durable::{Engine, Phase, SweepReport};
use dynamo::{Store, StoreError};
use flows::health::{ShardCheck, weighing_minute};
use flows::ports::Queue;
use jiff::{SignedDuration, Timestamp};

/// Overdue runs that one minute wakes; what is over it stays overdue and is found by the next.
const MOST_RUNS: usize = 1000;

/// Parked runs that one minute speaks of: more are a single cause.
const MOST_PARKED: usize = 100;

/// Notices that one minute sends again.
const MOST_NOTICES: usize = 100;

/// A notice is sent as soon as its run ends; one that is still undelivered after this long is sent again.
const NOTICE_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// No notice is left alone for longer.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);

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
        let minute = minute_of(scheduled);
        let now = self.engine.clock.now();
        let mut done = Minute::default();
        let mut failed = Vec::new();

        self.wake_runs(&mut done, &mut failed).await;
        for shard in 0..Store::FLEET_SHARDS {
            let check = serde_json::to_string(&ShardCheck { shard, minute }).expect("two numbers");
            match self.health.send(&check).await {
                Ok(()) => done.shards += 1,
                Err(error) => failed.push(format!("shard {shard}: {error}")),
            }
        }
        done.repairs = self.weigh(weighing_minute(minute, minute_of(now)), now, &mut failed).await;
        self.follow_up(now, &mut done, &mut failed).await;
        if failed.is_empty() { Ok(done) } else { Err(SweepError(failed)) }
    }

    /// What a platform needs that has just been started on one computer: its runs and its notices, and nothing about health. Every
    /// gateway on it is still booting, and a check of each would be a miss that says nothing.
    ///
    /// # Errors
    /// If a part failed; all the others have been done.
    pub async fn begin(&self) -> Result<Minute, SweepError> {
        let (mut done, mut failed) = (Minute::default(), Vec::new());
        self.wake_runs(&mut done, &mut failed).await;
        self.follow_up(self.engine.clock.now(), &mut done, &mut failed).await;
        if failed.is_empty() { Ok(done) } else { Err(SweepError(failed)) }
    }

    async fn wake_runs(&self, done: &mut Minute, failed: &mut Vec<String>) {
        match self.engine.sweep(MOST_RUNS).await {
            Ok(report) => {
                shell::measure(&[("OverdueRuns", report.overdue)]);
                done.runs = report;
            }
            Err(error) => failed.push(format!("overdue runs: {error}")),
        }
    }

    async fn follow_up(&self, now: Timestamp, done: &mut Minute, failed: &mut Vec<String>) {
        match self.resend_notices(now).await {
            Ok(notices) => {
                done.notices = notices;
                shell::measure(&[("UndeliveredNotices", notices)]);
            }
            Err(error) => failed.push(format!("notices: {error}")),
        }
        match self.call_about_parked_runs().await {
            Ok(parked) => {
                done.parked = parked;
                shell::measure(&[("ParkedRuns", parked)]);
            }
            Err(error) => failed.push(format!("parked runs: {error}")),
        }
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

    /// Sends what is still undelivered again, each notice less and less often: those that nobody can take must not stand before those
    /// that somebody would.
    async fn resend_notices(&self, now: Timestamp) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        // One message per cause: the notifier delivers all of its notices.
        let (mut causes, mut notices) = (BTreeSet::new(), 0);
        for due in self.store.due_notices(now - NOTICE_PATIENCE, MOST_NOTICES).await? {
            // Put off first and sent second: if this sweep dies in between, a later one finds it.
            if self.store.postpone_notice(&due, now + pause_after(due.wakes) - NOTICE_PATIENCE).await? {
                notices += 1;
                causes.insert(due.cause);
            }
        }
        let mut sent = Ok(notices);
        for cause in &causes {
            if let Err(error) = self.notices.send(cause).await {
                sent = Err(error.into());
            }
        }
        sent
    }
}

fn minute_of(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(60)
}

/// How long a notice is left alone after it was sent so many times in vain: 60, 120, 240 s… up to an hour.
fn pause_after(wakes: u32) -> SignedDuration {
    NOTICE_PATIENCE.saturating_mul(1 << wakes.min(6)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_left_alone_for_longer_each_time_and_never_for_more_than_an_hour() {
        let pauses = [0, 1, 2, 5, 6, 7, u32::MAX].map(|wakes| pause_after(wakes).as_secs());
        assert_eq!(pauses, [60, 120, 240, 1920, 3600, 3600, 3600]);
    }
}
