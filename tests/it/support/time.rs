use std::time::Duration;

use async_trait::async_trait;
use durable::Clock;
use jiff::Timestamp;
use tokio::time::Instant;

/// The clock of a runtime whose time is paused: it goes on whenever everybody waits for nothing but time.
#[derive(Clone, Copy)]
pub(crate) struct VirtualClock {
    began_at: Timestamp,
    began: Instant,
}

impl VirtualClock {
    /// Midnight of a day, at the beginning of a minute.
    pub(crate) fn start() -> Self {
        Self { began_at: "2026-11-23T00:00:00Z".parse().unwrap(), began: Instant::now() }
    }

    /// Seconds since the start.
    pub(crate) fn elapsed(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Waits until so many seconds after the start.
    pub(crate) async fn until(&self, seconds: u64) {
        tokio::time::sleep_until(self.began + Duration::from_secs(seconds)).await;
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.began_at + self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
