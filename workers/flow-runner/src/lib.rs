//! Moves runs on. A message is a run's identifier; all there is to know is in the run.
//!
//! A run's own trouble never fails its message: it waits, unwinds or parks in its record. What fails a message is a body that names no
//! run, which reaches the dead-letter queue, and a store that does not answer, after which SQS delivers the message again.

mod lambda;

use std::sync::Arc;

use durable::{Driven, Engine, JournalError, RunId};
use flows::ports::{Queue, QueueError};
use flows::{AddressError, parse_run_id};
use jiff::{SignedDuration, Timestamp};
pub use lambda::{Settings, from_environment};
use tracing::Instrument as _;

/// Time that an invocation keeps for its last write and its message.
const LAST_WORDS: SignedDuration = SignedDuration::from_secs(5);

/// What the worker works with.
pub struct FlowRunner {
    /// Moves runs on.
    pub engine: Engine,
    /// Ended runs whose notices are to be delivered.
    pub notices: Arc<dyn Queue>,
}

/// A message was not handled.
#[derive(Debug, thiserror::Error)]
pub enum FlowRunnerError {
    /// It names no run.
    #[error("the message names no run")]
    NotARun(#[from] AddressError),
    /// The run could not be worked on.
    #[error("the run could not be moved on")]
    Journal(#[from] JournalError),
    /// The run has ended, but its notices were not sent on; the sweep will send them.
    #[error("the end of the run was not announced")]
    Announce(#[from] QueueError),
}

impl FlowRunner {
    /// Works on the run that a message names, until it pauses or ends or the invocation's time is nearly over.
    ///
    /// # Errors
    /// [`FlowRunnerError`]; the message is then delivered again.
    pub async fn handle(&self, body: &str, deadline: Timestamp) -> Result<Driven, FlowRunnerError> {
        let run = RunId(body.to_owned());
        let (organisation, operation) = parse_run_id(&run)?;
        let span = tracing::info_span!("operation", %organisation, %operation);
        self.move_on(&run, body, deadline).instrument(span).await
    }

    async fn move_on(&self, run: &RunId, body: &str, deadline: Timestamp) -> Result<Driven, FlowRunnerError> {
        let driven = self.engine.drive(run, deadline - LAST_WORDS).await?;
        match &driven {
            Driven::Ended { outcome, .. } => {
                tracing::info!(%run, ?outcome, "a run ended");
                self.notices.send(body).await?;
            }
            Driven::Parked { why } => {
                tracing::error!(alarm = "run_parked", %run, why, "a run waits for a person");
                shell::measure(&[("RunsParked", 1)]);
            }
            Driven::UnknownVersion => {
                tracing::warn!(alarm = "unknown_version", %run, "a run was left for newer code");
                shell::measure(&[("UnknownVersionRuns", 1)]);
            }
            Driven::Paused { until } => tracing::info!(%run, %until, "a run waits"),
            Driven::NotMine | Driven::Superseded => tracing::debug!(%run, "another worker has it, or it is over"),
        }
        Ok(driven)
    }
}
