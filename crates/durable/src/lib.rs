//! A durable flow: a business process written as one async function that may lose its worker, its message or its answer at any
//! moment and still does every step once.
//!
//! This crate knows no business word, no AWS and no HTTP. It has three ports, which others implement: [`Journal`] (where runs are
//! kept), [`Wake`] (the queue that brings a run back) and [`Clock`].

mod catalogue;
mod drive;
mod engine;
mod grip;
mod journal;
mod record;
mod run;
mod setback;
mod sweep;
#[cfg(feature = "testing")]
pub mod testing;
mod timing;
mod unwind;
mod verdict;

pub use catalogue::{Catalogue, Execute, Unknown};
pub use engine::{Driven, Engine};
pub use journal::{CancelReply, Claim, Ended, Ending, Guard, Held, Journal, JournalError, Overdue, Written};
pub use record::{Act, Entry, NewRun, Outcome, OwnerId, Phase, Record, RunId, Trying, Undone, Why};
pub use run::{Flow, Interrupted, Limits, Mark, Run};
pub use setback::{Attempt, Setback};
pub use sweep::SweepReport;
pub use timing::Timing;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// What time it is. Virtual in tests.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// Returns after this long, by this clock.
    async fn sleep(&self, duration: Duration);
}

/// The queue that brings a run back to a worker. A message carries only the run's identifier; it may arrive late, twice or never.
#[async_trait]
pub trait Wake: Send + Sync {
    /// Sends the identifier, to arrive not before `delay` has passed. Whole seconds; at most 900 (the limit of Amazon SQS).
    async fn wake(&self, run: &RunId, delay: Duration) -> Result<(), WakeError>;
}

/// A message could not be sent. The run is not lost: the sweep finds it by `overdue_at`.
#[derive(Debug, thiserror::Error)]
#[error("the run could not be sent to its queue: {0}")]
pub struct WakeError(pub String);
