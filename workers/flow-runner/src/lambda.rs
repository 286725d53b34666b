use std::sync::Arc;

use shell::{
    Assembly, AssemblyError, Aws, AwsSettings, DeploymentSettings, Environment, FlowQueue, FlySettings, KeySettings, QueueSettings, Reader,
    SqsQueue, StoreSettings, SystemClock,
};

use crate::FlowRunner;

/// The settings of this function: its part of the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    aws: AwsSettings,
    store: StoreSettings,
    deployment: DeploymentSettings,
    flow: QueueSettings,
    notice: QueueSettings,
    fly: FlySettings,
    keys: KeySettings,
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
            notice: QueueSettings::notice(reader),
            fly: FlySettings::read(reader),
            keys: KeySettings::read(reader),
        }
    }

    async fn assemble(self) -> Result<FlowRunner, AssemblyError> {
        let (http, clock) = (shell::http_client()?, Arc::new(SystemClock));
        let aws = Aws::new(self.aws, http.clone());
        let world = shell::world(&aws, &self.fly, &self.keys, http, clock.clone()).await?;
        let store = shell::store(&aws, &self.store, &self.deployment, clock.clone());
        let wake = FlowQueue(SqsQueue::new(aws.sqs(), &self.flow));
        Ok(FlowRunner { engine: shell::engine(store, wake, clock, world), notices: Arc::new(SqsQueue::new(aws.sqs(), &self.notice)) })
    }
}

/// The worker of this environment, put together when a message first wants it.
pub fn from_environment(environment: Environment<'_>) -> Assembly<FlowRunner> {
    Assembly::new(shell::read_settings(environment, Settings::read), |settings| Box::pin(settings.assemble()))
}
