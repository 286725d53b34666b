use std::sync::Arc;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use shell::{Aws, AwsSettings, DeploymentSettings, Environment, FlowQueue, QueueSettings, SqsQueue, StoreSettings, SystemClock};

use crate::Sweep;

/// Builds the sweep from the environment.
///
/// # Errors
/// One error that names every setting that is missing or malformed.
pub async fn from_environment(environment: Environment<'_>) -> Result<Sweep, Error> {
    let (aws, store, deployment, flow, health, notice) = shell::read_settings(environment, |reader| {
        (
            AwsSettings::read(reader),
            StoreSettings::read(reader),
            DeploymentSettings::read(reader),
            QueueSettings::flow(reader),
            QueueSettings::health(reader),
            QueueSettings::notice(reader),
        )
    })?;
    let (aws, clock) = (Aws::new(aws), Arc::new(SystemClock));
    let store = shell::store(&aws, &store, &deployment, clock.clone());
    let wake = FlowQueue(SqsQueue::new(aws.sqs(), &flow));
    Ok(Sweep {
        engine: shell::waking_engine(store.clone(), wake, clock),
        store,
        health: Arc::new(SqsQueue::new(aws.sqs(), &health)),
        notices: Arc::new(SqsQueue::new(aws.sqs(), &notice)),
    })
}

/// What the schedule sends: an event of EventBridge, or the input of EventBridge Scheduler with `<aws.scheduler.scheduled-time>`
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>). Both have the time.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Tick {
    /// The minute that it is for. The event's own time, so that a late or repeated event counts for the minute it was for.
    pub time: Timestamp,
}

/// Serves the schedule.
///
/// # Errors
/// If the Lambda runtime's own interface fails.
pub async fn serve(sweep: Sweep) -> Result<(), Error> {
    let sweep = &sweep;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Tick>| {
        // Boxed, because the runtime wraps this future in so many others that the compiler gives up on the size of the whole.
        let minute = Box::pin(sweep.minute(event.payload.time)).await?;
        tracing::info!(?minute, "swept");
        Ok::<_, Error>(())
    }))
    .await
}
