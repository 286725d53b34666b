//! Wall time and processor time together: on a busy machine the second says what the first hides.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Outcome;

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    /// Of all threads of this process, in user and kernel.
    pub(crate) processor: Duration,
}

/// Measures from its start.
pub(crate) struct Stopwatch {
    begun: Instant,
    processor: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Outcome<Self> {
        Ok(Self { begun: Instant::now(), processor: processor(UsageWho::RUSAGE_SELF)? })
    }

    pub(crate) fn stop(&self) -> Outcome<Spent> {
        Ok(Spent { wall: self.begun.elapsed(), processor: processor(UsageWho::RUSAGE_SELF)?.saturating_sub(self.processor) })
    }
}

/// Processor time so far, of this process or of the thread that asks.
pub(crate) fn processor(who: UsageWho) -> Outcome<Duration> {
    let usage = getrusage(who)?;
    let duration =
        |time: TimeVal| Ok::<_, std::num::TryFromIntError>(Duration::new(time.tv_sec().try_into()?, u32::try_from(time.tv_usec())? * 1000));
    Ok(duration(usage.user_time())? + duration(usage.system_time())?)
}
