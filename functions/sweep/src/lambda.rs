use std::sync::Arc;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde::Deserialize;
use shell::{
    Assembly, AssemblyError, Aws, AwsSettings, DeploymentSettings, Environment, FlowQueue, QueueSettings, Reader, SqsQueue, StoreSettings,
    SystemClock, TraceContext,
};

use crate::Sweep;

/// The settings of this function: its part of the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    aws: AwsSettings,
    store: StoreSettings,
    deployment: DeploymentSettings,
    flow: QueueSettings,
    health: QueueSettings,
    notice: QueueSettings,
}

impl Settings {
    /// Reads all of them.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self {
            aws: AwsSettings::read(reader),
            store: StoreSettings::read(reader),
            deployment: DeploymentSettings::read(reader),
            flow: QueueSettings::flow(reader),
            health: QueueSettings::health(reader),
            notice: QueueSettings::notice(reader),
        }
    }

    fn assemble(self) -> Result<Sweep, AssemblyError> {
        let (aws, clock) = (Aws::new(self.aws, shell::http_client()?), Arc::new(SystemClock));
        let store = shell::store(&aws, &self.store, &self.deployment, clock.clone());
        let wake = FlowQueue(SqsQueue::new(aws.sqs(), &self.flow));
        Ok(Sweep {
            engine: shell::waking_engine(store.clone(), wake, clock),
            store,
            health: Arc::new(SqsQueue::new(aws.sqs(), &self.health)),
            notices: Arc::new(SqsQueue::new(aws.sqs(), &self.notice)),
        })
    }
}

/// The sweep of this environment, put together when a minute first wants it.
pub fn from_environment(environment: Environment<'_>) -> Assembly<Sweep> {
    Assembly::new(shell::read_settings(environment, Settings::read), |settings| Box::pin(std::future::ready(settings.assemble())))
}

/// What the schedule sends: an event of EventBridge, or the input of EventBridge Scheduler with `<aws.scheduler.scheduled-time>`
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>). Both have the time.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Tick {
    /// The minute that it is for. The event's own time, so that a late or repeated event counts for the minute it was for.
    pub time: Timestamp,
}

/// Serves the schedule. A minute that cannot be swept is an error, which the schedule's alarm counts; the next makes up for it.
///
/// # Errors
/// If the Lambda runtime's own interface fails.
pub async fn serve(sweep: Assembly<Sweep>) -> Result<(), Error> {
    let sweep = &sweep;
    let handler = service_fn(async |event: LambdaEvent<Tick>| {
        let sweep = sweep.get().await?;
        // Boxed, because the runtime wraps this future in so many others that the compiler gives up on the size of the whole.
        let minute = TraceContext::begin().within("minute", Box::pin(sweep.minute(event.payload.time))).await;
        shell::flush().await;
        let minute = minute.inspect_err(|error| tracing::error!(cause = %error, "a minute was not swept"))?;
        shell::measure(&[("SweepCompleted", 1), ("RepairsStarted", minute.repairs)]);
        tracing::info!(?minute, "swept");
        Ok::<_, Error>(())
    });
    shell::serve(Runtime::new(handler)).await
}
