//! Moves runs on. A message is a run's identifier; all there is to know is in the run.
//!
//! A run's own trouble never fails its message: it waits, unwinds or parks in its record. What fails a message is a body that names no
//! run, which reaches the dead-letter queue, and a store that does not answer, after which SQS delivers the message again.

use std::sync::Arc;

use durable::{Driven, Engine, JournalError, RunId};
use flows::ports::{Queue, QueueError};
use flows::{AddressError, parse_run_id};
use jiff::{SignedDuration, Timestamp};
use shell::{
    Aws, AwsSettings, DeploymentSettings, Environment, FlowQueue, FlySettings, KeySettings, QueueSettings, SqsQueue, StoreSettings,
    SystemClock,
};

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
        parse_run_id(&run)?;
        let driven = self.engine.drive(&run, deadline - LAST_WORDS).await?;
        match &driven {
            Driven::Ended { outcome, .. } => {
                tracing::info!(%run, ?outcome, "a run ended");
                self.notices.send(body).await?;
            }
            Driven::Parked { why } => tracing::error!(alarm = "run_parked", %run, why, "a run waits for a person"),
            Driven::UnknownVersion => tracing::warn!(alarm = "unknown_version", %run, "a run was left for newer code"),
            Driven::Paused { until } => tracing::info!(%run, %until, "a run waits"),
            Driven::NotMine | Driven::Superseded => tracing::debug!(%run, "another worker has it, or it is over"),
        }
        Ok(driven)
    }

    /// Builds the worker from the environment.
    ///
    /// # Errors
    /// One error that names every setting that is missing or malformed, or a secret that cannot be read.
    pub async fn from_environment(environment: Environment<'_>) -> Result<Self, lambda_runtime::Error> {
        let (aws, store, deployment, flow, notice, fly, keys) = shell::read_settings(environment, |reader| {
            (
                AwsSettings::read(reader),
                StoreSettings::read(reader),
                DeploymentSettings::read(reader),
                QueueSettings::flow(reader),
                QueueSettings::notice(reader),
                FlySettings::read(reader),
                KeySettings::read(reader),
            )
        })?;
        let (aws, clock) = (Aws::new(aws), Arc::new(SystemClock));
        let world = shell::world(&aws, &fly, &keys, shell::http_client()?, clock.clone()).await?;
        let store = shell::store(&aws, &store, &deployment, clock.clone());
        let wake = FlowQueue(SqsQueue::new(aws.sqs(), &flow));
        Ok(Self { engine: shell::engine(store, wake, clock, world), notices: Arc::new(SqsQueue::new(aws.sqs(), &notice)) })
    }
}
