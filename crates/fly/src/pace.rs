use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// How patient one call is. Everything longer is the caller's to decide: a durable flow pauses, it does not hold a worker.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often one call may be sent, the first time included.
    pub attempts: usize,
    /// The pause before the second attempt; it doubles, with jitter.
    pub first_pause: Duration,
    /// The longest pause, and the longest `Retry-After` that is waited for here; a longer one is the caller's to keep.
    pub longest_pause: Duration,
}

impl Default for Pace {
    /// Three attempts within about two seconds of pauses. Fly.io allows one request per second and resource with bursts of three
    /// (<https://fly.io/docs/machines/api/working-with-machines-api/#rate-limits>), so that a pause of up to two seconds is often enough.
    fn default() -> Self {
        Self { attempts: 3, first_pause: Duration::from_millis(250), longest_pause: Duration::from_secs(2) }
    }
}

impl Pace {
    /// The pauses between attempts, jittered, one fewer than the attempts.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Duration> {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build()
    }
}
