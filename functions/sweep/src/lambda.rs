use std::sync::Arc;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
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

/// Serves the schedule. The event's own time is the scheduled minute, so that a late or repeated event counts for the minute it was for.
///
/// # Errors
/// If the Lambda runtime's own interface fails.
pub async fn serve(sweep: Sweep) -> Result<(), Error> {
    let sweep = &sweep;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<EventBridgeEvent>| {
        let scheduled = jiff::Timestamp::from_second(event.payload.time.timestamp())?;
        let minute = sweep.minute(scheduled).await?;
        tracing::info!(?minute, "swept");
        Ok::<_, Error>(())
    }))
    .await
}
