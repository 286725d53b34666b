//! A durable flow: a business process written as one async function that may lose its worker, its message or its answer at any
//! moment and still does every step once.
//!
//! ```
//! use durable::{Attempt, Flow, Run};
//!
//! # struct World;
//! # impl World {
//! #     async fn ensure_volume(&self, _: &str) -> Attempt<String> { Ok("vol_1".to_owned()) }
//! #     async fn delete_volumes(&self, _: &str) -> Attempt<()> { Ok(()) }
//! # }
//! async fn make_room<'a>(run: &mut Run<'a>, world: &'a World, name: &'a str) -> Flow<String> {
//!     run.undo("delete_volumes", world.delete_volumes(name));
//!     let id = run.step("create_volume", world.ensure_volume(name)).await?;
//!     run.commit("in_service").await?;
//!     Ok(id)
//! }
//! ```
//!
//! [`Engine::drive`] claims a run, walks its flow from the top, gives recorded steps their recorded results, does the fresh ones and
//! writes each down in one conditional write. A walk ends in a pause, in the run's end, on the way back, or in front of a person.
//!
//! What always holds, whoever dies and whatever is answered late, twice or never:
//!
//! * The stored [`Record`] is the truth; a message carries an identifier and nothing else.
//! * Every live run has an `overdue_at`, and only live runs do: the sweep finds every one of them.
//! * A write names its owner and revision, or it is not stored; a worker that lost its claim touches nothing more.
//! * What is to be undone is armed before it is done, and the turn is written before the first undo.
//! * A cancel that was accepted never ends in success; after the commit none is accepted.
//! * A flow that meets a journal it did not write parks and touches nothing.
//!
//! A call that was sent may be answered by the world after its worker died. Steps are therefore calls that may be made any number of
//! times (`ensure_…`, `delete_…`); the engine sees to it that none is in flight when another worker may claim the run.
//!
//! This crate knows no business word, no AWS, no HTTP and no async runtime. It has three ports, which others implement: [`Journal`]
//! (where runs are kept), [`Wake`] (the queue that brings a run back) and [`Clock`]. The feature `testing` has doubles of them, the
//! conformance suite of a journal, and the harness that performs a flow under every adversity.

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
