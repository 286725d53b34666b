use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Where the simulator reads the time.
///
/// Every wait of the simulator goes through [`tokio::time`], so a test that pauses tokio's clock decides how fast a machine boots. The
/// time *of day* must then follow the same clock, or a lease would never expire in virtual time.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The time of day of this computer.
    #[default]
    System,
    /// A fixed beginning plus what tokio's clock has counted since: virtual when tokio's clock is paused.
    Runtime {
        /// The time of day at `since`.
        origin: Timestamp,
        /// The moment to count from.
        since: Instant,
    },
}

impl Clock {
    /// A clock that follows tokio's, beginning now. It must be called within a runtime for a paused clock to be seen.
    #[must_use]
    pub fn runtime() -> Self {
        Self::Runtime { origin: Timestamp::now(), since: Instant::now() }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Runtime { origin, since } => *origin + since.elapsed(),
        }
    }

    /// How long from now until a time, zero if it has passed.
    pub(crate) fn until(&self, time: Timestamp) -> Duration {
        Duration::try_from(time.duration_since(self.now())).unwrap_or(Duration::ZERO)
    }
}
