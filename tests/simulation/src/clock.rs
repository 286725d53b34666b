use std::time::Duration;

use async_trait::async_trait;
use durable::Clock;
use jiff::Timestamp;
use tokio::time::Instant;

/// The one clock of a world: tokio's own, which stands still until everything waits and then jumps to the next timer. Whatever sleeps,
/// be it a worker, the store between two tries or the AWS SDK, sleeps by it.
#[derive(Clone, Copy)]
pub(crate) struct VirtualClock {
    began: Instant,
    epoch: Timestamp,
}

impl VirtualClock {
    /// A clock that shows Monday the 5th of January 2026, midnight. To be made inside a runtime whose time is paused.
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), epoch: Timestamp::from_second(1_767_571_200).expect("a moment within range") }
    }

    pub(crate) fn now(self) -> Timestamp {
        self.epoch + self.began.elapsed()
    }

    pub(crate) const fn epoch(self) -> Timestamp {
        self.epoch
    }

    pub(crate) async fn sleep_until(self, moment: Timestamp) {
        let left = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(left).await;
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Self::now(*self)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
