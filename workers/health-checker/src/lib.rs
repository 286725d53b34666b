//! Checks a shard of the fleet: every instance that is wanted running and that no run owns. It writes only what changed, and it starts
//! no repair, because it sees no region as a whole: three misses make a suspect, and the sweep weighs suspects.

mod lambda;
mod probe;

use std::sync::Arc;

use domain::State;
use durable::Clock;
use dynamo::{Store, StoreError, Target};
use flows::health::{SUSPECT_AFTER, ShardCheck};
use futures::{StreamExt, stream};
use jiff::SignedDuration;
pub use lambda::{Settings, from_environment};
pub use probe::{Ask, Probe, Seen};

/// A check that is further than this from its minute is dropped: the next minute's is on its way, and what it would find is not of its
/// minute.
const STALE: SignedDuration = SignedDuration::from_secs(60);

/// A check may be this far ahead of this clock and no further: the clocks of two computers differ, and one whose minute has not come would
/// count a single bad moment twice.
const AHEAD: SignedDuration = SignedDuration::from_secs(10);

/// Instances that are asked at the same time.
const AT_ONCE: usize = 512;

/// What the worker works with.
pub struct HealthChecker<P = Probe> {
    /// The state.
    pub store: Store,
    /// Asks an instance.
    pub probe: P,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// A message was not handled.
#[derive(Debug, thiserror::Error)]
pub enum HealthCheckerError {
    /// It names no shard and minute.
    #[error("the message is no check of a shard")]
    NotACheck(#[from] serde_json::Error),
    /// The fleet could not be read, or what was seen not be written.
    #[error("the fleet could not be read or written")]
    Store(#[from] StoreError),
}

/// What one check of a shard came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Instances that answered well.
    pub well: usize,
    /// Instances that did not.
    pub missed: usize,
    /// Instances that did not and are degraded: no check and no repair will heal them.
    pub degraded: usize,
    /// Writes: none where nothing changed.
    pub written: usize,
}

impl Checked {
    /// Tells these figures to whoever collects them.
    pub fn measure(self) {
        shell::measure(&[("ChecksWell", self.well), ("ChecksMissed", self.missed), ("DegradedInstances", self.degraded)]);
    }

    /// These and others together.
    #[must_use]
    pub const fn and(mut self, other: Self) -> Self {
        self.well += other.well;
        self.missed += other.missed;
        self.degraded += other.degraded;
        self.written += other.written;
        self
    }
}

impl<P: Ask> HealthChecker<P> {
    /// Checks the shard that a message names.
    ///
    /// # Errors
    /// [`HealthCheckerError`]; the message is delivered again, and a miss of the same minute still counts once.
    pub async fn handle(&self, body: &str) -> Result<Checked, HealthCheckerError> {
        let ShardCheck { shard, minute } = serde_json::from_str(body)?;
        if !self.is_timely(minute) {
            tracing::warn!(shard, minute, "a check is not of this minute and was dropped");
            return Ok(Checked::default());
        }
        let targets = self.store.fleet(shard).await?;
        // Each is written down by whoever asked it: nobody's answer waits unread, and counts as late, while another's is written.
        let mut all = stream::iter(targets).map(|target| self.check(target, minute)).buffer_unordered(AT_ONCE);
        let (mut checked, mut failed) = (Checked::default(), None);
        while let Some(one) = all.next().await {
            match one {
                Ok(one) => checked = checked.and(one),
                // The others are checked all the same: when this message comes again, its minute is over.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(checked), |error| Err(error.into()))
    }

    /// Whether a check of this minute still, or already, says something.
    pub fn is_timely(&self, minute: i64) -> bool {
        let age = self.clock.now().as_second().saturating_sub(minute.saturating_mul(60));
        // One from the future is no better than an old one: its miss would stand in the way of all that come before its minute.
        (-AHEAD.as_secs()..=STALE.as_secs()).contains(&age)
    }

    async fn check(&self, target: Target, minute: i64) -> Result<Checked, StoreError> {
        let seen = self.probe.ask(&target.address).await;
        let well = seen == Seen::Well;
        let degraded = !well && target.state == State::Degraded;
        let written = self.record(&target, seen, minute).await?;
        Ok(Checked { well: usize::from(well), missed: usize::from(!well), degraded: usize::from(degraded), written: usize::from(written) })
    }

    /// Writes what changed, and says whether anything did.
    ///
    /// # Errors
    /// The store failed.
    pub async fn record(&self, target: &Target, seen: Seen, minute: i64) -> Result<bool, StoreError> {
        match seen {
            Seen::Well if target.misses == 0 && target.state != State::Degraded => Ok(false),
            Seen::Well => self.store.record_well(target).await.map(|()| true),
            // A degraded instance is already in a person's hands, and three misses are as many as count.
            Seen::Missed(_) if target.state == State::Degraded || target.misses >= SUSPECT_AFTER => Ok(false),
            Seen::Missed(why) => {
                let misses = self.store.record_miss(target, minute, &why).await?;
                tracing::warn!(instance = %target.instance, misses, why, "a check was missed");
                Ok(true)
            }
        }
    }
}
