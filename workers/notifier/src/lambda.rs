use std::sync::Arc;

use shell::{Assembly, AssemblyError, Aws, AwsSettings, DeploymentSettings, Environment, Reader, StoreSettings, SystemClock};

use crate::{Notifier, Outbox};

/// The settings of this function: its part of the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    aws: AwsSettings,
    store: StoreSettings,
    deployment: DeploymentSettings,
    /// `ROCKPOOL_OUTBOX`: the address that takes notices.
    outbox: String,
}

impl Settings {
    /// Reads all of them.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self {
            aws: AwsSettings::read(reader),
            store: StoreSettings::read(reader),
            deployment: DeploymentSettings::read(reader),
            outbox: reader.address("ROCKPOOL_OUTBOX"),
        }
    }

    fn assemble(self) -> Result<Notifier, AssemblyError> {
        let http = shell::http_client()?;
        let store = shell::store(&Aws::new(self.aws, http.clone()), &self.store, &self.deployment, Arc::new(SystemClock));
        Ok(Notifier { store, sink: Arc::new(Outbox::new(http, self.outbox)) })
    }
}

/// The worker of this environment, put together when a message first wants it.
pub fn from_environment(environment: Environment<'_>) -> Assembly<Notifier> {
    Assembly::new(shell::read_settings(environment, Settings::read), |settings| Box::pin(std::future::ready(settings.assemble())))
}
